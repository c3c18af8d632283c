"""Lifting: the camera, and what `lift` promises whatever the network answers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")

from core import bench_lift
from core.camera import ASSUMED_FOCAL, assume_intrinsics, person_view, pixel_rays
from core.errors import Cancelled, InputError
from core.events import Reporter
from core.keypoints import ATTACHMENTS, CANONICAL, CONVENTIONS, Keypoints
from core.lift import _batches, _chunks, lift, resolve_lifter
from core.markers import MARKERS
from core.skeleton import INDEX, Skeleton
from models.registry import NETWORKS

WIDTH, HEIGHT = 640, 480
HIPS = [MARKERS.index("LeftUpLeg"), MARKERS.index("RightUpLeg")]


def standing_person(frames: int, fps: float = 30.0, sideways: float = 0.0, names: tuple[str, ...] = CANONICAL) -> Keypoints:
    """A T-pose 4 m in front of the assumed camera, swaying by 10 cm."""
    skeleton = Skeleton.mean()
    joints, _ = skeleton.forward_kinematics(np.tile([1.0, 0, 0, 0], (21, 1)), np.zeros(3))
    rest = {n: joints[INDEX[ATTACHMENTS[n][0]]] + ATTACHMENTS[n][1] for n in CANONICAL}
    body = np.array([[x, -z, y] for x, y, z in rest.values()])
    seconds = np.arange(frames) / fps
    sway = np.stack([sideways + 0.1 * np.sin(2 * seconds), 0 * seconds, 4 + 0 * seconds], axis=-1)
    camera = body + sway[:, None]
    K = assume_intrinsics(WIDTH, HEIGHT)
    xy = camera[..., :2] / camera[..., 2:] * K[0, 0] + K[:2, 2]
    keypoints = Keypoints(CANONICAL, xy, np.full(xy.shape[:2], 0.9), seconds, WIDTH, HEIGHT, fps)
    return keypoints.select(names)


def wandering(frames: int) -> Keypoints:
    """The same with keypoints that wander off independently and slowly, by a few per cent of the body."""
    person = standing_person(frames)
    steps = np.random.default_rng(0).normal(0, 2.0, person.xy.shape)
    return person.replace(xy=person.xy + np.cumsum(steps, axis=0) / np.sqrt(1 + np.arange(frames))[:, None, None])


@pytest.fixture(scope="module")
def lifter():  # type: ignore[no-untyped-def]
    return resolve_lifter("default", "cpu")


K = assume_intrinsics(WIDTH, HEIGHT)


def test_assumed_lens():
    assert assume_intrinsics(1080, 1920)[0, 0] == ASSUMED_FOCAL * 1920
    given_focal = assume_intrinsics(640, 480, 500.0)
    assert given_focal[0, 0] == given_focal[1, 1] == 500.0
    assert tuple(given_focal[:2, 2]) == (320.0, 240.0)


@pytest.mark.parametrize("bad", [(0, 480, None), (640, 480, -1.0), (640, 480, float("nan"))])
def test_impossible_lens(bad):
    with pytest.raises(InputError):
        assume_intrinsics(*bad)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1)), min_size=2, max_size=6))
def test_person_view_looks_at_the_person(tangents):
    rays = np.array([[x, y, 1.0] for x, y in tangents])
    R = person_view(rays, np.ones(len(rays)))
    assert np.allclose(R @ R.T, np.eye(3), atol=1e-9)
    units = rays / np.linalg.norm(rays, axis=-1, keepdims=True)
    middle = R @ units.mean(0)
    assert np.allclose(middle[:2], 0.0, atol=1e-9) and middle[2] > 0


def test_person_view_without_a_person_is_the_camera():
    assert np.allclose(person_view(np.full((3, 5, 3), np.nan), np.zeros((3, 5))), np.eye(3))


def test_pixel_rays_go_through_the_pixels():
    xy = np.array([[[0.0, 0.0], [320.0, 240.0]]])
    rays = pixel_rays(xy, K)
    assert np.allclose(rays[0, 1], [0, 0, 1])
    back = rays @ K.T
    assert np.allclose(back[..., :2], xy)
    assert np.allclose(pixel_rays(xy, K[None]), rays)


def test_markers_are_the_joints_and_the_riders():
    assert len(MARKERS) == len(set(MARKERS)) == 35
    assert set(MARKERS) >= {"Hips", "LeftHand", "HeadEnd", "nose", "l_heel", "r_toe", "l_thumb"}
    assert not {"l_hip", "l_eye"} & set(MARKERS)


def test_lift_is_a_person(lifter):
    lifted = lift(standing_person(20), K, lifter)
    assert lifted.names == MARKERS and lifted.positions.shape == (20, 35, 3) and lifted.sigma.shape == (20, 35)
    assert np.allclose(lifted.positions[:, HIPS].mean(1), 0.0, atol=1e-9)
    assert (lifted.sigma > 0).all() and np.isfinite(lifted.sigma).all()
    head, foot = lifted.positions[:, MARKERS.index("HeadEnd")], lifted.positions[:, MARKERS.index("LeftFoot")]
    assert (head[:, 1] < -0.4).all() and (foot[:, 1] > 0.5).all()  # camera y points down
    left, right = lifted.positions[:, MARKERS.index("LeftHand")], lifted.positions[:, MARKERS.index("RightHand")]
    assert (left[:, 0] > 0.4).all() and (right[:, 0] < -0.4).all()  # the person faces the camera


def test_frames_without_a_person_stay_empty(lifter):
    keypoints = standing_person(30)
    confidence = keypoints.confidence.copy()
    confidence[5:9] = 0.0
    lifted = lift(keypoints.replace(confidence=confidence), K, lifter)
    empty = np.arange(30)[5:9]
    assert np.isnan(lifted.positions[empty]).all() and np.isinf(lifted.sigma[empty]).all()
    rest = np.delete(np.arange(30), empty)
    assert np.isfinite(lifted.positions[rest]).all() and np.isfinite(lifted.sigma[rest]).all()


def test_nobody_at_all(lifter):
    keypoints = standing_person(4)
    lifted = lift(keypoints.replace(confidence=np.zeros_like(keypoints.confidence)), K, lifter)
    assert np.isnan(lifted.positions).all() and np.isinf(lifted.sigma).all()


@pytest.mark.parametrize("frames", [1, 2, 31, 32, 33, 70])
def test_any_length(lifter, frames):
    assert np.isfinite(lift(standing_person(frames), K, lifter).positions).all()


@pytest.mark.parametrize("fps", [12.0, 60.0, 240.0])
def test_the_frame_rate_hardly_matters(lifter, fps):
    seconds = 2.0
    slow = lift(standing_person(int(30 * seconds)), K, lifter).positions[30]
    other = lift(standing_person(int(fps * seconds), fps), K, lifter).positions[int(fps)]
    assert np.linalg.norm(slow - other, axis=-1).mean() < 0.04


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 3000), st.integers(0, 700))
def test_chunks_answer_for_every_frame_once_with_its_margin(total, margin):
    chunks = list(_chunks(total, margin))
    kept = [c.frames[c.first : c.first + c.count] for c in chunks]
    assert np.array_equal(np.concatenate(kept), np.arange(total))
    for chunk, answered in zip(chunks, kept, strict=True):
        assert answered[0] - chunk.frames[0] == min(margin, 512, answered[0])
        assert chunk.frames[-1] - answered[-1] == min(margin, 512, total - 1 - answered[-1])
    batches = list(_batches(iter(chunks)))
    assert sum(map(len, batches)) == len(chunks)
    assert all(len(b) == 1 or sum(len(c.frames) for c in b) <= 4096 for b in batches)


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_chunks_meet_without_a_seam(name, monkeypatch):
    """The answer does not show where a take was cut: exactly so where a fixed number of frames is seen."""
    import core.lift

    keypoints = wandering(140)
    lifter = resolve_lifter(name, "cpu")
    whole = lift(keypoints, K, lifter).positions
    monkeypatch.setattr(core.lift, "CHUNK", 48)
    cut = lift(keypoints, K, lifter).positions
    assert np.abs(cut - whole).max() < (0.001 if name.startswith("temporal") else 1e-4)


@pytest.mark.parametrize("convention", ["coco17", "openpose18", "openpose25"])
def test_other_conventions_lift(lifter, convention):
    names = tuple(n for n in CONVENTIONS[convention] if n in CANONICAL)
    lifted = lift(standing_person(12, names=names), K, lifter)
    assert np.isfinite(lifted.positions).all()


def test_one_keypoint_is_enough_not_to_fail(lifter):
    assert np.isfinite(lift(standing_person(3, names=("nose",)), K, lifter).positions).all()


def test_the_answer_turns_with_the_place_in_the_frame(lifter):
    middle = lift(standing_person(16), K, lifter).positions
    side = lift(standing_person(16, sideways=1.2), K, lifter).positions
    # The same person seen from another side of the camera: close, though not equal (it is another view of the body).
    assert np.linalg.norm(middle - side, axis=-1).mean() < 0.12


def test_cancel_is_heard(lifter):
    reporter = Reporter()
    reporter.cancel()
    with pytest.raises(Cancelled):
        lift(standing_person(8), K, lifter, reporter)


def test_unknown_lifter_names_the_known_ones():
    with pytest.raises(InputError, match="residual"):
        resolve_lifter("nonsense")


def test_cuda_without_cuda():
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    with pytest.raises(InputError, match="CUDA"):
        resolve_lifter("default", "cuda")


def test_lift_takes_a_name():
    assert np.isfinite(lift(standing_person(2), K, "residual", device="cpu").positions).all()


def test_describe_is_json(lifter):
    import json

    description = json.loads(json.dumps(lifter.describe()))
    assert description["device"] == "cpu" and description["parameters"] > 1000


# ---------------------------------------------------------------- the benchmark

def test_the_benchmark_has_a_row_for_every_network(monkeypatch, capsys):
    monkeypatch.setattr(bench_lift, "_SQUARE", 64)
    monkeypatch.setattr(bench_lift, "_COPY", 1 << 12)
    assert bench_lift.main(["--device", "cpu", "--frames", "8", "--repeat", "1"]) == 0
    printed = capsys.readouterr().out
    assert all(f"| {name} |" in printed for name in (*NETWORKS, "default", "tcn, 243 frames (untrained)")) and "bfloat16" in printed


@pytest.mark.parametrize("frames", [1, 255, 256, 700])
def test_the_benchmark_asks_for_as_many_frames_as_it_says(frames):
    network = resolve_lifter("tcn", "cpu").loaded.network
    features, seconds, real = bench_lift._inputs(network, frames, "cpu")
    answered = len(features) * (features.shape[1] - 2 * network.margin(30.0))
    assert frames <= answered < frames + len(features) and seconds.shape == real.shape == features.shape[:2] and real.all()


def test_a_benchmark_of_nothing_is_refused():
    with pytest.raises(InputError, match="at least 1"):
        bench_lift.main(["--frames", "0"])
