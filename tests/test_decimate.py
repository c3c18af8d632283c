"""Fewer keys: the curve between them, the promise of 2 mm and 0.5 degrees, contacts and turning points kept; ways over the ground."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from test_retarget import pose_rig, some_rig
from walking import own_rig, planted_walk

from core import rotations
from core.errors import InputError
from core.retarget import Rig, RigMotion, retarget, rotation_channels
from core.retarget.channels import from_channels
from core.retarget.decimate import FARTHEST, MOST, cubic, needed_rows, simplify

MODES = ("QUATERNION", "XYZ", "ZYX", "AXIS_ANGLE")


def test_a_cubic_is_kept_by_its_two_ends() -> None:
    frames = np.linspace(1, 41, 401)
    values = np.stack([frames**2, 3 - frames], axis=1)
    np.testing.assert_allclose(cubic(frames, values, np.array([0, 400])), values, atol=1e-6)
    rows = needed_rows(frames, values, lambda curve, at: np.abs(curve - values[at]).max(axis=1), 0.5, [100])
    assert list(rows) == [0, 100, 400]


def thinned(rig: Rig, moved: RigMotion, frames: np.ndarray, keys: object) -> RigMotion:
    """The motion as Blender would play the keys."""
    turned = {}
    for bone, q in moved.rotations.items():
        mode = rig.modes[rig.index(bone)]
        turned[bone] = from_channels(cubic(frames, rotation_channels(q, mode)[1], keys.turned[bone]), mode)  # type: ignore[attr-defined]
    return dataclasses.replace(moved, rotations=turned,
                               root_location=cubic(frames, moved.root_location, keys.moved[moved.root_bone]))  # type: ignore[attr-defined]


@pytest.mark.parametrize("seed", range(4))
def test_simplified_keys_keep_their_promise(seed: int) -> None:
    motion = planted_walk(90)
    rig, mapping = some_rig(np.random.default_rng(seed), sway=0.3)
    rig = dataclasses.replace(rig, modes=tuple(MODES[i % 4] for i in range(len(rig.names))))
    moved, frames = retarget(motion, rig, mapping), 1 + 0.8 * np.arange(90)
    keys = simplify(rig, moved, frames, motion.contacts)
    dense, thin = pose_rig(rig, moved), pose_rig(rig, thinned(rig, moved, frames, keys))
    mapped = [rig.index(b) for b in moved.rotations]
    assert np.linalg.norm(dense[0] - thin[0], axis=-1)[:, mapped].max() <= moved.placement.scale * FARTHEST + 1e-9
    assert rotations.angle_between(dense[1], thin[1])[:, mapped].max() <= MOST + 1e-9
    count, total = sum(len(r) for r in keys.turned.values()), 90 * len(keys.turned)
    assert count < 0.6 * total
    changes = np.flatnonzero(np.any(np.diff(motion.contacts.astype(int), axis=0), axis=1))
    assert all(set(changes) <= set(rows) for rows in [*keys.turned.values(), *keys.moved.values()])


@pytest.mark.parametrize("scale", [0.01, 100.0])
def test_a_rig_of_another_size_gets_the_same_keys(scale: float) -> None:
    """2 mm are as large as the person is, not of the scene: by that a rig of 170 metres kept all keys, one of 17 mm hardly any."""
    motion, frames = planted_walk(60), np.arange(60.0)
    rig, mapping = own_rig(motion.skeleton)
    sized = dataclasses.replace(rig, world=np.diag([scale, scale, scale, 1.0]))  # the object is scaled
    units = dataclasses.replace(rig, rest=rig.rest.copy(), tails=scale * rig.tails)  # its bones are in other units
    units.rest[:, :3, 3] *= scale
    wanted, *found = (simplify(r, retarget(motion, r, mapping), frames, motion.contacts) for r in (rig, sized, units))
    for keys in found:
        for bone, rows in [*wanted.turned.items(), *wanted.moved.items()]:
            np.testing.assert_array_equal((keys.moved if bone in wanted.moved and rows is wanted.moved[bone] else keys.turned)[bone], rows)


def test_stillness_needs_two_keys() -> None:
    motion = planted_walk(1)
    still = dataclasses.replace(planted_walk(60), contacts=np.zeros((60, 4), bool), local_rotations=np.tile(
        motion.local_rotations, (60, 1, 1)), root_translation=np.tile(motion.root_translation, (60, 1)))
    rig, mapping = own_rig(motion.skeleton)
    keys = simplify(rig, retarget(still, rig, mapping), np.arange(60.0), still.contacts)
    assert all(list(rows) == [0, 59] for rows in [*keys.turned.values(), *keys.moved.values()])


@pytest.mark.parametrize("mode", MODES)
def test_channels_go_back(mode: str) -> None:
    q = rotations.normalise(np.random.default_rng(0).normal(size=(50, 4)))
    assert rotations.angle_between(q, from_channels(rotation_channels(q, mode)[1], mode)).max() < 1e-6


def test_ways_over_the_ground() -> None:
    motion = planted_walk(60)
    rig, mapping = some_rig(np.random.default_rng(3), scale=0.01, heading=1.0)
    everything = pose_rig(rig, retarget(motion, rig, mapping))[0]
    hips = rig.index("Hips")
    there = pose_rig(rig, retarget(motion, rig, mapping, way="in place"))[0]
    assert np.ptp(everything[:, hips, :2], axis=0).max() > 0.5
    moved = retarget(motion, rig, mapping, way="root")
    assert set(moved.locations) == {"Hips", "root"}
    np.testing.assert_allclose(np.delete(pose_rig(rig, moved)[0] - everything, rig.index("root"), axis=1), 0.0, atol=1e-9)
    np.testing.assert_allclose(there[:, :, 2], everything[:, :, 2], atol=1e-9)
    assert np.ptp(there[:, hips, :2], axis=0).max() < 1e-9
    with pytest.raises(InputError, match="no bone above 'Hips'"):
        own, own_mapping = own_rig(motion.skeleton)
        retarget(motion, own, own_mapping, way="root")
