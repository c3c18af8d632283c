"""A walk, for tests; and one whose feet stand, flat or rolling from heel to toe, with contacts that are true. numpy only."""

from __future__ import annotations

import dataclasses

import numpy as np

from core import rotations
from core.motion import Camera, Motion
from core.retarget import Mapping, Rig, retarget
from core.skeleton import INDEX, JOINTS, PARENTS, Skeleton

SIDES = (("Left", 0), ("Right", 2))


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
    """A walk on the mean skeleton, one step a second, whose feet stand still while they carry; rolling: they come down on the heel
    with the tip up by 20 degrees and leave over the tip with the heel up by 30, else they are flat."""
    local, root = walk(frames, fps, speed=0.9)
    phase = 2 * np.pi * np.arange(frames) / fps
    contacts = np.zeros((frames, 4), bool)
    skeleton = Skeleton.mean()
    turned = skeleton.forward_kinematics(local, root)[1]
    for side, first in SIDES:
        along = (phase + (np.pi if first else 0.0) + np.pi) % (2 * np.pi) - np.pi  # the leg carries from -1.8 to 1.8
        carries = np.abs(along) < 1.87
        up = np.radians(np.interp(along, [-1.9, -1.2, 0.9, 1.9], [20.0, 0.0, 0.0, -30.0] if rolling else [0.0] * 4))
        contacts[:, first], contacts[:, first + 1] = carries & (along < 0.9), carries & (along > -1.2)
        if not rolling:
            contacts[:, first:first + 2] = carries[:, None]
        pitch = rotations.from_rotation_vector(np.stack([-up, 0 * up, 0 * up], axis=-1))
        local[:, INDEX[side + "Foot"]] = rotations.multiply(rotations.inverse(turned[:, INDEX[side + "Leg"]]), pitch)
    camera = Camera(np.eye(3), np.tile(np.eye(3), (frames, 1, 1)), np.zeros((frames, 3)), 640, 480)
    rough = Motion(skeleton, local, root, np.arange(frames) / fps, fps, np.ones((frames, 21)), contacts, camera, (),
                   np.zeros((frames, 0, 3)))
    rig, mapping = own_rig(skeleton)
    moved = retarget(rough, rig, mapping)
    return dataclasses.replace(rough, local_rotations=np.stack([moved.rotations[j] for j in JOINTS], axis=1),
                               root_translation=moved.root_location + rig.rest[0, :3, 3])
