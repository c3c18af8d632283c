"""How far the result is from the truth, clip by clip, beside what it is made of and beside MediaPipe, all in one run.

Three methods on the same frames: *ours*, the motion that the pipeline solves; *lifted*, the path without the solver: the network's
markers of each frame as they are, put where the frame's own picture says (`core.place`); *MediaPipe's* own world landmarks on the
same video. The last two know no up and the last no place: the truth's camera is lent to both and the truth's hips to the last, which
flatters them.

Protocol of the body's table (that of the clips' BASELINE.md): the 12 limb joints (shoulder, elbow, wrist, hip, knee, ankle), skeletons
centred on the hips' middle, in the camera's axes, no scaling; only frames in which MediaPipe found somebody and the truth is valid.

- MPJPE: mean distance, mm. PA-MPJPE: the same after a similarity alignment of each frame.
- accel: mean length of the difference of the joints' second time derivatives, m/s^2.
- skate: how far an ankle moves from frame to frame while its foot is truly on the ground, mm per 1/30 s, in the world, less what the
  truth's own ankle moves (0 is perfect).
- bones: how much the 8 limb bones change their length over the clip: standard deviation over mean, percent.

The table of the way and of fast motion:

- root: mean distance of the hips' path from the truth's after the best turn about the vertical and shift (no scaling), percent of the
  length of the truth's path (RTE of Shin et al., WHAM, CVPR 2024); once with the camera unknown, once with the true focal length given,
  and the path without the solver with the camera unknown.
- peak: the highest speed (central differences, centred on the hips) of each wrist and ankle over that of the truth, for those whose
  true one is over `FAST`; the ratio that is furthest from 1. "-": nothing in the clip is fast.
- "(height)": the same motion solved with the person's true height given, where the truth holds it: a picture does not tell it.
- floor: how far the lowest point of a foot (heel, ball, tip) ever is below our floor, cm. Only a solved motion has a floor.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .camera import assume_intrinsics, pixel_rays
from .camera_motion import through_one_lens
from .errors import InputError
from .events import Reporter, TerminalReporter
from .keypoints import ATTACHMENTS, LIMB_KEYPOINTS, Keypoints, load_keypoints
from .markers import LIMB_MARKERS
from .motion import Motion
from .options import LIFTERS, RunOptions
from .place import locate
from .skeleton import INDEX
from .solve.body import Body
from .solve.contacts import SOLE, SOLE_POINTS

_LIMB_BONES = tuple((f"{s}_{a}", f"{s}_{b}") for s in "lr" for a, b in
                    (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle")))
_HIPS = [LIMB_KEYPOINTS.index("l_hip"), LIMB_KEYPOINTS.index("r_hip")]
_ANKLES = [LIMB_KEYPOINTS.index("l_ankle"), LIMB_KEYPOINTS.index("r_ankle")]
TRAINED_ON = "cmu_"  # clips whose motion is in the training part of the mocap pack: their figures flatter us
FIGURES = ("MPJPE mm", "PA mm", "accel", "skate mm", "bones %")
METHODS = ("ours", "lifted", "mediapipe")
WAY = ("root %", "root % (focal)", "root % lifted", "MPJPE mm (height)", "peak", "peak (height)", "peak lifted", "peak MediaPipe",
       "floor cm", "up deg")
FAST = 3.0  # m/s; a walk's swinging foot passes the hips at about 2.5
_WITHIN = 0.15  # of the true peak speed
_FAST_POINTS = tuple(LIMB_KEYPOINTS.index(n) for n in ("l_wrist", "r_wrist", "l_ankle", "r_ankle"))
_FAR = 4.0  # metres: where a frame without enough keypoints would be put


@dataclass(frozen=True)
class Truth:
    """A clip's truth. camera: (T, 12, 3) joints, camera axes, metres; R: (T, 3, 3), t: (T, 3) world to camera; contact: (T, 2) left, right
    foot; valid: (T,) frames that count; focal: pixels; stature: metres, or None where nobody measured it."""

    camera: np.ndarray
    R: np.ndarray
    t: np.ndarray
    contact: np.ndarray
    valid: np.ndarray
    fps: float
    focal: float
    stature: float | None = None

    def world(self, camera: np.ndarray) -> np.ndarray:
        """Points (T, N, 3) in the camera's axes, in the truth's world."""
        return np.einsum("tji,tkj->tki", self.R, camera - self.t[:, None])


def load_truth(clip: Path) -> Truth | None:
    """The truth of a clip's folder, or None where it holds a video only."""
    if not (clip / "gt.npz").exists():
        return None
    with np.load(clip / "gt.npz", allow_pickle=False) as data:
        names = list(data["names"])
        camera = data["joints3d_cam"][:, [names.index(n) for n in LIMB_KEYPOINTS]]
        valid = data["frame_valid"] if "frame_valid" in data else np.ones(len(camera), bool)
        stature = float(data["stature"]) if "stature" in data else None
        return Truth(camera, data["R"], data["t"], data["contact"], valid, float(data["fps"]), float(data["K"][0, 0]), stature)


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
    """Mean length of the difference of second derivatives of hip-centred joints (T, J, 3) in metres, m/s^2; NaN in frames that do not
    count."""
    length = np.linalg.norm(np.diff(_centred(a) - _centred(b), n=2, axis=0), axis=-1)
    known = length[np.isfinite(length)]
    return float(known.mean() * fps**2) if len(known) else float("nan")


def foot_skate(world: np.ndarray, truth_world: np.ndarray, contact: np.ndarray, fps: float) -> float:
    """mm that an ankle moves in 1/30 s in true contact beyond what the truth's ankle moves (negative: less than it); worlds (T, 12, 3) m,
    contact (T, 2)."""
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


def root_error(path: np.ndarray, truth: np.ndarray) -> float:
    """Mean distance of paths (T, 3) (metres, Z up) after the best turn about Z and shift, percent of the truth's length; NaN if 0."""
    length = np.linalg.norm(np.diff(truth, axis=0), axis=-1).sum()
    a, b = path - path.mean(0), truth - truth.mean(0)
    angle = np.arctan2((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum(), (a[:, :2] * b[:, :2]).sum())
    turned = np.stack([np.cos(angle) * a[:, 0] - np.sin(angle) * a[:, 1], np.sin(angle) * a[:, 0] + np.cos(angle) * a[:, 1], a[:, 2]], -1)
    return float(100 * np.linalg.norm(turned - b, axis=-1).mean() / length) if length > 0 else float("nan")


def peak_ratio(joints: np.ndarray, truth: np.ndarray, fps: float) -> float:
    """Peak speed over the truth's of joints (T, 12, 3), NaN in frames that do not count, of the fast hand or foot where it is furthest
    from 1; NaN where none is fast, or nothing is known of the joints."""
    if len(truth) < 3 or not np.isfinite(joints).any():
        return float("nan")
    speeds = [np.linalg.norm(_centred(j)[2:] - _centred(j)[:-2], axis=-1) * fps / 2 for j in (joints, truth)]
    ours, true = (np.where(np.isfinite(speed), speed, 0.0).max(0) for speed in speeds)
    ratios = [float(ours[i] / true[i]) for i in _FAST_POINTS if true[i] > FAST]
    return max(ratios, key=lambda r: abs(np.log(max(r, 1e-6))), default=float("nan"))


def below_floor(motion: Motion) -> float:
    """cm that the lowest point of a sole ever lies under z = 0: beneath heels, balls and toe tips."""
    feet = Body(motion.skeleton, SOLE_POINTS).pose(motion.local_rotations, motion.root_translation).points
    return float(100 * max(0.0, -(feet[..., 2] - SOLE).min()))


def up_error(R: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(T,) degrees between the world's upward directions of two cameras (T, 3, 3), world to camera."""
    cosine = np.einsum("ti,ti->t", R[..., 2], np.broadcast_to(truth, R.shape)[..., 2])
    return np.asarray(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))


def _centred(joints: np.ndarray) -> np.ndarray:
    return joints - joints[:, _HIPS].mean(1, keepdims=True)


def figures(camera: np.ndarray, world: np.ndarray, truth: Truth, frames: np.ndarray) -> dict[str, float]:
    """`FIGURES` of one method: camera, world (T, 12, 3) metres; frames (T,) bool, those that count."""
    keep = np.flatnonzero(frames)
    counted, true = _counted(camera, frames), _counted(truth.camera, frames)
    return dict(zip(FIGURES, (
        1000 * mpjpe(camera[keep], truth.camera[keep]), 1000 * pa_mpjpe(camera[keep], truth.camera[keep]),
        acceleration_error(counted, true, truth.fps),
        foot_skate(world, truth.world(truth.camera), truth.contact & frames[:, None], truth.fps), bone_spread(camera[keep])), strict=True))


def _counted(joints: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Joints (T, 12, 3) with NaN in the frames (T,) that do not count: nothing is differenced across them."""
    return np.where(frames[:, None, None], joints, np.nan)


def way(ours: tuple[np.ndarray, np.ndarray], focal: np.ndarray, height: np.ndarray, lifted: np.ndarray, landmarks: np.ndarray,
        truth: Truth, frames: np.ndarray, sunk: float, up: float) -> dict[str, float]:
    """`WAY` from joints (T, 12, 3) in metres: ours in camera and world, ours in the world with the focal length given, ours in the camera
    with the height given (NaN: unknown), the lifted ones in the camera, MediaPipe's; frames (T,) bool, those that count; sunk: see
    `below_floor`; up: see `up_error`."""
    keep = np.flatnonzero(frames)
    hips = truth.world(truth.camera)[keep][:, _HIPS].mean(1)
    paths = (ours[1], focal, truth.world(lifted))
    poses = (ours[0], height, lifted, landmarks)
    roots = [root_error(world[keep][:, _HIPS].mean(1), hips) for world in paths]
    peaks = [peak_ratio(_counted(pose, frames), _counted(truth.camera, frames), truth.fps) for pose in poses]
    return dict(zip(WAY, (*roots, 1000 * mpjpe(height[keep], truth.camera[keep]), *peaks, sunk, up), strict=True))


def limb_joints(motion: Motion) -> tuple[np.ndarray, np.ndarray]:
    """(T, 12, 3) of a motion in the camera and in the world."""
    index = [INDEX[ATTACHMENTS[name][0]] for name in LIMB_KEYPOINTS]
    return motion.joints_camera()[:, index], motion.joints_world()[:, index]


def lifted_joints(keypoints: Keypoints, focal: float, options: RunOptions, reporter: Reporter) -> np.ndarray:
    """(T, 12, 3) the path without the solver, camera axes: the markers where each frame's picture puts them, unseen ones bridged.
    focal: the solver's, in pixels."""
    from .lift import lift, resolve_lifter

    K, keypoints = assume_intrinsics(keypoints.width, keypoints.height, focal), through_one_lens(keypoints)
    markers = lift(keypoints, K, resolve_lifter(options.lifter, options.device), reporter).positions
    joints = markers[:, LIMB_MARKERS]
    seen = keypoints.select(LIMB_KEYPOINTS)
    place = locate(joints, pixel_rays(seen.xy, K)[..., :2], seen.confidence, _FAR)
    frames, there = np.arange(len(joints)), keypoints.seen
    flat = (joints + place[:, None]).reshape(len(joints), -1)
    return np.stack([np.interp(frames, frames[there], column[there]) for column in flat.T], axis=-1).reshape(joints.shape)


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
    keypoints = load_keypoints(result.files["keypoints"])
    lifted = lifted_joints(keypoints, float(result.motion.camera.K[0, 0]), options, reporter)

    def told(what: str, **known: float) -> tuple[np.ndarray, np.ndarray]:
        again = dataclasses.replace(options, overlay=False, **known)  # type: ignore[arg-type]
        return limb_joints(run(result.files["keypoints"], out / clip.name / what, again, reporter).motion)

    height = np.full_like(camera, np.nan) if truth.stature is None else told("height", height=truth.stature)[0]
    return row | {
        "frames": int(frames.sum()),
        "ours": figures(camera, world, truth, frames), "lifted": figures(lifted, truth.world(lifted), truth, frames),
        "mediapipe": figures(landmarks, truth.world(landmarks + hips), truth, frames),
        "way": way((camera, world), told("focal", focal=truth.focal)[1], height, lifted, landmarks, truth, frames,
                   below_floor(result.motion), up_error(result.motion.camera.R, truth.R)[frames].mean())}


def table(rows: list[dict]) -> str:
    """The rows as two Markdown tables: the body (ours / lifted / MediaPipe in each cell) and the way; means over clips with a truth."""
    scored = [r for r in rows if "ours" in r]
    unseen = [r for r in scored if not r["clip"].startswith(TRAINED_ON)]
    groups = [(f"mean of {len(scored)}", scored)] if scored else []
    groups += [(f"mean of the {len(unseen)} whose motion was not trained on", unseen)] if 0 < len(unseen) < len(scored) else []
    lines = _head(("clip", "frames", *FIGURES))
    for row in rows:
        cells = [_cell(row, f) if "ours" in row else row.get("problem") or "no truth" for f in FIGURES]
        lines.append(_line(row["clip"], row["frames"], *cells))
    lines += [_mean_line(title, group) for title, group in groups]
    lines += ["", *_head(("clip", *WAY))]
    lines += [_line(r["clip"], *(_number(f, r["way"][f]) for f in WAY)) for r in scored]
    lines += [_line(f"**{title}**", *(_mean_way(f, group) for f in WAY)) for title, group in groups]
    return "\n".join(lines)


def _head(titles: tuple[str, ...]) -> list[str]:
    return [_line(*titles), "|---" * len(titles) + "|"]


def _line(*cells: object) -> str:
    return "| " + " | ".join(str(c) for c in cells) + " |"


def _cell(row: dict, figure: str) -> str:
    return " / ".join(_number(figure, row[who][figure]) for who in METHODS)


def _mean(values: list[float]) -> float:
    known = [v for v in values if np.isfinite(v)]
    return float(np.mean(known)) if known else float("nan")


def _mean_line(title: str, rows: list[dict]) -> str:
    """Means of the methods, and in brackets ours over MediaPipe's where that says something."""
    mean = {who: {f: _mean([abs(r[who][f]) for r in rows]) for f in FIGURES} for who in METHODS}  # skates must not cancel out
    shares = {f: f" ({mean['ours'][f] / mean['mediapipe'][f]:.2f})" for f in FIGURES[:3]}
    return _line(f"**{title}**", sum(r["frames"] for r in rows), *(_cell(mean, f) + shares.get(f, "") for f in FIGURES))


def _number(figure: str, value: float) -> str:
    return "-" if not np.isfinite(value) else f"{value:.2f}" if figure.startswith("peak") else f"{value:.1f}"


def _mean_way(figure: str, rows: list[dict]) -> str:
    """The mean; of peak speeds in how many clips they are right; of the floor the worst."""
    values = [v for v in (r["way"][figure] for r in rows) if np.isfinite(v)]
    if figure.startswith("peak"):
        return f"{sum(abs(v - 1) <= _WITHIN for v in values)} of {len(values)} within {100 * _WITHIN:.0f} %"
    return f"{max(values, default=0.0):.1f} at most" if figure.startswith("floor") else _number(figure, _mean(values))


def main(argv: list[str]) -> int:
    """The command `evaluate`."""
    from models.registry import check

    parser = argparse.ArgumentParser(prog="build.py evaluate", allow_abbrev=False, description=(
        "Runs the pipeline on clips with known truth and prints two tables, clip by clip: the body (ours / the lifted markers "
        "without the solver / MediaPipe's own world landmarks) and the way through the world. 'evaluate --lifters' compares all "
        "lifting networks; 'evaluate --correction DIR' measures the correction of ankles and wrists; each has its own --help."))
    parser.add_argument("clips", metavar="CLIP_DIR", nargs="+", help="a folder with video.mp4 and gt.npz, or a folder of such folders")
    parser.add_argument("--out", metavar="DIR", help="keep motions and overlays here (default: a temporary folder)")
    parser.add_argument("--lifter", default="default", metavar="NAME", help=f"the lifting network: {', '.join(LIFTERS)} (default: default)")
    parser.add_argument("--json", metavar="FILE", help="also write the rows as JSON")
    args = parser.parse_args(argv)
    check(args.lifter)  # one wrong name is one sentence, not a warning for each clip
    clips = [clip for folder in map(Path, args.clips) for clip in clips_in(folder)]
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
    print("ours / lifted, without the solver / MediaPipe's own world landmarks\n\n" + table(rows))
    if args.json:
        Path(args.json).write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return 2 if any(row.get("problem") for row in rows) else 0


def clips_in(folder: Path) -> list[Path]:
    """The folders with a video.mp4 in `folder`, or itself. Raises InputError."""
    if (folder / "video.mp4").exists():
        return [folder]
    found = sorted(p.parent for p in folder.glob("*/video.mp4")) + sorted(p.parent for p in folder.glob("*/*/video.mp4"))
    if not found:
        raise InputError(f"{folder} holds no clip: a folder with video.mp4 (and gt.npz) was expected.")
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
