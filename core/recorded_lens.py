"""The lens as the camera wrote it into the video file.

Problem: how far away somebody is depends on the focal length, and phones have lenses of 13 to 120 mm. Apple's write which one filmed
into the video track's metadata, other camera applications into the film's; FFmpeg reads neither the track's nor whole numbers.
Method:  boxes as in ISO 14496-12 down to `meta`, whose `keys` name what lies in its `ilst` (Apple's QuickTime File Format, Metadata).
Limits:  MP4 and MOV only. What video stabilisation or a later crop cuts off the picture is not in the number.
"""

from __future__ import annotations

import mmap
import re
import struct
from collections.abc import Iterator
from pathlib import Path

KEY = b"com.apple.quicktime.camera.focal_length.35mm_equivalent"
_FIRST_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
_PLAUSIBLE = 5.0, 1000.0  # mm: beyond is a placeholder
_FORMATS = {23: "f", 24: "d", 65: "b", 66: "h", 67: "i", 74: "q", 75: "B", 76: "H", 77: "I", 78: "Q"}  # QuickTime's types of numbers
_TEXT, _SIGNED, _UNSIGNED = 1, 21, 22  # its types of UTF-8, and of integers of any length

_Box = tuple[bytes, int, int]
"""Kind, first byte inside, first byte behind."""


def equivalent_focal(path: Path) -> float | None:
    """The lens's 35 mm equivalent in millimetres; None where the file does not tell."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            if data[4:8] not in _FIRST_BOXES:
                return None
            films = (box for box in _boxes(data, 0, len(data)) if box[0] == b"moov")
            return next((mm for film in films for mm in _lenses(data, film)), None)
    except (OSError, ValueError):  # gone, or nothing in it: whoever reads its pictures says so
        return None


def _boxes(data: mmap.mmap, start: int, stop: int) -> Iterator[_Box]:
    """The boxes between two places, up to the first that is broken."""
    while start + 8 <= stop:
        length, inside = int.from_bytes(data[start : start + 4], "big"), start + 8
        if length == 1:
            length, inside = int.from_bytes(data[inside : inside + 8], "big"), inside + 8
        end = start + length if length else stop
        if not inside <= end <= stop:
            return
        yield data[start + 4 : start + 8], inside, end
        start = end


def _lenses(data: mmap.mmap, box: _Box) -> Iterator[float]:
    """What the metadata of a film or a track, and of a film's tracks, say."""
    for kind, start, stop in _boxes(data, *box[1:]):
        if kind == b"trak" and box[0] == b"moov":
            yield from _lenses(data, (kind, start, stop))
        elif kind == b"meta":
            for first in (start, start + 4):  # MP4 has version and flags before the boxes, QuickTime has not
                parts = {name: (a, b) for name, a, b in _boxes(data, first, stop)}
                if b"keys" in parts and b"ilst" in parts:
                    yield from _values(data, parts[b"keys"], parts[b"ilst"])


def _values(data: mmap.mmap, keys: tuple[int, int], items: tuple[int, int]) -> Iterator[float]:
    """The plausible values of the key, from between these places."""
    names = [data[a:b] for _, a, b in _boxes(data, keys[0] + 8, keys[1])]  # after version, flags and their number
    for number, start, stop in _boxes(data, *items):
        which = int.from_bytes(number, "big") - 1
        if 0 <= which < len(names) and names[which] == KEY:
            for kind, a, b in _boxes(data, start, stop):
                value = _number(int.from_bytes(data[a : a + 4], "big"), data[a + 8 : b]) if kind == b"data" else None
                if value is not None and _PLAUSIBLE[0] <= value <= _PLAUSIBLE[1]:
                    yield value


def _number(kind: int, value: bytes) -> float | None:
    """A value of one of QuickTime's types; of text ("26.00mm") the number that it begins with."""
    if kind == _TEXT:
        found = re.match(rb"\s*(\d+(?:\.\d+)?)", value)
        return float(found[1]) if found else None
    if kind in (_SIGNED, _UNSIGNED):
        return float(int.from_bytes(value, "big", signed=kind == _SIGNED))
    layout = ">" + _FORMATS.get(kind, "")
    return float(struct.unpack(layout, value)[0]) if kind in _FORMATS and struct.calcsize(layout) == len(value) else None
