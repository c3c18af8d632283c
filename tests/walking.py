"""A walk, for tests; and one whose feet stand, flat or rolling from heel to toe, with contacts that are true. numpy only."""

from __future__ import annotations

import numpy as np

from core import rotations
from core.motion import Camera, Motion
from core.retarget import Mapping, Rig
from core.skeleton import INDEX, JOINTS, PARENTS, Skeleton

SIDES = (("Left", 0), ("Right", 2))
_CARRIES = 1.87  # of a step of 2 pi, before and after its middle


def walk(frames: int, fps: float = 30.0, speed: float = 1.2) -> tuple[np.ndarray, np.ndarray]:
    """Somebody who swings arms and legs, bends elbows and looks around while going forwards (-Y): local rotations, root."""
    time = np.arange(frames) / fps
    phase = 2 * np.pi * time
    turns = np.zeros((frames, len(JOINTS), 3))

    def set_(joint: str, x: np.ndarray | float = 0.0, y: np.ndarray | float = 0.0, z: np.ndarray | float = 0.0) -> None:
        turns[:, INDEX[joint]] = np.stack(np.broadcast_arrays(np.asarray(x) + 0 * time, y, z), axis=-1)

    for side, sign, shift in (("Left", 1.0, 0.0), ("Right", -1.0, np.pi)):
        set_(f"{side}UpLeg", -0.1 - 0.4 * np.sin(phase + shift))
        set_(f"{side}Leg", 0.5 + 0.4 * np.sin(phase + shift + 1.2))
        set_(f"{side}Foot", -0.2 + 0.1 * np.sin(phase + shift))
        set_(f"{side}Arm", 0.5 * np.sin(phase + shift), sign * 1.2, sign * -0.1)
        set_(f"{side}ForeArm", z=sign * (-0.7 + 0.3 * np.sin(phase + shift)))
        set_(f"{side}Hand", y=sign * 0.2)
    set_("Spine", 0.08, 0.0, 0.1 * np.sin(phase))
    set_("Head", 0.1 * np.sin(0.7 * phase), 0.0, 0.3 * np.sin(0.4 * phase))
    root = np.stack([0.02 * np.sin(phase), -speed * time, 0.95 + 0.02 * np.cos(2 * phase)], axis=-1)
    return rotations.from_rotation_vector(turns), root


def own_rig(skeleton: Skeleton) -> tuple[Rig, Mapping]:
    """The motion's own skeleton as a rig whose bones' rest frames are the world's."""
    rest = np.tile(np.eye(4), (21, 1, 1))
    rest[:, :3, 3] = skeleton.rest_positions()
    rest[:, 2, 3] += 0.025 - rest[[INDEX["LeftToe"], INDEX["RightToe"]], 2, 3].min()
    yes = np.ones(21, bool)
    rig = Rig(JOINTS, np.array(PARENTS), rest, rest[:, :3, 3] + [0, 0, 0.1], np.eye(4), ("QUATERNION",) * 21, ~yes, yes, yes,
              np.tile(rotations.IDENTITY, (21, 1)))
    joints = {j: j for j in JOINTS if j not in ("Spine", "Spine1", "Neck")}
    return rig, Mapping("own", joints, ("Spine", "Spine1"), ("Neck",))


def planted_walk(frames: int = 90, fps: float = 30.0, rolling: bool = False) -> Motion:
    """A walk on the mean skeleton, one step a second, whose feet stand still while they carry and swing above the floor (z = 0). rolling:
    they come down on the heel with the tip up by 20 degrees and leave over the tip with the heel up by 30, else they are flat."""
    local, root = walk(frames, fps, speed=0.9)
    root = root * [0.0, 1.0, 1.0] - [0.0, 0.0, 0.02]
    contacts = np.zeros((frames, 4), bool)
    skeleton = Skeleton.mean()
    for side, first in SIDES:
        phase = 2 * np.pi * np.arange(frames) / fps + (np.pi if first else 0.0)
        ankle, up, contacts[:, first:first + 2] = _course(phase, rolling)
        ankle[:, 1] -= 0.9 / (2 * np.pi) * (2 * np.pi * np.arange(frames) / fps - phase)
        thigh, knee = _leg(skeleton, ankle - (root + skeleton.rest_offsets[INDEX[side + "UpLeg"]]))
        for joint, angle in (("UpLeg", thigh), ("Leg", knee), ("Foot", -thigh - knee - up)):
            local[:, INDEX[side + joint]] = rotations.from_rotation_vector(angle[:, None] * [1.0, 0.0, 0.0])
    camera = Camera(np.eye(3), np.tile(np.eye(3), (frames, 1, 1)), np.zeros((frames, 3)), 640, 480)
    return Motion(skeleton, local, root, np.arange(frames) / fps, fps, np.ones((frames, 21)), contacts, camera, (),
                  np.zeros((frames, 0, 3)))


def _course(phase: np.ndarray, rolling: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ankle (T, 3) without its x, how far the foot's tip is up (T,) in radians, and whether heel and tip are down (T, 2), of a leg that is
    in the middle of its step at phase 0, when the root is at y = 0."""
    heel, tip = np.array([0.0, 0.046, -0.061]), np.array([0.0, -0.185, -0.058])  # of an ankle, as in core.keypoints
    step = np.floor(phase / (2 * np.pi) + 0.5)
    along = phase - 2 * np.pi * step
    carries = np.abs(along) < _CARRIES

    def stands(along: np.ndarray, step: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        up = np.radians(np.interp(along, [-_CARRIES, -1.2, 0.9, _CARRIES], [20.0, 0.0, 0.0, -30.0] if rolling else [0.0] * 4))
        pivot = np.where(up[:, None] > 0, heel, tip)
        ankle = np.stack([0 * step, -0.9 * step - 0.036, 0 * step + 0.089], axis=-1)
        return ankle + pivot - rotations.rotate(rotations.from_rotation_vector(-up[:, None] * [1.0, 0.0, 0.0]), pivot), up

    ankle, up = stands(np.clip(along, -_CARRIES, _CARRIES), step)
    # In between: from where the last step ended to where the next one begins.
    last = np.where(along > 0, step, step - 1)
    share = np.clip(((along % (2 * np.pi)) - _CARRIES) / (2 * np.pi - 2 * _CARRIES), 0.0, 1.0)
    share = share * share * (3 - 2 * share)
    (ended, up_then), (begun, up_next) = stands(0 * along + _CARRIES, last), stands(0 * along - _CARRIES, last + 1)
    swinging = ended + share[:, None] * (begun - ended) + 0.1 * np.sin(np.pi * share)[:, None] ** 2 * [0.0, 0.0, 1.0]
    ankle, up = np.where(carries[:, None], ankle, swinging), np.where(carries, up, up_then + share * (up_next - up_then))
    down = np.stack([carries & ((along < 0.9) | (not rolling)), carries & ((along > -1.2) | (not rolling))], axis=-1)
    return ankle, up, down


def _leg(skeleton: Skeleton, ankle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """By how many radians (T,) thigh and knee turn about X to bring the ankle there, (T, 3) from the hip joint."""
    a, b = (-skeleton.rest_offsets[INDEX[n], 2] for n in ("LeftLeg", "LeftFoot"))
    reach = np.hypot(ankle[:, 1], ankle[:, 2])
    knee = np.arccos(np.clip((reach**2 - a * a - b * b) / (2 * a * b), -1.0, 1.0))
    return np.arctan2(ankle[:, 1], -ankle[:, 2]) - np.arctan2(b * np.sin(knee), a + b * np.cos(knee)), knee
