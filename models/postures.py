"""Takes of people who sit, kneel, squat, stretch and lie, as BVH files: for `models.render_detections` and for training.

    python -m models.postures --out BVH_DIR [--count 400]

Problem: the pack's people walk, jump and dance; hardly any of them sits, kneels or lies, and a network that never saw folded legs
straightens them. Method: a take goes through two to four of the postures below, most often of one kind, each joint turned by some more
degrees, one side's limbs exchanged with the other's in half of them; in between turns are interpolated without overshoot, and everything
sways a little. The lowest part of the body lies on the floor. Limits: hands and feet slide; bodies may go through themselves and the
floor by some centimetres; where two postures lie close in time, the change is faster than people are.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy.interpolate import PchipInterpolator

from core.export.bvh import write_bvh
from core.motion import Motion
from core.rotations import continuous, from_rotation_vector, multiply
from core.skeleton import INDEX, JOINTS, Skeleton, mirror_order

from .invent_motions import nobodys_take
from .script import run_script

Turns = dict[str, tuple[float, float, float]]

_FPS, _FRAMES = 60.0, 150
_SPREAD = 11.0  # degrees, standard deviation of what a posture differs by, each joint and axis
_SPREAD_OF = {"Leg": (14.0, 3.0, 3.0), "ForeArm": (3.0, 3.0, 18.0), "Toe": (8.0, 1.0, 1.0), "Shoulder": (2.0, 4.0, 4.0),
              "Arm": (16.0, 20.0, 20.0), "Hips": (9.0, 7.0, 0.0)}
_SWAY, _SWAY_RATES = 1.5, (0.4, 1.1)  # degrees, turns a second
_ELSEWHERE = 0.15  # of the postures are of another kind than the one before
_SAME_HEADING = 15.0  # degrees, standard deviation of how far somebody turns from one posture to the next
_MIRROR = np.array([1.0, -1.0, -1.0])  # of a rotation vector in the body's middle plane
_FLESH = {"Hips": 0.10, "Spine": 0.10, "Spine1": 0.11, "Neck": 0.06, "Head": 0.10, "Shoulder": 0.05, "Arm": 0.06, "ForeArm": 0.04,
          "Hand": 0.03, "UpLeg": 0.09, "Leg": 0.06, "Foot": 0.07, "Toe": 0.025}
"""Metres from a joint to the skin beneath it."""


def _both(**left: tuple[float, float, float]) -> Turns:
    """Both sides alike, from the left one's turns."""
    right = {f"Right{n}": (x, -y, -z) for n, (x, y, z) in left.items()}
    return {f"Left{n}": turn for n, turn in left.items()} | right


def _one(side: str, **left: tuple[float, float, float]) -> Turns:
    """One side's turns, written as the left side's."""
    return {n: t for n, t in _both(**left).items() if n.startswith(side)}


_HANGING = _both(Arm=(0, 70, -10), ForeArm=(0, 0, -15))
_ON_LAP = _both(Arm=(0, 60, -35), ForeArm=(0, 0, -60))
_ON_FLOOR = _both(Arm=(0, 12, -82), ForeArm=(0, 0, -8), Hand=(0, 70, 0))
_OVERHEAD = _both(Arm=(0, -75, -10), ForeArm=(0, 0, -12))
_BEHIND_HEAD = _both(Arm=(0, -20, -25), ForeArm=(0, 0, -130))
_AHEAD = _both(Arm=(0, 5, -85), ForeArm=(0, 0, -10))
_SIDEWAYS = _both(Arm=(0, 0, 0))
_BEHIND = _both(Arm=(0, 55, 40), ForeArm=(0, 0, -10), Hand=(0, -60, 0))

# Degrees, rotation vectors from the T-pose relative to the parent; axes as in core.skeleton (X left, Y back, Z up).
KINDS: dict[str, tuple[Turns, ...]] = {
    "sitting": (
        _both(UpLeg=(-88, -8, 0), Leg=(88, 0, 0)) | _ON_LAP,
        _both(UpLeg=(-92, -14, 0), Leg=(80, 0, 0)) | _both(Arm=(0, 50, -60), ForeArm=(0, 0, -70))
        | {"Hips": (20, 0, 0), "Spine": (20, 0, 0)},
        _one("Left", UpLeg=(-88, -5, 0), Leg=(88, 0, 0)) | _one("Right", UpLeg=(-100, 12, 0), Leg=(75, 0, 0)) | _ON_LAP,
        _both(UpLeg=(-80, -10, 0), Leg=(45, 0, 0)) | _BEHIND_HEAD | {"Hips": (-15, 0, 0)},
        _both(UpLeg=(-95, -8, 0), Leg=(95, 0, 0)) | _HANGING | {"Hips": (38, 0, 0), "Spine": (12, 0, 0)},
    ),
    "on the floor": (
        _both(UpLeg=(-80, -45, 25), Leg=(125, 0, 0)) | _ON_LAP | {"Spine": (8, 0, 0)},
        _both(UpLeg=(-88, -8, 0), Leg=(8, 0, 0)) | _ON_LAP,
        _both(UpLeg=(-85, -38, 0), Leg=(6, 0, 0)) | _AHEAD | {"Hips": (12, 0, 0), "Spine": (15, 0, 0)},
        _both(UpLeg=(-120, -8, 0), Leg=(125, 0, 0)) | _both(Arm=(0, 40, -70), ForeArm=(0, 0, -45)) | {"Spine": (15, 0, 0)},
        _one("Left", UpLeg=(-85, -35, 40), Leg=(110, 0, 0)) | _one("Right", UpLeg=(-70, 30, 30), Leg=(120, 0, 0)) | _ON_LAP,
        _both(UpLeg=(-75, -8, 0), Leg=(60, 0, 0)) | _BEHIND | {"Hips": (-28, 0, 0)},
        _both(UpLeg=(-100, -8, 0), Leg=(10, 0, 0)) | _AHEAD | {"Hips": (30, 0, 0), "Spine": (28, 0, 0), "Spine1": (15, 0, 0)},
    ),
    "kneeling": (
        _both(UpLeg=(-5, -6, 0), Leg=(95, 0, 0), Foot=(50, 0, 0)) | _HANGING,
        _both(UpLeg=(-72, -10, 0), Leg=(145, 0, 0), Foot=(52, 0, 0)) | _ON_LAP,
        _both(UpLeg=(-105, -10, 0), Leg=(145, 0, 0), Foot=(52, 0, 0)) | _OVERHEAD
        | {"Hips": (62, 0, 0), "Spine": (32, 0, 0), "Spine1": (18, 0, 0)},
        _one("Left", UpLeg=(-85, -5, 0), Leg=(90, 0, 0)) | _one("Right", UpLeg=(5, 0, 0), Leg=(90, 0, 0), Foot=(35, 0, 0)) | _HANGING,
        _both(UpLeg=(-85, -5, 0), Leg=(85, 0, 0), Foot=(50, 0, 0)) | _ON_FLOOR | {"Hips": (80, 0, 0), "Head": (-20, 0, 0)},
        _one("Left", UpLeg=(-110, -5, 0), Leg=(95, 0, 0), Foot=(45, 0, 0))
        | _one("Right", UpLeg=(-55, 0, 0), Leg=(70, 0, 0), Foot=(45, 0, 0)) | _ON_FLOOR | {"Hips": (80, 0, 0), "Head": (-25, 0, 0)},
        _one("Left", UpLeg=(-85, -5, 0), Leg=(85, 0, 0), Foot=(50, 0, 0)) | _one("Right", UpLeg=(5, 0, 0), Leg=(15, 0, 0), Foot=(30, 0, 0))
        | _ON_FLOOR | {"Hips": (82, 0, 0)},
    ),
    "face down": (
        _both(Foot=(-10, 0, 0), Toe=(-45, 0, 0)) | _ON_FLOOR | {"Hips": (78, 0, 0), "Head": (-15, 0, 0)},
        _both(Arm=(0, 35, -15), ForeArm=(0, 0, -100), Hand=(0, 60, 0), Foot=(-10, 0, 0), Toe=(-45, 0, 0))
        | {"Hips": (87, 0, 0), "Head": (-20, 0, 0)},
        _both(Arm=(0, 10, -95), ForeArm=(0, 0, -88), Foot=(-10, 0, 0), Toe=(-40, 0, 0)) | {"Hips": (85, 0, 0), "Head": (-20, 0, 0)},
        _both(Foot=(60, 0, 0)) | _BEHIND_HEAD | {"Hips": (90, 0, 0)},
        _both(Foot=(60, 0, 0), UpLeg=(10, 0, 0)) | _ON_FLOOR | {"Hips": (72, 0, 0), "Spine": (-25, 0, 0), "Spine1": (-20, 0, 0)},
        _both(UpLeg=(-85, -5, 0), Leg=(8, 0, 0)) | _OVERHEAD | {"Hips": (125, 0, 0), "Spine": (10, 0, 0)},
    ),
    "on the back": (
        _both() | _HANGING | {"Hips": (-88, 0, 0)},
        _both(UpLeg=(-45, -5, 0), Leg=(90, 0, 0)) | _BEHIND_HEAD | {"Hips": (-88, 0, 0)},
        _both(UpLeg=(-75, -5, 0), Leg=(90, 0, 0)) | _BEHIND_HEAD | {"Hips": (-58, 0, 0), "Spine": (32, 0, 0), "Spine1": (22, 0, 0)},
        _both(UpLeg=(-85, -8, 0), Leg=(10, 0, 0)) | _HANGING | {"Hips": (-88, 0, 0)},
        _one("Left", UpLeg=(-88, -5, 0), Leg=(12, 0, 0)) | _one("Right", UpLeg=(-3, 0, 0), Leg=(5, 0, 0)) | _SIDEWAYS
        | {"Hips": (-88, 0, 0)},
        _both(UpLeg=(-10, -5, 0), Leg=(95, 0, 0)) | _HANGING | {"Hips": (-112, 0, 0)},
        _both(UpLeg=(-130, -10, 0), Leg=(130, 0, 0)) | _ON_LAP | {"Hips": (-85, 0, 0)},
    ),
    "on the side": (
        _one("Left", UpLeg=(-30, 0, 0), Leg=(45, 0, 0)) | _one("Right", UpLeg=(-5, 0, 0), Leg=(15, 0, 0)) | _AHEAD | {"Hips": (0, 88, 0)},
        _both(UpLeg=(-85, 0, 0), Leg=(95, 0, 0)) | _both(Arm=(0, 20, -70), ForeArm=(0, 0, -100)) | {"Hips": (0, 88, 0)},
        _one("Right", UpLeg=(0, 45, 0)) | _one("Left", Arm=(0, 0, 0)) | _one("Right", Arm=(0, 10, -20)) | {"Hips": (0, 65, 0)},
    ),
    "low": (
        _both(UpLeg=(-115, -15, 0), Leg=(125, 0, 0), Foot=(-22, 0, 0)) | _AHEAD | {"Hips": (30, 0, 0), "Spine": (10, 0, 0)},
        _both(UpLeg=(-125, -25, 0), Leg=(145, 0, 0), Foot=(-25, 0, 0)) | _both(Arm=(0, 45, -60), ForeArm=(0, 0, -50))
        | {"Hips": (15, 0, 0)},
        _one("Left", UpLeg=(-85, 0, 0), Leg=(88, 0, 0)) | _one("Right", UpLeg=(15, 0, 0), Leg=(75, 0, 0), Toe=(-40, 0, 0)) | _HANGING,
        _one("Left", UpLeg=(-70, -40, 20), Leg=(95, 0, 0)) | _one("Right", UpLeg=(0, 40, 0)) | _AHEAD | {"Hips": (25, 0, 0)},
        _one("Left", UpLeg=(-35, -60, 30), Leg=(80, 0, 0)) | _one("Right", UpLeg=(0, 38, 0)) | _SIDEWAYS | {"Head": (0, 0, 60)},
        _both(UpLeg=(-95, -5, 0), Leg=(6, 0, 0)) | _both(Arm=(0, 30, -70)) | {"Hips": (75, 0, 0), "Spine": (30, 0, 0)},
        _both(UpLeg=(-45, -30, 25), Leg=(60, 0, 0), Foot=(-15, 0, 0)) | _both(Arm=(0, 50, -45), ForeArm=(0, 0, -90)),
    ),
    "standing": (
        _HANGING, _OVERHEAD, _AHEAD, _SIDEWAYS, _BEHIND_HEAD,
        _one("Right", UpLeg=(-40, -60, 40), Leg=(120, 0, 0)) | _OVERHEAD,
        _one("Right", UpLeg=(-95, -5, 0), Leg=(95, 0, 0)) | _both(Arm=(0, 50, -30), ForeArm=(0, 0, -90)),
        _one("Right", UpLeg=(20, 0, 0), Leg=(120, 0, 0)) | _one("Left", Arm=(0, -60, -20)) | _one("Right", Arm=(0, 60, 30)),
        _one("Right", UpLeg=(60, 0, 0), Leg=(10, 0, 0)) | _AHEAD | {"Hips": (65, 0, 0)},
        _both(UpLeg=(0, -28, 0)) | _both(Arm=(0, -60, 0)),
        _both(Arm=(20, 60, -35), ForeArm=(0, 0, -125), UpLeg=(-15, -8, 0), Leg=(22, 0, 0)) | {"Hips": (5, 0, 0)},
        _both(Arm=(0, 62, -55), UpLeg=(-25, -8, 0), Leg=(20, 0, 0), ForeArm=(0, 0, -8)) | {"Hips": (30, 0, 0)},
        _both(UpLeg=(-20, -8, 0), Leg=(30, 0, 0)) | _both(Arm=(0, -50, -50), ForeArm=(0, 0, -70))
        | {"Spine": (0, 0, 25), "Spine1": (0, 0, 20)},
    ),
}


def posture_take(rng: np.random.Generator) -> Motion:
    """A take of 2.5 s at 60 frames a second that goes from posture to posture."""
    keys = int(rng.integers(2, 5))
    kinds = list(KINDS)
    kind, vectors, headings = str(rng.choice(kinds)), [], [rng.uniform(-np.pi, np.pi)]
    for _ in range(keys):
        if rng.random() < _ELSEWHERE:
            kind = str(rng.choice(kinds))
        vectors.append(_drawn(rng, KINDS[kind]))
        headings.append(headings[-1] + np.radians(_SAME_HEADING) * rng.normal())
    when = np.sort(np.append(rng.uniform(0.15, 0.85, keys - 2), [0.0, 1.0])) if keys > 2 else np.array([0.0, 1.0])
    share = np.linspace(0.0, 1.0, _FRAMES)
    turns = PchipInterpolator(when, np.array(vectors), axis=0)(share)
    for rate in _SWAY_RATES:
        phase = rng.uniform(size=(1, len(JOINTS), 3))
        turns += np.radians(_SWAY) * np.sin(2 * np.pi * (rate * _FRAMES / _FPS * share[:, None, None] + phase))
    local = from_rotation_vector(turns)
    heading = PchipInterpolator(when, np.array(headings[1:]))(share)[:, None] * np.array([0.0, 0.0, 1.0])
    local[:, 0] = multiply(from_rotation_vector(heading), local[:, 0])
    return _on_the_floor(Skeleton.mean(), continuous(local))


def _drawn(rng: np.random.Generator, postures: tuple[Turns, ...]) -> np.ndarray:
    """(21, 3) radians: one of the postures, somewhat otherwise, the sides exchanged in half of the draws."""
    vector = np.zeros((len(JOINTS), 3))
    for joint, turn in postures[int(rng.integers(len(postures)))].items():
        vector[INDEX[joint]] = turn
    spread = np.array([_SPREAD_OF.get(j.removeprefix("Left").removeprefix("Right"), (_SPREAD,) * 3) for j in JOINTS])
    vector += spread * rng.normal(size=vector.shape)
    for side, way in (("Left", 1.0), ("Right", -1.0)):  # knees and elbows bend one way
        knee, elbow = INDEX[f"{side}Leg"], INDEX[f"{side}ForeArm"]
        vector[knee, 0] = np.clip(vector[knee, 0], 0.0, 150.0)
        vector[elbow, 2] = -way * np.clip(-way * vector[elbow, 2], 0.0, 145.0)
    return np.radians(vector[mirror_order(JOINTS)] * _MIRROR if rng.random() < 0.5 else vector)


def _on_the_floor(skeleton: Skeleton, local: np.ndarray) -> Motion:
    """The take with its lowest part on the floor in every frame; it stays where it is."""
    frames = len(local)
    joints = skeleton.forward_kinematics(local, np.zeros((frames, 3)))[0]
    flesh = np.array([_FLESH[j.removeprefix("Left").removeprefix("Right")] for j in JOINTS])
    root = np.zeros((frames, 3))
    root[:, 2] = -(joints[..., 2] - flesh).min(axis=1)
    return nobodys_take(skeleton, local, root, _FPS)


def main(argv: list[str]) -> int:
    """Writes the takes."""
    parser = argparse.ArgumentParser(prog="python -m models.postures", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="where the BVH files go")
    parser.add_argument("--count", type=int, default=400, help="how many (400)")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for n in range(args.count):
        write_bvh(posture_take(rng), args.out / f"posture_{n:05d}.bvh")
    return 0


if __name__ == "__main__":
    run_script(main)
