"""core.recorded_lens: the lens that the camera wrote into the file, and what a run makes of it."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import Listener
from test_lens import measured, walked
from test_video import read, steady, write_video

from core.camera import focal_in_pixels
from core.errors import InputError
from core.events import Reporter
from core.keypoints import load_keypoints
from core.options import RunOptions
from core.pipeline import run
from core.probe import probe
from core.recorded_lens import KEY, equivalent_focal
from core.solve.lens import RECORDED_LENS, measured_lens
from core.video import open_source

TEXT, FLOAT, INT32, INT64, UINT16, UNSIGNED = 1, 23, 67, 74, 76, 22


def box(kind: bytes, inside: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(inside), kind) + inside


def metadata(value: bytes, kind: int, mp4: bool = False) -> bytes:
    """A `meta` box that names another key first, as phones do."""
    names = [b"com.apple.quicktime.camera.lens_model", KEY]
    keys = struct.pack(">II", 0, len(names)) + b"".join(struct.pack(">I4s", 8 + len(n), b"mdta") + n for n in names)
    values = [(TEXT, b"Pro back camera 6.765mm f/1.78"), (kind, value)]
    items = b"".join(box(struct.pack(">I", i), box(b"data", struct.pack(">II", k, 0) + v)) for i, (k, v) in enumerate(values, 1))
    handler = box(b"hdlr", bytes(8) + b"mdta" + bytes(13))
    return box(b"meta", bytes(4) * mp4 + handler + box(b"keys", keys) + box(b"ilst", items))


def recorded(path: Path, meta: bytes, track: bool = True) -> Path:
    """Puts a `meta` box behind what is in the last track, or in the film, of a file whose film is its last box."""
    data = path.read_bytes()
    film = data.rindex(b"moov") - 4
    inside = data[film + 8 :]
    assert struct.unpack(">I", data[film : film + 4])[0] == len(data) - film
    start = inside.index(b"trak") - 4
    stop = start + struct.unpack(">I", inside[start : start + 4])[0]
    grown = inside[:start] + box(b"trak", inside[start + 8 : stop] + meta) + inside[stop:] if track else inside + meta
    path.write_bytes(data[:film] + box(b"moov", grown))
    return path


@pytest.fixture
def video(tmp_path: Path) -> Path:
    write_video(tmp_path / "phone.mov", steady(12))
    return tmp_path / "phone.mov"


@pytest.mark.parametrize("track", [True, False])
@pytest.mark.parametrize(("kind", "value", "mm"), [
    (TEXT, b"50.00mm", 50.0), (TEXT, b"26", 26.0), (FLOAT, struct.pack(">f", 13.5), 13.5), (INT32, struct.pack(">i", 77), 77.0),
    (INT64, struct.pack(">q", 24), 24.0), (UINT16, struct.pack(">H", 26), 26.0), (UNSIGNED, b"\x1a", 26.0)])
def test_the_lens_is_read_as_text_and_as_numbers(video: Path, kind: int, value: bytes, mm: float, track: bool) -> None:
    frames = read(open_source(video))
    assert equivalent_focal(video) is None
    assert equivalent_focal(recorded(video, metadata(value, kind, mp4=not track), track)) == pytest.approx(mm)
    assert open_source(video).lens == pytest.approx(mm)
    assert read(open_source(video)) == frames


@pytest.mark.parametrize(("kind", "value"), [
    (TEXT, b"unknown"), (INT32, bytes(4)), (INT32, b"\1"), (FLOAT, struct.pack(">f", np.nan)), (0, b"26")])
def test_a_value_that_is_no_lens_is_none(video: Path, kind: int, value: bytes) -> None:
    assert equivalent_focal(recorded(video, metadata(value, kind))) is None


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_torn_file_is_no_error(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.getbasetemp() / "torn.mov"
    whole = box(b"ftyp", b"qt  ") + box(b"moov", box(b"trak", metadata(b"26.00mm", TEXT)))
    path.write_bytes(whole)
    assert equivalent_focal(path) == 26.0
    torn = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
    for place in data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=4)):
        torn[place : place + 1] = data.draw(st.binary(min_size=1, max_size=1))
    path.write_bytes(torn)
    assert (equivalent_focal(path) or 26.0) >= 5.0


def test_boxes_in_boxes_are_no_error(tmp_path: Path) -> None:
    nested = metadata(b"26.00mm", TEXT)
    for _ in range(1500):
        nested = box(b"trak", nested)
    (tmp_path / "nested.mov").write_bytes(box(b"ftyp", b"qt  ") + box(b"moov", nested))
    assert equivalent_focal(tmp_path / "nested.mov") is None


@pytest.mark.parametrize("size", [(1920, 1080), (1080, 1920)])
def test_a_lens_is_as_long_in_a_video_held_upright(size: tuple[int, int]) -> None:
    assert focal_in_pixels(36.0, *size) == 1920.0


def test_other_files_tell_nothing(tmp_path: Path) -> None:
    (tmp_path / "text.mov").write_text("no film")
    (tmp_path / "empty.mov").touch()
    assert [equivalent_focal(tmp_path / n) for n in ("text.mov", "empty.mov", "missing.mov", ".")] == [None] * 4


def test_a_run_goes_by_the_recorded_lens_and_says_so(tmp_path: Path) -> None:
    """Somebody who steps in place tells nothing of a lens of 78.75 mm; what is given goes before what was recorded."""
    scene = walked(2800.0)
    still = scene.keypoints.replace(lens=78.75, xy=np.tile(scene.keypoints.xy[:1], (150, 1, 1)))
    still.save(tmp_path / "take.npz")
    assert load_keypoints(tmp_path / "take.npz").lens == 78.75
    listener = Listener()
    motion = run(tmp_path / "take.npz", tmp_path / "out", RunOptions(), listener).motion
    longer = max(still.width, still.height)
    assert motion.camera.K[0, 0] == pytest.approx(78.75 / 36 * longer)
    assert motion.meta["lens"] == {"recorded_mm": 78.75}
    assert [s for s in listener.said if "78.75 mm" in s and f"{78.75 / 36 * longer:.0f} pixels" in s]
    assert "78.75 mm" in probe(tmp_path / "take.npz", Reporter())["plan"]
    given = run(tmp_path / "take.npz", tmp_path / "given", RunOptions(focal=1000.0), Reporter()).motion
    assert given.camera.K[0, 0] == 1000.0
    assert "lens" not in given.meta


def test_a_walk_moves_a_recorded_lens_less_than_an_assumed_one(tmp_path: Path) -> None:
    scene = walked(1280.0, noise=0.01, pixels=2.0)
    assumed = measured(scene, 1.4)
    K = scene.K.copy()
    K[[0, 1], [0, 1]] *= 1.4
    lens = measured_lens(scene.lifted.names, scene.lifted.positions, scene.keypoints, K, RECORDED_LENS)
    assert assumed is not None
    assert lens is not None
    assert lens.apparent == assumed.apparent
    assert assumed.factor < lens.factor < 1.0
    assert lens.error < assumed.error
    scene.keypoints.replace(lens=1.4 * 36.0 * 1280.0 / max(scene.keypoints.width, scene.keypoints.height)).save(tmp_path / "take.npz")
    meta = run(tmp_path / "take.npz", tmp_path / "out", RunOptions(), Reporter()).motion.meta["lens"]
    assert {"recorded_mm", "measured_px"} <= meta.keys()


def test_a_recorded_lens_that_a_walk_refutes_counts_no_more_than_an_assumed_one() -> None:
    """The picture was cropped after the camera wrote its lens down."""
    scene = walked(2800.0, noise=0.01, pixels=2.0)
    K = scene.K.copy()
    K[[0, 1], [0, 1]] *= 0.4
    assumed = measured(scene, 0.4)
    recorded = measured_lens(scene.lifted.names, scene.lifted.positions, scene.keypoints, K, RECORDED_LENS)
    assert assumed is not None
    assert recorded is not None
    assert recorded.factor == assumed.factor > 2.0


@pytest.mark.parametrize("lens", [np.nan, -3.0, np.array([1.0, 2.0])])
def test_a_keypoint_file_with_no_lens_under_that_name_is_one_sentence(tmp_path: Path, lens: object) -> None:
    walked(1280.0).keypoints.save(tmp_path / "take.npz")
    with np.load(tmp_path / "take.npz") as data:
        np.savez(tmp_path / "other.npz", **(dict(data) | {"lens_mm": lens}))
    with pytest.raises(InputError, match=r"other\.npz"):
        load_keypoints(tmp_path / "other.npz")
