"""Clips with exact truth that nobody has tuned on, for `build.py evaluate`: rendered people in motions of your choice.

    python -m models.render_clips --tool RENDER_TOOL_DIR --mocap BVH_DIR --out CLIPS_DIR [--first N] [--runs N] [--passer-by]

Problem: sixteen clips hide what goes wrong in one of fifty.
Method:  the rendering tool's choices of run n (motion, person, camera, light, things, image quality), drawn by
         `models.people_renderer`, but as people film who want the motion: 3 to 6 seconds (or all of a shorter motion), 30 frames a
         second, 640 pixels, a camera mostly at a standing person's height, seldom rolled, half as often shaken, the body seldom cut off.
         Each clip is a folder with video.mp4, gt.npz (the arrays that `core.evaluate` reads, in the layout of the tool's own clips) and
         meta.json. With a passer-by somebody walks close past the person (motions named "walk"); gt.npz has their points, too, as
         other_*, and `models.judge_tracks` tells who was taken for whom.
Limits:  needs numpy, scipy, opencv and moderngl and, as all that renders, the tool. The camera stands, shakes or follows by turning;
         it never travels.
Finished clips are skipped: start it again after a stop, or several times with another --shard.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from core.errors import InputError

from .film_set import Run, rendering_tool
from .people_renderer import Array
from .render_detections import add_run_arguments, film, motions_in
from .script import run_script

_SIZE, _FPS = 640, 30.0  # pixels of the longer side; frames a second
_FRAMES = (90, 180)
_FEW_THINGS = 2  # the renderer has room for the materials of no more beside two people
_SOLE = ("heel", "foot", "toe")
_LOW, _SLOW = 0.03, 0.15  # m, m/s: a part of a sole under the one and slower than the other is in contact


def drawn(tool: SimpleNamespace, motions: tuple[list[str], Any, Any], seed: int, number: int) -> Run:
    """The choices of clip `number`: the tool's, made those of somebody who films a person to get the motion. A motion that is shorter than
    the clip should be is filmed as long as it lasts."""
    run: Run = tool.runs.draw_run(seed, number, motions, _SIZE)
    rng = np.random.default_rng([seed, number, 1])
    seconds = float(motions[1][motions[0].index(run["motion"])])
    run["fps"] = _FPS
    run["frames"] = max(2, min(int(rng.integers(*_FRAMES)), int(seconds * _FPS) - 2))
    run["start"] = float(rng.uniform(0, max(seconds - run["frames"] / _FPS - 0.05, 0)))
    camera = run["camera"]
    camera["height"] = float(np.clip(rng.normal(1.4, 0.4), 0.2, 3.0))
    camera["roll"] *= 0.4
    camera["shake"] *= 0.5 * (rng.random() < 0.5)
    camera["follow"] = bool(rng.random() < 0.1)
    fill = float(rng.uniform(0.35, 0.9))
    if rng.random() < 0.8 or camera["cut"] is None:
        camera["cut"], camera["fill"] = None, fill
    if rng.random() < 0.5:
        run["occluder"] = None
    return run


def with_passer_by(run: Run, motions: tuple[list[str], Any, Any], seed: int, number: int) -> Run:
    """The run with somebody who walks past the person, in front of them or behind, who is as far from the camera as leaves room for both.
    Raises InputError where no motion is a walk."""
    rng = np.random.default_rng([seed, number, 2])
    walks = {m: float(seconds) for m, seconds in zip(motions[0], motions[1], strict=True) if "walk" in Path(m).stem}
    if not walks:
        raise InputError("Nobody can pass by: no BVH file among the motions has 'walk' in its name.")
    frames = min(run["frames"], int((max(walks.values()) - 0.2) * run["fps"]))
    spare = {m: seconds - frames / run["fps"] - 0.1 for m, seconds in walks.items()}
    long = [m for m in walks if spare[m] > 0]
    motion = str(rng.choice(long))
    side = 1.0 if rng.random() < 0.5 else -1.0
    other = {"person": int(rng.integers(2**31)), "motion": motion, "start": float(rng.uniform(0, spare[motion])),
             "across": float(rng.uniform(-0.5, 0.5) + np.pi * (rng.random() < 0.5)), "before": float(side * rng.uniform(0.5, 1.0)),
             "when": float(rng.uniform(0.35, 0.65))}
    camera = run["camera"] | {"cut": None, "fill": float(rng.uniform(0.35, 0.6)), "follow": False}
    background = run["background"] | {"boxes": run["background"]["boxes"][:_FEW_THINGS]}
    return run | {"frames": frames, "passer_by": other, "camera": camera, "background": background, "occluder": None}


def contacts(joints: Array, names: list[str], fps: float) -> dict[str, Array]:
    """Which parts of the soles stand on the floor at z = 0. joints: (T, J, 3) metres, z up. contact_parts: (T, 2, 3) left, right foot;
    heel, ball, tip; contact: (T, 2). The tool asks the skin, this asks the joints inside, each from its own lowest place."""
    parts = np.stack([joints[:, [names.index(f"{side}_{part}") for part in _SOLE]] for side in "lr"], axis=1)
    speed = np.linalg.norm(np.gradient(parts, axis=0), axis=-1) * fps
    lowest = np.minimum(parts[..., 2].min(axis=0), 0.05)  # the points lie inside of the foot, each at its own height
    on_floor = (parts[..., 2] - lowest < _LOW) & (speed < _SLOW)
    return {"contact_parts": on_floor, "contact": on_floor.any(-1)}


def write(folder: Path, tool: SimpleNamespace, run: Run, frames: list[Array], truth: dict[str, Any]) -> None:
    """A clip's folder; gt.npz comes last, so that a folder that has one is complete."""
    import cv2

    folder.mkdir(parents=True, exist_ok=True)
    motion = Path(run["motion"]).name
    told = run | {"motion": motion}
    if "passer_by" in run:
        told["passer_by"] = run["passer_by"] | {"motion": Path(run["passer_by"]["motion"]).name}
    (folder / "meta.json").write_text(json.dumps(told, indent=1) + "\n")
    quality = np.random.default_rng(run["scene"] + 1)
    video = cv2.VideoWriter(str(folder / "video.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), run["fps"], (run["width"], run["height"]))
    if not video.isOpened():
        raise InputError(f"OpenCV cannot write {folder / 'video.mp4'}; it needs an MPEG-4 encoder and a folder that it may write to.")
    try:
        for frame in frames:
            video.write(np.ascontiguousarray(tool.runs.degrade(frame[..., ::-1], run["image"], quality)))
    finally:
        video.release()
    part = folder / "gt.part"
    with part.open("wb") as file:
        names = [str(n) for n in truth["names"]]
        np.savez_compressed(file, **(truth | contacts(truth["joints3d_world"], names, run["fps"]) | {"motion": motion}))
    part.replace(folder / "gt.npz")


def main(argv: list[str]) -> int:
    """Renders the clips; 1 when some could not be filmed."""
    parser = argparse.ArgumentParser(prog="python -m models.render_clips", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add_run_arguments(parser, runs=40)
    parser.add_argument("--passer-by", action="store_true", help="somebody walks close past the person")
    args = parser.parse_args(argv)
    tool = rendering_tool(args.tool)
    motions = motions_in(tool, args.mocap)

    def folder(n: int) -> Path:
        return Path(args.out / f"clip_{n:06d}")

    def keep(n: int, run: Run, frames: list[Array], truth: dict[str, Any]) -> None:
        write(folder(n), tool, run, frames, truth)
        print(f"clip {n}: {len(frames)} frames of {Path(run['motion']).stem}", file=sys.stderr, flush=True)

    def draw(n: int) -> Run:
        run = drawn(tool, motions, args.seed, n)
        return with_passer_by(run, motions, args.seed, n) if args.passer_by else run

    return film(args, tool, lambda n: (folder(n) / "gt.npz").exists(), draw, keep)


if __name__ == "__main__":
    run_script(main)
