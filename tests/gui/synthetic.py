"""A motion made of formulas for the scripted session: somebody waves and walks on the spot."""

from __future__ import annotations

import numpy as np

from core import rotations
from core.motion import Camera, Motion
from core.skeleton import INDEX, Skeleton


def waving(frames: int, fps: float) -> Motion:
    """Arms down, the left one waving, knees lifted in turn."""
    t = np.arange(frames) / fps
    turns = np.zeros((frames, 21, 3))
    turns[:, INDEX["RightArm"], 1] = -1.3
    turns[:, INDEX["LeftArm"], 1] = -0.6
    turns[:, INDEX["LeftForeArm"], 1] = -0.9 + 0.4 * np.sin(6 * t)
    for side, phase in (("Left", 0.0), ("Right", np.pi)):
        lift = np.clip(np.sin(4 * t + phase), 0, 1)
        turns[:, INDEX[side + "UpLeg"], 0] = -0.8 * lift
        turns[:, INDEX[side + "Leg"], 0] = 1.2 * lift
    skeleton = Skeleton.mean()
    root = np.tile([0.0, 0.0, 0.025 - skeleton.rest_positions()[:, 2].min()], (frames, 1))
    rotation, place = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]), np.array([0.0, 1.0, 5.0])
    camera = Camera(np.array([[900.0, 0, 320], [0, 900, 240], [0, 0, 1]]), np.tile(rotation, (frames, 1, 1)), np.tile(place, (frames, 1)),
                    640, 480)
    return Motion(skeleton, rotations.continuous(rotations.from_rotation_vector(turns)), root, t, fps, np.ones((frames, 21)),
                  np.zeros((frames, 4), bool), camera, (), np.zeros((frames, 0, 3)))
