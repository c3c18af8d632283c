"""The options of a run: one dataclass that the command line, the worker process and Blender's panel share.

argparse flags and Blender properties are derived from the fields' metadata, so that a new option is written once.
Standard library only: Blender imports this too.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any

from .errors import InputError

FORMATS = ("npz", "bvh", "blend", "fbx", "glb")
DEVICES = ("auto", "cpu", "cuda")
LIFTERS = ("default", "residual", "integral", "tcn", "recurrent", "gast", "temporal", "temporal2")
"""As `models.registry` knows them, which Blender cannot import."""
SMOOTH = ("none", "light", "strong")


def _option(default: Any, help: str, **more: Any) -> Any:
    return field(default=default, metadata={"help": help, **more})


@dataclass(frozen=True)
class RunOptions:
    """How to turn one video into a motion. Times in seconds of the video; None means "decide for me"."""

    start: float | None = _option(None, "begin at this time of the video", metavar="SECONDS", type=float)
    end: float | None = _option(None, "stop at this time of the video", metavar="SECONDS", type=float)
    person: str = _option(
        "largest", "which person: 'largest', 'central', or a number N as listed by 'probe'", metavar="N|largest|central", type=str)
    device: str = _option("auto", "where the networks run", choices=DEVICES, type=str)
    lifter: str = _option("default", "the network that lifts keypoints to 3D: " + ", ".join(LIFTERS), metavar="NAME", type=str)
    fps: float | None = _option(
        None, "resample the motion to this frame rate (else: the video's own times); for images and keypoint files that hold no times: "
        "the rate they were taken at", metavar="N", type=float)
    focal: float | None = _option(
        None, "focal length in pixels, if known (of the widest view where the camera zooms): the lens's 35 mm equivalent / 36 x the longer "
        "side of the picture (else: what the camera wrote into the video, the longer side, or what a walk towards the camera tells)",
        metavar="PIXELS", type=float)
    height: float | None = _option(
        None, "the person's height in metres, if known (else: 1.73, an adult's in shoes, or what jumps tell)", metavar="METRES", type=float)
    smooth: str = _option("light", "how calm the motion is where the picture leaves it open", choices=SMOOTH, type=str)
    no_contacts: bool = _option(False, "do not hold feet still while they stand", type=bool)
    no_ground: bool = _option(False, "do not bring feet to the floor, nor keep them out of it", type=bool)
    camera_pitch: float | None = _option(
        None, "degrees by which the camera looks down, if known (negative: up; else: estimated)", metavar="DEGREES", type=float)
    camera_height: float | None = _option(
        None, "metres of the camera above the floor, if known; together with the pitch it sets the person's size, alone it only helps "
              "to guess it; not together with the height",
        metavar="METRES", type=float)
    formats: tuple[str, ...] = _option(("npz", "bvh"), "what to write, comma separated: " + ", ".join(FORMATS),
                                       metavar="LIST", type=str)
    overlay: bool = _option(False, "also write overlay.mp4, the skeleton drawn on the footage", type=bool)

    def check(self) -> RunOptions:
        """Returns itself; raises InputError with one sentence on a value that cannot be meant."""
        for name in ("start", "end", "fps", "focal", "height", "camera_pitch", "camera_height"):
            value = getattr(self, name)
            if value is not None and not math.isfinite(value):
                raise InputError(f"The {name.replace('_', ' ')} is {value}; it must be a number.")
        if self.start is not None and self.start < 0:
            raise InputError(f"The start is {self.start:g} s; it cannot be negative.")
        if self.end is not None and self.end <= (self.start or 0.0):
            raise InputError(f"The range from {self.start or 0:g} s to {self.end:g} s is empty: the end must be after the start.")
        if self.person not in ("largest", "central") and not (self.person.isdecimal() and int(self.person) > 0):
            raise InputError(f"The person is {self.person!r}; use 'largest', 'central' or a number from 1 on.")
        if self.device not in DEVICES:
            raise InputError(f"The device is {self.device!r}; use one of {', '.join(DEVICES)}.")
        for name, words, low, high in (("fps", "frame rate", 1, 1000), ("focal", "focal length in pixels", 10, 1e6),
                                       ("height", "person's height in metres", 0.3, 3.0),
                                       ("camera_pitch", "camera's pitch in degrees", -80, 80),
                                       ("camera_height", "camera's height in metres", 0.05, 100)):
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise InputError(f"The {words} is {value:g}; it must be between {low:g} and {high:g}.")
        if self.smooth not in SMOOTH:
            raise InputError(f"The smoothing is {self.smooth!r}; use one of {', '.join(SMOOTH)}.")
        if self.height is not None and self.camera_height is not None:
            raise InputError("The person's height and the camera's height both set the size; give one of them.")
        unknown = [f for f in self.formats if f not in FORMATS]
        if unknown or not self.formats:
            raise InputError(f"The formats hold {', '.join(unknown) or 'nothing'}; choose from {', '.join(FORMATS)}.")
        return self

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON types; `from_json` takes it back."""
        return dataclasses.asdict(self) | {"formats": list(self.formats)}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> RunOptions:
        """From `to_json`'s dict; raises InputError on a name that is not an option."""
        unknown = set(values) - {f.name for f in dataclasses.fields(cls)}
        if unknown:
            raise InputError(f"Unknown option {', '.join(sorted(unknown))}.")
        values = dict(values)
        if "formats" in values:
            values["formats"] = tuple(values["formats"])
        return cls(**values).check()
