"""`build.py bench solve`: how fast the solver is and how much memory it takes, and what frame after frame in scipy would cost.

Method: the sample's keypoints and lifted markers, played to and fro, make takes of 1 and of 10 minutes at 30 frames a second; each is
solved in a process of its own, whose largest resident memory is read at the end. The comparison is `scipy.optimize.least_squares` (its
defaults: trust region, finite differences) on single frames of the same take: the same evidence, priors and 66 unknowns a frame,
from the same start; without what couples frames, which single frames cannot have. Some frames, spread over the take, are solved and
the time is scaled to all of them.
Limits: memory is not read on Windows.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import sys
import time

import numpy as np

from .camera import assume_intrinsics
from .cli import SAMPLE
from .events import Reporter
from .keypoints import Keypoints
from .lift import Lifted, lift, resolve_lifter
from .skeleton import ASSUMED_STATURE

FPS = 30.0
_MINUTES = (1, 10)
_FEW = 24  # frames that scipy solves


def main(argv: list[str]) -> int:
    """The command."""
    argparse.ArgumentParser(prog="build.py bench solve", allow_abbrev=False, description=(
        "Solves takes of 1 and of 10 minutes at 30 fps made of the sample, and single frames of them with scipy.optimize.least_squares.")
    ).parse_args(argv)
    keypoints, lifted = _sample()
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    print("| what | frames | seconds | ms a frame | times real time (30 fps) | peak memory |\n|---|---|---|---|---|---|")
    for minutes in _MINUTES:
        take = to_and_fro(keypoints, lifted, round(60 * minutes * FPS))
        with multiprocessing.get_context("spawn").Pool(1) as pool:  # a fresh process: its peak is this take's
            seconds, memory = pool.apply(_solved, take)
        print(_line(f"whole clip, {minutes} min", len(take[0]), seconds, f"{memory:.0f} MB" if memory else "-"))
    take = to_and_fro(keypoints, lifted, round(60 * _MINUTES[0] * FPS))
    seconds, frames = frame_by_frame(*take, _FEW)
    what = f"scipy, frame by frame, {_MINUTES[0]} min (scaled from {frames} frames)"
    print(_line(what, len(take[0]), seconds / frames * len(take[0]), "-"))
    return 0


def _line(what: str, frames: int, seconds: float, memory: str) -> str:
    return f"| {what} | {frames} | {seconds:.1f} | {1000 * seconds / frames:.1f} | {frames / FPS / seconds:.2f} | {memory} |"


def _sample() -> tuple[Keypoints, Lifted]:
    from .detect import extract_keypoints
    from .video import open_source

    lifter = resolve_lifter()
    keypoints = extract_keypoints(open_source(SAMPLE), "largest", Reporter(), judge=lifter)
    K = assume_intrinsics(keypoints.width, keypoints.height)
    return keypoints, lift(keypoints, K, lifter)


def to_and_fro(keypoints: Keypoints, lifted: Lifted, frames: int) -> tuple[Keypoints, Lifted]:
    """A take of so many frames at `FPS`: forwards, backwards, forwards again."""
    last = len(keypoints) - 1
    rows = last - np.abs(last - np.arange(frames) % max(2 * last, 1))
    cut = keypoints.replace(xy=keypoints.xy[rows], confidence=keypoints.confidence[rows], times=np.arange(frames) / FPS, fps=FPS,
                            depth=None, world=None)
    return cut, Lifted(lifted.names, lifted.positions[rows], lifted.sigma[rows])


def _solved(keypoints: Keypoints, lifted: Lifted) -> tuple[float, float | None]:
    """Seconds, and the largest resident memory of this process in MB (None where the system does not tell)."""
    from .solve import Choices, solve

    begin = time.perf_counter()
    solve(lifted, keypoints, assume_intrinsics(keypoints.width, keypoints.height), ASSUMED_STATURE,
          choices=Choices(stature_is_a_guess=True))
    return time.perf_counter() - begin, _peak_memory()


def _peak_memory() -> float | None:
    if sys.platform == "win32":
        return None
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def frame_by_frame(keypoints: Keypoints, lifted: Lifted, few: int) -> tuple[float, int]:
    """Seconds that scipy takes for `few` frames spread over the take, and how many they were."""
    from scipy.optimize import least_squares
    from threadpoolctl import threadpool_limits

    from .solve.body import DOF
    from .solve.fit import State, residuals
    from .solve.solver import posed

    problem = posed(lifted, keypoints, assume_intrinsics(keypoints.width, keypoints.height), ASSUMED_STATURE)
    frames = np.unique(np.linspace(0, len(problem.start.root) - 1, few).astype(int))
    with threadpool_limits(1, "blas"):
        begin = time.perf_counter()
        for t in frames:
            evidence = problem.evidence.window(t, t + 1)
            start = State(problem.start.local[t:t + 1], problem.start.root[t:t + 1])
            least_squares(lambda step, e=evidence, s=start: residuals(problem.body, e, s.moved(step[None])), np.zeros(DOF))
        return time.perf_counter() - begin, len(frames)
