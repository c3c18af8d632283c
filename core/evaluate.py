"""How far the result is from the truth, clip by clip, beside MediaPipe's own world landmarks on the same video in the same run.

Protocol (that of the clips' BASELINE.md): the 12 limb joints (shoulder, elbow, wrist, hip, knee, ankle), both skeletons centred on the
hips' middle, in the camera's axes, no scaling; only frames in which MediaPipe found somebody and the truth is valid.

- MPJPE: mean distance, mm. PA-MPJPE: the same after a similarity alignment of each frame.
- accel: mean length of the difference of the joints' second time derivatives, m/s^2.
- skate: how far an ankle moves from frame to frame while its foot is truly on the ground, mm per 1/30 s, in the world, less what the
  truth's own ankle moves (0 is perfect). MediaPipe has no root path: the truth's hips are lent to it, which flatters it.
- bones: how much the 8 limb bones change their length over the clip: standard deviation over mean, percent.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .errors import InputError
from .events import Reporter, TerminalReporter
from .keypoints import ATTACHMENTS, LIMB_KEYPOINTS
from .motion import Motion
from .options import RunOptions
from .skeleton import INDEX

_LIMB_BONES = tuple((f"{s}_{a}", f"{s}_{b}") for s in "lr" for a, b in
                    (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle")))
_HIPS = [LIMB_KEYPOINTS.index("l_hip"), LIMB_KEYPOINTS.index("r_hip")]
_ANKLES = [LIMB_KEYPOINTS.index("l_ankle"), LIMB_KEYPOINTS.index("r_ankle")]
TRAINED_ON = "cmu_"  # clips whose motion is in the training part of the mocap pack: their figures flatter us
FIGURES = ("MPJPE mm", "PA mm", "accel", "skate mm", "bones %")


@dataclass(frozen=True)
class Truth:
    """A clip's truth. camera: (T, 12, 3) joints, camera axes, metres; R: (T, 3, 3) world to camera; contact: (T, 2) left, right foot."""

    camera: np.ndarray
    R: np.ndarray
    contact: np.ndarray
    valid: np.ndarray
    fps: float


def load_truth(clip: Path) -> Truth | None:
    """The truth of a clip's folder, or None where it holds a video only."""
    if not (clip / "gt.npz").exists():
        return None
    with np.load(clip / "gt.npz", allow_pickle=False) as data:
        names = list(data["names"])
        camera = data["joints3d_cam"][:, [names.index(n) for n in LIMB_KEYPOINTS]]
        valid = data["frame_valid"] if "frame_valid" in data else np.ones(len(camera), bool)
        return Truth(camera, data["R"], data["contact"], valid, float(data["fps"]))


def mpjpe(a: np.ndarray, b: np.ndarray) -> float:
    """Mean distance of hip-centred joints (T, 12, 3), in the unit of the input."""
    return float(np.linalg.norm(_centred(a) - _centred(b), axis=-1).mean())


def pa_mpjpe(a: np.ndarray, b: np.ndarray) -> float:
    """Mean distance of joints (T, J, 3) after the similarity of each frame that takes `a` nearest to `b` (Procrustes)."""
    a0, b0 = a - a.mean(1, keepdims=True), b - b.mean(1, keepdims=True)
    u, s, vt = np.linalg.svd(np.swapaxes(a0, 1, 2) @ b0)
    sign = np.ones_like(s)
    sign[:, -1] = np.sign(np.linalg.det(u @ vt))
    rotation = (u * sign[:, None, :]) @ vt
    scale = (s * sign).sum(-1) / (a0**2).sum((1, 2))
    return float(np.linalg.norm(scale[:, None, None] * (a0 @ rotation) - b0, axis=-1).mean())


def acceleration_error(a: np.ndarray, b: np.ndarray, fps: float) -> float:
    """Mean length of the difference of second derivatives of hip-centred joints (T, J, 3) in metres, m/s^2."""
    if len(a) < 3:
        return float("nan")
    return float(np.linalg.norm(np.diff(_centred(a) - _centred(b), n=2, axis=0), axis=-1).mean() * fps**2)


def foot_skate(world: np.ndarray, truth_world: np.ndarray, contact: np.ndarray, fps: float) -> float:
    """mm that an ankle moves in 1/30 s in true contact beyond what the truth's ankle moves; worlds (T, 12, 3) m, contact (T, 2)."""
    both = contact[1:] & contact[:-1]
    if not both.any():
        return float("nan")
    steps = [np.linalg.norm(np.diff(w[:, _ANKLES], axis=0), axis=-1)[both].mean() for w in (world, truth_world)]
    return float((steps[0] - steps[1]) * 1000 * fps / 30)


def bone_spread(joints: np.ndarray) -> float:
    """Standard deviation over mean of the limb bones' lengths in joints (T, 12, 3), averaged over bones, percent."""
    pairs = np.array([[LIMB_KEYPOINTS.index(n) for n in pair] for pair in _LIMB_BONES])
    lengths = np.linalg.norm(joints[:, pairs[:, 0]] - joints[:, pairs[:, 1]], axis=-1)
    return float((lengths.std(0) / lengths.mean(0)).mean() * 100)


def _centred(joints: np.ndarray) -> np.ndarray:
    return joints - joints[:, _HIPS].mean(1, keepdims=True)


def figures(camera: np.ndarray, world: np.ndarray, truth: Truth, frames: np.ndarray) -> dict[str, float]:
    """`FIGURES` of one method: camera, world (T, 12, 3) metres; frames (T,) bool, those that count."""
    keep = np.flatnonzero(frames)
    truth_world = np.einsum("tji,tkj->tki", truth.R, truth.camera)  # up to a constant shift where the camera stands still
    return dict(zip(FIGURES, (
        1000 * mpjpe(camera[keep], truth.camera[keep]), 1000 * pa_mpjpe(camera[keep], truth.camera[keep]),
        acceleration_error(camera[keep], truth.camera[keep], truth.fps),
        foot_skate(world[keep], truth_world[keep], truth.contact[keep], truth.fps), bone_spread(camera[keep])), strict=True))


def limb_joints(motion: Motion) -> tuple[np.ndarray, np.ndarray]:
    """(T, 12, 3) of a motion in the camera and in the world."""
    index = [INDEX[ATTACHMENTS[name][0]] for name in LIMB_KEYPOINTS]
    return motion.joints_camera()[:, index], motion.joints_world()[:, index]


def mediapipe_world(video: Path, reporter: Reporter) -> np.ndarray:
    """(T, 12, 3) MediaPipe's own world landmarks, one person, video mode, nothing of ours; NaN where nobody is found."""
    from .detect.mediapipe_detector import MediaPipeDetector
    from .video import open_source

    rows = []
    with MediaPipeDetector(people=1) as detector:
        for frame in open_source(video).frames():
            found = detector.detect(frame.rgb, frame.time)
            names = found[0].names if found else ()
            rows.append([found[0].world[names.index(n)] if found else (np.nan,) * 3 for n in LIMB_KEYPOINTS])
            reporter.progress("MediaPipe alone", len(rows), None)
    return np.array(rows, dtype=np.float64)


def evaluate_clip(clip: Path, out: Path, options: RunOptions, reporter: Reporter) -> dict:
    """Runs the pipeline and MediaPipe on one clip's video; the row of the table as a dict."""
    from .pipeline import run

    video = clip / "video.mp4"
    if not video.exists():
        raise InputError(f"{clip} holds no video.mp4; give folders of clips such as shared/clips/synth/val_hop.")
    result = run(video, out / clip.name, options, reporter)
    truth = load_truth(clip)
    row: dict = {"clip": clip.name, "frames": len(result.motion), "problem": result.problem}
    if truth is None:
        return row | {"seen": float((result.motion.confidence.max(1) > 0).mean())}
    camera, world = limb_joints(result.motion)
    landmarks = mediapipe_world(video, reporter)
    if not len(camera) == len(landmarks) == len(truth.valid):
        raise InputError(f"{clip}: {len(camera)} frames were solved and {len(landmarks)} decoded, but gt.npz has {len(truth.valid)}.")
    frames = truth.valid & np.isfinite(landmarks).all((1, 2))
    hips = truth.camera[:, _HIPS].mean(1, keepdims=True)
    lent = np.einsum("tji,tkj->tki", truth.R, landmarks + hips)
    return row | {"ours": figures(camera, world, truth, frames), "mediapipe": figures(landmarks, lent, truth, frames)}


def table(rows: list[dict]) -> str:
    """The rows as a Markdown table, ours / MediaPipe in each cell, with means over the clips that have a truth."""
    lines = ["| clip | frames | " + " | ".join(FIGURES) + " |", "|---" * (2 + len(FIGURES)) + "|"]
    for row in rows:
        cells = [_cell(row, f) if "ours" in row else row.get("problem") or "no truth" for f in FIGURES]
        lines.append(f"| {row['clip']} | {row['frames']} | " + " | ".join(cells) + " |")
    scored = [r for r in rows if "ours" in r]
    unseen = [r for r in scored if not r["clip"].startswith(TRAINED_ON)]
    lines += [_mean_row(f"mean of {len(scored)}", scored)] if scored else []
    lines += [_mean_row(f"mean of the {len(unseen)} whose motion was not trained on", unseen)] if 0 < len(unseen) < len(scored) else []
    return "\n".join(lines)


def _cell(row: dict, figure: str) -> str:
    return f"{row['ours'][figure]:.1f} / {row['mediapipe'][figure]:.1f}"


def _mean_row(title: str, rows: list[dict]) -> str:
    mean = {who: {f: float(np.nanmean([r[who][f] for r in rows])) for f in FIGURES} for who in ("ours", "mediapipe")}
    return f"| **{title}** | {sum(r['frames'] for r in rows)} | " + " | ".join(_cell(mean, f) for f in FIGURES) + " |"


def main(argv: list[str]) -> int:
    """The command `evaluate`."""
    parser = argparse.ArgumentParser(prog="build.py evaluate", allow_abbrev=False, description=(
        "Runs the pipeline on clips with known truth and prints, clip by clip, our figure / MediaPipe's own world landmarks'."))
    parser.add_argument("clips", metavar="CLIP_DIR", nargs="+", help="a folder with video.mp4 and gt.npz, or a folder of such folders")
    parser.add_argument("--out", metavar="DIR", help="keep motions and overlays here (default: a temporary folder)")
    parser.add_argument("--lifter", default="default", metavar="NAME", help="the lifting network (default: default)")
    parser.add_argument("--json", metavar="FILE", help="also write the rows as JSON")
    args = parser.parse_args(argv)
    clips = [clip for folder in map(Path, args.clips) for clip in _clips_in(folder)]
    options = RunOptions(lifter=args.lifter, formats=("npz",), overlay=bool(args.out))
    reporter = TerminalReporter()
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for clip in clips:
            reporter.log(f"{clip.name} ...")
            try:
                rows.append(evaluate_clip(clip, Path(args.out or scratch), options, reporter))
            except InputError as error:  # one clip that fails must not cost the table of the others
                reporter.warning(f"{clip.name}: {error}")
                rows.append({"clip": clip.name, "frames": 0, "problem": str(error)})
    print("ours / MediaPipe's own world landmarks\n\n" + table(rows))
    if args.json:
        Path(args.json).write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return 2 if any(row.get("problem") for row in rows) else 0


def _clips_in(folder: Path) -> list[Path]:
    if (folder / "video.mp4").exists():
        return [folder]
    found = sorted(p.parent for p in folder.glob("*/video.mp4")) + sorted(p.parent for p in folder.glob("*/*/video.mp4"))
    if not found:
        raise InputError(f"{folder} holds no clip: a folder with video.mp4 (and gt.npz) was expected.")
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
