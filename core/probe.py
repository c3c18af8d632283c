"""What is in a video or keypoint file, and what a run would do with it: the command `probe`."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from .camera import assume_intrinsics, focal_in_pixels
from .events import Reporter
from .files import refusals_told
from .inputs import is_keypoint_input
from .keypoint_files import between, read_people
from .keypoints import Keypoints
from .lift import resolve_lifter
from .options import RunOptions
from .source import Source, shortened
from .track import choose_person


def probe(path: Path, reporter: Reporter, start: float | None = None, end: float | None = None, fps: float | None = None) -> dict:
    """A JSON-able dict: "input" (size, rate, length), "people" (one entry each, numbered as --person takes them for the same range of
    seconds), "plan". fps: the rate of what tells none, as for a run. Raises InputError."""
    RunOptions(start=start, end=end, fps=fps).check()
    look = _probe_keypoints if is_keypoint_input(path) else _probe_pictures
    with refusals_told(path):
        return look(path, reporter, start, end, fps)


def _probe_pictures(path: Path, reporter: Reporter, start: float | None, end: float | None, fps: float | None) -> dict:
    from .detect import list_people
    from .video import open_source, probe_source

    info = dataclasses.asdict(probe_source(path, fps))
    source = open_source(path, start, end, fps)
    people = list_people(source, reporter)
    if source.problem:
        reporter.warning(source.problem)
    followed = max(people, key=lambda person: person.frames_seen * person.height).number if people else None  # as `choose_person`
    return {"input": info, "people": [dataclasses.asdict(person) for person in people], "plan": _plan(source, followed)}


def _probe_keypoints(path: Path, reporter: Reporter, start: float | None, end: float | None, fps: float | None) -> dict:
    people = read_people(path, fps, reporter)
    first = people[0]
    if sentence := shortened(end, first.times[-1] + 1.0 / first.fps, path.name):
        reporter.warning(sentence)
    info = {"path": str(path), "kind": "2D keypoints", "width": first.width, "height": first.height, "fps": first.fps,
            "frames": len(first), "duration": float(first.times[-1] - first.times[0] + 1.0 / first.fps), "keypoints": len(first.names)}
    parts = [between(p, start, end) for p in people]
    listed = [{"number": i, "frames_seen": int(part.seen.sum())} for i, part in enumerate(parts, start=1) if part.seen.any()]
    chosen = choose_person(parts, "largest")
    followed = next(i for i, part in enumerate(parts, start=1) if part is chosen) if listed else None
    return {"input": info, "people": listed, "plan": _plan(first, followed)}


def _plan(picture: Source | Keypoints, followed: int | None) -> str:
    if followed is None:
        return "A run would end with an error: no person is seen."
    lifter = resolve_lifter("default", "auto").describe()
    size = picture.width, picture.height
    focal = focal_in_pixels(picture.lens, *size) if picture.lens else assume_intrinsics(*size)[0, 0]
    lens = f", as of the {picture.lens:g} mm lens that the camera wrote down," if picture.lens else ""
    return (f"A run would follow person {followed} (height times frames seen decides), lift with '{lifter['name']}' on "
            f"{lifter['device']}, and assume a focal length of {focal:.0f} pixels{lens} "
            "unless a walk or a pan tells another (say --focal if you know it).")


def describe(found: dict) -> str:
    """The dict of `probe` as lines for people."""
    info = found["input"]
    lines = [f"{info['path']}: {info['kind']}, {info['width']}x{info['height']}, {info['frames']} frames, "
             f"{info['duration']:.2f} s, {info['fps']:.3g} fps"]
    if info.get("variable_rate"):
        lines[0] += " on average (variable: true times are kept)"
    if info.get("rotation"):
        lines.append(f"turned upright by its rotation flag ({info['rotation']} degrees)")
    for person in found["people"]:
        more = f", {person['height']:.0f} px tall, {_whereabouts(person, info['width'])}" if "height" in person else ""
        lines.append(f"person {person['number']}: seen in {person['frames_seen']} of {info['frames']} frames{more}")
    return "\n".join([*lines, found["plan"]])


def _whereabouts(person: dict, width: int) -> str:
    """Where and when a person is mostly seen, in words that tell people apart."""
    share = person["centre"][0] / width
    place = "at the left" if share < 0.4 else "at the right" if share > 0.6 else "in the middle"
    first, last = person["seconds"]
    return f"{place}, from {first:.1f} to {last:.1f} s"
