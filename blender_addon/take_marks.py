"""What a take's action keeps of what it was made from: the solved motion, the keypoints, the video, and where the take began.

So a take goes onto other rigs and is corrected after its file was saved and opened again, elsewhere too. Size: about a quarter of what the
take's own curves need, some 3 MB for a minute of video. Limits: Blender's Merge Animation takes curves into another action, not the marks.
"""

from __future__ import annotations

import hashlib
import io
import os
import time
from collections import Counter
from pathlib import Path, PureWindowsPath
from typing import Any

import bpy
import numpy as np

from . import versions
from .core.errors import InputError
from .core.keypoints import Keypoints, load_keypoints
from .core.motion import Motion, load_motion

_MOTION, _KEYPOINTS, _SOURCE = "Mocap Motion", "Mocap Keypoints", "Mocap Source"
_SOLVE, _MADE = "Mocap Solve", "Mocap Made"  # of which solve the take is, and when it was put there
_DIGEST, _START, _END = "Mocap Digest", "Mocap Start", "Mocap End"
"""Custom properties of a take's action: which keypoints it is of, on which frame it began when it was made, and its last key then."""


def digest(keypoints: Keypoints) -> str:
    """By which keypoints are known again, in whatever Blender; those of a file and those that went into it are alike."""
    k = keypoints.canonical()
    parts = [np.ascontiguousarray(a, dtype=np.float32).tobytes() for a in (k.xy, k.confidence, k.times)]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def mark(action: Any, motion: Motion, source: Path, keypoints: Keypoints | None, start_frame: int, solve: str) -> None:
    """Notes on a take's action what it was made from, the scene's frame that it begins on, and its last key. solve: by which takes of the
    same solved motion are known."""
    action[_MOTION], action[_SOURCE], action[_SOLVE], action[_MADE] = _packed(motion), str(source), solve, time.time()
    action[_START], action[_END] = start_frame, float(action.frame_range[1])
    if keypoints is not None:
        action[_KEYPOINTS], action[_DIGEST] = _packed(keypoints), digest(keypoints)


def _packed(of: Motion | Keypoints) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **of.to_arrays())
    return buffer.getvalue()


def made_from(action: Any) -> tuple[Motion, Path, Keypoints | None, int, str]:
    """What `mark` was given. Raises InputError where it is damaged."""
    try:
        keypoints = load_keypoints(io.BytesIO(action[_KEYPOINTS])) if has_keypoints(action) else None
        return load_motion(io.BytesIO(action[_MOTION])), _found(action[_SOURCE]), keypoints, int(action[_START]), str(action[_SOLVE])
    except (InputError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"What the action '{action.name}' keeps of its take is damaged; import the video anew.") from error


def _found(source: str) -> Path:
    """Where the video is now: where it was, else beside the .blend, as both may have been moved, from another system too."""
    beside = Path(bpy.data.filepath).with_name(PureWindowsPath(source).name) if bpy.data.filepath else Path(source)
    # os.path: of what may not be looked at, pathlib raises
    if not os.path.exists(source) and (os.path.exists(beside) or PureWindowsPath(source).drive):
        return beside
    return Path(source)


def has_motion(action: Any) -> bool:
    """Whether the motion is at hand from which the take on the action was made."""
    return _MOTION in action.keys()  # noqa: SIM118 (not a dict; its values are large)


def has_keypoints(action: Any) -> bool:
    """Whether the keypoints are at hand from which the take on the action was made."""
    return has_motion(action) and _KEYPOINTS in action.keys()  # noqa: SIM118


def latest() -> Any | None:
    """The action of the take that was made last in this file; one in a linked file only where there is no other."""
    made = filter(has_motion, bpy.data.actions)
    return max(made, key=lambda action: (action.library is None, made_when(action)), default=None)


def made_when(action: Any) -> float:
    """When the take on the action was made, seconds."""
    return float(action.get(_MADE, 0.0))


def is_here(solve: str) -> bool:
    """Whether there is a take of this solve in the file."""
    return any(has_motion(action) and action.get(_SOLVE) == solve for action in bpy.data.actions)


def known_keypoints(action: Any | None) -> str | None:
    """The `digest` of the keypoints of the take on the action."""
    return None if action is None else action.get(_DIGEST)


def _players(armature: Any | None) -> list[Any]:
    """What plays on the armature: its animation data, with the active action, then NLA strips from the top down."""
    if armature is None or armature.animation_data is None:
        return []
    return [armature.animation_data, *reversed(versions.strips_of(armature))]


def actions_on(armature: Any | None) -> list[Any]:
    """The actions that play on the armature and are takes, the one that was made last first."""
    actions = [player.action for player in _players(armature) if player.action is not None]
    return sorted((a for a in actions if has_motion(a) or known_keypoints(a)), key=made_when, reverse=True)


def takes_on(armature: Any | None) -> dict[str, int]:
    """Digest -> first frame in the scene of the takes that play on the armature, wherever they have been moved to. Of several of the same
    keypoints the action's counts, then those of NLA strips from the top down."""
    takes: dict[str, int] = {}
    for player in _players(armature):
        if known := known_keypoints(player.action):
            first = _first_frame(player.action, versions.curves_for(player))
            if isinstance(player, bpy.types.NlaStrip):
                first = player.frame_start + (first - player.action_frame_start) * player.scale
            takes.setdefault(known, round(first))
    return takes


def _first_frame(action: Any, curves: list[Any]) -> float:
    """On which frame of its own a take's action begins. As `mark` noted, unless all keys have been moved since: most curves then end
    as much later as they begin. What is cut off or added at an end moves nothing."""
    noted, end = float(action.get(_START, action.frame_range[0])), action.get(_END)
    whole = [curve for curve in curves if len(curve.keyframe_points) > 1] or curves
    if end is None or not whole:
        return noted
    first, last = (Counter(curve.range()[side] for curve in whole).most_common(1)[0][0] for side in (0, 1))
    return noted + last - end if abs((first - noted) - (last - end)) < 1.0 else noted
