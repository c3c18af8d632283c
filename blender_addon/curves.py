"""Keys in bulk: whole curves at once by `foreach_set`, 0.01 to 0.02 s for 120,000 keys where `keyframe_insert` takes seconds.

Blender's default for automatic handles, smooth acceleration, is solved along the whole curve at each update and cost half of that time;
straight lines neither use nor show their handles, so curves of straight lines are made without it.
"""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np

from . import versions
from .core.retarget.decimate import slopes_of

# foreach_set wants Blender's numbers; as uint8, which is what Blender stores, they are copied, other types are converted key by key.
_INTERPOLATION = {"CONSTANT": np.uint8(0), "LINEAR": np.uint8(1), "BEZIER": np.uint8(2)}  # BEZT_IPO_*
_ALIGNED = np.uint8(3)  # HD_ALIGN


def bone_path(bone: str) -> str:
    """Where a pose bone's properties are, as f-curves and drivers name it."""
    return f'pose.bones["{bpy.utils.escape_identifier(bone)}"]'


def key_curves(curves: Any, path: str, group: str, frames: np.ndarray, values: np.ndarray, interpolation: str = "LINEAR") -> None:
    """Writes one curve for each column of `values` (T, C) with keys at `frames` (T,), which may lie between whole frames.

    Keys of a video are dense, so straight lines between them hold the motion and change nothing beside a key that is edited.
    """
    keys, kinds = _keys_at(frames), np.full(len(frames), _INTERPOLATION[interpolation])
    for index in range(values.shape[1]):
        curve = versions.new_curve(curves, path, index, group)
        curve.auto_smoothing = "NONE"
        keys[1::2] = values[:, index]
        _add_keys(curve, keys, kinds)
        curve.update()


def key_few(curves: Any, path: str, group: str, frames: np.ndarray, values: np.ndarray, rows: np.ndarray) -> None:
    """As `key_curves`, with keys at some rows only and, between them, the cubic of `core.retarget.decimate`."""
    slopes = slopes_of(frames, values)[rows]
    third = np.diff(frames[rows]) / 3 if len(rows) > 1 else np.full(1, 1 / 3)  # a single key has no neighbour: as if one a frame away
    before, after = np.append(third[:1], third)[:len(rows)], np.append(third, third[-1:])[:len(rows)]
    keys, kinds, aligned = _keys_at(frames[rows]), np.full(len(rows), _INTERPOLATION["BEZIER"]), np.full(len(rows), _ALIGNED)
    for index in range(values.shape[1]):
        curve = versions.new_curve(curves, path, index, group)
        keys[1::2] = values[rows, index]
        _add_keys(curve, keys, kinds)
        points, slope = curve.keyframe_points, slopes[:, index]
        for side, width in (("left", -before), ("right", after)):
            points.foreach_set(f"handle_{side}_type", aligned)
            handles = np.stack([frames[rows] + width, values[rows, index] + width * slope], axis=1)
            points.foreach_set(f"handle_{side}", handles.astype(np.float32).ravel())
        curve.update()


def _keys_at(frames: np.ndarray) -> np.ndarray:
    """(2 T,) keys as `foreach_set` wants them, frame and value in turn; the values are still to be filled in."""
    keys = np.zeros(2 * len(frames), dtype=np.float32)
    keys[::2] = frames
    return keys


def _add_keys(curve: Any, keys: np.ndarray, kinds: np.ndarray) -> None:
    points = curve.keyframe_points
    points.add(len(kinds))
    points.foreach_set("co", keys)
    points.foreach_set("interpolation", kinds)
