"""All lifting networks in one table, from one run, on the same data.

    build.py evaluate --lifters --data MOCAP [--detections RUNS] [--also FILE ...] [--clips DIR ...] [--json FILE]

Data: windows that nothing was trained on, by cameras drawn anew; every lens is assumed, as at run time.
- "val": motions of MOCAP/val, by people of whom nothing is in train/, under imagined cameras and the errors of val's detections
  (`models.synthesis`).
- "detections": what MediaPipe really saw of rendered people in motions of MOCAP/val (`models.detections`).
Nothing is trained on either, but both choose the checkpoint and the size of the expected error.
Targets have the mean adult's size, as in training: size is the solver's business. Every network looks at the mirror image as well, as it
does at run time (`models.symmetric`). Errors are over the 12 limb joints, centred on the hips: MPJPE and PA-MPJPE in mm, acceleration
error in m/s^2 (as in `core.evaluate`).
- "10 %", "30 %": MPJPE after that share of the keypoints of every frame was taken away; "30 % all through": after that share of each
  window's keypoints was taken away in all of its frames.
- "said / is": the expected error over the real one, on average and in the quarter of answers that the network is surest (least sure) of.
- views: by where the camera stands around the person, "above" from more than 30 degrees over (or under) the body's own horizon.
- "without world", "without depth and world": the default network with these optional inputs taken away; "in bfloat16": at half the
  precision (how much faster that is says `bench lift`).
Clips are lifted from the keypoints that the 2D stage finds, frame by frame beside MediaPipe's own world landmarks; no solver.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.errors import InputError
from core.evaluate import clips_in, load_truth, mediapipe_world, mpjpe, pa_mpjpe
from core.events import Reporter, TerminalReporter
from core.keypoints import LIMB_KEYPOINTS
from core.lift import Lifter, lift
from core.markers import LIMB_MARKERS

from . import detections, mocap, registry
from .synthesis import unseen
from .train import answers_to, lineage, validation
from .windows import Windows, of_mean_size, without

_WINDOWS, _FRAMES = 320, 64  # of "val"
_PARTS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
_VIEWS = ("front", "side", "back", "above")
_MISSING = {"10 %": (0.1, False), "30 %": (0.3, False), "30 % all through": (0.3, True)}


@dataclasses.dataclass(frozen=True)
class Judged:
    """Answers of a network beside the truth: guess, truth (T, 12, 3) metres; said (T, 12); view (T,) index of `_VIEWS`;
    acceleration: m/s^2."""

    guess: np.ndarray
    truth: np.ndarray
    said: np.ndarray
    view: np.ndarray
    acceleration: float


def main(argv: list[str]) -> int:
    """The command `evaluate --lifters`."""
    args = _arguments(argv)
    reporter = TerminalReporter()
    lifters = [Lifter(name, "cpu", registry.load(name)) for name in (*registry.NETWORKS, *registry.TOGETHER)]
    lifters += [Lifter(f"{path.parent.name}/{path.stem}", "cpu", registry.load_file(path)) for path in args.also or ()]
    result: dict[str, Any] = {"networks": [_describe(lifter) for lifter in lifters]}
    print(_networks(result["networks"]))
    pack = mocap.load(args.data)
    sets = {"val": unseen(pack).draw(np.random.default_rng(2026), _WINDOWS, _FRAMES)}
    if args.detections:
        detections.check_parts(pack.part("train").names, pack.part("val").names)
        sets["detections"] = detections.held_out_runs(args.detections)
    for name, windows in sets.items():
        result[name] = _judge_all(lifters, name, of_mean_size(windows), reporter)
        print(f"\n{name}: {len(windows)} windows, {int(windows.real.sum())} frames\n\n" + "\n\n".join(_tables(result[name])))
    if args.clips:
        result["clips"] = [_clip(clip, lifters, reporter) for folder in args.clips for clip in clips_in(folder)]
    if args.json:
        args.json.write_text(json.dumps(result, indent=1), encoding="utf-8")
    if args.clips:
        print("\nclips, before the solver: MPJPE / PA-MPJPE mm\n\n" + _clip_table(result["clips"]))
    return 0


def _judge_all(lifters: Sequence[Lifter], name: str, w: Windows, reporter: Reporter) -> dict[str, dict[str, Any]]:
    """Figures of each network on the windows called `name`, and of the default without its optional inputs and at half the precision."""
    rows: dict[str, dict[str, Any]] = {}
    for done, lifter in enumerate(lifters):
        reporter.progress(name, done, len(lifters))
        row = rows[lifter.name] = _figures(_judge(lifter, w))
        for title, (share, through) in _MISSING.items():
            row[title] = _errors(_judge(lifter, _without_keypoints(w, share, through)))[0]
    reporter.progress(name, len(lifters), len(lifters))
    default = next(f for f in lifters if f.name == "default")
    gone: dict[str, Callable[[Windows], Windows]] = {
        "without world": lambda v: dataclasses.replace(v, world=np.full_like(v.world, np.nan)),
        "without depth and world": lambda v: dataclasses.replace(
            v, world=np.full_like(v.world, np.nan), depth=np.full_like(v.depth, np.nan))}
    for title, poorer in gone.items():
        rows[f"{default.name} {title}"] = _figures(_judge(default, poorer(w)))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rows[f"{default.name} in bfloat16"] = _figures(_judge(default, w))
    return rows


def _judge(lifter: Lifter, w: Windows) -> Judged:
    batch = validation(w)
    answer = answers_to(lifter.loaded.symmetric, batch).double().numpy()
    target, weight = (a.double().numpy()[:, :, LIMB_MARKERS] for a in batch[3:])
    scale = lifter.loaded.sigma_scale[LIMB_MARKERS]
    guess, said = answer[:, :, LIMB_MARKERS, :3], np.exp(answer[:, :, LIMB_MARKERS, 3]) * scale
    valid = np.asarray((weight > 0).all(-1))
    runs = valid[:, 2:] & valid[:, 1:-1] & valid[:, :-2]
    difference = _centred(guess) - _centred(target)
    step = np.diff(w.seconds, axis=1).mean(1)[:, None, None, None]
    second = np.linalg.norm(np.diff(difference, n=2, axis=1) / step**2, axis=-1)
    return Judged(guess[valid], target[valid], said[valid], _views(target[valid]), float(second[runs].mean()))


def _without_keypoints(w: Windows, share: float, through: bool) -> Windows:
    """Windows with that share of the keypoints gone, frame by frame or in all frames of a window."""
    rng = np.random.default_rng(1)
    n, frames, points = w.confidence.shape
    gone = rng.random((n, 1 if through else frames, points)) < share
    return without(w, np.broadcast_to(gone, w.confidence.shape))


def _views(truth: np.ndarray) -> np.ndarray:
    """Index of `_VIEWS` for people (T, 12, 3) in the view of a camera that looks at them (x right, y down, z forward)."""
    at = {n: truth[:, i] for i, n in enumerate(LIMB_KEYPOINTS)}
    left = at["l_shoulder"] - at["r_shoulder"] + at["l_hip"] - at["r_hip"]
    up = at["l_shoulder"] + at["r_shoulder"] - at["l_hip"] - at["r_hip"]
    up /= np.linalg.norm(up, axis=-1, keepdims=True)
    front = np.cross(left, up)
    front /= np.maximum(np.linalg.norm(front, axis=-1, keepdims=True), 1e-9)
    towards = -front[:, 2]  # 1: the person faces the camera
    view = np.select([towards > np.cos(np.pi / 4), towards < -np.cos(np.pi / 4)], [0, 2], default=1)
    return np.where(np.abs(up[:, 2]) > 0.5, 3, view)


def _centred(joints: np.ndarray) -> np.ndarray:
    hips = [LIMB_KEYPOINTS.index("l_hip"), LIMB_KEYPOINTS.index("r_hip")]
    return joints - joints[..., hips, :].mean(-2, keepdims=True)


def _errors(j: Judged) -> tuple[float, float]:
    """MPJPE and PA-MPJPE, mm."""
    return round(1000 * mpjpe(j.guess, j.truth), 1), round(1000 * pa_mpjpe(j.guess, j.truth), 1)


def _figures(j: Judged) -> dict[str, Any]:
    wrong = np.linalg.norm(_centred(j.guess) - _centred(j.truth), axis=-1)
    parts = {p: round(float(1000 * wrong[:, [i for i, n in enumerate(LIMB_KEYPOINTS) if n.endswith(p)]].mean()), 1) for p in _PARTS}
    views = {v: round(float(1000 * wrong[j.view == i].mean()), 1) for i, v in enumerate(_VIEWS) if (j.view == i).any()}
    order = np.quantile(j.said, [0.25, 0.75])
    sure, unsure = j.said <= order[0], j.said >= order[1]
    said = [round(float(1000 * a.mean()), 1) for a in (j.said, wrong, j.said[sure], wrong[sure], j.said[unsure], wrong[unsure])]
    error, aligned = _errors(j)
    return {"MPJPE": error, "PA": aligned, "accel": round(j.acceleration, 1), "said": said, "parts": parts, "views": views}


def _describe(lifter: Lifter) -> dict[str, Any]:
    m = lifter.loaded.metadata
    if "members" in m:
        return {"name": " + ".join(m["members"]), "parameters": lifter.loaded.parameters}
    legs = lineage(m)
    frames: int | None = 0
    for leg in legs:  # files from before 2026-11-23 keep only the last leg's config
        s = leg.get("config")
        frames = None if s is None or frames is None else frames + leg["steps"] * s["window"] * (s["batch"] + s["real_batch"])
    steps, minutes = (sum(leg.get(kind) or 0 for leg in legs) for kind in ("steps", "minutes"))
    return {"name": lifter.name, "parameters": lifter.loaded.parameters, "steps": steps, "frames": frames, "minutes": minutes,
            "noise": m.get("data", {}).get("noise"), "runs": m.get("data", {}).get("detections"), "revision": str(m.get("revision"))[:7]}


def _networks(rows: list[dict[str, Any]]) -> str:
    lines = ["| network | parameters | steps | frames seen | minutes | noise | runs | revision |", "|---" * 8 + "|"]
    for r in rows:
        seen = " | | | | | " if "steps" not in r else (
            f"{r['steps']} | {_millions(r['frames'])} | {r['minutes']:.0f} | {r['noise'] or '?'} | {r['runs'] or '-'} | {r['revision']}")
        lines.append(f"| {r['name']} | {r['parameters'] / 1e6:.1f} M | {seen} |")
    return "\n".join(lines)


def _millions(count: int | None) -> str:
    return "?" if count is None else f"{count / 1e6:.1f} M"


def _tables(rows: dict[str, dict[str, Any]]) -> list[str]:
    """Markdown: errors and missing keypoints; by joint and by view; what the networks said."""
    first = ["| network | MPJPE | PA | accel | " + " | ".join(_MISSING) + " |", "|---" * (4 + len(_MISSING)) + "|"]
    second = ["| MPJPE of | " + " | ".join(_PARTS + _VIEWS) + " |", "|---" * (1 + len(_PARTS) + len(_VIEWS)) + "|"]
    third = ["| said / is | all | surest quarter | least sure quarter |", "|---|---|---|---|"]
    for name, row in rows.items():
        first.append(f"| {name} | {row['MPJPE']} | {row['PA']} | {row['accel']} | "
                     + " | ".join(str(row.get(m, "")) for m in _MISSING) + " |")
        second.append(f"| {name} | " + " | ".join(str(v) for v in row["parts"].values())
                      + " | " + " | ".join(str(row["views"].get(v, "")) for v in _VIEWS) + " |")
        said = row["said"]
        third.append(f"| {name} | " + " | ".join(f"{said[i]} / {said[i + 1]}" for i in (0, 2, 4)) + " |")
    return ["\n".join(lines) for lines in (first, second, third)]


def _clip(clip: Path, lifters: Sequence[Lifter], reporter: Reporter) -> dict[str, Any]:
    """MPJPE and PA of every network's lifted joints on one clip, of the default without depth and world, and of MediaPipe; nothing but
    its name where the truth or the person is missing."""
    from core.camera import assume_intrinsics
    from core.detect import extract_keypoints
    from core.video import open_source

    truth = load_truth(clip)
    if truth is None:
        return {"clip": clip.name}
    reporter.log(f"{clip.name} ...")
    default = next(f for f in lifters if f.name == "default")
    try:
        keypoints = extract_keypoints(open_source(clip / "video.mp4"), "largest", reporter, judge=default)
    except InputError as error:
        reporter.warning(f"{clip.name}: {error}")
        return {"clip": clip.name}
    K = assume_intrinsics(keypoints.width, keypoints.height)
    landmarks = mediapipe_world(clip / "video.mp4", reporter)
    frames = truth.valid & np.isfinite(landmarks).all((1, 2)) & keypoints.seen
    flat = dataclasses.replace(keypoints, depth=None, world=None)
    answers = {f.name: lift(keypoints, K, f).positions[:, LIMB_MARKERS] for f in lifters}
    answers[f"{default.name} without depth and world"] = lift(flat, K, default).positions[:, LIMB_MARKERS]
    answers["MediaPipe"] = landmarks
    return {"clip": clip.name} | {
        who: (round(1000 * mpjpe(a[frames], truth.camera[frames]), 1), round(1000 * pa_mpjpe(a[frames], truth.camera[frames]), 1))
        for who, a in answers.items()}


def _clip_table(rows: list[dict[str, Any]]) -> str:
    scored = [r for r in rows if len(r) > 1]
    if not scored:
        raise InputError("None of the clips has a gt.npz with the truth; give folders such as shared/clips/synth.")
    who = [k for k in scored[0] if k != "clip"]
    mean: dict[str, Any] = {"clip": f"**mean of {len(scored)}**"}
    mean |= {w: np.round(np.mean([r[w] for r in scored], axis=0), 1) for w in who}
    lines = ["| clip | " + " | ".join(who) + " |", "|---" * (1 + len(who)) + "|"]
    return "\n".join(lines + [f"| {r['clip']} | " + " | ".join(f"{r[w][0]} / {r[w][1]}" for w in who) + " |" for r in [*scored, mean]])


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="build.py evaluate", allow_abbrev=False, description=(
        "Judges all lifting networks on the same unseen motions and cameras and prints one set of tables."))
    parser.add_argument("--lifters", action="store_true", required=True, help="compare the networks instead of running the pipeline")
    parser.add_argument("--data", required=True, type=Path, metavar="DIR", help="mocap folder with val/ (BVH), as for train")
    parser.add_argument("--detections", type=Path, metavar="DIR", help="folder of run_*.npz, as for train: those in motions of val/ judge")
    parser.add_argument("--also", type=Path, nargs="+", metavar="FILE", help="more weights files, for example of shorter trainings")
    parser.add_argument("--clips", type=Path, nargs="+", metavar="DIR", help="clips with truth: their lifted joints beside MediaPipe's")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all figures as JSON")
    return parser.parse_args(argv)
