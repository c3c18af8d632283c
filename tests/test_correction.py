"""Ankles and wrists that cannot be where they are: what the network is asked, what is replaced, and what stays."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from core import cli, rotations  # noqa: E402
from core.detect.correct import correct, find_implausible  # noqa: E402
from core.errors import InputError  # noqa: E402
from core.events import Reporter  # noqa: E402
from core.keypoints import CANONICAL, CONVENTIONS, Keypoints  # noqa: E402
from core.skeleton import INDEX, mirror_name  # noqa: E402
from models import correction, judge_correction, registry, small_training, train_correction  # noqa: E402
from models.correction import FRAMES, POINTS, Correction, Loaded, Take, ask, window_rows  # noqa: E402
from models.train_correction import Exact, questions  # noqa: E402
from tests.synthetic import film, walk, wander  # noqa: E402

MIRROR = [CANONICAL.index(mirror_name(n)) for n in CANONICAL]
ANKLE, OTHER_ANKLE, WRIST = (CANONICAL.index(n) for n in ("l_ankle", "r_ankle", "r_wrist"))


@pytest.fixture(scope="module")
def untrained() -> Loaded:
    torch.manual_seed(0)
    return Loaded(Correction(16, 32, 1).eval(), {})


def some_take(seed: int, frames: int = 12) -> Take:
    """Random points, some of them missing."""
    rng = np.random.default_rng(seed)
    xy, confidence = rng.uniform(100, 500, (frames, 27, 2)), rng.uniform(0.1, 1, (frames, 27))
    gone = rng.random((frames, 27)) < 0.1
    return Take(np.where(gone[..., None], np.nan, xy), np.where(gone, 0.0, confidence), rng.normal(0, 50, (frames, 27)),
                np.arange(frames) / 30)


def everything(take: Take) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, limbs and (random) hidden ends of questions about all limbs in all frames."""
    frame, limb = (a.ravel() for a in np.meshgrid(np.arange(len(take.xy)), np.arange(4), indexing="ij"))
    hidden = np.random.default_rng(1).random((len(take.xy), 4)) < 0.4
    rows = window_rows(0, len(take.xy), frame, take.seconds)
    return rows, limb, hidden[rows]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 999), st.floats(0.2, 5.0), st.floats(-900, 900), st.floats(-900, 900))
def test_answers_move_and_grow_with_the_picture(untrained: Loaded, seed: int, scale: float, dx: float, dy: float) -> None:
    take = some_take(seed)
    other = dataclasses.replace(take, xy=take.xy * scale + (dx, dy), depth=take.depth * scale)
    (here, error), (there, other_error) = (untrained.answer(t, *everything(t)) for t in (take, other))
    np.testing.assert_allclose(there, here * scale + (dx, dy), atol=0.05 * scale)
    np.testing.assert_allclose(other_error, error * scale, rtol=1e-3)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 999))
def test_answers_are_mirrored_with_the_picture(untrained: Loaded, seed: int) -> None:
    take = some_take(seed)
    mirror = Take((take.xy * (-1, 1))[:, MIRROR] + (640, 0), take.confidence[:, MIRROR], take.depth[:, MIRROR], take.seconds)
    rows, limb, hidden = everything(take)
    here, _ = untrained.answer(take, rows, limb, hidden)
    there, _ = untrained.answer(mirror, rows, limb ^ 1, hidden[..., [1, 0, 3, 2]])
    np.testing.assert_allclose(there, here * (-1, 1) + (640, 0), atol=0.02)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 999))
def test_what_is_hidden_changes_no_answer(untrained: Loaded, seed: int) -> None:
    take = some_take(seed)
    rows, limb, _ = everything(take)
    hidden = np.repeat((limb[:, None] == np.arange(4))[:, None], len(FRAMES), axis=1)
    here, error = untrained.answer(take, rows, limb, hidden)
    for i, points in enumerate(POINTS):
        xy = take.xy.copy()
        xy[:, points] = np.random.default_rng(seed).uniform(0, 900, xy[:, points].shape)
        there, other_error = untrained.answer(dataclasses.replace(take, xy=xy), rows, limb, hidden)
        np.testing.assert_array_equal(there[limb == i], here[limb == i])
        np.testing.assert_array_equal(other_error[limb == i], error[limb == i])


def test_windows_end_with_the_take_and_span_the_same_time() -> None:
    slow, fast = (window_rows(0, 40, np.array([20]), np.arange(40) / rate)[0] for rate in (30, 60))
    assert slow.tolist() == (20 + FRAMES).tolist() and fast.tolist() == (20 + 2 * FRAMES).tolist()
    assert window_rows(3, 9, np.array([4]), np.arange(40) / 30)[0].tolist() == [-1, -1, -1, 3, 4, 5, 6, 8, -1]
    assert window_rows(0, 1, np.array([0]), np.zeros(1))[0].tolist() == [-1] * 4 + [0] + [-1] * 4


def test_too_little_to_go_by_gives_no_answer(untrained: Loaded) -> None:
    take = some_take(3)
    lonely = np.full_like(take.xy, np.nan)
    lonely[:, [ANKLE, WRIST]] = take.xy[:, [ANKLE, WRIST]]
    places, error = untrained.answer(dataclasses.replace(take, xy=lonely), *everything(take))
    assert np.isnan(places).all() and np.isnan(error).all()
    assert not find_implausible(dataclasses.replace(take, xy=lonely), untrained).any()


# ---------------------------------------------------------------- the stage, with the shipped network

def person(seed: int | None = None, frames: int = 40, azimuth: float = 0.6) -> Keypoints:
    """Somebody who walks, or moves at random, as a good detector sees them."""
    scene = film(*(walk(frames) if seed is None else wander(seed, frames)), azimuth=azimuth, pixels=2.0)
    return scene.keypoints.replace(confidence=np.full_like(scene.keypoints.confidence, 0.9))


@pytest.mark.parametrize("names", [CANONICAL, *(CONVENTIONS[n] for n in ("blazepose33", "coco17", "openpose25"))])
def test_a_sound_take_stays_as_it_is(names: tuple[str, ...]) -> None:
    k = person().select(names)
    same = correct(k, Reporter())
    np.testing.assert_array_equal(same.xy, k.xy)
    np.testing.assert_array_equal(same.confidence, k.confidence)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 999))
def test_only_ends_of_limbs_change_and_never_for_more_confidence(seed: int) -> None:
    k = person(seed % 7)
    rng = np.random.default_rng(seed)
    xy = np.where(rng.random((len(k), 27, 1)) < 0.1, rng.uniform(0, 700, (len(k), 27, 2)), k.xy)
    broken = k.replace(xy=xy)
    mended = correct(broken, Reporter())
    changed = (mended.xy != broken.xy).any(-1)
    assert not np.delete(changed, np.unique(POINTS), axis=1).any()
    np.testing.assert_array_equal(mended.confidence[~changed], broken.confidence[~changed])
    assert (mended.confidence[changed] <= broken.confidence[changed]).all()


@pytest.mark.parametrize("names", [CANONICAL, CONVENTIONS["coco17"]])
def test_an_ankle_on_the_other_one_comes_back(names: tuple[str, ...]) -> None:
    k = person(azimuth=1.3)
    hit = np.zeros((len(k), 27), dtype=bool)
    hit[10:25, POINTS[0]] = True
    wrong = np.where(hit[..., None], k.xy[:, MIRROR], k.xy)
    mended = correct(k.replace(xy=wrong).select(names), Reporter()).canonical()
    apart = np.linalg.norm(wrong - k.xy, axis=-1)[:, ANKLE]
    far = apart > 0.15 * np.ptp(k.xy[..., 1], axis=1)
    assert far.sum() > 5
    off = np.linalg.norm(mended.xy - k.xy, axis=-1)[:, ANKLE]
    assert np.nanmean(off[far]) < 0.7 * apart[far].mean()
    np.testing.assert_array_equal(mended.xy[:, OTHER_ANKLE], k.xy[:, OTHER_ANKLE])


def test_a_wrist_that_jumps_off_the_body_comes_back() -> None:
    k = person()
    xy = k.xy.copy()
    xy[20:22, WRIST] += (220, -150)
    mended = correct(k.replace(xy=xy), Reporter())
    off = np.linalg.norm(mended.xy - k.xy, axis=-1)[20:22, WRIST]
    assert (off < 60).all() and (mended.confidence[20:22, WRIST] < k.confidence[20:22, WRIST]).all()


def test_a_hand_held_before_the_chest_stays_there() -> None:
    """Recorded failure (val_mj_walk): a bent arm is rarer than a hanging one, and was straightened for three seconds."""
    local, root = walk(60)
    angles = rotations.from_rotation_vector(np.array([[0.0, 0.0, 1.0]]) * np.linspace(0, 2.0, 20)[:, None])
    local[:, INDEX["RightForeArm"]] = np.concatenate([angles, np.repeat(angles[-1:], 40, axis=0)])
    k = film(local, root, azimuth=1.2, pixels=2.0).keypoints
    k = k.replace(confidence=np.full_like(k.confidence, 0.95))
    np.testing.assert_array_equal(correct(k, Reporter()).xy[:, WRIST], k.xy[:, WRIST])


@pytest.mark.parametrize("frames", [1, 2])
def test_a_frame_or_two_are_enough_and_nobody_is_no_harm(frames: int) -> None:
    k = person(frames=frames)
    xy = k.xy.copy()
    xy[0, WRIST] = (5, 5)
    assert (correct(k.replace(xy=xy), Reporter()).xy[0, WRIST] != (5, 5)).any()
    empty = k.replace(xy=np.full_like(k.xy, np.nan), confidence=np.zeros_like(k.confidence))
    assert not correct(empty, Reporter()).seen.any()


# ---------------------------------------------------------------- weights and training

def test_missing_and_damaged_weights_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "WEIGHTS", tmp_path)
    correction.load.cache_clear()
    with pytest.raises(InputError, match=r"keypoint correction are missing"):
        correction.load()
    (tmp_path / "correction.safetensors").write_bytes(b"x" * 100)
    with pytest.raises(InputError, match=r"keypoint correction are damaged"):
        correction.load()


def test_the_shipped_weights_tell_where_they_come_from() -> None:
    correction.load.cache_clear()
    metadata = correction.load().metadata
    assert {"config", "seed", "data", "revision", "figures", "steps", "sha256"} <= set(metadata)
    assert (registry.WEIGHTS / "correction.safetensors").stat().st_size < 2_000_000


def exact(seed: int, frames: int = 32) -> Exact:
    """Three takes whose detections are the truth."""
    k = [person(seed + i, frames) for i in range(3)]
    xy = np.stack([x.xy for x in k])
    return Exact(xy, xy.copy(), np.stack([x.confidence for x in k]), np.zeros(xy.shape[:-1]), np.stack([x.times for x in k]))


def test_the_truth_is_where_the_hidden_point_was() -> None:
    e = exact(0)
    features, limb, _, known = train_correction._asked(e, np.random.default_rng(0), 20)
    assert len(limb) == 60 and known.all() and set(limb.tolist()) == {0, 1, 2, 3}
    # Asked again with nothing but the truth as the answer: `outside` brings it back to the pixels.
    rows, limbs, hidden = everything(Take(e.xy[0], e.confidence[0], e.depth[0], e.seconds[0]))
    asked = ask(Take(e.xy[0], e.confidence[0], e.depth[0], e.seconds[0]), rows, limbs, hidden)
    truth = e.truth[0][rows[:, FRAMES == 0], POINTS[limbs]]
    np.testing.assert_allclose(asked.outside(asked.inside(truth)), truth)
    middle = features[:, FRAMES.tolist().index(0), : 5 * 27].reshape(-1, 27, 5)
    for kind in (0, 1):
        own = middle[limb // 2 == kind][:, np.unique(POINTS[2 * kind])]
        assert (own == 0).all()


def test_a_resumed_training_does_what_an_uninterrupted_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = [0]

    def synthetic(source: object, rng: np.random.Generator, count: int) -> Exact:
        drawn[0] += 1
        if drawn[0] == 4 + 3:  # four for the standardisation
            raise KeyboardInterrupt
        return exact(int(rng.integers(5)))

    monkeypatch.setattr(small_training, "_JUDGE_EVERY", 2)
    monkeypatch.setattr(train_correction, "ARGUMENTS", {"frame_width": 8, "width": 16, "blocks": 1})
    monkeypatch.setattr(train_correction, "synthetic", synthetic)
    judges = {"val": questions(exact(9), np.random.default_rng(0))}

    def fit(data: str = "these") -> tuple[torch.nn.Module, dict]:
        torch.manual_seed(0)
        about = {"data": data, "revision": "now"}
        return train_correction.fit(exact(1), None, judges, 4, tmp_path, about, resume=True)  # type: ignore[arg-type]

    with pytest.raises(KeyboardInterrupt):
        fit()
    drawn[0] = 100
    (resumed, about), done = fit(), (tmp_path / "checkpoint.pt")
    assert drawn[0] == 100 + 4 + 2  # it did not start anew
    assert (tmp_path / "loss.png").exists()
    with pytest.raises(InputError, match="other data"):  # it would have been the old network under the new data's name
        fit("others")
    done.unlink()
    whole, whole_about = fit()
    assert about["figures"]["val"] == whole_about["figures"]["val"]
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], value)


# ---------------------------------------------------------------- what it brings

def case(seed: int | None = None) -> judge_correction.Case:
    """A take whose detections are the truth, 300 pixels tall, the last five frames empty."""
    k = person(seed)
    gone = np.arange(len(k)) >= len(k) - 5
    k = k.replace(xy=np.where(gone[:, None, None], np.nan, k.xy), confidence=np.where(gone[:, None], 0.0, k.confidence))
    return judge_correction.Case(k, k.xy.copy(), np.full(len(k), 300.0), np.zeros((len(k), 12, 3)))


@pytest.mark.parametrize("kind", judge_correction.DAMAGES)
@pytest.mark.parametrize("limb", range(4))
def test_damage_moves_the_ends_that_it_names_and_nothing_else(kind: str, limb: int) -> None:
    c = case()
    k = judge_correction.damaged(np.random.default_rng(limb), c, kind, limb)
    moved = ~((k.xy == c.keypoints.xy) | np.isnan(c.keypoints.xy)).all(-1)
    sides = (limb, limb ^ 1) if kind == "exchanged" else (limb,)
    assert all(moved[:, POINTS[side][0]].any() for side in sides)
    assert not np.delete(moved, np.unique(POINTS[list(sides)]), axis=1).any()
    np.testing.assert_array_equal(k.seen, c.keypoints.seen)


def test_the_tally_tells_damage_from_sound_keypoints() -> None:
    c = case()
    sound = judge_correction.tally([c], [c.keypoints], 1)
    assert len(sound.before) == 2 * 35 and (sound.before == 0).all() and not sound.touched.any() and (sound.after == 0).all()
    thrown = judge_correction.tally([c], [judge_correction.damaged(np.random.default_rng(0), c, "thrown", 2)], 1)
    assert thrown.touched.sum() > 3 and np.nanmean(thrown.after) < 0.7 * thrown.before.mean()


def test_the_report_has_a_line_for_every_damage() -> None:
    lines = judge_correction.report([case(), case(3)]).splitlines()
    number = {line[:28].strip(): int(line[28:36]) for line in lines[1:]}
    for end in ("ankle", "wrist"):
        assert number[f"{end} as detected"] == 4 * 35
        assert all(0 < number[f"{end} {kind}"] < 4 * 35 for kind in judge_correction.DAMAGES)


def test_an_empty_folder_of_runs_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["evaluate", "--correction", str(tmp_path)]) == 2
    assert "no complete run_*.npz" in capsys.readouterr().err
