"""How fast each stage is on this machine, on the sample video: frames per second, and times real time for a 30 fps take."""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from .camera import assume_intrinsics
from .cli import SAMPLE
from .events import Reporter


def main(argv: list[str]) -> int:
    """The command `bench`; its other forms: `bench retarget`, the way onto a rig; `bench lift`, all networks; `bench solve`, the solver."""
    if argv[:1] == ["lift"]:
        from .bench_lift import main as bench_lift

        return bench_lift(argv[1:])
    if argv[:1] == ["solve"]:
        from .bench_solve import main as bench_solve

        return bench_solve(argv[1:])
    if argv[:1] == ["retarget"]:
        from .bench_retarget import main as bench_retarget

        return bench_retarget(argv[1:])
    parser = argparse.ArgumentParser(prog="build.py bench", allow_abbrev=False, description=(
        "Times every stage of a run, each on all frames of VIDEO (models loaded before), best of N repetitions. "
        "'bench retarget' times the way onto a rig, inside Blender; 'bench lift' all lifting networks side by side; "
        "'bench solve' the solver on long takes."))
    parser.add_argument("video", metavar="VIDEO", nargs="?", default=str(SAMPLE), help="what to run on (default: the sample)")
    parser.add_argument("--repeat", type=int, default=3, metavar="N", help="repetitions (default: 3)")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"), help="where the networks run (default: auto)")
    args = parser.parse_args(argv)
    rows = stages(Path(args.video), args.device, max(1, args.repeat))
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {rows[0][1]} frames of {args.video}\n")
    print("| stage | seconds | frames/s | times real time (30 fps) |\n|---|---|---|---|")
    for name, frames, seconds in rows:
        print(f"| {name} | {seconds:.2f} | {frames / seconds:.0f} | {frames / seconds / 30:.1f} |")
    return 0


def stages(video: Path, device: str, repeat: int) -> list[tuple[str, int, float]]:
    """(stage, frames, best seconds) of each stage."""
    from .detect import extract_keypoints
    from .detect.sides import mended
    from .export.bvh import write_bvh
    from .export.overlay import write_overlay
    from .lift import lift, resolve_lifter
    from .solve import solve
    from .video import open_source

    reporter = Reporter()
    rows = []

    def timed(name: str, job: Callable[[], Any]) -> Any:
        seconds = []
        for _ in range(repeat):
            begin = time.perf_counter()
            result = job()
            seconds.append(time.perf_counter() - begin)
        rows.append((name, frames, min(seconds)))
        return result

    source = open_source(video)
    frames = sum(1 for _ in source.frames())
    timed("decode", lambda: sum(1 for _ in source.frames()))
    lifter = resolve_lifter("default", device)
    detected = timed("2D keypoints (decode included)", lambda: extract_keypoints(source, "largest", reporter))
    keypoints = timed("left and right", lambda: mended(detected, lifter, reporter))
    K = assume_intrinsics(keypoints.width, keypoints.height)
    lifted = timed(f"lifting ({lifter.describe()['name']}, {lifter.describe()['device']})", lambda: lift(keypoints, K, lifter, reporter))
    motion = timed("solving", lambda: solve(lifted, keypoints, K, None, reporter))
    with TemporaryDirectory() as folder:
        timed("motion.npz", lambda: motion.save(Path(folder) / "m.npz"))
        timed("motion.bvh", lambda: write_bvh(motion, Path(folder) / "m.bvh"))
        timed("overlay.mp4 (decode included)", lambda: write_overlay(motion, source, Path(folder) / "o.mp4", reporter))
    return rows
