"""Poses beyond what was captured, for training only.

Problem: the pack holds 23 minutes of 25 people; a network that learns their habits by heart (this arm goes up when that leg goes back) errs
on everybody else. Method: in half of the windows every limb, the trunk and the head may come from another window of the batch, joint by
joint relative to its parent; joints bend more or less than they did; joints between bones that can turn all ways are turned by a few
degrees more, slowly changing; and bodies strike: a knee, an elbow, a hip, a shoulder or the trunk goes somewhere else and comes back, fast
or slowly, limbs often on both sides at once. Of all windows a few tumble over. For what is fast, bowed or upside down is rare in the pack,
and a network that has not seen it takes it for noise. What goes more than 10 degrees beyond the joints' limits stays as it was captured.
Limits: bodies may go through themselves, and feet slide; most of the other windows show the ground's laws. numpy only.
"""

from __future__ import annotations

import numpy as np

from core.rotations import from_matrix, from_rotation_vector, to_matrix, to_rotation_vector
from core.skeleton import INDEX, JOINTS, PARENTS
from core.solve.limits import HINGES, Hinge, beyond_limits, flexion

_SHARE = 0.5  # of the windows
_EXCHANGED = 0.25  # of their parts come from other windows
_BEND = 0.15  # standard deviation of the factor on a joint's turn
_TURN = np.radians(7.0)  # standard deviation about each axis
_WAVE = np.radians(4.0)  # and of what comes and goes
_FREQUENCY = (0.2, 1.0)  # turns of the wave in a window
_PARTS = tuple([INDEX[f"{side}{n}"] for n in limb] for side in ("Left", "Right")
               for limb in (("UpLeg", "Leg", "Foot", "Toe"), ("Shoulder", "Arm", "ForeArm", "Hand"))) + (
    [INDEX["Spine"], INDEX["Spine1"]], [INDEX["Neck"], INDEX["Head"]])
_BENDING = [INDEX[f"{side}{n}"] for side in ("Left", "Right") for n in ("Leg", "ForeArm", "Toe")]
_STRIKES = 0.25  # of the joints that can strike
_TOGETHER = 0.5  # of the windows: both sides alike
_REACH = (4.0, 40.0)  # frames from a strike's begin to its height
_TUMBLING = 0.08  # of the windows
_SWEEP = 2.0  # radians, standard deviation of how far they turn in a window
_BENT, _SWUNG, _BOWED = np.radians((60.0, 30.0, 15.0))  # standard deviations of how far hinges, the joints above them and the trunk's go
_STRETCHED = 0.25  # of the hinges' strikes open them
_STRIKING = tuple((INDEX[f"Left{n}"], INDEX[f"Right{n}"]) for n in ("Leg", "ForeArm", "UpLeg", "Arm"))
_BOWING = tuple(INDEX[n] for n in ("Spine", "Spine1", "Neck", "Head"))
_BEYOND = np.radians(10.0)  # further than people can do: some can
_STRAIGHT = np.sin(np.radians(10.0))  # a limb that is bent less says little about its plane
_MIRROR = np.array([1.0, -1.0, -1.0])  # of a rotation vector in the body's middle plane
_PARENT = np.array(PARENTS[1:])


def varied(rng: np.random.Generator, turns: np.ndarray, share: float = _SHARE) -> np.ndarray:
    """Global rotations (N, T, 21, 3, 3) of N windows, a share of them made into poses that nobody took; the hips stay."""
    chosen = np.flatnonzero(rng.random(len(turns)) < share)
    if not len(chosen):
        return turns
    local = np.swapaxes(turns[:, :, _PARENT], -1, -2) @ turns[:, :, 1:]
    mine = local[chosen]
    for part in _PARTS:
        columns = np.array(part) - 1
        taken = np.flatnonzero(rng.random(len(chosen)) < _EXCHANGED)
        giver = rng.integers(0, len(turns), len(taken))
        mine[np.ix_(taken, np.arange(turns.shape[1]), columns)] = local[np.ix_(giver, np.arange(turns.shape[1]), columns)]
    captured = mine
    mine = _bent(rng, mine) @ _turned(rng, *mine.shape[:2])
    _strike(rng, mine)
    mine = _possible(mine, captured)
    out = turns.copy()
    made = turns[chosen]
    for joint in range(1, len(JOINTS)):
        made[:, :, joint] = made[:, :, PARENTS[joint]] @ mine[:, :, joint - 1]
    out[chosen] = made
    return out


def tumbling(rng: np.random.Generator, turns: np.ndarray, root: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Global rotations (N, T, 21, 3, 3) and roots (N, T, 3), Z up, some of the windows turning over about a level axis."""
    chosen = np.flatnonzero(rng.random(len(turns)) < _TUMBLING)
    sweep = _SWEEP * rng.normal(size=(len(chosen), 1)) * np.linspace(-0.5, 0.5, turns.shape[1])
    angle = rng.uniform(-np.pi, np.pi, (len(chosen), 1)) + sweep
    turns, root = turns.copy(), root.copy()
    turns[chosen], root[chosen] = turned_over(rng, angle, turns[chosen], root[chosen])
    return turns, root


def turned_over(rng: np.random.Generator, angle: np.ndarray, turns: np.ndarray, root: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rotations and roots as in `tumbling`, each window turned by angle (N, T or 1) radians about a level axis through its middle."""
    heading = rng.uniform(0, 2 * np.pi, (len(turns), 1))
    axis = np.stack([np.cos(heading), np.sin(heading), np.zeros_like(heading)], axis=-1)
    R = to_matrix(from_rotation_vector(angle[..., None] * axis)).astype(turns.dtype)
    middle = root.mean(1, keepdims=True)
    return R[:, :, None] @ turns, (R @ (root - middle)[..., None])[..., 0] + middle


def _bent(rng: np.random.Generator, local: np.ndarray) -> np.ndarray:
    """Local rotations (N, T, 20, 3, 3), every joint's turn away from the rest pose times a factor that stays for the window."""
    factor = np.clip(rng.normal(1.0, _BEND, (len(local), 1, local.shape[2], 1)), 0.5, 1.5)
    turn = to_rotation_vector(from_matrix(local))
    return to_matrix(from_rotation_vector(turn * factor)).astype(local.dtype)


def _turned(rng: np.random.Generator, count: int, frames: int) -> np.ndarray:
    """Rotations (N, T, 20, 3, 3) by a few degrees, none for hinges."""
    shape = (count, 1, len(JOINTS) - 1, 3)
    phase = rng.uniform(0, 2 * np.pi, (count, 1, 1, 1)) + 2 * np.pi * rng.uniform(*_FREQUENCY, (count, 1, 1, 1)) * (
        np.arange(frames)[:, None, None] / frames)
    turn = _TURN * rng.normal(size=shape) + _WAVE * rng.normal(size=shape) * np.sin(phase)
    turn[:, :, np.array(_BENDING) - 1] = 0.0
    return to_matrix(from_rotation_vector(turn)).astype(np.float32)


def _strike(rng: np.random.Generator, local: np.ndarray) -> None:
    """Lets limbs of local rotations (N, T, 20, 3, 3) go somewhere else and come back, in place."""
    n, frames = local.shape[:2]
    for left, right in _STRIKING:
        together = np.less(rng.random(n), _TOGETHER)
        course, turn = _course(rng, n, frames), _SWUNG * rng.normal(size=(n, 1, 3))
        for joint in (left, right):
            if joint == right:  # draws its own where the sides are not together
                course = np.where(together[:, None], course, _course(rng, n, frames))
                turn = np.where(together[:, None, None], turn * _MIRROR, _SWUNG * rng.normal(size=(n, 1, 3)))
            rows = local[:, :, joint - 1]
            move = _flexed(rows, HINGES[joint], course) if joint in HINGES else course[..., None] * turn
            local[:, :, joint - 1] = to_matrix(from_rotation_vector(move)).astype(local.dtype) @ rows
    course, turn = _course(rng, n, frames), _BOWED * rng.normal(size=(n, 1, 3))  # all of the trunk goes the same way
    bow = to_matrix(from_rotation_vector(course[..., None] * turn)).astype(local.dtype)
    for joint in _BOWING:
        local[:, :, joint - 1] = bow @ local[:, :, joint - 1]


def _possible(local: np.ndarray, captured: np.ndarray) -> np.ndarray:
    """Local rotations (N, T, 20, 3, 3), those joints as captured for all of a window that are beyond their limits anywhere in it."""
    beyond = beyond_limits(from_matrix(np.insert(local, 0, np.eye(3), axis=2)))[:, :, 1:].max(1) > _BEYOND
    return np.where(beyond[:, None, :, None, None], captured, local)


def _flexed(local: np.ndarray, hinge: Hinge, course: np.ndarray) -> np.ndarray:
    """Turns (N, T, 3) that bend a hinge of local rotations (N, T, 3, 3) further by course (N, T), within what it can.

    About the axis that it is bent about (people's elbows do not all bend in one plane of the upper arm), or the hinge's own if straight.
    """
    bone = local @ hinge.bone
    axis = np.cross(hinge.bone, bone)
    sine = np.linalg.norm(axis, axis=-1)
    own = (sine > _STRAIGHT) & (axis @ hinge.axis > 0)
    bent = np.where(own, np.arctan2(sine, bone @ hinge.bone), flexion(bone, hinge))
    wanted = np.clip(bent + _BENT * course, np.minimum(bent, 0.0), np.maximum(bent, np.radians(hinge.largest)))
    return (wanted - bent)[..., None] * np.where(own[..., None], axis / np.maximum(sine, _STRAIGHT)[..., None], hinge.axis)


def _course(rng: np.random.Generator, n: int, frames: int) -> np.ndarray:
    """(N, T) strikes of random height, mostly 0 throughout: a raised cosine about a random moment."""
    height = np.abs(rng.normal(size=n)) * np.where(rng.random(n) < _STRETCHED, -1.0, 1.0) * (rng.random(n) < _STRIKES)
    reach = np.exp(rng.uniform(np.log(_REACH[0]), np.log(_REACH[1]), n))
    moment = rng.uniform(0, frames, n)
    phase = np.clip((np.arange(frames) - moment[:, None]) / reach[:, None], -1.0, 1.0)
    return height[:, None] * 0.5 * (1 + np.cos(np.pi * phase))
