"""From a video to files: the stages in their order, and nothing else.

    video or keypoint files -> 2D keypoints -> 3D -> rotations and root path -> npz, BVH, overlay, Blender scene

Every stage lives in its own module and is handed what it needs; this one decides the order, keeps what is finished when a
later stage fails (keypoints.npz can be fed in again), and writes down in the motion's meta where it came from.
"""

from __future__ import annotations

import dataclasses
import os
import platform
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import __version__
from .camera import assume_intrinsics, focal_in_pixels
from .camera_motion import STILL, TURNING, as_filmed, check_camera, steadied, steadied_lift, through_one_lens
from .errors import InputError
from .events import Reporter
from .export.bvh import is_steady, write_bvh
from .export.overlay import write_overlay
from .export.scene import SceneError, write_scene
from .files import held, refusals_told
from .inputs import is_keypoint_input, videos_in
from .keypoint_files import between, read_people
from .keypoints import Keypoints
from .lift import Lifted, Lifter, lift, resolve_lifter
from .motion import Motion
from .options import RunOptions
from .presence import check_identity, check_presence
from .skeleton import ASSUMED_STATURE
from .solve import Choices, solve
from .solve.lens import ANY_LENS, RECORDED_LENS, measured_lens
from .solve.quality import contact_slide, renumbered, sentences
from .source import Source, shortened
from .track import choose_person
from .video import open_source

_RESULTS = ("motion.npz", "motion.bvh", "overlay.mp4", "scene.blend", "scene.fbx", "scene.glb")  # besides keypoints.npz
SCENE_FORMATS = ("blend", "fbx", "glb")
_LOCK = ".video-mocap.lock"
_DENSE_PART, _DENSE = 0.2, 0.8  # a fifth of the steps is shorter than this part of the nominal one
_SHORTEST_LENS = 0.2  # longer sides of the picture, 7 mm: shorter ones are fisheyes, or millimetres that were taken for pixels


@dataclass(frozen=True)
class RunResult:
    """What a run left. files: format -> path; problem: None, or the sentence that says why the result is not complete, and
    ours: whether that is a fault of ours rather than of the input or the machine."""

    motion: Motion
    files: dict[str, Path]
    problem: str | None
    ours: bool = False


def run(path: str | os.PathLike, out: str | os.PathLike, options: RunOptions, reporter: Reporter) -> RunResult:
    """Turns one video, image folder or keypoint file into the files of `options.formats` in folder `out`.

    Raises InputError (one sentence for the user) and Cancelled; both leave in `out` what was finished before.
    """
    options.check()
    with refusals_told(out):
        lifter = resolve_lifter(options.lifter, options.device)
        with _own_folder(Path(out)) as folder:
            return _run(Path(path), folder, options, lifter, reporter)


def _run(path: Path, out: Path, options: RunOptions, lifter: Lifter, reporter: Reporter) -> RunResult:
    _spare_the_input(path, out)
    source, keypoints = _keypoints(path, options, lifter, reporter)
    _clear_leftovers(out)
    if path.resolve() != out / "keypoints.npz":
        keypoints.save(out / "keypoints.npz")
    files = {"keypoints": out / "keypoints.npz"}

    motion = _solved(keypoints, path.name, options, lifter, reporter)
    if options.fps is not None and (options.fps != motion.fps or not is_steady(motion)):
        motion = _resampled(motion, options.fps)
    for sentence in sentences(motion.meta["quality"]):
        reporter.log(sentence)
    problem = source.problem if source else None
    if problem:
        reporter.warning(problem)
    provenance = _provenance(path, options, lifter.describe(), reporter, problem)
    provenance |= {"source_fps": keypoints.fps, "source_rotation": getattr(source, "rotation", 0)}
    motion = dataclasses.replace(motion, meta=motion.meta | provenance)
    ours = False
    try:
        _write(motion, source, path, out, options, files, reporter)
    except SceneError as error:
        problem, ours = str(error), error.ours
        files |= error.written
    if old := sorted(name for name in _RESULTS if (out / name).exists() and out / name not in files.values()):
        reporter.warning(f"{_listed(old)} in {out} {'is' if len(old) == 1 else 'are'} of an earlier run, not of this one.")
    missing = sorted(set(options.formats) - set(files))
    if missing and not problem:  # the writer has said why
        problem = f"Not everything could be written: {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing."
    return RunResult(motion, files, problem, ours)


def _solved(keypoints: Keypoints, what: str, options: RunOptions, lifter: Lifter, reporter: Reporter) -> Motion:
    """The motion in a world that stands still. Raises InputError for a camera whose motion cannot be undone; `what`: the file's name."""
    filmed, camera = keypoints, keypoints.camera
    keypoints = through_one_lens(filmed)
    known = options.focal or (camera.focal * max(keypoints.width, keypoints.height) if camera and camera.measured else None)
    recorded = None if known else keypoints.lens
    focal = focal_in_pixels(recorded, keypoints.width, keypoints.height) if recorded else known
    K = assume_intrinsics(keypoints.width, keypoints.height, focal)
    moving = camera if camera and camera.kind != STILL else None
    if moving:
        check_camera(moving, keypoints, K, what)
        reporter.log(moving.sentence)
    about = {"camera": camera.describe()} if camera else {}
    if recorded:
        about["lens"] = {"recorded_mm": recorded}
        reporter.log(f"The camera wrote into the video that its lens is one of {recorded:g} mm (35 mm equivalent): "
                     f"{focal:.0f} pixels are taken for the focal length.")
    still, lifted = _lifted(keypoints, K, lifter, reporter)
    lens = None
    if not known and not (moving and moving.kind == TURNING):  # how far it turned depends on the lens as well
        lens = measured_lens(lifted.names, lifted.positions, still, K, RECORDED_LENS if recorded else ANY_LENS)
    if lens:
        about["lens"] = about.get("lens", {}) | lens.describe(K)
        lens.report(K, reporter)
        K = lens.intrinsics(K)
        still, lifted = _lifted(keypoints, K, lifter, reporter)
    motion = solve(lifted, still, K, _stature(options), reporter, _choices(options))
    if moving:
        motion = as_filmed(motion, filmed, K)
    return dataclasses.replace(motion, meta=motion.meta | about)


def _lifted(keypoints: Keypoints, K: np.ndarray, lifter: Lifter, reporter: Reporter) -> tuple[Keypoints, Lifted]:
    """The keypoints, freed of the camera's motion, and their 3D markers."""
    lifted, camera = lift(keypoints, K, lifter, reporter), keypoints.camera
    if camera is None or camera.kind == STILL:
        return keypoints, lifted
    return steadied(keypoints, K), steadied_lift(lifted, camera, K)


def _resampled(motion: Motion, fps: float) -> Motion:
    """The motion at another rate, and what its meta says of frames with the new numbers."""
    result = motion.resampled(fps)

    def number(frame: int) -> int:
        return int(np.abs(result.times - motion.times[frame - 1]).argmin()) + 1

    quality = motion.meta["quality"]
    meta = motion.meta | {"quality": quality | {
        "bad_ranges": [renumbered(s, number) for s in quality["bad_ranges"]], "contact_slide_cm": contact_slide(result)}}
    if "stature" in meta:
        flights = [[number(first), number(last)] for first, last in meta["stature"]["flights"]]
        meta["stature"] = meta["stature"] | {"flights": flights}
    return dataclasses.replace(result, meta=meta)


def _stature(options: RunOptions) -> float | None:
    """The person's height in metres; None where the camera's height is to tell."""
    return None if options.camera_height is not None else options.height or ASSUMED_STATURE


def _choices(options: RunOptions) -> Choices:
    pitch = None if options.camera_pitch is None else float(np.radians(options.camera_pitch))
    return Choices(options.smooth, not options.no_contacts, not options.no_ground, pitch, options.camera_height,
                   stature_is_a_guess=options.height is None and options.camera_height is None)


def _keypoints(path: Path, options: RunOptions, lifter: Lifter, reporter: Reporter) -> tuple[Source | None, Keypoints]:
    """The wanted person's 2D keypoints, and the footage that they were found in (None for keypoint files)."""
    if is_keypoint_input(path):
        from .detect.cleaning import finished

        people = read_people(path, options.fps, reporter)
        _check_focal(options.focal, people[0])
        _warn_of_end(options.end, people[0], path.name, reporter)
        keypoints = choose_person([between(person, options.start, options.end) for person in people], options.person)
        check_presence(keypoints, path.name, reporter)
        if path.suffix.lower() != ".npz":  # our own were looked through when they were made
            check_identity(keypoints, reporter)
            keypoints = finished(keypoints, reporter, _judge(lifter))
        return None, keypoints
    from .detect import extract_keypoints

    source = open_source(path, options.start, options.end, options.fps)
    if source.untimed:
        reporter.warning(f"The pictures in {path.name} hold no times; {source.fps:.3g} frames a second are assumed; "
                         "say the frame rate if it is another.")
    if path.is_dir() and (videos := videos_in(path)):
        more = f" and {len(videos) - 1} more" * (len(videos) > 1)
        reporter.warning(f"The images in {path.name} are taken for the frames of one video; the videos beside them "
                         f"({videos[0].name}{more}) are not read.")
    _check_focal(options.focal, source)
    return source, extract_keypoints(source, options.person, reporter, judge=_judge(lifter))


def _check_focal(focal: float | None, picture: Source | Keypoints) -> None:
    """Refuses millimetres given for pixels, before minutes of work are spent on them."""
    width, height = picture.width, picture.height
    if focal is not None and focal < _SHORTEST_LENS * max(width, height):
        raise InputError(f"The focal length of {focal:g} pixels is too short for a picture of {width}x{height}; if these are millimetres "
                         f"(35 mm equivalent), give {focal_in_pixels(focal, width, height):.0f}.")


def _judge(lifter: Lifter) -> Lifter:
    """Who tells left from right: the default, which sees through more than the others do."""
    return lifter if lifter.name == "default" else resolve_lifter("default", lifter.device)


def _warn_of_end(end: float | None, keypoints: Keypoints, what: str, reporter: Reporter) -> None:
    if sentence := shortened(end, keypoints.times[-1] + 1.0 / keypoints.fps, what):
        reporter.warning(sentence)


def _write(motion: Motion, source: Source | None, path: Path, out: Path, options: RunOptions,
           files: dict[str, Path], reporter: Reporter) -> None:
    """Writes every wanted format and notes it in `files`; the Blender scene last, because it is the one that a machine may lack."""
    even = sorted({"bvh", "fbx", "glb"} & set(options.formats))
    if even and _denser_than_said(motion):
        reporter.log(f"The frames come at uneven times; what needs even ones ({_listed(even)}) gets {motion.fps:.3g} a second, their mean. "
                     "Give a higher frame rate to lose nothing where they are dense.")
    with ExitStack() as stack:
        if "npz" in options.formats:
            files["npz"] = out / "motion.npz"
        else:
            files_folder = stack.enter_context(tempfile.TemporaryDirectory())
        motion_path = files.get("npz") or Path(files_folder) / "motion.npz"
        motion.save(motion_path)
        if "bvh" in options.formats:
            files["bvh"] = out / "motion.bvh"
            write_bvh(motion, files["bvh"])
        if options.overlay:
            files["overlay"] = out / "overlay.mp4"
            if source is None:
                reporter.log("Keypoints hold no footage; overlay.mp4 shows the skeleton on black.")
            write_overlay(motion, source, files["overlay"], reporter)
        scene_formats = {f for f in options.formats if f in SCENE_FORMATS}
        if scene_formats:
            footage = path.resolve() if source else None
            files |= write_scene(motion_path, footage, scene_formats, out, reporter)


def _denser_than_said(motion: Motion) -> bool:
    """Whether some of the frames follow each other much faster than the motion's nominal rate."""
    steps = np.diff(motion.times)
    return len(steps) > 0 and float(np.quantile(steps, _DENSE_PART)) * motion.fps < _DENSE


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _spare_the_input(path: Path, out: Path) -> None:
    """Refuses to write a result over the video that it is made from."""
    for result in (out / name for name in _RESULTS):
        if os.path.exists(path) and result.exists() and path.samefile(result):  # also through a link
            raise InputError(f"{path} would be overwritten by this run's own {result.name}; choose another folder for the results.")


def _clear_leftovers(out: Path) -> None:
    """Removes what an earlier run that was killed or failed has left: half-written files and its traceback."""
    for name in [p.name for p in out.glob("*.partial*")] + ["error.log"]:
        if name == "error.log" or name.split(".")[0] in {result.split(".")[0] for result in _RESULTS}:
            (out / name).unlink(missing_ok=True)


@contextmanager
def _own_folder(out: Path) -> Iterator[Path]:
    """The output folder, made and held for this run alone; it goes again if this run made it and leaves it empty."""
    fresh = not os.path.exists(out)  # which takes a name that is too long for one that is not there
    out = _writable_folder(out)
    try:
        with held(out / _LOCK) as ours:
            if not ours:
                raise InputError(f"Another run is at work in the output folder {out}; wait for it to end, or choose another folder.")
            yield out
    finally:
        if fresh:
            with suppress(OSError):  # not empty
                out.rmdir()


def _writable_folder(out: Path) -> Path:
    """Makes `out` and tries it, before minutes of work are spent on results that cannot be written."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            return out.resolve()
    except OSError as error:
        raise InputError(f"The output folder {out} cannot be written to ({error.strerror}); choose another.") from error


def _provenance(path: Path, options: RunOptions, lifter: dict, reporter: Reporter, problem: str | None) -> dict:
    return {
        "source": str(path.resolve()), "options": options.to_json(), "version": __version__,
        "python": platform.python_version(), "lifter": lifter, "warnings": list(reporter.warnings), "problem": problem,
    }
