"""How often arms and legs have changed sides in the picture: as detected, by continuity alone, and by the lifted body.

    python -m models.judge_sides RUNS_DIR

On the held-out runs (what MediaPipe saw of rendered people in motions of val/, beside the truth). A pair of limbs counts as exchanged in a
frame where elbows and wrists, or knees and ankles, lie `_PLAINLY` nearer to the truth's places of the other side than to those of their
own, and where the truth's two sides are `_APART` of the person's size in the picture apart.
Limits: runs last about a second, so most exchanges are cut off at one end; in longer takes continuity errs more often.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from core.detect.sides import mended
from core.events import Reporter
from core.flips import by_continuity
from core.keypoints import Keypoints
from core.lift import resolve_lifter

from .detections import held_out, keypoints_of, runs_in, too_few
from .script import run_script

PAIRS = {"legs": ("knee", "ankle"), "arms": ("elbow", "wrist")}
_PLAINLY, _APART, _FARTHEST = 0.7, 0.08, 0.3  # of the distance; of the size; a point that is farther off tells no more


def exchanged_limbs(keypoints: Keypoints, truth: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Of each of `PAIRS` (T,) bool, the frames in which it has changed sides. truth: of each of its points (T, 2) pixels."""
    size = np.maximum(np.ptp(np.stack(list(truth.values()), axis=1), axis=1).max(-1), 1.0)
    result = {}
    for name, parts in PAIRS.items():
        def off(ours: str, theirs: str, parts: tuple[str, ...] = parts) -> np.ndarray:
            far = [np.linalg.norm(keypoints.xy[:, keypoints.names.index(ours + p)] - truth[theirs + p], axis=-1) / size for p in parts]
            return np.asarray(np.minimum(far, _FARTHEST).sum(axis=0))

        apart = np.max([np.linalg.norm(truth[f"l_{p}"] - truth[f"r_{p}"], axis=-1) for p in parts], axis=0) / size
        crosswise, own = off("l_", "r_") + off("r_", "l_"), off("l_", "l_") + off("r_", "r_")
        result[name] = (crosswise < _PLAINLY * own) & (apart > _APART)
    return result


def main(argv: list[str]) -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="python -m models.judge_sides", description="Counts limbs that have changed sides.")
    parser.add_argument("runs", type=Path, metavar="DIR", help="runs of detections beside the truth (run_*.npz)")
    folder = parser.parse_args(argv).runs
    judge, reporter = resolve_lifter(), Reporter()
    ways = {"as detected": lambda k: k, "continuity alone": by_continuity, "the lifted body": lambda k: mended(k, judge, reporter)}
    counts = {way: np.zeros((len(PAIRS), 2), dtype=int) for way in ways}
    frames = 0
    for data in runs_in(folder):
        if not held_out(str(data["motion"])) or not data["detected"].any():
            continue
        names = data["names"].tolist()
        truth = {f"{s}_{p}": data["joints2d"][:, names.index(f"{s}_{p}")] for s in "lr" for parts in PAIRS.values() for p in parts}
        detected = keypoints_of(data)
        frames += int(detected.seen.sum())
        before = exchanged_limbs(detected, truth)
        for way, of in ways.items():
            after = exchanged_limbs(of(detected), truth)
            counts[way] += [((after[p]).sum(), (after[p] & ~before[p]).sum()) for p in PAIRS]
    if not frames:
        raise too_few(folder)
    print(f"Exchanged in {frames} frames (of these, right as detected):\n\n| | " + " | ".join(PAIRS) + " |\n|---|" + "---|" * len(PAIRS))
    for way, rows in counts.items():
        print(f"| {way} | " + " | ".join(f"{wrong} ({new})" for wrong, new in rows) + " |")
    return 0


if __name__ == "__main__":
    run_script(main)
