"""Mappings that a user has corrected, kept as files: one JSON object each, with the bones of every joint.

Limits: a preset belongs to rigs whose bones have these names; it is no use to others.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from ..errors import InputError
from ..skeleton import JOINTS
from .mapping import Mapping

_KIND = "video-mocap mapping"


def save_preset(folder: Path, name: str, mapping: Mapping) -> Path:
    """Writes the mapping as `name` and returns the file. Raises InputError when the name is empty or the folder cannot be written."""
    stem = re.sub(r"[^\w .+-]", "_", name).strip(" .")
    if not stem:
        raise InputError("Give the preset a name.")
    path = folder / f"{stem}.json"
    values = {"kind": _KIND, "joints": mapping.joints, "spine": mapping.spine, "neck": mapping.neck}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values, indent=1, ensure_ascii=False), encoding="utf-8")
    except OSError as error:
        raise InputError(f"The preset cannot be written to {path} ({error.strerror}).") from error
    return path


def load_preset(path: Path) -> Mapping:
    """Raises InputError with one sentence when the file is missing, damaged or something else."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values["kind"] != _KIND or not set(values["joints"]) <= set(JOINTS):
            raise ValueError("it is something else")
        return Mapping(path.stem, {str(j): str(b) for j, b in values["joints"].items()}, tuple(map(str, values["spine"])),
                       tuple(map(str, values["neck"])))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} cannot be read as a preset of Video Mocap ({error}).") from error


def fitting_preset(folder: Path, names: tuple[str, ...]) -> Mapping | None:
    """The preset of the folder that was saved last of those all of whose bones are among `names`; damaged ones are passed over."""
    there = set(names)
    for path in sorted(folder.glob("*.json"), key=_saved_at, reverse=True):
        try:
            mapping = load_preset(path)
        except InputError:
            continue
        if not mapping.missing and {*mapping.joints.values(), *mapping.spine, *mapping.neck} <= there:
            return mapping
    return None


def _saved_at(path: Path) -> int:
    """Nanoseconds; 0 for a link to nowhere."""
    return path.stat().st_mtime_ns if path.exists() else 0
