"""How much the picture says about each frame, as a curve beside the animation, and markers where it says little."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np

from .core.motion import Motion
from .core.runs import runs
from .curves import key_curves

PROPERTY = "Mocap Confidence"
_MARKS = ("doubtful", "doubtful end")
_MARKED = "Mocap Marks"  # custom property: the name of the armature that its marks bear
_LITTLE = 0.4  # mean confidence of the joints below which a frame is worth a look


def key_confidence(armature: Any, curves: Any, frames: np.ndarray, motion: Motion) -> None:
    """Keys the armature's custom property `PROPERTY`, 0 to 1, and marks in the timeline where doubtful stretches begin and end."""
    values = motion.confidence.mean(axis=1)
    key_curves(curves, f'["{PROPERTY}"]', PROPERTY, frames, values[:, None])
    armature[PROPERTY] = float(values[0])
    markers, marks = bpy.context.scene.timeline_markers, _marks(armature.name)
    _rename(markers, armature)
    for marker in [m for m in markers if m.name in marks and round(float(frames[0])) <= m.frame <= round(float(frames[-1]))]:
        markers.remove(marker)  # of a take that this armature had here before
    for stretch in runs(values < _LITTLE):
        first, last = (round(float(frames[row])) for row in (stretch[0], stretch[1] - 1))
        markers.new(marks[0], frame=first)
        if last > first:  # else one mark would hide the other
            markers.new(marks[1], frame=last)


def _marks(armature: str) -> list[str]:
    return [f"{mark} ({armature})" for mark in _MARKS]


def _rename(markers: Any, armature: Any) -> None:
    """The armature's marks bear its present name; those of one that it is a copy of are not touched."""
    before = armature.get(_MARKED, armature.name)
    armature[_MARKED] = armature.name
    if before in bpy.data.objects:
        return
    names = dict(zip(_marks(before), _marks(armature.name)))
    for marker in markers:
        marker.name = names.get(marker.name, marker.name)
