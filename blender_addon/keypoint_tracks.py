"""Keypoints as markers over the footage in Blender's Movie Clip Editor, where they can be moved, switched off, tracked and put right.

Each keypoint is a track, each frame of the take in which it was seen a marker. What the detector saw lies in the clip itself, so that the
work goes on after the file was saved and opened again. What an animator leaves is read back by `core.corrections`: a marker elsewhere is
a correction, a disabled or deleted one says that the point is not seen. Limits: frames between those of the take are not read; where the
scene runs at another rate than the video, clip and take do not run together, but what is corrected is right all the same.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from .core.corrections import corrected
from .core.errors import InputError
from .core.keypoints import CANONICAL, Keypoints, load_keypoints
from .core.motion import Motion
from .core.skeleton import mirror_name
from .footage import first_picture, lacking_turn, picture_numbers
from .take_marks import digest

_KEYPOINTS, _DIGEST, _ABOUT = "Mocap Keypoints", "Mocap Digest", "Mocap About"  # custom properties of the clip
_COLOURS = {"l_": (1.0, 0.45, 0.2), "r_": (0.2, 0.6, 1.0)}  # as in overlay.mp4
_PATTERN, _SEARCH = 0.012, 0.04  # of the picture's height: half the sides of what Blender's own tracker looks for, and where
_OF_THE_RUN = ("source_fps", "source_rotation", "options")  # of a motion's meta: what one made from keypoints alone would not know


@dataclass(frozen=True)
class Edited:
    """What stands in a clip: the corrected keypoints, the detector's, the footage, the options of the run that they are of, as
    `RunOptions.to_json` gave them, what a motion's meta is to say of the footage, and the scene's frame on which the take begins."""

    keypoints: Keypoints
    detected: Keypoints
    footage: Path
    options: dict[str, Any]
    meta: dict[str, Any]
    start_frame: int


def clip_of(keypoints: Keypoints, motion: Motion, footage: Path, start_frame: int) -> Any:
    """The clip of the footage with these keypoints as tracks: the one that there is, with what was corrected in it, else a new one.

    start_frame: the scene's, on which the take begins. Raises InputError with one sentence when Blender cannot show the footage.
    """
    keypoints = keypoints.canonical()
    clip = find_clip(digest(keypoints)) or _new_clip(keypoints, motion, footage)
    clip[_ABOUT] = json.dumps(_about(clip) | {key: motion.meta.get(key) for key in _OF_THE_RUN})
    begin_at(clip, start_frame)
    return clip


def begin_at(clip: Any, start_frame: int) -> None:
    """Lets the clip run with a take that begins on this frame of the scene."""
    clip.frame_start = start_frame - _about(clip)["frames"][0] + 1


def frames_of(clip: Any) -> tuple[int, int]:
    """The first and the last frame of the scene that the clip's take has a picture for. Raises InputError where the clip is damaged."""
    frames = _about(clip)["frames"]
    return clip.frame_start + frames[0] - 1, clip.frame_start + frames[-1] - 1


def is_clip(clip: Any) -> bool:
    """Whether keypoints are to be corrected in it."""
    return clip is not None and _KEYPOINTS in clip.keys()  # noqa: SIM118 (not a dict; its value is large)


def clips() -> list[Any]:
    """All clips with keypoints in the file."""
    return [clip for clip in bpy.data.movieclips if is_clip(clip)]


def find_clip(known: str | None) -> Any | None:
    """The clip in which the keypoints of this `digest` are corrected, if there is one."""
    return next((clip for clip in clips() if known and clip.get(_DIGEST) == known), None)


def digest_of(clip: Any) -> str:
    """The `digest` of the clip's keypoints."""
    return str(clip.get(_DIGEST))


def edited(clip: Any) -> Edited:
    """The keypoints as they stand in the clip. Raises InputError where a track was renamed, or what the clip keeps is damaged."""
    try:
        detected, about = load_keypoints(io.BytesIO(clip[_KEYPOINTS])), _about(clip)
    except (InputError, KeyError) as error:
        raise _damaged(clip) from error
    tracks, frames = clip.tracking.objects[0].tracks, np.array(about["frames"])
    strange = [track.name for track in tracks if track.name not in CANONICAL]
    gone = [name for name in detected.names if name not in tracks]  # Blender removes a track with its last marker
    if strange and gone:
        raise InputError(f"The clip '{clip.name}' has a track '{strange[0]}', but none of the name '{gone[0]}'; was it renamed?")
    xy = np.full_like(detected.xy, np.nan)
    for i, name in enumerate(detected.names):
        if name in tracks:
            xy[:, i] = _places(tracks[name], frames, detected, about["turn"])
    file = Path(bpy.path.abspath(clip.filepath))
    footage = file.parent if about["folder"] else file
    meta = {key: about[key] for key in ("source_fps", "source_rotation")} | {"source": str(footage)}
    return Edited(corrected(detected, xy, _shown(frames)), detected, footage, about["options"] or {}, meta,
                  clip.frame_start + int(frames[0]) - 1)


def rate_of(clip: Any) -> float:
    """Frames a second of the clip's footage; Blender knows none of a folder of images."""
    return float(_about(clip)["rate"])


def exchange_sides(clip: Any, first: int, last: int) -> int:
    """Exchanges left and right of the selected tracks (of all where none is) in the clip's frames first to last; in how many there was
    something to exchange."""
    tracks = clip.tracking.objects[0].tracks
    chosen = _selected(clip) or tracks.keys()
    touched: set[int] = set()
    for name in sorted({n if n.startswith("l_") else mirror_name(n) for n in chosen if mirror_name(n) != n}):
        pair = [tracks.get(name), tracks.get(mirror_name(name))]
        if None in pair:
            continue
        found = [{m.frame: (tuple(m.co), m.mute) for m in track.markers if first <= m.frame <= last} for track in pair]
        for track, own, other in ((pair[0], *found), (pair[1], *reversed(found))):
            for frame in own.keys() - other.keys():
                track.markers.find_frame(frame).mute = True  # a track without markers would go
            for frame, (place, mute) in other.items():
                track.markers.insert_frame(frame, co=place).mute = mute
        touched |= found[0].keys() | found[1].keys()
    return len(touched)


def restore(clip: Any, first: int, last: int) -> int:
    """Brings the selected tracks (all where none is, deleted ones too) back to what the detector saw in the clip's frames first to last; in
    how many something had been changed. Raises InputError where the clip is damaged."""
    now, about = edited(clip), _about(clip)
    frames, tracks = np.array(about["frames"]), clip.tracking.objects[0].tracks
    wanted = _selected(clip) or now.detected.names
    chosen = [name for name in now.detected.names if name in wanted]
    columns = [now.detected.names.index(name) for name in chosen]
    within = (frames >= first) & (frames <= last)
    same = np.isclose(now.keypoints.xy, now.detected.xy, equal_nan=True).all(-1) & (now.keypoints.confidence == now.detected.confidence)
    changed = within & ~same[:, columns].all(1)
    for name in chosen:
        if name not in tracks:
            track = _add_track(tracks, name, frames, now.detected, about["turn"], clip.size)
            for marker in track.markers:
                marker.mute |= not first <= marker.frame <= last
            continue
        seen = dict(_markers_of(name, frames, now.detected, about["turn"]))
        for frame in frames[changed].tolist():
            if frame in seen:
                _set_marker(tracks[name], frame, seen[frame], clip.size)
            elif (marker := tracks[name].markers.find_frame(frame)) is not None:
                marker.mute = True
    return int(changed.sum())


def _selected(clip: Any) -> list[str]:
    """Names of the selected tracks."""
    return [track.name for track in clip.tracking.objects[0].tracks if track.select]


def _about(clip: Any) -> dict[str, Any]:
    """What the clip keeps beside keypoints. Raises InputError where it is damaged."""
    try:
        about = json.loads(clip[_ABOUT])
        if {"frames", "turn", "folder", "rate"} <= about.keys():
            return dict(about)
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise _damaged(clip) from error
    raise _damaged(clip)


def _damaged(clip: Any) -> InputError:
    return InputError(f"What the clip '{clip.name}' keeps of the keypoints is damaged; delete it and import the video anew.")


def _shown(frames: np.ndarray) -> np.ndarray:
    """(T,) int, which frame of the take is shown where the clip's frames (T,) are: of several that share one, the last."""
    _, last, of_row = np.unique(frames[::-1], return_index=True, return_inverse=True)
    return np.asarray((len(frames) - 1 - last)[of_row[::-1]])


def _new_clip(keypoints: Keypoints, motion: Motion, footage: Path) -> Any:
    picture = first_picture(footage)
    try:
        clip = bpy.data.movieclips.load(str(picture))
    except RuntimeError as error:
        raise InputError(f"{picture} cannot be opened to show the keypoints on it; is it still there?") from error
    if not all(clip.size):
        bpy.data.movieclips.remove(clip)
        raise InputError(f"Blender cannot read {picture} to show the keypoints on it.")
    rate = keypoints.fps if footage.is_dir() else clip.fps or keypoints.fps
    first, *numbers = picture_numbers(footage, np.append(0.0, keypoints.times), rate)
    frames = np.array(numbers) - first + 1  # a clip counts from 1
    turn = lacking_turn(clip.size[0] / clip.size[1], motion)
    clip.name = f"{footage.stem.encode('utf-8', 'replace').decode()} keypoints"
    clip.use_fake_user = True  # what was corrected must not be lost when the file is saved
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **keypoints.to_arrays())
    clip[_KEYPOINTS], clip[_DIGEST] = buffer.getvalue(), digest(keypoints)
    clip[_ABOUT] = json.dumps({"frames": frames.tolist(), "turn": turn, "folder": footage.is_dir(), "rate": rate})
    tracks = clip.tracking.objects[0].tracks
    for name in keypoints.names:
        _add_track(tracks, name, frames, keypoints, turn, clip.size)
    return clip


def _add_track(tracks: Any, name: str, frames: np.ndarray, keypoints: Keypoints, turn: int, size: Any) -> Any:
    track = tracks.new(name=name, frame=int(frames[0]))  # with a marker there
    track.select = False
    track.use_custom_color, track.color = True, _COLOURS.get(name[:2], (1.0, 1.0, 1.0))
    seen = _markers_of(name, frames, keypoints, turn)
    for frame, place in seen:
        _set_marker(track, frame, place, size)
    if not seen:
        track.markers[0].co, track.markers[0].mute = (0.5, 0.5), True
    elif seen[0][0] != frames[0]:
        track.markers.delete_frame(int(frames[0]))
    return track


def _markers_of(name: str, frames: np.ndarray, keypoints: Keypoints, turn: int) -> list[tuple[int, np.ndarray]]:
    """The clip's frames in which a point was seen, and where (2,), in shares of the picture as Blender reads it."""
    places = _turned(keypoints.xy[:, keypoints.names.index(name)] / (keypoints.width, keypoints.height), turn)
    seen = np.flatnonzero(np.isfinite(places).all(-1) & (_shown(frames) == np.arange(len(frames))))
    return [(int(frames[row]), places[row]) for row in seen]


def _set_marker(track: Any, frame: int, place: np.ndarray, size: Any) -> None:
    marker, wide = track.markers.insert_frame(frame, co=place), size[1] / size[0]
    marker.mute = False
    marker.pattern_corners = [(x * _PATTERN * wide, y * _PATTERN) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    marker.search_min, marker.search_max = (-_SEARCH * wide, -_SEARCH), (_SEARCH * wide, _SEARCH)


def _places(track: Any, frames: np.ndarray, keypoints: Keypoints, turn: int) -> np.ndarray:
    """(T, 2) pixels of the track's markers at the clip's frames (T,); NaN where there is none, or a disabled one."""
    count = len(track.markers)
    at, places, muted = np.zeros(count, np.int32), np.zeros(2 * count, np.float32), np.zeros(count, bool)
    for name, values in (("frame", at), ("co", places), ("mute", muted)):
        track.markers.foreach_get(name, values)
    found = {int(f): place for f, place, mute in zip(at, places.reshape(-1, 2), muted) if not mute}
    rows = np.array([found.get(int(f), (np.nan, np.nan)) for f in frames], dtype=np.float64)
    return _turned(rows, turn) * (keypoints.width, keypoints.height)


def _turned(places: np.ndarray, turn: int) -> np.ndarray:
    """Shares (T, 2) of the upright picture, y down, as shares of the picture as Blender reads it, y up; and, being its own inverse, back.

    turn: degrees clockwise from the picture as Blender reads it to the upright one.
    """
    x, y = places.T
    return np.stack({0: (x, 1 - y), 90: (y, x), 180: (1 - x, y), 270: (1 - y, 1 - x)}[turn], axis=-1)
