"""The fast renderer of training detections: what needs neither OpenGL nor the rendering tool."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InputError
from core.export.bvh import read_bvh, write_bvh
from core.keypoints import CANONICAL
from core.skeleton import JOINTS, Skeleton
from core.track import Pose
from models import judge_tracks, mocap, render_clips, render_detections
from models.detections import RIG_POINT
from models.film_set import _POINT_OF, NAMES, Person, behind_box, build, look_rt, occluded, passer_by_of, rendering_tool, shot_of
from models.invent_motions import invented
from models.people_renderer import _MOST_MATERIALS, _MOST_SPHERES, _projection, box, joined, skinned

ANGLES = st.floats(-3.1, 3.1)


def test_its_runs_have_every_point_that_training_reads() -> None:
    assert set(RIG_POINT.values()) | set(CANONICAL) <= set(NAMES)
    assert len(NAMES) == len(set(NAMES)) == 39  # as in the tool's gt.npz


@given(ANGLES, st.floats(-1.0, 1.0), st.floats(2.0, 9.0))
def test_a_camera_sees_what_it_looks_at_in_the_middle_and_upright(azimuth: float, height: float, far: float) -> None:
    target = np.array([0.3, -0.2, 1.0])
    rotation, translation = look_rt(target + far * np.array([np.cos(azimuth), np.sin(azimuth), height]), target)
    assert np.allclose(rotation @ rotation.T, np.eye(3)) and np.linalg.det(rotation) > 0
    seen = rotation @ target + translation
    assert np.allclose(seen[:2], 0, atol=1e-9) and seen[2] == pytest.approx(far * np.hypot(1, height))
    assert (rotation @ [0, 0, 1])[1] < 0 and abs((rotation @ [0, 0, 1])[0]) < 1e-9  # up in the world is up in the picture


def test_what_projects_to_a_pixel_is_drawn_at_that_pixel() -> None:
    rotation, translation = look_rt(np.array([3.0, 1.0, 1.4]), np.array([0.0, 0.0, 1.0]))
    K, size = np.array([[300.0, 0, 192], [0, 300, 144], [0, 0, 1]]), (384, 288)
    point = np.array([0.2, -0.1, 1.5])
    seen = K @ (rotation @ point + translation)
    clip = _projection(rotation, translation, K, size) @ [*point, 1.0]
    assert np.allclose((clip[:2] / clip[3] + 1) / 2 * size, seen[:2] / seen[2])  # row 0 of the buffer is the image's first
    assert -1 < clip[2] / clip[3] < 1


def test_the_faces_of_a_box_look_outwards() -> None:
    low, high = np.array([-1.0, 0.0, 2.0]), np.array([1.0, 0.5, 3.0])
    mesh = box(low, high, bone=2, material=5)
    corners = mesh.v[mesh.f]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    outward = corners.mean(1) - (low + high) / 2
    assert ((across * outward).sum(-1) > 0).all() and ((mesh.n[mesh.f[:, 0]] * outward).sum(-1) > 0).all()
    assert mesh.weights.tolist() == [[0, 0, 1]] * 24 and set(mesh.material) == {5}


def test_a_skinned_mesh_is_split_where_materials_meet_and_keeps_its_weights() -> None:
    v = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [2, 0, 0]])
    weights = np.eye(5)[:, :3] + 0.1
    mesh = skinned(v, [[0, 1, 2, 3], [1, 4, 2]], weights, np.array([7, 8]))
    assert len(mesh.v) == 4 + 3 and len(mesh.f) == 2 + 1  # a triangle is not drawn twice
    assert np.allclose(mesh.n, [0, 0, 1])
    for vertex, weight in zip(mesh.v, mesh.weights, strict=True):
        assert np.allclose(weight, weights[np.flatnonzero((v == vertex).all(-1))[0]])
    both = joined([mesh, box(np.zeros(3), np.ones(3), bone=4, material=1)])
    assert both.weights.shape == (7 + 24, 5) and both.f.max() == len(both.v) - 1


@given(st.floats(-0.4, 0.4), st.floats(0.1, 0.9), ANGLES)
def test_a_box_hides_what_is_behind_it_and_nothing_else(x: float, z: float, turn: float) -> None:
    matrix = np.eye(4)
    matrix[:2, :2] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    matrix[:3, 3] = [1.0, 2.0, 0.0]
    places = np.array([[x, 3.0, z], [x, -1.0, z], [x, 3.0, 2.5], [3.0, 3.0, z]])  # behind, in front, above, beside it
    eye = np.array([x, -3.0, z])
    move = lambda p: p @ matrix[:3, :3].T + matrix[:3, 3]  # noqa: E731
    assert behind_box(matrix, [1.0, 0.2, 1.0], move(eye)[None], move(places)[None]).tolist() == [[True, False, False, False]]


def test_the_points_of_a_person_move_with_the_bones() -> None:
    bones = sorted({bone for bone, _ in _POINT_OF.values()} | {"spine_01"})
    rng = np.random.default_rng(0)
    head = rng.normal(size=(len(bones), 3))
    vertices, weights = rng.normal(size=(6, 3)), rng.dirichlet(np.ones(len(bones)), 6)
    human = {"bones": bones, "head": head, "tail": head + 0.1, "parts": [{"name": "skin", "v": vertices, "w": weights}],
             "landmarks": {n: i for i, n in enumerate(("head_top", "nose", "l_ear", "r_ear", "l_heel", "r_heel"))},
             "eyes": {"l": rng.normal(size=3), "r": rng.normal(size=3)}}
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    turn *= np.linalg.det(turn)
    shift = np.array([1.0, 2.0, 3.0])
    heads = np.stack([head, head @ turn.T + shift])
    person = Person(human, np.stack([np.tile(np.eye(3), (len(bones), 1, 1)), np.tile(turn, (len(bones), 1, 1))]), heads)
    at_rest, moved = person.points()
    assert np.allclose(moved, at_rest @ turn.T + shift)
    assert np.allclose(at_rest[NAMES.index("nose")], vertices[1])
    assert np.allclose(at_rest[NAMES.index("l_toe")], at_rest[NAMES.index("l_foot")] + 0.1)
    assert np.allclose(person.matrices()[0], np.eye(4))
    still, gone = person.spheres()
    assert np.allclose(gone[:, :3], still[:, :3] @ turn.T + shift) and (gone[:, 3] == still[:, 3]).all()


@pytest.fixture
def tool_folder(shared: Path) -> Path:
    folder = shared / "tools" / "render_human"
    if not (folder / "make_detections.py").exists():
        pytest.skip("no rendering tool")
    return folder


@pytest.mark.parametrize("number", [0, 4, 10])
def test_the_truth_of_a_run_is_the_tools_own(shared: Path, tool_folder: Path, number: int) -> None:
    """Rendered by the tool itself: the same person, motion, camera and occluder, to a tenth of a millimetre."""
    path = shared / "detections" / f"run_{number:06d}.npz"
    if not path.exists():
        pytest.skip("no detections")
    tool = rendering_tool(tool_folder)
    run = tool.runs.draw_run(0, number, tool.runs.list_motions([shared / "mocap" / "train"]), 384)
    shot = shot_of(tool, run)
    scene, light = build(shot, run)
    truth = shot.truth()
    with np.load(path) as theirs:
        assert theirs["names"].tolist() == NAMES
        for name in ("joints3d_world", "joints3d_cam", "joints2d"):
            assert np.abs(theirs[name] - truth[name]).max() < (0.01 if name == "joints2d" else 1e-4)
        assert (theirs["in_frame"] == truth["in_frame"]).all()
        assert np.allclose(theirs["K"], shot.K) and np.allclose(theirs["R"], shot.R) and np.allclose(theirs["t"], shot.t)
        assert theirs["occluded"].any() <= (scene.hidden_by is not None)
        assert (theirs["occluded"] == occluded(shot, scene, truth["joints3d_world"])).all()
    mesh = scene.mesh()
    assert len(scene.materials) <= _MOST_MATERIALS and shot.person.spheres().shape[1] <= _MOST_SPHERES
    assert mesh.weights.shape == (len(mesh.v), len(shot.person.human["bones"]) + len(scene.still))
    assert mesh.material.max() < len(scene.materials)
    assert np.allclose(mesh.weights.sum(1), 1, atol=1e-3) and np.linalg.norm(light.sun) == pytest.approx(1)


@pytest.mark.parametrize(("option", "value", "said"), [
    ("--mocap", "nowhere", "no folder"), ("--bundle", "nothing.task", "no file"), ("--shard", "2/2", "I/N"), ("--shard", "2", "I/N")])
def test_what_cannot_be_rendered_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, value: str, said: str) -> None:
    (tmp_path / "a.task").touch()
    given = {"--tool": str(tmp_path), "--mocap": str(tmp_path), "--bundle": str(tmp_path / "a.task"), "--out": str(tmp_path / "out")}
    with pytest.raises(SystemExit):
        render_detections.main([w for pair in (given | {option: value}).items() for w in pair])
    assert said in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_a_folder_without_the_tool_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="rendering tool"):
        rendering_tool(tmp_path)


def test_invented_takes_are_whole_above_the_floor_and_of_the_canonical_skeleton(tmp_path: Path) -> None:
    frames = 90  # at 60 a second: shorter than a take, so it is played to and fro
    turns = np.tile(np.eye(3, dtype=np.float32), (frames, len(JOINTS), 1, 1))
    skeleton = Skeleton.mean()
    offsets = np.concatenate([skeleton.rest_offsets, skeleton.end_offsets])
    part = mocap.Part(turns, np.tile([0.0, 0.0, 0.9], (frames, 1)), offsets[None], np.array([0]), np.array([frames]), np.array(["a.bvh"]))
    motions = invented(part, np.random.default_rng(3), 8)
    assert len(motions) == 8 and {len(m) for m in motions} == {75}
    for m in motions:
        joints, rotations = m.skeleton.forward_kinematics(m.local_rotations, m.root_translation)
        assert min(joints[..., 2].min(), m.skeleton.end_positions(joints, rotations)[..., 2].min()) > 0.0199
    assert max(np.abs(m.local_rotations[:, 1:, 1:]).max() for m in motions) > 0.1  # not the pack's T-pose any more
    write_bvh(motions[0], tmp_path / "a.bvh")
    take = read_bvh(tmp_path / "a.bvh")
    assert take.names == JOINTS and np.allclose(take.skeleton().rest_offsets, skeleton.rest_offsets, atol=1e-5)
    assert np.abs(take.root_translation - motions[0].root_translation).max() < 1e-4


def test_clips_say_when_a_foot_stands() -> None:
    names = [f"{side}_{part}" for side in "lr" for part in ("heel", "foot", "toe")]
    joints = np.zeros((30, 6, 3))
    joints[:, :, 2] = [0.02, 0.01, 0.01] * 2
    joints[10:20, 3:, 2] += 0.2  # the right foot is lifted, and put down further on
    joints[:, 3:, 1] = np.clip(np.arange(30)[:, None] - 10, 0, 10) * 0.03
    told = render_clips.contacts(joints, names, 30.0)
    assert told["contact_parts"].shape == (30, 2, 3) and told["contact"][:, 0].all()
    assert told["contact"][[0, 5, 25], 1].all() and not told["contact"][10:20, 1].any()


def test_a_clip_is_as_people_film(shared: Path, tool_folder: Path) -> None:
    tool = rendering_tool(tool_folder)
    motions = render_detections.motions_in(tool, [shared / "mocap" / "val"])
    runs = [render_clips.drawn(tool, motions, 0, n) for n in range(40)]
    assert all(2 <= r["frames"] <= 180 and r["fps"] == 30 and max(r["width"], r["height"]) == 640 for r in runs)
    assert sum(r["camera"]["cut"] is None for r in runs) > 25 and len({r["motion"] for r in runs}) > 10
    assert runs[3] == render_clips.drawn(tool, motions, 0, 3)


def test_a_passer_by_passes_close_and_both_fit_into_the_renderer(shared: Path, tool_folder: Path) -> None:
    tool = rendering_tool(tool_folder)
    motions = render_detections.motions_in(tool, [shared / "mocap" / "val", shared / "mocap" / "train"])
    runs = [render_clips.with_passer_by(render_clips.drawn(tool, motions, 0, n), motions, 0, n) for n in range(20)]
    assert {r["passer_by"]["before"] > 0 for r in runs} == {True, False}
    for run in runs[:3]:
        shot = shot_of(tool, run)
        other = passer_by_of(tool, run, shot)
        at = int(run["passer_by"]["when"] * run["frames"])
        apart = (other.heads[at, 1] - shot.person.heads[at, 1])[:2]
        assert apart @ shot.to_camera[:2] == pytest.approx(run["passer_by"]["before"]) and 0.5 <= np.linalg.norm(apart) <= 1.0
        scene, _ = build(shot, run)
        mesh, materials = scene.mesh(), len(scene.materials)
        scene.join(other)
        both = scene.mesh()
        assert len(scene.materials) <= _MOST_MATERIALS and len(both.v) > len(mesh.v)
        bones = len(shot.person.matrices()[0]) + len(scene.still)
        assert both.weights.shape[1] == bones + len(other.matrices()[0])
        assert not both.weights[both.material >= materials, :bones].any() and not both.weights[both.material < materials, bones:].any()
    with pytest.raises(InputError, match="walk"):
        render_clips.with_passer_by(runs[0], (["a/jump.bvh"], np.array([3.0]), np.ones(1)), 0, 0)


def test_a_track_is_wrong_where_it_holds_somebody_else() -> None:
    rng = np.random.default_rng(0)
    body = rng.uniform(0, 100, (33, 2))
    people = np.stack([body[judge_tracks._LIMBS], body[judge_tracks._LIMBS] + (300, 0)])
    assert judge_tracks.whose(people[0] + 5, people) == 0 and judge_tracks.whose(people[1] - 5, people) == 1
    assert judge_tracks.whose(people.mean(0), people) == -1
    sights = [[Pose(body, np.ones(33))] for _ in range(20)]
    owners = [[0]] * 15 + [[1]] * 3 + [[-1]] * 2
    assert judge_tracks.wrong_frames(sights, owners, np.arange(20) / 30.0) == (20, 3)
