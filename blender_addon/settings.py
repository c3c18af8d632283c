"""The panel's settings: Blender properties whose names, defaults and help come from `core.options.RunOptions`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, PointerProperty, StringProperty

from .bones import BoneList
from .core.errors import InputError
from .core.inputs import images_in, is_keypoint_input, videos_in
from .core.options import RunOptions
from .core.retarget.choices import Choices

NOT_IN_THE_PANEL = {
    "device": "the engine takes the graphics card when there is one",
    "lifter": "there is one best network",
    "fps": "a take keeps the video's own times",
    "formats": "Blender needs motion.npz only",
    "smooth": "the default follows how people move; curves can be smoothed in Blender",
    "no_contacts": "feet that slide are edited away more easily than put right",
    "no_ground": "likewise",
    "camera_pitch": "it is estimated; the command line takes a measured one",
    "camera_height": "likewise",
    "overlay": "the footage behind the camera shows the same",
}
"""Options of a run that the panel leaves at their defaults, and why."""


def _help(name: str) -> str:
    text = next(f for f in dataclasses.fields(RunOptions) if f.name == name).metadata["help"]
    return text[0].upper() + text[1:]


def option_properties(**more: Any) -> dict[str, Any]:
    """Name -> Blender property for what the engine is told but the video; `more` goes to each of them. 0 stands for "not given"."""
    seconds = {"min": 0.0, "default": 0.0, "unit": "TIME_ABSOLUTE", "precision": 2, **more}
    return {
        "person": EnumProperty(name="Person", description="Which person of the video to follow", default="largest", items=(
            ("largest", "Largest", "The person who is largest in the picture"),
            ("central", "Central", "The person nearest to the middle of the picture"),
            ("number", "Number", "The person with this number, counted in order of appearance from 1")), **more),
        "person_number": IntProperty(name="Number", description="Which person, counted in order of appearance", min=1, default=1, **more),
        "start": FloatProperty(name="Start", description=_help("start") + " (0: its beginning)", **seconds),
        "end": FloatProperty(name="End", description=_help("end") + " (0: its end)", **seconds),
        "focal": FloatProperty(name="Focal Length", description=_help("focal") + " (0: assumed)", min=0.0, default=0.0,
                               precision=1, **more),
        # No unit: Blender would give lengths in the scene's units.
        "height": FloatProperty(name="Height (m)", description=_help("height") + " (0: assumed)", min=0.0, default=0.0, precision=2,
                                **more),
    }


def take_properties(**more: Any) -> dict[str, Any]:
    """Name -> Blender property for where in the scene a take goes; `more` goes to each of them."""
    return {
        "start_frame": IntProperty(name="First Frame", description="The scene's frame on which the take begins", default=1, **more),
        "footage": BoolProperty(name="Camera with Footage", default=False, **more,
                                description="Also make the camera that took the video, with the video behind it"),
    }


def choice_properties(**more: Any) -> dict[str, Any]:
    """Name -> Blender property for every field of `Choices`; `more` goes to each of them."""
    found = {}
    for choice in dataclasses.fields(Choices):
        meta = choice.metadata
        words = {"name": meta["name"], "description": meta["help"][0].upper() + meta["help"][1:], "default": choice.default}
        found[choice.name] = EnumProperty(items=meta["items"], **words, **more) if "items" in meta else BoolProperty(**words, **more)
    return found


def run_options(settings: Any) -> RunOptions:
    """The options of a run from anything with the properties of `option_properties`. Raises InputError with one sentence."""
    person = str(settings.person_number) if settings.person == "number" else settings.person
    return RunOptions(person=person, formats=("npz",), **_known(settings, ("start", "end", "focal", "height"))).check()


def _known(settings: Any, names: tuple[str, ...]) -> dict[str, float]:
    """The numbers that were given; 0 stands for "not given"."""
    return {name: float(getattr(settings, name)) for name in names if getattr(settings, name)}


def options_again(before: dict[str, Any], settings: Any) -> RunOptions:
    """The options of a run on keypoints that a run with the options `before` (as `RunOptions.to_json`) has left, in which person and time
    are settled; what the settings say of lens and height counts. Raises InputError."""
    fields = {field.name for field in dataclasses.fields(RunOptions)} - {"person", "start", "end", "formats", "overlay"}
    kept = {name: value for name, value in before.items() if name in fields}
    return RunOptions.from_json(kept | {"formats": ("npz",)} | _known(settings, ("focal", "height")))


def video_path(text: str) -> Path:
    """The video that is to be imported, as an absolute path. Raises InputError with one sentence when there is none."""
    if not text.strip():
        raise InputError("Choose a video first.")
    path = Path(bpy.path.abspath(text.strip())).resolve()
    if not path.exists():
        raise InputError(f"There is no file {path}; choose another video.")
    if path.is_dir() and not is_keypoint_input(path) and not images_in(path) and (videos := videos_in(path)):
        raise InputError(f"The folder {path} holds videos, and one is imported at a time; choose one of them, such as {videos[0].name}.")
    return path


class VideoMocapSettings(bpy.types.PropertyGroup):
    """Kept with each scene as `scene.video_mocap`."""

    __annotations__ = {
        "video": StringProperty(name="Video", subtype="FILE_PATH",
                                description="A video file, a folder of numbered images, or 2D keypoints on file"),
        **option_properties(),
        **take_properties(),
        **choice_properties(),
        # No poll that leaves other actions out: with one, Blender 4.2 crashes at its end once the add-on was disabled.
        "take": PointerProperty(name="Of", type=bpy.types.Action,
                                description="The take that 'Apply Again' puts onto the armature; empty: an import that is on none yet, "
                                            "else the armature's own take, else the last one"),
        "bones": PointerProperty(type=BoneList),
    }
