"""A turned BVH: every joint is where the file's was, turned, whatever the channels are."""

from pathlib import Path

import numpy as np
import pytest
from walking import planted_walk

from core import rotations
from core.export.bvh import BvhTake, read_bvh, write_bvh
from core.export.turn_bvh import turned

Y_UP_TO_OURS = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])


def joints(take: BvhTake) -> np.ndarray:
    """(T, J, 3) without where the root begins."""
    places, turns = [take.root_translation], [take.local_rotations[:, 0]]
    for j in range(1, len(take.names)):
        above = take.parents[j]
        places.append(places[above] + rotations.rotate(turns[above], take.offsets[j]))
        turns.append(rotations.multiply(turns[above], take.local_rotations[:, j]))
    return np.stack(places, axis=1)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("order", ["Zrotation Xrotation Yrotation", "Xrotation Yrotation Zrotation", "Yrotation Zrotation Xrotation"])
def test_every_joint_is_turned(tmp_path: Path, seed: int, order: str) -> None:
    turn = rotations.from_rotation_vector(np.random.default_rng(seed).normal(size=3))
    write_bvh(planted_walk(20), tmp_path / "a.bvh")
    text = (tmp_path / "a.bvh").read_text().replace("Zrotation Xrotation Yrotation", order)  # other channels: another motion, no less good
    (tmp_path / "a.bvh").write_text(text)
    (tmp_path / "b.bvh").write_text(turned(text, rotations.to_matrix(turn)))
    before, after = read_bvh(tmp_path / "a.bvh"), read_bvh(tmp_path / "b.bvh")
    inside = Y_UP_TO_OURS @ rotations.to_matrix(turn) @ Y_UP_TO_OURS.T
    np.testing.assert_allclose(joints(after), joints(before) @ inside.T, atol=1e-5)
    assert after.names == before.names and after.fps == before.fps


def test_not_turned_it_is_the_same(tmp_path: Path) -> None:
    write_bvh(planted_walk(20), tmp_path / "a.bvh")
    text = (tmp_path / "a.bvh").read_text()
    (tmp_path / "b.bvh").write_text(turned(text, np.eye(3)))
    np.testing.assert_allclose(joints(read_bvh(tmp_path / "b.bvh")), joints(read_bvh(tmp_path / "a.bvh")), atol=1e-6)


def test_names_lose_their_spaces_and_stay_different(tmp_path: Path) -> None:
    write_bvh(planted_walk(20), tmp_path / "a.bvh")
    text = (tmp_path / "a.bvh").read_text()
    spaced = text.replace("LeftUpLeg", "Bip001 L Thigh").replace("LeftLeg", "Bip001  L\tCalf").replace("RightLeg", "Bip001_L_Thigh")
    (tmp_path / "b.bvh").write_text(turned(spaced, np.eye(3)))
    before, after = read_bvh(tmp_path / "a.bvh"), read_bvh(tmp_path / "b.bvh")
    assert {"Bip001_L_Thigh", "Bip001_L_Calf"} <= set(after.names) and len(set(after.names)) == len(before.names)
    np.testing.assert_allclose(joints(after), joints(before), atol=1e-6)
