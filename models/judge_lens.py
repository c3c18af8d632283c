"""What measuring the lens brings: takes of unseen motions through lenses of 24 to 85 mm, each lifted through the assumed one.

    python -m models.judge_lens --data MOCAP

Prints in how many takes somebody walks far enough for `core.solve.lens`, how many of these it goes by, and the error of the focal length
then, assumed and measured: root mean square of the logarithm.
Limits: the detector is the modelled one (`models.noise`); in a tenth of the takes the legs are somebody else's.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from core.camera import assume_intrinsics
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
    print("| lens, mm | takes | told | gone by | assumed | measured | worse |\n|---|---|---|---|---|---|---|")
    mm = windows.K[:, 0, 0] / windows.size.max(1) * 36
    for low, high in ((24, 30), (30, 43), (43, 60), (60, 85), (24, 85)):
        rows = [i for i in range(_TAKES) if low <= mm[i] < high]
        used = [(i, lens) for i in rows if (lens := found[i]) and lens.counts]
        assumed, measured = (np.array([np.log(36 * factor / mm[i]) for i, factor in pairs])
                             for pairs in ([(i, 1.0) for i, _ in used], [(i, lens.factor) for i, lens in used]))
        worse = int(np.sum(np.abs(measured) > np.abs(assumed)))
        told = sum(found[i] is not None for i in rows)
        print(f"| {low} to {high} | {len(rows)} | {told} | {len(used)} | {_rms(assumed)} | {_rms(measured)} | {worse} |")
    return 0


def _measured(w: Windows, i: int, lifter: Lifter) -> MeasuredLens | None:
    """Of take `i`, lifted and measured through the assumed lens."""
    width, height = (int(v) for v in w.size[i])
    keypoints = Keypoints(CANONICAL, w.xy[i], w.confidence[i], w.seconds[i], width, height, float(1 / np.diff(w.seconds[i]).mean()),
                          w.depth[i], w.world[i])
    K = assume_intrinsics(width, height)
    lifted = lift(keypoints, K, lifter)
    return measured_lens(lifted.names, lifted.positions, keypoints, K)


def _rms(values: np.ndarray) -> str:
    return f"{np.sqrt(np.mean(values**2)):.2f}" if len(values) else "-"


if __name__ == "__main__":
    run_script(main)
