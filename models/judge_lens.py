"""What measuring the lens brings: takes of unseen motions through lenses of 24 to 85 mm, each lifted through the assumed one.

    python -m models.judge_lens --data MOCAP

Prints in how many takes somebody walks far enough for `core.solve.lens`, the error of the focal length in these, assumed and measured (mean
and root mean square of the logarithm's size), and in how many it grew.
Limits: the detector is the modelled one (`models.noise`); in a tenth of the takes the legs are somebody else's.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from core.camera import ASSUMED_FOCAL, FULL_FRAME, assume_intrinsics
from core.keypoints import CANONICAL, Keypoints
from core.lift import Lifter, lift, resolve_lifter
from core.solve.lens import MeasuredLens, measured_lens

from . import mocap
from .script import run_script
from .synthesis import unseen
from .windows import Windows

_TAKES, _FRAMES = 1200, 150


def main(argv: list[str]) -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="python -m models.judge_lens", description="Measures how well a walk tells the focal length.")
    parser.add_argument("--data", required=True, type=Path, metavar="DIR", help="mocap folder with train/ and val/ (BVH)")
    windows = unseen(mocap.load(parser.parse_args(argv).data)).draw(np.random.default_rng(0), _TAKES, _FRAMES)
    lifter = resolve_lifter()
    found = [_measured(windows, i, lifter) for i in range(_TAKES)]
    factors = np.array([lens.factor if lens else np.nan for lens in found])
    print(table(windows.K[:, 0, 0] / windows.size.max(1) * FULL_FRAME, factors))
    return 0


def table(mm: np.ndarray, factors: np.ndarray) -> str:
    """Of takes through true lenses of mm (N,) and what was measured of the assumed one, `MeasuredLens.factor` (N,), NaN where nothing."""
    assumed = np.abs(np.log(ASSUMED_FOCAL * FULL_FRAME / mm))
    measured = np.abs(np.log(ASSUMED_FOCAL * FULL_FRAME * factors / mm))
    lines = ["| lens, mm | takes | told | assumed: mean | rms | measured: mean | rms | worse |", "|---|---|---|---|---|---|---|---|"]
    for low, high in ((24, 30), (30, 43), (43, 60), (60, 85), (24, 85)):
        there = (mm >= low) & (mm < high)
        told = there & np.isfinite(measured)
        errors = [f"{off[told].mean():.2f} | {np.sqrt((off[told] ** 2).mean()):.2f}" if told.any() else "- | -"
                  for off in (assumed, measured)]
        worse = (measured[told] > assumed[told]).sum()
        lines.append(f"| {low} to {high} | {there.sum()} | {told.sum()} | {' | '.join(errors)} | {worse} |")
    return "\n".join(lines)


def _measured(w: Windows, i: int, lifter: Lifter) -> MeasuredLens | None:
    """Of take `i`, lifted and measured through the assumed lens."""
    width, height = (int(v) for v in w.size[i])
    keypoints = Keypoints(CANONICAL, w.xy[i], w.confidence[i], w.seconds[i], width, height, float(1 / np.diff(w.seconds[i]).mean()),
                          w.depth[i], w.world[i])
    K = assume_intrinsics(width, height)
    lifted = lift(keypoints, K, lifter)
    return measured_lens(lifted.names, lifted.positions, keypoints, K)


if __name__ == "__main__":
    run_script(main)
