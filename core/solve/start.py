"""A first pose for every frame straight from the lifted markers: where the fit starts.

Method: down the tree, each joint turns so that its bones point where the markers are (best rotation after Kabsch 1976 where
a joint carries several points, shortest rotation where it carries one). Elbows and knees are hinges: the limb's plane gives the twist
of the upper arm and thigh; where the limb is straight the plane of the frames around it counts, and at last the neutral one, so that the
twist neither jumps nor flips. The palm turns the forearm. What has no markers stays as in the neutral pose.
Limits: bone lengths are ignored and noise goes straight through, but for what `unwound` takes out; `fit` mends both.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.ndimage import gaussian_filter1d, maximum_filter1d

from .. import rotations
from ..frame_times import usual_step
from ..skeleton import INDEX, PARENTS
from .body import Body
from .gaps import stretches
from .limits import HINGES, NEUTRAL, twist_angle

# Joints that a picture shows, not the trunk's inner ones, which every skeleton defines otherwise.
_MIDDLES = {"hips": ("LeftUpLeg", "RightUpLeg"), "arms": ("LeftArm", "RightArm")}
_PELVIS = ("hips", "LeftUpLeg", "RightUpLeg", "arms")  # from the middle, or a mirror image would start otherwise
_CHEST = ("arms", "LeftArm", "RightArm", "hips")
_SKULL = ("Head", "HeadEnd", "nose", "l_ear", "r_ear")
_NEUTRAL_PULL = 1e-4  # square metres: how much evidence the neutral rotation is worth where markers leave a rotation open
_LARGEST_PALM_TWIST = np.radians(90.0)
_BESIDE, _AROUND = 0.05, 0.25  # seconds: over which rotations are averaged; about a whole turn that is noise


class Markers:
    """Named positions (T, 3) of the clip, middles included; missing ones are NaN."""

    def __init__(self, names: tuple[str, ...], positions: np.ndarray) -> None:
        self._columns = {n: positions[:, i] for i, n in enumerate(names)}
        self._columns |= {n: 0.5 * (self._columns[a] + self._columns[b]) for n, (a, b) in _MIDDLES.items()}
        self._missing = np.full(positions[:, 0].shape, np.nan)

    def __getitem__(self, name: str) -> np.ndarray:
        return self._columns.get(name, self._missing)


def first_rotations(names: tuple[str, ...], positions: np.ndarray, body: Body) -> np.ndarray:
    """Local rotations (T, 21, 4) for marker positions (T, M, 3); NaN where a marker is missing. `body` gives the rest pose."""
    markers = Markers(names, positions)
    rest = dict(zip(body.names, body.pose(rotations.IDENTITY + np.zeros((1, 21, 4)), np.zeros((1, 3))).points[0], strict=True))
    rest |= {n: 0.5 * (rest[a] + rest[b]) for n, (a, b) in _MIDDLES.items()}
    globals_: dict[int, np.ndarray] = {}

    def neutral(joint: int) -> np.ndarray:
        above = globals_.get(PARENTS[joint], np.broadcast_to(rotations.IDENTITY, (len(positions), 4)))
        return rotations.multiply(above, NEUTRAL[joint])

    def align(name: str, points: tuple[str, ...]) -> None:
        globals_[INDEX[name]] = _align(markers, rest, points, neutral(INDEX[name]))

    align("Hips", _PELVIS)
    globals_[INDEX["Spine"]] = globals_[INDEX["Hips"]]
    align("Spine1", _CHEST)
    globals_[INDEX["Spine"]] = rotations.slerp(globals_[INDEX["Hips"]], globals_[INDEX["Spine1"]], np.full(len(positions), 0.5))
    align("Neck", ("Neck", "Head"))
    align("Head", _SKULL)
    for side, s in (("Left", "l"), ("Right", "r")):
        align(f"{side}Shoulder", (f"{side}Shoulder", f"{side}Arm"))
        _limb(globals_, markers, neutral, f"{side}Arm", f"{side}ForeArm", f"{side}Hand", None)
        align(f"{side}Hand", (f"{side}Hand", f"{s}_index", f"{s}_pinky", f"{s}_thumb"))
        _turn_forearm(globals_, INDEX[f"{side}ForeArm"], INDEX[f"{side}Hand"])
        _limb(globals_, markers, neutral, f"{side}UpLeg", f"{side}Leg", f"{side}Foot", f"{s}_toe")
        align(f"{side}Foot", (f"{side}Foot", f"{side}Toe", f"{s}_heel"))
        globals_[INDEX[f"{side}Toe"]] = neutral(INDEX[f"{side}Toe"])
    return rotations.continuous(_to_local(np.stack([globals_[j] for j in range(len(PARENTS))], axis=1)))


def unwound(local: np.ndarray, there: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Rotations (T, 21, 4) without whole turns that are noise; there: (T,) which rows count; times: (T,) seconds.

    In noise a joint may step by nearly half a turn from frame to frame, and so wind once around. No small steps of a fit undo that: the
    whole turn would shrink into a few frames and stay. Where a joint winds around its own average over time, the average counts.
    """
    result = rotations.continuous(local)
    for start, stop in stretches(there, times):
        own, frame_time = result[start:stop], max(usual_step(times[start:stop]), 1e-3)
        mean = gaussian_filter1d(rotations.to_matrix(own), _BESIDE / frame_time, axis=0, mode="nearest")
        average = rotations.continuous(rotations.from_matrix(rotations.nearest(mean)))
        winds = np.diff((own * average).sum(-1) < 0, axis=0, prepend=False)
        winds[0] = False
        near = maximum_filter1d(winds, 2 * round(_AROUND / frame_time) + 1, axis=0)
        result[start:stop] = np.where(near[..., None], average, own)
    return rotations.continuous(result)


def _to_local(globals_: np.ndarray) -> np.ndarray:
    local = globals_.copy()
    local[:, 1:] = rotations.multiply(rotations.inverse(globals_[:, PARENTS[1:]]), globals_[:, 1:])
    return rotations.normalise(local)


def _align(markers: Markers, rest: dict[str, np.ndarray], points: tuple[str, ...], neutral: np.ndarray) -> np.ndarray:
    """(T, 4) the rotation that best takes the rest offsets from the first point to the markers'; `neutral` (T, 4) where it is open."""
    covariance = _NEUTRAL_PULL * rotations.to_matrix(neutral)
    for name in points[1:]:
        observed = markers[name] - markers[points[0]]
        offset = rest[name] - rest[points[0]]
        covariance = covariance + np.nan_to_num(observed)[:, :, None] * offset[None, None, :]
    return rotations.from_matrix(rotations.nearest(covariance))


def _limb(globals_: dict[int, np.ndarray], markers: Markers, neutral: Callable[[int], np.ndarray], upper: str, lower: str,
          last: str, toe: str | None) -> None:
    """Global rotations of an upper and a lower limb bone, from the directions of both and the plane that they span."""
    above, hinge = neutral(INDEX[upper]), HINGES[INDEX[lower]]
    rest_u = rotations.rotate(above, hinge.bone)
    u = _direction(markers[lower] - markers[upper], rest_u)
    f = _direction(markers[last] - markers[lower], u)
    swing = rotations.multiply(rotations.between_vectors(rest_u, u), above)
    axis = np.cross(u, f)
    if toe is not None:  # the foot points away from the knee's hinge
        axis += 0.15 * np.cross(_direction(markers[toe] - markers[last], np.cross(u, rotations.rotate(above, hinge.axis))), u)
    axis = _steady_axis(axis, swing, rotations.rotate(swing, hinge.axis), u)
    frame = np.stack([u, np.cross(axis, u), axis], axis=-1)
    rest_frame = np.stack([hinge.bone, hinge.bend, hinge.axis], axis=-1)
    globals_[INDEX[upper]] = rotations.from_matrix(frame @ rest_frame.T)
    # What bends the other way (noise on a straight limb) is taken as straight.
    bend = np.maximum(np.sum(f * np.cross(axis, u), axis=-1), 0.0)
    flexion = np.arctan2(bend, np.sum(f * u, axis=-1))
    turn = rotations.from_rotation_vector(flexion[:, None] * hinge.axis)
    globals_[INDEX[lower]] = rotations.multiply(globals_[INDEX[upper]], turn)


def _direction(v: np.ndarray, fallback: np.ndarray) -> np.ndarray:
    """Unit vectors (T, 3); where v is missing or too short, `fallback`'s."""
    length = np.linalg.norm(v, axis=-1, keepdims=True)
    return np.where(length > 1e-3, v / np.where(length > 1e-3, length, 1.0), fallback / np.linalg.norm(fallback, axis=-1, keepdims=True))


def _steady_axis(axis: np.ndarray, swing: np.ndarray, neutral: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Hinge axes (T, 3), unit and normal to the limb u, from raw ones whose length says how bent the limb is.

    A straight limb borrows from its neighbours in time, carried along in the bone's swung frame, and a little from the neutral axis.
    """
    inside = rotations.rotate(rotations.inverse(swing), axis)
    around = gaussian_filter1d(inside, 5.0, axis=0, mode="nearest")
    axis = axis + rotations.rotate(swing, 0.3 * around) + 0.03 * neutral
    axis = axis - np.sum(axis * u, axis=-1, keepdims=True) * u
    return _direction(axis, neutral)


def _turn_forearm(globals_: dict[int, np.ndarray], forearm: int, hand: int) -> None:
    """Moves the palm's turn about the forearm's axis from the hand into the forearm."""
    bone = HINGES[forearm].bone
    twist = twist_angle(rotations.multiply(rotations.inverse(globals_[forearm]), globals_[hand]), bone)
    twist = np.clip(twist, -_LARGEST_PALM_TWIST, _LARGEST_PALM_TWIST)
    globals_[forearm] = rotations.multiply(globals_[forearm], rotations.from_rotation_vector(twist[:, None] * bone))
