"""Where the world of a motion lies in the world of a rig: scaled by the length of the legs, with the floor under the rig's ankles.

A rig that lies or is tilted as a whole is stood up by `alignment`, and the height of its ankles does not tell the floor: its object's
origin does, as far as turning it up can have moved its soles there. Limits: such a rig whose origin is not under its feet gets a floor
that is off by that turning of a foot, at most; it stands where its hips lie.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from .. import rotations
from ..skeleton import INDEX, Skeleton
from .alignment import stood_up
from .mapping import Mapping
from .rig import Rig

SOLE_BELOW_TOE = 0.025
"""Metres from the canonical toe joint down to the sole, as in Skeleton.stature."""


@dataclass(frozen=True)
class Placement:
    """How the motion's world lies in the rig's: turned about the vertical, scaled, moved. The camera goes the same way.

    turn: (3, 3) rotation. scale: rig metres for each metre of the motion. origin: (3,) metres.
    """

    turn: np.ndarray
    scale: float
    origin: np.ndarray

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Points (..., 3) of the motion's world in the rig's world."""
        return self.scale * np.asarray(points) @ self.turn.T + self.origin


def place(skeleton: Skeleton, rig: Rig, mapping: Mapping, frame: np.ndarray) -> Placement:
    """Where the motion goes: in front of where the rig rests, with its floor under the rig's ankles; of a rig that is stood up, at its
    object's origin, if that is near."""
    rest = skeleton.rest_positions()
    rest = rest - np.array([0.0, 0.0, rest[[INDEX["LeftToe"], INDEX["RightToe"]], 2].min() - SOLE_BELOW_TOE])
    heads = {joint: rig.heads_world[rig.index(bone)] for joint, bone in mapping.bones.items()}
    ends = "Foot" if "LeftFoot" in heads and "RightFoot" in heads else "Leg"
    source = {joint: rest[i] for joint, i in INDEX.items()}
    scale = _leg_length(heads, ends) / _leg_length(source, ends)
    hips, ankles = _middle(heads, "UpLeg"), _middle(heads, ends)
    source_hips, source_ankles = scale * _middle(source, "UpLeg"), scale * _middle(source, ends)
    turned, floor = frame @ source_hips, ankles[2] - source_ankles[2]
    # A sole that is turned with its ankle moves along a chord.
    up = rotations.angle_between(rotations.IDENTITY, stood_up(rig, mapping, skeleton, frame))
    moves = 2.0 * np.sin(0.5 * up) * np.linalg.norm(source_ankles - scale * _middle(source, "Toe") * [1.0, 1.0, 0.0])
    floor = np.clip(rig.world[2, 3], floor - moves, floor + moves)
    return Placement(frame, scale, np.array([hips[0] - turned[0], hips[1] - turned[1], floor]))


def _middle(points: dict[str, np.ndarray], part: str) -> np.ndarray:
    return 0.5 * (points["Left" + part] + points["Right" + part])


def _leg_length(points: dict[str, np.ndarray], ends: str) -> float:
    """Mean length of both legs from hip joint over knee to ankle, metres; the thigh's alone where there are no ankles."""
    chain = ("UpLeg", "Leg", "Foot")[:3 if ends == "Foot" else 2]
    lengths = [np.linalg.norm(points[side + b] - points[side + a]) for side in ("Left", "Right") for a, b in itertools.pairwise(chain)]
    return float(sum(lengths)) / 2
