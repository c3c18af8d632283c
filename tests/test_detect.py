"""The 2D stage, with a detector that reads drawn marks, and (where its model is there) with MediaPipe itself."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest

from core.cli import SAMPLE
from core.detect import extract, extract_keypoints, list_people
from core.detect.detector import BLAZEPOSE, Detection
from core.detect.mediapipe_detector import MediaPipeDetector, default_bundle
from core.errors import Cancelled, InputError
from core.events import Reporter
from core.keypoints import LIMB_KEYPOINTS
from core.source import Frame, Source
from core.video import open_source

W, H, FPS = 640, 360, 30.0
SHAPE = np.random.default_rng(0).uniform(-0.5, 0.5, (33, 2)) * (0.4, 1.0)
SHARED = Path(os.environ.get("VIDEO_MOCAP_SHARED", Path(__file__).parents[2] / "shared"))
SMALL = 0.2  # of the sample's size
needs_model = pytest.mark.skipif(not default_bundle().is_file(), reason="MediaPipe's bundle is not set up")


class Drawn(Source):
    """Frames with people drawn as filled boxes; people: for each frame a list of (x, y, height) of their middles."""

    def __init__(self, people: list[list[tuple[float, float, float]]]) -> None:
        super().__init__(Path("drawn.mp4"), None, None)
        self.width, self.height, self.fps, self.expected_frames = W, H, FPS, len(people)
        self.people = people

    def _frame(self, index: int) -> Frame:
        rgb = np.zeros((H, W, 3), np.uint8)
        for brightness, (x, y, height) in enumerate(self.people[index], 100):
            x0, y0 = round(x - 0.2 * height), round(y - 0.5 * height)
            rgb[max(y0, 0): y0 + round(height), max(x0, 0): x0 + round(0.4 * height)] = brightness
        return Frame(index, index / FPS, rgb)

    def frames(self) -> Iterator[Frame]:
        yield from map(self._frame, range(len(self.people)))

    def frames_before(self, index: int) -> Iterator[Frame]:
        yield from map(self._frame, range(index - 1, -1, -1))


class Eyes:
    """Sees the boxes of `Drawn`, whole ones only, and like MediaPipe none lower than a sixth of what it is shown."""

    open = 0

    def __init__(self, still: bool = False) -> None:
        Eyes.open += 1

    def detect(self, rgb: np.ndarray, time: float) -> list[Detection]:
        found = []
        for brightness in np.unique(rgb[rgb > 0]):
            rows, columns = np.nonzero(rgb[..., 0] == brightness)
            height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
            if height >= max(rgb.shape[:2]) / 6 and width >= 0.3 * height:
                xy = SHAPE * height + (columns.mean() + 0.5, rows.mean() + 0.5)
                found.append(Detection(xy, np.full(33, 0.9), np.zeros(33), np.zeros((33, 3))))
        return found

    def close(self) -> None:
        Eyes.open -= 1

    def __enter__(self) -> Eyes:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Progress(Reporter):
    """Keeps what was reported."""

    def __init__(self, stop_at: int | None = None) -> None:
        super().__init__()
        self.reports: list[tuple[int, int]] = []
        self.stop_at = stop_at

    def _emit(self, event: dict) -> None:
        if event["event"] == "progress":
            assert event["stage"] == "2D keypoints"
            self.reports.append((event["done"], event["total"]))
            if event["done"] == self.stop_at:
                self.cancel()


@pytest.fixture
def shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The drawn people are no bodies, and nothing about their limbs is implausible."""
    monkeypatch.setattr("core.detect.correct.correct", lambda keypoints, reporter: keypoints)


@pytest.fixture
def eyes(shapes: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(extract, "MediaPipeDetector", Eyes)
    yield
    assert Eyes.open == 0


def test_one_person_and_missing_stays_missing(eyes: None) -> None:
    people = [[(300 + t, 180, 200.0)] if t < 20 else [] for t in range(40)]
    progress = Progress()
    keypoints = extract_keypoints(Drawn(people), "largest", progress)
    assert keypoints.names == BLAZEPOSE and len(keypoints) == 40 and (keypoints.width, keypoints.height) == (W, H)
    assert keypoints.seen[:20].all() and not keypoints.seen[20:].any()
    assert np.isnan(keypoints.xy[20:]).all() and np.isnan(keypoints.depth[20:]).all() and np.isnan(keypoints.world[20:]).all()
    assert progress.reports[-1] == (40, 40) and all(0 <= done <= total for done, total in progress.reports)


def test_outside_the_picture_is_missing(shapes: None) -> None:
    class Guesser(Eyes):
        """Predicts what it cannot see, as MediaPipe does."""

        def detect(self, rgb: np.ndarray, time: float) -> list[Detection]:
            return [Detection(SHAPE * 200 + (300, 30), np.full(33, 0.9), np.zeros(33), np.zeros((33, 3)))]

    with Guesser() as guesser:
        keypoints = extract_keypoints(Drawn([[]] * 10), "largest", Reporter(), detector=guesser)
    outside = SHAPE[:, 1] * 200 + 30 < 0
    assert outside.any() and not outside.all()
    assert (keypoints.confidence[:, outside] == 0).all() and np.isnan(keypoints.xy[:, outside]).all()
    assert (keypoints.confidence[:, ~outside] > 0.8).all()


def test_who_is_wanted(eyes: None) -> None:
    people = [[(120 + t, 200, 150.0), (480 - t, 180, 220.0)][: 2 if t >= 5 else 1] for t in range(40)]
    source = Drawn(people)
    listed = list_people(source, Reporter())
    assert [p.number for p in listed] == [1, 2] and [p.frames_seen for p in listed] == [40, 35]
    assert listed[0].height < listed[1].height and abs(listed[1].seconds[0] - 5 / FPS) < 1e-9 and listed[0].centre[0] < 320
    assert np.nanmean(extract_keypoints(source, "largest", Reporter()).xy[..., 0]) > 320
    assert np.nanmean(extract_keypoints(source, "1", Reporter()).xy[..., 0]) < 320
    with pytest.raises(InputError, match="2 people"):
        extract_keypoints(source, "3", Reporter())


def test_a_runner_from_afar_is_there_from_the_first_frame(eyes: None) -> None:
    people = [[(200 + 2.0 * t, 200, 40 + 1.2 * t)] for t in range(90)]  # the detector needs 107 px: from frame 56 on
    progress = Progress()
    keypoints = extract_keypoints(Drawn(people), "largest", progress)
    assert keypoints.seen.all()
    middle = keypoints.xy.mean(axis=1)[:, 0] - SHAPE[:, 0].mean() * np.array([p[0][2] for p in people])
    np.testing.assert_allclose(middle, [p[0][0] for p in people], atol=3)
    assert progress.reports[-1][0] == progress.reports[-1][1]


def test_a_gap_is_filled_backwards_but_not_with_somebody_else(eyes: None) -> None:
    people = [[(200 + 2 * t, 180, 150.0 if not 30 <= t < 50 else 90.0), (540, 180, 150.0)] for t in range(70)]
    keypoints = extract_keypoints(Drawn(people), "1", Reporter())
    assert keypoints.seen.all()
    gone = [[(200 + 2 * t, 180, 150.0), (540, 180, 150.0)] if not 30 <= t < 50 else [(540, 180, 150.0)] for t in range(70)]
    assert list(np.flatnonzero(~extract_keypoints(Drawn(gone), "1", Reporter()).seen)) == list(range(30, 50))


def test_nobody_and_hardly_anybody(eyes: None) -> None:
    with pytest.raises(InputError, match=r"No person was found in the 30 frames of drawn\.mp4"):
        extract_keypoints(Drawn([[]] * 30), "largest", Reporter())
    assert list_people(Drawn([[]] * 30), Reporter()) == []
    few = [[(300, 180, 200.0)] if 60 <= t < 65 else [] for t in range(300)]
    with pytest.raises(InputError, match=r"5 of the 300 frames.*between 2\.00 s and 2\.13 s.*start"):
        extract_keypoints(Drawn(few), "largest", Reporter())


def test_one_who_leaves_for_long_is_whole_and_the_user_is_told(eyes: None) -> None:
    people = [[(300.0, 180, 200.0)] if t < 60 or t >= 130 else [] for t in range(200)]
    reporter = Reporter()
    keypoints = extract_keypoints(Drawn(people), "largest", reporter)
    assert list(np.flatnonzero(~keypoints.seen)) == list(range(60, 130))
    assert [p.frames_seen for p in list_people(Drawn(people), Reporter())] == [130]
    (warning,) = reporter.warnings
    assert "not seen in 70 of the 200 frames (2.0 s to 4.3 s);" in warning
    quiet = Reporter()
    extract_keypoints(Drawn([[(300.0, 180, 200.0)]] * 30), "largest", quiet)
    assert not quiet.warnings


def test_the_user_is_told_that_the_end_is_beyond_the_last_frame(eyes: None) -> None:
    source, reporter = Drawn([[(300.0, 180, 200.0)]] * 30), Reporter()
    source.shortened = "The end is too late."
    extract_keypoints(source, "largest", reporter)
    assert reporter.warnings == ["The end is too late."]


def test_cancel_stops_at_once_and_frees_the_networks(eyes: None) -> None:
    progress = Progress(stop_at=7)
    with pytest.raises(Cancelled):
        extract_keypoints(Drawn([[(300, 180, 200.0)]] * 50), "largest", progress)
    assert progress.reports[-1][0] == 7


def test_a_given_detector_is_used_and_stays_open() -> None:
    own = Eyes()
    keypoints = extract_keypoints(Drawn([[(300, 180, 200.0)]] * 10), "largest", Reporter(), detector=own)
    assert keypoints.seen.all() and Eyes.open == 1
    own.close()


class InTurn(Drawn):
    """First one who is all red, later one who is all blue."""

    def _frame(self, index: int) -> Frame:
        rgb = np.zeros((H, W, 3), np.uint8)
        rgb[..., 0 if index < 30 else 2] = 200
        return Frame(index, index / FPS, rgb)


def test_another_person_in_the_same_place_is_told(shapes: None) -> None:
    class Present(Eyes):
        def detect(self, rgb: np.ndarray, time: float) -> list[Detection]:
            there = time < 0.9 or time > 1.4
            return [Detection(SHAPE * 200 + 250, np.full(33, 0.9), np.zeros(33), np.zeros((33, 3)))] if there else []

    own, reporter = Present(), Reporter()
    extract_keypoints(InTurn([[]] * 70), "largest", reporter, detector=own)
    own.close()
    assert any("found again at 1.4 s in other colours" in w for w in reporter.warnings)


class Dressed(Drawn):
    """Until the 30th frame whoever is there wears red, afterwards yellow."""

    def _frame(self, index: int) -> Frame:
        frame = super()._frame(index)
        frame.rgb[..., 1] *= index >= 30
        frame.rgb[..., 2] = 0
        return frame


def test_another_person_who_is_followed_back_into_the_gap_is_told(eyes: None) -> None:
    """The gap then ends with frames that the pass forward has not seen: their colours were not looked at, and nobody was told."""
    people = [[(300.0, 180, 150.0)] if t < 30 else [(300.0, 180, 90.0)] if 52 <= t < 70 else [(300.0, 180, 150.0)] if t >= 70 else []
              for t in range(110)]
    reporter = Reporter()
    keypoints = extract_keypoints(Dressed(people), "largest", reporter)
    assert list(np.flatnonzero(~keypoints.seen)) == list(range(30, 52))
    assert any("lost at 1.0 s and found again at 1.7 s in other colours" in w for w in reporter.warnings)


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, core.detect; assert not {'mediapipe', 'av', 'cv2', 'scipy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[1])


def test_missing_and_damaged_bundle(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.task is missing.*build\.py setup"):
        MediaPipeDetector(bundle=tmp_path / "none.task")
    (tmp_path / "bad.task").write_bytes(b"damaged")
    with pytest.raises(InputError, match=r"bad\.task is damaged"):
        MediaPipeDetector(bundle=tmp_path / "bad.task")


@needs_model
def test_mediapipe_on_a_rendered_walk(capfd: pytest.CaptureFixture[str]) -> None:
    clip = SHARED / "clips" / "synth" / "cmu_walk"
    if not clip.is_dir():
        pytest.skip("the rendered clips are not here")
    truth = np.load(clip / "gt.npz")
    keypoints = extract_keypoints(open_source(clip / "video.mp4", end=0.7), "largest", Reporter()).select(LIMB_KEYPOINTS)
    joints = truth["joints2d"][:, [truth["names"].tolist().index(n) for n in LIMB_KEYPOINTS]]
    error = np.linalg.norm(keypoints.xy - joints[: len(keypoints)], axis=-1)
    assert len(keypoints) == 21 and keypoints.seen.all() and np.nanmedian(error) < 6
    assert "W0000" not in capfd.readouterr().err


class Afar(Source):
    """The sample video, shrunk into the middle of a 1280x720 picture, so that the person is a few dozen pixels tall."""

    def __init__(self, frames: int, factor: float) -> None:
        super().__init__(Path("afar.mp4"), None, None)
        self.width, self.height, self.fps, self.expected_frames = 1280, 720, FPS, frames
        self._frames = [Frame(f.index, f.time, self._shrunk(f.rgb, factor)) for f in islice(open_source(SAMPLE).frames(), frames)]

    def _shrunk(self, rgb: np.ndarray, factor: float) -> np.ndarray:
        small = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(
            int(rgb.shape[1] * factor), int(rgb.shape[0] * factor), interpolation="AREA").to_ndarray()
        picture = np.full((self.height, self.width, 3), np.median(rgb, axis=(0, 1)), np.uint8)
        x, y = (self.width - small.shape[1]) // 2, (self.height - small.shape[0]) // 2
        picture[y: y + small.shape[0], x: x + small.shape[1]] = small
        return picture

    def frames(self) -> Iterator[Frame]:
        yield from self._frames

    def frames_before(self, index: int) -> Iterator[Frame]:
        yield from self._frames[:index][::-1]


@needs_model
def test_mediapipe_finds_one_too_small_for_the_whole_picture() -> None:
    afar = Afar(20, SMALL)
    with MediaPipeDetector() as alone:
        assert not any(alone.detect(f.rgb, f.time) for f in afar.frames())  # else this would prove nothing
    keypoints = extract_keypoints(afar, "largest", Reporter())
    assert keypoints.seen.all()
    near = extract_keypoints(open_source(SAMPLE, end=19.5 / FPS), "largest", Reporter())
    heights = np.nanmax(near.xy[..., 1], axis=1) - np.nanmin(near.xy[..., 1], axis=1)
    expected = (near.xy - (320, 240)) * SMALL + (640, 360)
    off = np.linalg.norm(keypoints.xy - expected, axis=-1)[:, [BLAZEPOSE.index(n) for n in LIMB_KEYPOINTS]]
    height = np.median(heights) * SMALL
    assert 50 < height < 65 and np.nanmedian(off) < 0.05 * height


@needs_model
def test_mediapipe_sees_nobody_in_noise() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3), dtype=np.uint8)
    with MediaPipeDetector() as detector:
        assert detector.detect(noise, 0.0) == [] and detector.detect(noise, 0.0) == []  # equal times are fine
