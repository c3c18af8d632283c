"""What the file was like before an import, so that a failed one can be taken back without an undo step.

Method: names of the data blocks that an import makes, what moves the armature, selection, active object and mode are remembered; what
came since is removed and the rest put back. Limits: for one call, in which nobody else changes the file.
"""

from __future__ import annotations

from typing import Any

import bpy

from . import versions

_KINDS = ("objects", "actions", "armatures", "cameras", "images", "movieclips")


class Before:
    """Remembers the file as it is now. armature: the one that will be animated; None: a new one."""

    def __init__(self, context: Any, armature: Any | None) -> None:
        self._names = {kind: {block.name for block in getattr(bpy.data, kind)} for kind in _KINDS}
        self._armature, self._moved_by = armature, versions.taken(armature) if armature is not None else None
        self._layer = context.view_layer
        self._active = self._layer.objects.active
        self._mode = self._active.mode if self._active is not None else "OBJECT"
        self._selected = list(self._layer.objects.selected)

    def restore(self) -> None:
        """Makes the file what it was."""
        active = self._layer.objects.active
        if active is not None and active != self._active and active.mode != "OBJECT":
            bpy.ops.object.mode_set(mode="OBJECT")
        if self._armature is not None:
            versions.put_back(self._armature, self._moved_by)
        for kind, names in self._names.items():
            blocks = getattr(bpy.data, kind)
            for block in [b for b in blocks if b.name not in names]:
                blocks.remove(block)
        self._select()

    def _select(self) -> None:
        """Before the mode: entering one takes all selected objects along."""
        self._layer.update()  # else it still lists what was removed
        for thing in self._layer.objects:
            if thing.select_get(view_layer=self._layer) != (thing in self._selected):
                thing.select_set(thing in self._selected, view_layer=self._layer)
        self._layer.objects.active = self._active
        if self._active is not None and self._active.mode != self._mode:
            bpy.ops.object.mode_set(mode=self._mode)
