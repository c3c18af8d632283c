"""Video sources, on files made here: true times, all rotation flags, damage, ranges, backwards reading, image folders."""

from __future__ import annotations

import struct
import sys
import tracemalloc
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from core.errors import InputError
from core.orientation import upright
from core.source import Source
from core.video import open_source, probe_source

W, H = 96, 64
# 16.16 fixed point (a, b, c, d) of the display matrix for a clockwise turn.
MATRICES = {0: (1, 0, 0, 1), 90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}


def picture(t: int, width: int = W, height: int = H) -> np.ndarray:
    """A grey level that tells the frame's number, and a red top-left quarter that tells what is up."""
    image = np.full((height, width, 3), 40 + 2 * (t % 100), dtype=np.uint8)
    image[: height // 2, : width // 2] = (220, 30, 30)
    return image


def number(rgb: np.ndarray) -> int:
    """The frame's number, from the corner that is grey."""
    return round((float(rgb[-8:, -8:].mean()) - 40) / 2)


def write_video(path: Path, times_ms: list[int], codec: str = "libx264", size: tuple[int, int] = (W, H), gop: int = 12,
                pixels: str = "yuv420p", options: dict[str, str] | None = None, ticks: int = 1000) -> Path:
    """times_ms: in 1 / ticks of a second."""
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(codec, rate=30)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = *size, pixels, gop
        stream.codec_context.time_base = Fraction(1, ticks)
        for t, ms in enumerate(times_ms):
            frame = av.VideoFrame.from_ndarray(picture(t, *size), format="rgb24")
            frame.pts, frame.time_base = ms, Fraction(1, ticks)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def steady(count: int) -> list[int]:
    return [round(i * 1000 / 30) for i in range(count)]


def turn(path: Path, clockwise: int) -> Path:
    """Writes a rotation flag into the track header of an MP4."""
    data = bytearray(path.read_bytes())
    a, b, c, d = MATRICES[clockwise]
    place = data.index(b"tkhd") + 4 + 40
    data[place: place + 36] = struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


def read(source: Source) -> list[tuple[int, float, int]]:
    return [(f.index, f.time, number(f.rgb)) for f in source.frames()]


def test_frames_times_and_a_second_reading(tmp_path: Path) -> None:
    path = write_video(tmp_path / "Été à la plage.mp4", steady(40))
    source = open_source(path)
    frames = read(source)
    assert (source.width, source.height, source.expected_frames) == (W, H, 40) and abs(source.fps - 30) < 0.1
    assert [f[0] for f in frames] == list(range(40)) and max(abs(f[2] - f[0]) for f in frames) <= 1
    np.testing.assert_allclose([f[1] for f in frames], np.arange(40) / 30, atol=1e-3)
    assert source.problem is None and read(source) == frames


@pytest.mark.parametrize("degrees", MATRICES)
def test_rotation_flag(tmp_path: Path, degrees: int) -> None:
    path = turn(write_video(tmp_path / "r.mp4", steady(3)), degrees)
    source = open_source(path)
    rgb = next(source.frames()).rgb
    upright = np.rot90(picture(0), -degrees // 90)
    assert rgb.shape == upright.shape == (source.height, source.width, 3)
    assert np.abs(rgb.astype(int) - upright).mean() < 6
    assert probe_source(path).rotation == degrees


def test_variable_rate_keeps_true_times(tmp_path: Path) -> None:
    times = [0, 20, 100, 133, 400, 420, 900, 1000]
    path = write_video(tmp_path / "v.mp4", times)
    np.testing.assert_allclose([f[1] for f in read(open_source(path))], np.array(times) / 1000, atol=1e-4)
    assert probe_source(path).variable_rate and not probe_source(write_video(tmp_path / "c.mp4", steady(20))).variable_rate


def test_first_frame_is_time_zero(tmp_path: Path) -> None:
    path = write_video(tmp_path / "late.ts", [5000 + t for t in steady(20)], codec="libx264")
    np.testing.assert_allclose([f[1] for f in read(open_source(path))], np.arange(20) / 30, atol=2e-3)


@pytest.mark.parametrize("name, codec", [("a.mp4", "libx264"), ("a.avi", "mpeg4"), ("a.ts", "libx264"), ("a.webm", "libvpx"),
                                         ("a.mkv", "libx264")])
def test_range_and_backwards_agree_with_forward_reading(tmp_path: Path, name: str, codec: str) -> None:
    path = write_video(tmp_path / name, steady(50), codec=codec)
    whole = read(open_source(path))
    source = open_source(path, start=0.9, end=1.3)
    part = read(source)
    assert [f[1:] for f in part] == [f[1:] for f in whole if 0.9 <= f[1] < 1.3] and part[0][0] == 0
    source = open_source(path)
    source._chunk_length = lambda: 7  # type: ignore[method-assign]
    back = [(f.index, f.time, number(f.rgb)) for f in source.frames_before(31)]
    assert back == whole[:31][::-1]
    part_source = open_source(path, start=0.9)
    assert [f.index for f in part_source.frames_before(5)] == [4, 3, 2, 1, 0]
    assert part_source.problem is None and source.problem is None


def test_unusual_pixels(tmp_path: Path) -> None:
    for name, options in (("ten.mkv", {"codec": "ffv1", "pixels": "yuv420p10le"}), ("gray.mkv", {"codec": "ffv1", "pixels": "gray"}),
                          ("alpha.mkv", {"codec": "ffv1", "pixels": "yuva420p"}),
                          ("odd.mkv", {"codec": "ffv1", "pixels": "yuv444p", "size": (97, 61)})):
        source = open_source(write_video(tmp_path / name, steady(4), **options))
        rgb = next(source.frames()).rgb
        assert rgb.shape == (source.height, source.width, 3) and rgb.dtype == np.uint8 and abs(number(rgb)) <= 2, name


def test_truncated_file_keeps_the_frames_before(tmp_path: Path) -> None:
    path = write_video(tmp_path / "cut.mp4", steady(60), options={"movflags": "faststart"})
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 9 // 10])
    source = open_source(path)
    frames = read(source)
    assert 10 < len(frames) < 60 and source.problem is not None and "breaks off" in source.problem
    assert read(source) == frames


def test_broken_last_frame_is_noticed(tmp_path: Path) -> None:
    path = write_video(tmp_path / "last.mp4", steady(30), options={"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[:-20])
    source = open_source(path)
    frames = read(source)
    assert source.problem is not None and 28 <= len(frames) <= 30 and abs(frames[27][2] - 27) <= 1


@pytest.mark.parametrize("name, codec", [("cut.mkv", "libx264"), ("cut.webm", "libvpx")])
def test_truncated_matroska_is_noticed_and_a_late_start_is_none(tmp_path: Path, name: str, codec: str) -> None:
    path = write_video(tmp_path / name, [400 + t for t in steady(60)], codec=codec)
    source = open_source(path)
    assert len(read(source)) == 60 and source.problem is None
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 7 // 10])
    source = open_source(path)
    assert 10 < len(read(source)) < 60 and "breaks off" in str(source.problem)


def test_an_avi_that_is_cut_short_is_noticed(tmp_path: Path) -> None:
    """FFmpeg gives the length of what is left; the file's head says how long it was."""
    path = write_video(tmp_path / "cut.avi", list(range(60)), ticks=30, codec="mpeg4")
    source = open_source(path)
    assert len(read(source)) == 60 and source.problem is None
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    source = open_source(path)
    assert 10 < len(read(source)) < 60 and "breaks off" in str(source.problem) and "of 2.00 s" in str(source.problem)


def test_stamps_that_begin_anew_go_on(tmp_path: Path) -> None:
    early, late = (write_video(tmp_path / f"{ms}.ts", [ms + t for t in steady(60)]) for ms in (0, 90_000))
    for name, parts in (("same.ts", (early, early)), ("long way back.ts", (late, early))):
        path = tmp_path / name
        path.write_bytes(b"".join(part.read_bytes() for part in parts))
        source = open_source(path)
        whole = read(source)
        np.testing.assert_allclose([f[1] for f in whole], np.arange(120) / 30, atol=3e-3)
        assert source.problem == f"{name} jumps back in its time stamps at 2.00 s (what follows was timed as going on there)."
        assert abs(source.fps - 30) < 0.1 and source.expected_frames == 120
        assert [f[1:] for f in read(open_source(path, 1.5, 3))] == [f[1:] for f in whole if 1.5 <= f[1] < 3]
        source._chunk_length = lambda: 30  # type: ignore[method-assign]
        assert [(f.index, f.time, number(f.rgb)) for f in source.frames_before(90)] == whole[:90][::-1]
        info = probe_source(path)
        assert abs(info.duration - 4) < 0.01 and not info.variable_rate


def test_a_clock_that_runs_over_is_no_jump(tmp_path: Path) -> None:
    """MPEG counts 26.5 hours; a television's recording begins anywhere in them."""
    before = 2**33 // 90 - 1000
    path = write_video(tmp_path / "over.ts", [before + t for t in steady(60)], options={"mpegts_copyts": "1"})
    source = open_source(path)
    np.testing.assert_allclose([f[1] for f in read(source)], np.arange(60) / 30, atol=3e-3)
    assert source.problem is None and source.expected_frames == 60 and abs(source.fps - 30) < 0.1


def test_avi_with_b_frames_is_evenly_timed(tmp_path: Path) -> None:
    path = write_video(tmp_path / "b.avi", list(range(40)), ticks=30)
    source = open_source(path)
    whole = read(source)
    np.testing.assert_allclose([f[1] for f in whole], np.arange(40) / 30, atol=1e-6)
    source._chunk_length = lambda: 7  # type: ignore[method-assign]
    back = [(f.index, number(f.rgb)) for f in source.frames_before(31)]
    assert back == [(i, n) for i, _, n in whole[:31][::-1]]
    assert source.problem is None and not probe_source(path).variable_rate


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content) + 8) + kind + content


def test_a_cover_that_comes_first_is_not_the_film(tmp_path: Path) -> None:
    path = write_video(tmp_path / "film.mp4", steady(20))
    jpeg = cv2.imencode(".jpg", picture(0, 64, 48))[1].tobytes()
    handler = box(b"hdlr", bytes(8) + b"mdirappl" + bytes(9))
    cover = box(b"ilst", box(b"covr", box(b"data", struct.pack(">II", 13, 0) + jpeg)))
    data = path.read_bytes()
    moov = data.index(b"moov") - 4  # the last box, so that nothing else moves
    after = moov + 8 + struct.unpack(">I", data[moov + 8: moov + 12])[0]  # its first box is the header
    whole = data[moov + 8: after] + box(b"udta", box(b"meta", bytes(4) + handler + cover)) + data[after:]
    path.write_bytes(data[:moov] + box(b"moov", whole))
    with av.open(str(path)) as container:
        assert len(container.streams.video) == 2 and container.streams.video[0].width == 64
    assert (probe_source(path).frames, probe_source(path).width) == (20, W) and len(read(open_source(path))) == 20
    assert len(list(open_source(path).frames_before(20))) == 20


def test_a_bare_stream_is_read_from_its_beginning(tmp_path: Path) -> None:
    path = write_video(tmp_path / "bare.h264", steady(50))
    source = open_source(path)
    whole = read(source)
    source._chunk_length = lambda: 7  # type: ignore[method-assign]
    assert [f.index for f in source.frames_before(31)] == list(range(30, -1, -1))
    assert [f[1:] for f in read(open_source(path, 1.01))] == [f[1:] for f in whole if f[1] >= 1.01]
    with pytest.raises(InputError, match=r"The start, 5 s, is beyond the end of .*bare\.h264 \(2\.00 s\)"):
        read(open_source(path, 5))


@pytest.mark.parametrize("rate", [15, 60])
def test_a_bare_stream_runs_at_the_rate_that_it_names_or_that_is_given(tmp_path: Path, rate: int) -> None:
    path = tmp_path / "camera.h264"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = W, H, "yuv420p"
        for t in range(2 * rate):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(t), format="rgb24")))
        container.mux(stream.encode())
    source = open_source(path)
    assert source.fps == pytest.approx(rate) and source.untimed and source.expected_frames == 2 * rate
    np.testing.assert_allclose([f.time for f in source.frames()], np.arange(2 * rate) / rate, atol=1e-6)
    assert source.problem is None
    info = probe_source(path)
    assert (info.frames, info.fps) == (2 * rate, pytest.approx(rate)) and info.duration == pytest.approx(2.0)
    given = open_source(path, fps=25.0)
    assert not given.untimed and list(given.frames())[25].time == pytest.approx(1.0)
    assert not open_source(write_video(tmp_path / "timed.mp4", steady(5))).untimed


def damage(path: Path, packet: int, first: float) -> Path:
    """Overwrites a packet from a fraction of its length on."""
    with av.open(str(path)) as container:
        place, size = [(p.pos, p.size) for p in container.demux(video=0) if p.size][packet]
    data = bytearray(path.read_bytes())
    begin = place + round(size * first)
    data[begin: place + size] = b"\xff" * (place + size - begin)
    path.write_bytes(data)
    return path


def test_a_damaged_first_packet_costs_its_frames_only(tmp_path: Path) -> None:
    source = open_source(damage(write_video(tmp_path / "a.mp4", steady(31)), 0, 0))
    frames = read(source)
    assert 15 <= len(frames) < 31 and frames[0][1] == 0 and "damaged frame" in str(source.problem)
    path = write_video(tmp_path / "b.mp4", steady(5), gop=1)
    for packet in range(5):
        damage(path, packet, 0)
    with pytest.raises(InputError, match="cannot be decoded"):
        open_source(path)


def test_damaged_frames_that_are_used_are_counted(tmp_path: Path) -> None:
    source = open_source(damage(write_video(tmp_path / "a.mp4", steady(31)), 5, 0.5))
    assert len(read(source)) == 31 and "has 1 damaged frame (31 frames were used," in str(source.problem)


@pytest.mark.skipif(sys.platform == "win32", reason="names have no colons there")
def test_a_colon_in_a_relative_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_video(tmp_path / "12:30.mp4", steady(3))
    monkeypatch.chdir(tmp_path)
    assert len(read(open_source("12:30.mp4"))) == 3


def test_an_edit_list_is_no_fault(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.mp4", steady(60), gop=30)
    cut = tmp_path / "cut.mp4"
    with av.open(str(whole)) as source, av.open(str(cut), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.pts is None:
                continue
            shift = int(0.5 / packet.time_base)
            packet.pts, packet.dts, packet.stream = packet.pts - shift, packet.dts - shift, stream  # negative times: an edit list
            target.mux(packet)
    source = open_source(cut)
    assert len(read(source)) in range(44, 47) and source.problem is None and source.expected_frames in range(43, 48)


@pytest.mark.parametrize("name, content", [("empty.mp4", b""), ("text.mp4", b"not a video"), ("text.txt", b"just words\n" * 50)])
def test_not_a_video(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=r"cannot be read as a video|is not a video|is empty"):
        open_source(tmp_path / name)


def test_sound_alone_and_single_picture(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "sound.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
    with pytest.raises(InputError, match="no video track"):
        open_source(tmp_path / "sound.wav")
    cv2.imwrite(str(tmp_path / "one.png"), picture(0))
    with pytest.raises(InputError, match="is not a video"):
        open_source(tmp_path / "one.png")


def test_bad_ranges(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", steady(30))
    with pytest.raises(InputError, match="no file or folder"):
        open_source(tmp_path / "none.mp4")
    with pytest.raises(InputError, match="is empty"):
        open_source(path, 0.5, 0.5)
    with pytest.raises(InputError, match="beyond the end"):
        open_source(path, 1.5)


def test_an_end_beyond_the_last_frame_is_told(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", steady(30))
    assert open_source(path, 0.2, 9).shortened == "The end, 9 s, is beyond the end of a.mp4 (1.00 s); it was taken to its end."
    folder = write_images(tmp_path / "ten", list(range(1, 11)))
    assert "beyond the end of ten (0.33 s)" in str(open_source(folder, None, 1).shortened)
    for end in (None, 0.5, 1.0, 1.05):  # nobody means the last hundredth
        assert open_source(path, None, end).shortened is None


def test_memory_does_not_grow_with_length(tmp_path: Path) -> None:
    source = open_source(write_video(tmp_path / "long.mp4", steady(300), size=(320, 240)))
    tracemalloc.start()
    for _ in source.frames():
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * 320 * 240 * 3


def write_images(folder: Path, numbers: list[int], size: tuple[int, int] = (W, H), suffix: str = ".png") -> Path:
    folder.mkdir(exist_ok=True)
    for t, n in enumerate(numbers):
        ok, data = cv2.imencode(suffix, picture(t, *size)[..., ::-1])
        assert ok
        (folder / f"frame {n}{suffix}").write_bytes(data.tobytes())
    return folder


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_numbered_images(tmp_path: Path, suffix: str) -> None:
    folder = write_images(tmp_path / "une série", [1, 2, 9, 10, 11, 100], suffix=suffix)
    (folder / "notes.txt").write_text("x")
    source = open_source(folder, fps=10)
    frames = read(source)
    assert [f[2] for f in frames] == list(range(6)) and source.expected_frames == 6 and "missing" in (source.problem or "")
    np.testing.assert_allclose([f[1] for f in frames], np.arange(6) / 10)
    assert [f.index for f in source.frames_before(3)] == [2, 1, 0]
    assert [f[2] for f in read(open_source(folder, 0.2, 0.4, fps=10))] == [2, 3]
    assert open_source(folder).fps == 30 and probe_source(folder).frames == 6


def test_image_folder_faults(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="has neither images nor videos"):
        open_source(tmp_path / "empty")
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "walk.mp4").write_bytes(b"")
    with pytest.raises(InputError, match=r"holds videos and no images; give one of them, such as walk\.mp4"):
        open_source(tmp_path / "videos")
    folder = write_images(tmp_path / "mixed", [1, 2])
    write_images(folder, [3], size=(50, 50))
    for begin in (None, 0.05):
        with pytest.raises(InputError, match=r"frame 3.png is 50x50, the first 96x64"):
            open_source(folder, begin)
    assert len(read(open_source(folder, None, 0.05))) == 2  # it is not asked for
    write_images(tmp_path / "cover", [2, 3])
    cv2.imwrite(str(tmp_path / "cover" / "a preview.png"), picture(0, 50, 50))
    with pytest.raises(InputError, match="differ in size"):
        open_source(tmp_path / "cover")
    folder = write_images(tmp_path / "broken", [1, 2, 3])
    (folder / "frame 3.png").write_bytes(b"broken")
    source = open_source(folder)
    assert len(read(source)) == 3 and source.problem is not None and "frame 3.png" in source.problem
    (tmp_path / "dead").mkdir()
    (tmp_path / "dead" / "1.png").write_bytes(b"")
    with pytest.raises(InputError, match="can be read"):
        open_source(tmp_path / "dead")
    with pytest.raises(InputError, match="beyond the end"):
        open_source(write_images(tmp_path / "few", [1, 2]), start=5)


def test_images_that_only_their_orientation_flag_makes_one_size(tmp_path: Path) -> None:
    Image.fromarray(picture(0)).save(tmp_path / "1.jpg")
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    Image.fromarray(np.rot90(picture(1)).copy()).save(tmp_path / "2.jpg", exif=exif)
    assert [f[2] for f in read(open_source(tmp_path))] == [0, 1]


def test_a_gap_in_the_numbers_is_told_and_a_regular_step_is_not(tmp_path: Path) -> None:
    source = open_source(write_images(tmp_path / "gap", [*range(1, 6), *range(8, 12)]))
    assert len(list(source.frames())) == 9
    assert source.problem is not None and "5" in source.problem
    short = open_source(write_images(tmp_path / "short", [1, 2, 4]))
    assert len(list(short.frames())) == 3 and short.problem is not None and "2" in short.problem
    for name, numbers in (("second", [2, 4, 6, 8]), ("milliseconds", [0, 33, 67, 100, 133, 167, 200])):
        source = open_source(write_images(tmp_path / name, numbers))
        assert len(list(source.frames())) == len(numbers) and source.problem is None


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("flip_x", [False, True])
@pytest.mark.parametrize("flip_y", [False, True])
def test_pictures_are_turned_as_their_indices_say(transposed: bool, flip_x: bool, flip_y: bool) -> None:
    rgb = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    expected = rgb.transpose(1, 0, 2) if transposed else rgb
    expected = expected[::-1 if flip_y else 1, ::-1 if flip_x else 1]
    again = upright(rgb, transposed, flip_x, flip_y)
    assert again.flags.c_contiguous
    np.testing.assert_array_equal(again, expected)
