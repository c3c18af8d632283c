"""What the correction of ankles and wrists does to keypoints that are wrong, and to those that are not.

    build.py evaluate --correction RUNS

On the held-out runs (what MediaPipe saw of rendered people in motions of val/, beside the truth), the keypoints, their sides mended by
continuity, are corrected as they are, and after an arm's or a leg's end was damaged in one of five ways for a part of the run. The damage
knows nothing of what the trainer hides. Errors are in percent of the person's height as it appears at their distance; of the
damaged keypoints those are counted that are now off by more than `OFF`, and of those nearer to the truth as detected, what is replaced or
left out is a false alarm.
Below, the same keypoints through the default lifter: error in mm of the ankle or wrist in question and of all 12 limb joints, each run at
its best size, over the damaged frames.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.camera import assume_intrinsics
from core.detect.cleaning import cleaned
from core.detect.correct import correct
from core.events import Reporter
from core.flips import by_continuity
from core.keypoints import CANONICAL, LIMB_KEYPOINTS, Keypoints
from core.lift import Lifter, lift, resolve_lifter
from core.markers import LIMB_MARKERS
from core.skeleton import MEAN_STATURE

from .correction import POINTS
from .detections import held_out, keypoints_of, runs_in, too_few

OFF = 5.0  # percent of the height
_ENDS = ("ankle", "wrist")
_DECIDING = POINTS[:, 0]
_OTHER_PARTS = [CANONICAL.index(n) for n in (
    "nose", "l_shoulder", "r_shoulder", "l_elbow", "r_elbow", "l_hip", "r_hip", "l_knee", "r_knee")]


@dataclass(frozen=True)
class Case:
    """One run. keypoints: `CANONICAL`, cleaned; truth: (T, 27, 2) pixels; height: (T,) pixels; joints: (T, 12, 3) metres, camera axes."""

    keypoints: Keypoints
    truth: np.ndarray
    height: np.ndarray
    joints: np.ndarray

    def errors(self, k: Keypoints) -> np.ndarray:
        """(T, 4) of ankles and wrists, percent of the height; NaN where missing."""
        distance = np.linalg.norm(k.xy - self.truth, axis=-1)[:, _DECIDING]
        return np.asarray(100 * distance / self.height[:, None])


def read_cases(folder: Path) -> list[Case]:
    """The held-out runs of a folder in which anybody was detected. Raises InputError when there are none."""
    cases: list[Case] = []
    for data in runs_in(folder):
        if held_out(str(data["motion"])) and data["detected"].any():
            names = data["names"].tolist()
            joints = data["joints3d_cam"].astype(np.float64)
            distance = joints[:, [names.index("l_hip"), names.index("r_hip")], 2].mean(1)
            cases.append(Case(
                cleaned(by_continuity(keypoints_of(data))).canonical(), data["joints2d"][:, [names.index(n) for n in CANONICAL]],
                data["K"][0, 0] * float(data["stature"]) / distance, joints[:, [names.index(n) for n in LIMB_KEYPOINTS]]))
    if not cases:
        raise too_few(folder)
    return cases


# --- damage: each takes a case, frames (T,) bool and a limb, and says where the limb's points (T, 4, 2) are put

Place = Callable[[np.random.Generator, Case, int], np.ndarray]


def _onto_other(rng: np.random.Generator, case: Case, limb: int) -> np.ndarray:
    return case.keypoints.xy[:, POINTS[limb ^ 1]]


def _stuck(rng: np.random.Generator, case: Case, limb: int) -> np.ndarray:
    part = case.keypoints.xy[:, rng.choice(_OTHER_PARTS)]
    return _moved_to(case, limb, part + 0.01 * case.height[:, None] * rng.normal(size=part.shape))


def _thrown(rng: np.random.Generator, case: Case, limb: int) -> np.ndarray:
    k = case.keypoints
    middle = np.full((len(k), 2), np.nan)
    middle[k.seen] = np.nanmean(k.xy[k.seen], axis=1)
    return _moved_to(case, limb, middle + 0.7 * case.height[:, None] * rng.uniform(-1, 1, middle.shape))


def _jumped(rng: np.random.Generator, case: Case, limb: int) -> np.ndarray:
    angle = rng.uniform(0, 2 * np.pi)
    step = rng.uniform(0.1, 0.5) * case.height[:, None] * [np.cos(angle), np.sin(angle)]
    return case.keypoints.xy[:, POINTS[limb]] + step[:, None]


def _moved_to(case: Case, limb: int, place: np.ndarray) -> np.ndarray:
    """The limb's end as it is, its ankle or wrist at place (T, 2)."""
    end = case.keypoints.xy[:, POINTS[limb]]
    return end - end[:, :1] + place[:, None]


DAMAGES: dict[str, Place] = {"exchanged": _onto_other, "on the other": _onto_other, "stuck": _stuck, "thrown": _thrown, "jumped": _jumped}


def damaged(rng: np.random.Generator, case: Case, kind: str, limb: int) -> Keypoints:
    """The case's keypoints with one limb's end (of both sides where they are "exchanged") put elsewhere for a while.

    The detector's world landmarks go along, as far as the picture's plane tells.
    """
    k = case.keypoints
    frames = len(k)
    length = int(rng.integers(1, 5)) if kind == "jumped" else int(rng.integers(3, frames + 1))
    start = int(rng.integers(0, max(frames - length, 0) + 1))
    xy, world = k.xy.copy(), None if k.world is None else k.world.copy()
    for side in (limb, limb ^ 1) if kind == "exchanged" else (limb,):
        points = POINTS[side]
        place = DAMAGES[kind](rng, case, side)
        hit = np.zeros((frames, len(points)), dtype=bool)
        hit[start: start + length] = np.isfinite(place[start: start + length]).all(-1)
        moved = np.where(hit[..., None], place, k.xy[:, points])
        if world is not None:
            world[:, points, :2] += (moved - k.xy[:, points]) / case.height[:, None, None] * MEAN_STATURE
        xy[:, points] = moved
    inside = ((xy >= 0) & (xy < (k.width, k.height))).all(-1)
    return k.replace(xy=xy, world=world, confidence=np.where(inside, k.confidence, 0.0))


@dataclass
class Tally:
    """What happened to ankles and wrists (N,): errors before and after, percent of the height; after is NaN where left out."""

    before: np.ndarray
    after: np.ndarray
    touched: np.ndarray

    def line(self, which: np.ndarray) -> str:
        """Of those which (N,): number, mean error, share that was replaced and their error before and after, share that was left
        out and the error that they had, mean error of those that are there at the end."""
        gone = ~np.isfinite(self.after)
        replaced = which & self.touched & ~gone
        return "".join([
            f"{which.sum():>8}{_mean(self.before[which]):>9}{_share(replaced, which):>12}{_mean(self.before[replaced]):>9}",
            f"{_mean(self.after[replaced]):>8}{_share(which & gone, which):>12}{_mean(self.before[which & gone]):>9}",
            f"{_mean(self.after[which & ~gone]):>10}"])


_HEADING = f"{'number':>8}{'before':>9}{'replaced %':>12}{'before':>9}{'after':>8}{'left out %':>12}{'before':>9}{'at the end':>11}"


def _mean(values: np.ndarray) -> str:
    return f"{values.mean():.2f}" if len(values) else "-"


def _share(part: np.ndarray, whole: np.ndarray) -> str:
    return f"{100 * part.sum() / whole.sum():.1f}" if whole.any() else "-"


def tally(cases: list[Case], changed: list[Keypoints], end: int) -> Tally:
    """Ankles (end 0) or wrists (1) of the changed keypoints before and after the correction."""
    parts: list[list[np.ndarray]] = [[], [], []]
    limbs = slice(2 * end, 2 * end + 2)
    for case, k in zip(cases, changed, strict=True):
        corrected = correct(k, Reporter())
        before, after = case.errors(k)[:, limbs], case.errors(corrected)[:, limbs]
        there = np.isfinite(before)
        touched = ~(k.xy == corrected.xy).all(-1)[:, _DECIDING][:, limbs]
        for part, value in zip(parts, (before, after, touched), strict=True):
            part.append(value[there])
    return Tally(*(np.concatenate(part) for part in parts))


def report(cases: list[Case], seed: int = 0) -> str:
    """The table of the 2D errors."""
    lines = [f"{'':28}{_HEADING}"]
    for end, name in enumerate(_ENDS):
        t = tally(cases, [c.keypoints for c in cases], end)
        near = t.before < OFF
        lines += [f"{name + ' as detected':28}{t.line(t.before >= 0)}", f"{'  near the truth':28}{t.line(near)}",
                  f"{'  off':28}{t.line(~near)}"]
        for kind in DAMAGES:
            rng = np.random.default_rng(seed)
            hit = [damaged(rng, c, kind, 2 * end + int(rng.integers(2))) for c in cases]
            t = tally(cases, hit, end)
            moved = np.concatenate([_moved(c, k, end) for c, k in zip(cases, hit, strict=True)])
            lines.append(f"{name + ' ' + kind:28}{t.line(moved & (t.before > OFF))}")
            lines.append(f"{'  the rest of these runs':28}{t.line(~moved)}")
    return "\n".join(lines)


def _moved(case: Case, k: Keypoints, end: int) -> np.ndarray:
    """(N,) for the ankles or wrists of `tally`, whether they were moved."""
    limbs = _DECIDING[2 * end: 2 * end + 2]
    return ~(case.keypoints.xy == k.xy).all(-1)[:, limbs][np.isfinite(k.xy).all(-1)[:, limbs]]


def lifted(cases: list[Case], seed: int = 0) -> str:
    """The table of the 3D errors: of the keypoints as detected and damaged, before and after."""
    lifter = resolve_lifter("default", "cpu")
    lines = [f"{'3D, mm':28}{'before':>9}{'after':>8}{'all before':>12}{'all after':>11}"]
    for kind in ("as detected", *DAMAGES):
        for end, name in enumerate(_ENDS):
            rng = np.random.default_rng(seed)
            figures: list[tuple[float, ...]] = []
            for case in cases:
                limb = 2 * end + int(rng.integers(2))
                k = case.keypoints if kind == "as detected" else damaged(rng, case, kind, limb)
                before, after = (_lifted_errors(case, x, lifter) for x in (k, correct(k, Reporter())))
                frames = ~(case.keypoints.xy == k.xy).all(-1)[:, _DECIDING[limb]] if kind != "as detected" else k.seen
                frames = frames & k.seen
                if frames.any():
                    own = LIMB_KEYPOINTS.index(CANONICAL[_DECIDING[limb]])
                    figures.append((before[frames, own].mean(), after[frames, own].mean(), before[frames].mean(), after[frames].mean()))
            a, b, c, d = np.mean(figures, axis=0)
            lines.append(f"{name + ' ' + kind:28}{a:>9.1f}{b:>8.1f}{c:>12.1f}{d:>11.1f}")
    return "\n".join(lines)


def _lifted_errors(case: Case, k: Keypoints, lifter: Lifter) -> np.ndarray:
    """(T, 12) millimetres at the run's best size, hips centred; NaN where nobody is seen."""
    guess = lift(k, assume_intrinsics(k.width, k.height), lifter).positions[:, LIMB_MARKERS]
    hips = [LIMB_KEYPOINTS.index(n) for n in ("l_hip", "r_hip")]
    guess, truth = (a - a[:, hips].mean(1, keepdims=True) for a in (guess, case.joints))
    seen = np.isfinite(guess).all((1, 2))
    size = (guess[seen] * truth[seen]).sum() / (guess[seen] ** 2).sum()
    return np.asarray(1000 * np.linalg.norm(size * guess - truth, axis=-1))


def main(argv: list[str]) -> int:
    """The command `evaluate --correction`."""
    parser = argparse.ArgumentParser(prog="build.py evaluate", allow_abbrev=False, description=(
        "Damages ankles and wrists of val/'s detections, corrects them, and prints the errors before and after, in 2D and lifted."))
    parser.add_argument("--correction", action="store_true", required=True, help="measure the correction instead of running the pipeline")
    parser.add_argument("runs", type=Path, metavar="DIR", help="folder of run_*.npz, as for train --detections: val/'s motions judge")
    cases = read_cases(parser.parse_args(argv).runs)
    print(f"{len(cases)} runs whose motions training has not seen; errors in percent of the person's height\n" + report(cases))
    print(lifted(cases))
    return 0
