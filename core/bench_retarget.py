"""`build.py bench retarget`: how fast a motion comes onto a rig, in every Blender that this checkout has an environment for."""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path

from . import environment

ROOT = Path(__file__).resolve().parent.parent


def main(argv: list[str]) -> int:
    """The command; 1 when no Blender could be measured."""
    argparse.ArgumentParser(prog="build.py bench retarget", allow_abbrev=False, description=(
        "Writes 120,000 keys in bulk and by keyframe_insert, each as the best of as many rounds, and puts a 10-minute take (18,000 frames) "
        "onto a rig of 60 bones.")
    ).parse_args(argv)
    rows = [row for version in environment.BLENDER_VERSIONS if (row := _measured(version)) is not None]
    if not rows:
        print(f"error: There is no Blender to measure; {environment.blender_obstacle() or 'run build.py test, which makes one.'}")
        return 1
    print(f"Keys in bulk and by keyframe_insert: each the best of {rows[0]['rounds']} rounds; the takes once.")
    print("| Blender | 120,000 keys in bulk | by keyframe_insert | times faster | 10 minutes, 60 bones | the same, few keys |")
    print("|---|---|---|---|---|---|")
    for row in rows:
        print(f"| {row['blender']} | {row['bulk_s']:.3f} s | {row['keyframe_insert_s']:.1f} s "
              f"| {row['keyframe_insert_s'] / row['bulk_s']:.0f} | {row['take_s']:.2f} s | {row['take_few_keys_s']:.2f} s |")
    return 0


def _measured(version: str) -> dict | None:
    python = environment.blender_python(ROOT, version)
    if python is None:
        return None
    answer = subprocess.run([str(python), "-m", "blender_addon.bench_script"], cwd=ROOT, text=True, capture_output=True, check=False)
    try:
        found = json.loads(answer.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        print(f"Blender {version} could not be measured: {(answer.stderr.strip().splitlines() or ['it said nothing'])[-1]}")
        return None
    return found if isinstance(found, dict) else None
