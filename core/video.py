"""Frames of a video file or of a folder of numbered images: streamed, upright, with their true times.

Problem: phones store upright video sideways with a rotation flag, many write variable frame rates, containers' frame counts may
         be estimates, and the last frames of an interrupted recording are often broken.
Method:  PyAV (FFmpeg) decodes one frame at a time, so memory does not grow with length. The display matrix is applied, pixels that
         are not square are stretched. A frame's time is its presentation timestamp less that of the video's first frame.
         Backwards reading seeks to a keyframe and decodes a bounded chunk at a time.
Limits:  the first video stream only; high dynamic range is not tone-mapped; interlaced pictures stay interlaced.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.stream import Disposition

from .errors import InputError
from .inputs import images_in
from .recorded_lens import equivalent_focal

DEFAULT_IMAGE_FPS = 30.0
_CHUNK_BYTES = 192 * 2**20  # pixels that backwards reading may hold at a time
_END_LEEWAY = 0.1  # seconds that a wanted end may lie beyond the last frame without a word
_PLAUSIBLE_FPS = (0.5, 1000.0)  # outside of it a container's rate is a placeholder; measured instead
_NOT_VIDEO_FORMATS = {"tty", "lrc", "srt", "webvtt", "ass"}  # FFmpeg "reads" plain text with these


@dataclass(frozen=True)
class Frame:
    """One picture. index: 0 for the first frame of the range; time: seconds from the video's first frame; rgb: (H, W, 3) uint8."""

    index: int
    time: float
    rgb: np.ndarray


@dataclass(frozen=True)
class SourceInfo:
    """What `probe_source` found. Sizes are upright pixels; rotation: the flag in degrees, clockwise; duration in seconds."""

    path: str
    kind: str
    width: int
    height: int
    rotation: int
    fps: float
    variable_rate: bool
    duration: float
    frames: int
    codec: str


class Source:
    """A range of frames that can be read several times; what video files and image folders share.

    width, height: upright pixels; fps: nominal rate; expected_frames: how many the range should hold as the container tells (exact
    for constant rates, good enough for a progress bar else), or None; lens: its 35 mm equivalent in millimetres, or None
    where the file does not tell; shortened: None, or one sentence about a wanted end that lies beyond the last frame; problem: after a
    complete reading None, or one sentence about frames that could not be read.
    """

    def __init__(self, path: Path, start: float | None, end: float | None) -> None:
        if end is not None and end <= (start or 0.0):
            raise InputError(f"The range from {start or 0:g} s to {end:g} s is empty: the end must be after the start.")
        self.path = path
        self.start = start or 0.0
        self.end = end
        self.width = self.height = 0
        self.fps = 0.0
        self.expected_frames: int | None = None
        self.lens: float | None = None
        self.shortened: str | None = None
        self.problem: str | None = None

    def frames(self) -> Iterator[Frame]:
        """The frames of the range in order."""
        raise NotImplementedError

    def frames_before(self, index: int) -> Iterator[Frame]:
        """Frames index - 1, index - 2, ..., 0 of the range; holds at most about 200 MB of pixels."""
        raise NotImplementedError

    def _in_range(self, time: float) -> bool:
        return time >= self.start - 1e-6 and not self._after_range(time)

    def _after_range(self, time: float) -> bool:
        return self.end is not None and time >= self.end - 1e-6

    def _chunk_length(self) -> int:
        return max(1, _CHUNK_BYTES // (self.width * self.height * 3))

    def _beyond_end(self, duration: float) -> InputError:
        return InputError(f"The start, {self.start:g} s, is beyond the end of {self.path} ({duration:.2f} s); choose an earlier one.")


def shortened(end: float | None, duration: float | None, what: str) -> str | None:
    """One sentence if the wanted `end` is beyond the last frame of what lasts `duration` seconds; `what`: the file's name."""
    if end is None or not duration or end <= duration + _END_LEEWAY:
        return None
    return f"The end, {end:g} s, is beyond the end of {what} ({duration:.2f} s); it was taken to its end."


def open_source(path: str | os.PathLike, start: float | None = None, end: float | None = None, fps: float | None = None) -> Source:
    """Opens a video file or a folder of numbered images; frames with start <= time < end seconds (None: from or to the end).

    fps: the rate of a folder of images (None: 30); a video file has its own. Raises InputError with one sentence when the path is
    missing, is no video, has no images or differently sized ones, or when the range holds no frame.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"There is no file or folder {path}; check the path.")
    if path.is_dir():
        return ImageSource(path, start, end, fps)
    return VideoSource(path, start, end)


def probe_source(path: str | os.PathLike, fps: float | None = None) -> SourceInfo:
    """Size, rate, length and codec, without decoding more than the first frame. Errors as `open_source`."""
    source = open_source(path, fps=fps)
    if isinstance(source, VideoSource):
        return source.info()
    assert isinstance(source, ImageSource)
    return source.info()


class VideoSource(Source):
    """A video file."""

    def __init__(self, path: Path, start: float | None, end: float | None) -> None:
        super().__init__(path, start, end)
        with self._open() as container:
            stream = container.streams.video[0]
            first = self._first_frame(container)
            self._orientation = _orientation(first)
            self.rotation = _clockwise_degrees(self._orientation)
            self._coded_size = _square_pixel_size(first, stream)
            self.width, self.height = self._coded_size[::-1] if self._orientation[0] else self._coded_size
            self.codec = stream.codec_context.name
            self._time_base = stream.time_base or Fraction(1, 1000)
            self._origin = first.pts or 0
            self._claimed = stream.frames or None
            duration = stream.duration and float(stream.duration * self._time_base)
            if duration is None and container.duration:
                duration = container.duration / av.time_base
            rate = stream.average_rate
        self.fps, self._duration = float(rate or 0.0), duration
        if not _PLAUSIBLE_FPS[0] <= self.fps <= _PLAUSIBLE_FPS[1] or duration is None:
            times = self._packet_times()
            self._duration = times[-1] - times[0] + (times[-1] - times[0]) / max(len(times) - 1, 1)
            self.fps = (len(times) - 1) / max(times[-1] - times[0], 1e-3) if len(times) > 1 else 30.0
        self._times: list[float] = []
        self.lens = equivalent_focal(path)
        self.expected_frames = self._expected()
        self._check_start()
        self.shortened = shortened(end, self._duration, path.name)

    def frames(self) -> Iterator[Frame]:
        self.problem = None
        times: list[float] = []
        for index, (time, frame) in enumerate(self._decode(self.start)):
            times.append(time)
            if index >= len(self._times):
                self._times.append(time)
            yield Frame(index, time, self._rgb(frame))
        if not times:
            end = self._duration if self.end is None else self.end
            raise InputError(f"{self.path} has no frame between {self.start:g} s and {end or 0.0:.2f} s; choose a longer range.")

    def frames_before(self, index: int) -> Iterator[Frame]:
        self._know_times(index)
        stop = min(index, len(self._times))
        while stop > 0:
            first = max(0, stop - self._chunk_length())
            low, high = self._times[first] - 1e-6, self._times[stop - 1] + 1e-6
            chunk = [(t, self._rgb(f)) for t, f in self._decode(self._times[first], high) if low <= t <= high]
            while chunk:  # emptied as it goes, so that two chunks are never there at once
                yield Frame(first + len(chunk) - 1, *chunk.pop())
            stop = first

    def info(self) -> SourceInfo:
        """What is in the whole file, from its packets."""
        times = self._packet_times()
        steps = np.diff(times)
        variable = bool(len(steps) > 1 and steps.max() - steps.min() > 0.25 * np.median(steps))
        return SourceInfo(str(self.path), "video", self.width, self.height, self.rotation, self.fps, variable,
                          float(self._duration or 0.0), len(times), self.codec)

    def _open(self) -> av.container.InputContainer:
        try:
            container = av.open(str(self.path))
        except (av.FFmpegError, OSError, ValueError) as error:
            raise InputError(_unreadable(self.path)) from error
        streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
        formats = set(container.format.name.split(","))
        if formats & _NOT_VIDEO_FORMATS or any(n == "image2" or n.endswith("_pipe") for n in formats):
            raise InputError(f"{self.path} is not a video; give a video file, or a folder of numbered images.")
        if not streams:
            raise InputError(f"{self.path} has no video track (only sound?); give a file with pictures.")
        return container

    def _first_frame(self, container: av.container.InputContainer) -> av.VideoFrame:
        try:
            for frame in container.decode(video=0):
                return frame
        except av.FFmpegError as error:
            raise InputError(f"{self.path} cannot be decoded ({error.strerror}); convert it to MP4 and try again.") from error
        raise InputError(f"{self.path} holds no frames; record or export it again.")

    def _decode(self, start: float, end: float | None = None) -> Iterator[tuple[float, av.VideoFrame]]:
        """(time, frame) of every frame of the range from `start` on, until `end` (None: the range's end).

        Sets `problem` when it reaches the range's end.
        """
        count = _Count()
        with self._open() as container:
            stream = container.streams.video[0]
            if start > 0:
                container.seek(self._origin + int(start / self._time_base), stream=stream)
            last = -np.inf
            for frame in _decodable_frames(container, stream, count):
                time = self._time(frame, last)
                if np.isinf(last) and time > start + 1e-6 and start > 0:
                    break  # the seek went too far (no index): read from the beginning instead
                last = time
                if self._after_range(time) or (end is not None and time > end):
                    break
                if self._in_range(time):
                    count.corrupt += frame.is_corrupt
                    count.decoded += 1
                    yield time, frame
            else:
                count.complete = True
        if np.isinf(last) and start > 0 and count.decoded == 0:
            yield from self._decode_from_beginning(start, end)
            return
        if end is None:
            self.problem = self._judge(count, last)

    def _decode_from_beginning(self, start: float, end: float | None) -> Iterator[tuple[float, av.VideoFrame]]:
        for time, frame in self._decode(0.0, end):
            if time >= start - 1e-6:
                yield time, frame

    def _judge(self, count: _Count, last: float) -> str | None:
        """One sentence if something could not be read.

        A container may claim more frames than it shows (edit lists, estimates), so a missing count alone is no fault: the
        pictures must also stop early.
        """
        broken = count.errors + count.corrupt
        lacking = self._claimed - count.discarded - count.decoded if self._claimed and count.complete and self.start <= 0 else 0
        early = self._duration is not None and count.complete and last + 1.5 / self.fps + 0.02 < self._duration
        if early and (lacking > 0 or broken or count.truncated):
            return (f"{self.path.name} breaks off at {last:.2f} s of {self._duration:.2f} s: the rest could not be read, "
                    f"the {count.decoded} frames before it were used.")
        if broken:
            return f"{self.path.name} has {broken} damaged frame{'s' * (broken > 1)}; the other {count.decoded - count.corrupt} were used."
        return None

    def _time(self, frame: av.VideoFrame, last: float) -> float:
        if frame.pts is None:
            return 0.0 if np.isinf(last) else last + 1.0 / self.fps
        return max(float((frame.pts - self._origin) * self._time_base), last + 1e-4)

    def _rgb(self, frame: av.VideoFrame) -> np.ndarray:
        width, height = self._coded_size
        rgb = frame.to_ndarray(format="rgb24", width=width, height=height)
        transposed, flip_x, flip_y = self._orientation
        if transposed:
            rgb = rgb.transpose(1, 0, 2)
        return np.ascontiguousarray(rgb[::-1 if flip_y else 1, ::-1 if flip_x else 1])

    def _packet_times(self) -> list[float]:
        """Presentation times of all frames, seconds, from the packets alone: nothing is decoded."""
        times = []
        with self._open() as container:
            try:
                for packet in container.demux(container.streams.video[0]):
                    if packet.pts is not None and packet.size and not packet.is_discard:
                        times.append(float((packet.pts - self._origin) * self._time_base))
            except av.FFmpegError:
                pass  # a damaged end: the packets before it count
        return sorted(times) or [0.0]

    def _know_times(self, index: int) -> None:
        """Makes sure that the times of the first `index` frames of the range are known."""
        if len(self._times) < index:
            self._times = []
            for time, _ in self._decode(self.start):
                self._times.append(time)
                if len(self._times) >= index:
                    break

    def _expected(self) -> int | None:
        if not self._duration:
            return self._claimed if self.start <= 0 and self.end is None else None
        if self.start <= 0 and self.end is None and self._claimed:
            # An edit list may hide some of the claimed frames: then the duration, which it shortens, is nearer to the truth.
            agree = abs(self._claimed / self.fps - self._duration) < 1.5 / self.fps
            return self._claimed if agree else round(self._duration * self.fps)
        return max(0, round((min(self.end or self._duration, self._duration) - self.start) * self.fps))

    def _check_start(self) -> None:
        if self.start > 0 and self._duration is not None and self.start >= self._duration:
            raise self._beyond_end(self._duration)


def _unreadable(path: Path) -> str:
    """Why FFmpeg cannot open a file, as far as its first bytes tell."""
    head = path.read_bytes()[:12] if path.stat().st_size < 2**20 else path.open("rb").read(12)
    if not head:
        return f"{path} is empty; copy or record it again."
    if head[4:8] == b"ftyp":
        return f"{path} is an MP4 or MOV that breaks off before its index; copy or record it again."
    return f"{path} cannot be read as a video; give a video file such as MP4, MOV, AVI or WebM."


@dataclass
class _Count:
    """What one reading met. errors: packets that gave no frame; corrupt: frames flagged as damaged by the decoder."""

    decoded: int = 0
    discarded: int = 0
    errors: int = 0
    corrupt: int = 0
    truncated: bool = False
    complete: bool = False


def _decodable_frames(container: av.container.InputContainer, stream: av.VideoStream, count: _Count) -> Iterator[av.VideoFrame]:
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except av.FFmpegError:
            count.truncated = True
            return
        count.discarded += packet.is_discard
        count.truncated |= packet.is_corrupt
        try:
            yield from packet.decode()
        except av.FFmpegError:
            count.errors += 1


def _orientation(frame: av.VideoFrame) -> tuple[bool, bool, bool]:
    """(transpose, then flip x, flip y) that makes the frame upright, from its display matrix; handles mirrored ones too.

    The matrix takes a stored point to (a x + c y, b x + d y); its four numbers are 16.16 fixed point, 0 or +-1 in practice.
    """
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return False, False, False
    a, b, _, c, d = np.frombuffer(bytes(data), dtype=np.int32)[:5]  # type: ignore[call-overload]  # PyAV types it as object
    transposed = abs(int(b)) > abs(int(a))
    return transposed, (c if transposed else a) < 0, (b if transposed else d) < 0


def _clockwise_degrees(orientation: tuple[bool, bool, bool]) -> int:
    transposed, flip_x, flip_y = orientation
    if transposed:
        return 90 if flip_x else 270
    return 180 if flip_x and flip_y else 0


def _square_pixel_size(frame: av.VideoFrame, stream: av.VideoStream) -> tuple[int, int]:
    aspect = stream.sample_aspect_ratio or Fraction(1)
    return (round(frame.width * aspect) if 0.2 < aspect < 5 else frame.width), frame.height


class ImageSource(Source):
    """A folder of numbered images, at a rate that nothing in it can tell."""

    def __init__(self, path: Path, start: float | None, end: float | None, fps: float | None) -> None:
        super().__init__(path, start, end)
        self.fps = fps or DEFAULT_IMAGE_FPS
        self._all = images_in(path)
        if not self._all:
            raise InputError(f"The folder {path} has no images; give a folder of numbered PNG or JPEG files, or a video file.")
        first = next((rgb for rgb in map(_read_image, self._all) if rgb is not None), None)
        if first is None:
            raise InputError(f"None of the {len(self._all)} images in {path} can be read; export them again as PNG or JPEG.")
        self.height, self.width = first.shape[:2]
        self._times = [i / self.fps for i in range(len(self._all))]
        self._chosen = [i for i, t in enumerate(self._times) if self._in_range(t)]
        if not self._chosen:
            raise self._beyond_end(len(self._all) / self.fps)
        self.expected_frames = len(self._chosen)
        self.shortened = shortened(end, len(self._all) / self.fps, path.name)

    def frames(self) -> Iterator[Frame]:
        self.problem = None
        broken: list[str] = []
        for index, number in enumerate(self._chosen):
            rgb = self._read(number)
            if rgb is None:
                broken.append(self._all[number].name)
                rgb = np.zeros((self.height, self.width, 3), dtype=np.uint8)
            yield Frame(index, self._times[number], rgb)
        if broken:
            self.problem = f"{len(broken)} of the images in {self.path} cannot be read (first: {broken[0]}); they were taken as black."
        elif gap := _first_gap([self._all[i] for i in self._chosen]):
            self.problem = f"Images are missing in {self.path} after {gap.name}; those that are there were taken as following each other."

    def frames_before(self, index: int) -> Iterator[Frame]:
        for i in range(min(index, len(self._chosen)) - 1, -1, -1):
            rgb = self._read(self._chosen[i])
            yield Frame(i, self._times[self._chosen[i]], np.zeros((self.height, self.width, 3), np.uint8) if rgb is None else rgb)

    def info(self) -> SourceInfo:
        """What is in the whole folder."""
        return SourceInfo(str(self.path), "images", self.width, self.height, 0, self.fps, False, len(self._all) / self.fps,
                          len(self._all), self._all[0].suffix[1:].lower())

    def _read(self, number: int) -> np.ndarray | None:
        rgb = _read_image(self._all[number])
        if rgb is not None and rgb.shape[:2] != (self.height, self.width):
            raise InputError(f"The images in {self.path} differ in size: {self._all[number].name} is {rgb.shape[1]}x{rgb.shape[0]}, "
                             f"the first {self.width}x{self.height}; export them all at one size.")
        return rgb


def _first_gap(images: list[Path]) -> Path | None:
    """The image after which the numbering leaves more out than it usually does (every second frame is no gap), or None."""
    numbers = [int(digits[-1]) for digits in (re.findall(r"\d+", image.stem) for image in images) if digits]
    steps = np.diff(numbers)
    if len(numbers) != len(images) or not len(steps) or steps.max() <= np.median(steps):
        return None
    return images[int(np.argmax(steps > np.median(steps)))]


def _read_image(path: Path) -> np.ndarray | None:
    """(H, W, 3) uint8 upright, or None if the file is damaged. Read through memory: OpenCV cannot open every path on Windows."""
    import cv2  # here, because videos do not need it

    try:
        image = cv2.imdecode(np.frombuffer(path.read_bytes(), dtype=np.uint8), cv2.IMREAD_COLOR)
    except (cv2.error, OSError):
        return None
    return None if image is None else np.ascontiguousarray(image[..., ::-1])
