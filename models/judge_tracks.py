"""How often one track holds two people: by place alone, and by place and clothes.

    python -m models.judge_tracks CLIPS_DIR

On clips in which somebody passes by (`models.render_clips --passer-by`). A sight is the person's or the passer-by's when the median of its
keypoints lies within `_NEAR` of their size from theirs, else nobody's (a mixture of both, or a thing); of a track, the frames of whom it
holds more rarely are wrong.
Limits: as the detector sees them, before close-ups; where two people cover each other a sight is whose it is nearer to.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import numpy as np

from core.detect.appearance import dressed
from core.detect.both_ways import BothWays
from core.detect.detector import BLAZEPOSE, pose
from core.detect.mediapipe_detector import MediaPipeDetector
from core.errors import InputError
from core.keypoints import LIMB_KEYPOINTS
from core.track import Pose, follow
from core.video import open_source

from .script import run_script

_NEAR = 0.15
_LIMBS = [BLAZEPOSE.index(n) for n in LIMB_KEYPOINTS]


def whose(xy: np.ndarray, people: np.ndarray) -> int:
    """Which of people (P, 12, 2) keypoints (12, 2) are, in pixels; -1: nobody's."""
    off = np.median(np.linalg.norm(people - xy, axis=-1), axis=1) / np.ptp(people, axis=1).max(-1)
    return int(off.argmin()) if off.min() < _NEAR else -1


def wrong_frames(sights: list[list[Pose]], owners: list[list[int]], times: np.ndarray) -> tuple[int, int]:
    """The frames of all tracks, and those with somebody else than the track's. sights: of each frame; owners: whose they are."""
    frames = wrong = 0
    for track in follow(sights, times, BLAZEPOSE):
        held = [owners[f][p] for f, p in zip(track.frames, track.picks, strict=True)]
        frames += len(held)
        wrong += min(held.count(0), held.count(1))
    return frames, wrong


def main(argv: list[str]) -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="python -m models.judge_tracks", description="Counts frames of tracks with somebody else.")
    parser.add_argument("clips", type=Path, metavar="DIR", help="clips of models.render_clips --passer-by")
    folder = parser.parse_args(argv).clips
    counts = np.zeros((2, 2), dtype=int)
    clips = 0
    for clip in sorted(p.parent for p in folder.glob("*/gt.npz")):
        with np.load(clip / "gt.npz") as data:
            if "other_joints2d" not in data:
                continue
            points = [data["names"].tolist().index(n) for n in LIMB_KEYPOINTS]
            people = np.stack([data["joints2d"][:, points], data["other_joints2d"][:, points]], axis=1)
        sights, times = [], []
        with BothWays(MediaPipeDetector) as detector:
            for frame in open_source(clip / "video.mp4").frames():
                sights.append([pose(dressed(d, frame.rgb)) for d in detector.detect(frame.rgb, frame.time)])
                times.append(frame.time)
        owners = [[whose(p.xy[_LIMBS], truth) for p in row] for row, truth in zip(sights, people, strict=True)]
        bare = [[dataclasses.replace(p, colours=None) for p in row] for row in sights]
        counts += [wrong_frames(s, owners, np.array(times)) for s in (bare, sights)]
        clips += 1
    if not clips:
        raise InputError(f"There is no clip with a passer-by in {folder}; models.render_clips --passer-by makes some.")
    print(f"{clips} clips with two people:\n\n| | frames of tracks | of these with somebody else |\n|---|---|---|")
    for way, (frames, wrong) in zip(("by place alone", "by place and clothes"), counts, strict=True):
        print(f"| {way} | {frames} | {wrong} |")
    return 0


if __name__ == "__main__":
    run_script(main)
