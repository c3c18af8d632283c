"""Calibrates the expected errors of networks that answer together: their mean errs by less than each of them does.

    python -m models.calibrate --data MOCAP_DIR --detections RUNS_DIR

Measures the shipped networks on what judged each one's training (`models.train.sigma_scale`) and writes models/weights/NAME.json for
each name in `registry.TOGETHER`, which says of which weights it holds; beside others the mean of what each one's file says counts.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from . import detections, mocap, registry
from .script import run_script
from .train import answers_to, judge, judges_of, sigma_scale


def main(argv: list[str]) -> int:
    """Writes the files and prints what the networks err by and say."""
    parser = argparse.ArgumentParser(prog="python -m models.calibrate", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=Path, metavar="DIR", help="mocap folder with train/ and val/ (BVH)")
    parser.add_argument("--detections", required=True, type=Path, metavar="DIR", help="folder of run_*.npz, as for train")
    args = parser.parse_args(argv)
    judges = judges_of(mocap.load(args.data), detections.held_out_runs(args.detections))
    for name in registry.TOGETHER:
        loaded = registry.load(name)
        answers = {kind: answers_to(loaded.symmetric, batch) for kind, batch in judges.items()}
        figures = {kind: judge(answers[kind], batch) for kind, batch in judges.items()}
        scale = sigma_scale([(answers[kind], batch) for kind, batch in judges.items()])
        about = {"members": registry.fingerprints(loaded.metadata["members"]), "sigma_scale": scale, "figures": figures}
        registry.calibration(name).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
        print(f"{name}: {json.dumps(figures)}")
    return 0


if __name__ == "__main__":
    run_script(main)
