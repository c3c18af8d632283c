"""Detections beside truth, faster than by path tracing: the rendering tool's runs, drawn by `models.people_renderer`.

    python -m models.render_detections --tool RENDER_TOOL_DIR --mocap BVH_DIR --bundle TASK_FILE --out RUNS_DIR [--first N] [--runs N]

Every random choice of run n (motion, person, camera, light, things, image quality) is what the tool's make_detections.py draws for the
same n, and the files have the same arrays apart from foot contacts, and the mirror image's beside them, so that both kinds of runs train
together. But MediaPipe is asked for two people here, as `run` asks for several, so that it smooths nothing (`raw` in the file). Finished
runs are skipped: start it again after a stop, or several times with another --shard. Needs numpy, scipy, opencv, mediapipe and moderngl,
no Blender.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from core.detect.detector import BLAZEPOSE
from core.errors import InputError
from core.skeleton import mirror_order

from .film_set import NAMES, NoCamera, Run, build, occluded, passer_by_of, rendering_tool, shot_of
from .people_renderer import Array, Renderer
from .script import run_script

_SIZE = 384  # pixels of the longer side
_LIMBS = [NAMES.index(f"{side}_{part}") for side in "lr" for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")]
_OF_BLAZEPOSE = [BLAZEPOSE.index(NAMES[i]) for i in _LIMBS]


def render(tool: SimpleNamespace, renderer: Renderer, run: Run) -> tuple[list[Array], dict[str, Any]]:
    """The frames of a run, (h, w, 3) uint8 RGB, and the truth beside them. Raises InputError and NoCamera, as `film_set.shot_of`."""
    shot = shot_of(tool, run)
    scene, light = build(shot, run)
    bones, spheres = shot.person.matrices(), shot.person.spheres()
    moving = [bones, np.broadcast_to(np.array(scene.still), (len(bones), len(scene.still), 4, 4))]
    truth: dict[str, Any] = shot.truth()
    if "passer_by" in run:
        other = passer_by_of(tool, run, shot)
        scene.join(other)
        moving.append(other.matrices())
        truth |= {f"other_{name}": value for name, value in dataclasses.replace(shot, person=other).truth().items()}
    renderer.load(scene.mesh(), scene.materials, light)
    frames = [renderer.image(matrices, spheres[f], shot.R[f], shot.t[f], shot.K, shot.size)
              for f, matrices in enumerate(np.concatenate(moving, axis=1))]
    truth["occluded"] = occluded(shot, scene, truth["joints3d_world"])
    return frames, truth | {"names": np.array(NAMES), "K": shot.K, "R": shot.R, "t": shot.t, "fps": run["fps"], "width": run["width"],
                            "height": run["height"], "stature": shot.person.human["stature"]}


def detected(tool: SimpleNamespace, frames: list[Array], run: Run, bundle: Path, joints2d: Array) -> dict[str, Array]:
    """What MediaPipe sees of frames (h, w, 3) uint8 RGB after the run's image quality: detections (T, 33, 5) with x, y, z in pixels,
    visibility and presence, world_landmarks (T, 33, 3) metres, both NaN where it finds nobody, and detected (T,) bool; "mirrored_..." is
    what it sees of the same frames in a mirror, as it says it. Of two it is the one who is nearer to joints2d (T, 39, 2), the truth."""
    quality = np.random.default_rng(run["scene"] + 1)
    poor = [np.ascontiguousarray(tool.runs.degrade(frame[..., ::-1], run["image"], quality)[..., ::-1]) for frame in frames]
    in_mirror = [np.ascontiguousarray(frame[:, ::-1]) for frame in poor]
    turned = np.stack([run["width"] - joints2d[..., 0], joints2d[..., 1]], axis=-1)
    image = _seen(in_mirror, run, bundle, turned[:, mirror_order(tuple(NAMES))])
    return _seen(poor, run, bundle, joints2d) | {f"mirrored_{name}": value for name, value in image.items()} | {"raw": np.array(True)}


def _seen(frames: list[Array], run: Run, bundle: Path, joints2d: Array) -> dict[str, Array]:
    import mediapipe as mp
    from mediapipe.tasks.python import BaseOptions, vision

    options = vision.PoseLandmarkerOptions(BaseOptions(model_asset_path=str(bundle)), running_mode=vision.RunningMode.VIDEO,
                                           num_poses=2)
    pixels = np.array([run["width"], run["height"], run["width"], 1, 1])  # a landmark's z is in widths
    seen = np.full((len(frames), 33, 5), np.nan, "f4")
    world = np.full((len(frames), 33, 3), np.nan, "f4")
    with vision.PoseLandmarker.create_from_options(options) as landmarker:
        for f, frame in enumerate(frames):
            found = landmarker.detect_for_video(mp.Image(mp.ImageFormat.SRGB, frame), round(1000 * f / run["fps"]))
            if found.pose_landmarks:
                people = np.array([[(p.x, p.y, p.z, p.visibility, p.presence) for p in marks] for marks in found.pose_landmarks]) * pixels
                off = np.linalg.norm(people[:, _OF_BLAZEPOSE, :2] - joints2d[f, _LIMBS], axis=-1).mean(-1)
                seen[f] = people[off.argmin()]
                world[f] = [[p.x, p.y, p.z] for p in found.pose_world_landmarks[int(off.argmin())]]
    return {"detections": seen, "world_landmarks": world, "detected": np.isfinite(seen[:, 0, 0])}


def main(argv: list[str]) -> int:
    """Renders the runs; 1 when some could not be filmed."""
    args = _arguments(argv)
    tool = rendering_tool(args.tool)
    motions = motions_in(tool, args.mocap)
    args.out.mkdir(parents=True, exist_ok=True)
    began, done = time.monotonic(), 0

    def keep(n: int, run: Run, frames: list[Array], truth: dict[str, Any]) -> None:
        nonlocal done
        seen = detected(tool, frames, run, args.bundle, truth["joints2d"])
        _write(args.out / _file_name(n), run, seen | truth)
        done += len(frames)
        print(f"run {n}: {len(frames)} frames, somebody in {seen['detected'].sum()}; "
              f"{60 * done / (time.monotonic() - began):.0f} frames a minute", file=sys.stderr, flush=True)

    return film(args, tool, lambda n: (args.out / _file_name(n)).exists(),
                lambda n: tool.runs.draw_run(args.seed, n, motions, _SIZE), keep)


def film(args: argparse.Namespace, tool: SimpleNamespace, finished: Callable[[int], bool], draw: Callable[[int], Run],
         keep: Callable[[int, Run, list[Array], dict[str, Any]], None]) -> int:
    """Renders what `add_run_arguments` asks for and is not `finished`: what `draw` says of a number goes to `keep` with its frames and
    truth. 1 when some could not be filmed, else 0."""
    shard, shards = args.shard
    failed = 0
    with Renderer() as renderer:
        for n in range(args.first + shard, args.first + args.runs, shards):
            if finished(n):
                continue
            run = draw(n)
            try:
                frames, truth = render(tool, renderer, run)
            except NoCamera as e:
                failed += 1
                print(f"run {n} left out: {e}", file=sys.stderr)
                continue
            keep(n, run, frames, truth)
    return 1 if failed else 0


def _file_name(n: int) -> str:
    return f"run_{n:06d}.npz"


def _write(path: Path, run: Run, arrays: dict[str, Any]) -> None:
    """The file of a run, complete or not there at all."""
    name = Path(run["motion"]).name
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.savez_compressed(file, **(arrays | {"params": json.dumps(run | {"motion": name}), "motion": name, "start": run["start"]}))
    part.replace(path)


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m models.render_detections", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add_run_arguments(parser, runs=1000)
    parser.add_argument("--bundle", type=_file, required=True, help="MediaPipe's pose landmarker (.task)")
    return parser.parse_args(argv)


def add_run_arguments(parser: argparse.ArgumentParser, runs: int) -> None:
    """What is rendered, and where it goes; `runs`: how many unless told."""
    parser.add_argument("--tool", type=_folder, required=True, help="where make_detections.py, human.py and retarget.py are")
    parser.add_argument("--mocap", type=_folder, nargs="+", required=True, help="where the motions are (BVH)")
    parser.add_argument("--out", type=Path, required=True, help="where the runs go")
    parser.add_argument("--first", type=int, default=0, help="the first run (0)")
    parser.add_argument("--runs", type=int, default=runs, help=f"how many ({runs})")
    parser.add_argument("--seed", type=int, default=0, help="of all choices (0)")
    parser.add_argument("--shard", type=_shard, default=(0, 1), metavar="I/N", help="only every N-th run from the I-th, for N processes")


def motions_in(tool: SimpleNamespace, folders: list[Path]) -> tuple[list[str], Any, Any]:
    """The tool's list of the BVH files in `folders`: paths, seconds, weights. Raises InputError where there are none."""
    motions: tuple[list[str], Any, Any] = tool.runs.list_motions(folders)
    if not motions[0]:
        raise InputError(f"There are no BVH files in {' '.join(map(str, folders))}; give a folder of them as --mocap.")
    return motions


def _folder(text: str) -> Path:
    if not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {text}")
    return Path(text)


def _file(text: str) -> Path:
    if not Path(text).is_file():
        raise argparse.ArgumentTypeError(f"there is no file {text}")
    return Path(text)


def _shard(text: str) -> tuple[int, int]:
    shard, _, shards = text.partition("/")
    if not (shard.isdigit() and shards.isdigit() and int(shard) < int(shards)):
        raise argparse.ArgumentTypeError(f"{text} is not I/N with I from 0 to N - 1")
    return int(shard), int(shards)


if __name__ == "__main__":
    run_script(main)
