"""Frames of a video file or of a folder of numbered images: streamed, upright, with their true times.

Problem: phones store upright video sideways with a rotation flag, many write variable frame rates, containers' frame counts may
         be estimates, and the last frames of an interrupted recording are often broken.
Method:  PyAV (FFmpeg) decodes one frame at a time, so memory does not grow with length. The display matrix is applied, pixels that
         are not square are stretched. A frame's time is its presentation timestamp less that of the video's first frame; AVI has
         none, so its decoding timestamps count (FFmpeg's guesses repeat and skip where there are B-frames). Backwards reading seeks
         to a keyframe and decodes a bounded chunk at a time.
Limits:  the first video stream only; high dynamic range is not tone-mapped; interlaced pictures stay interlaced.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path

import av
import cv2
import numpy as np
from av.stream import Disposition

from .errors import InputError
from .frame_times import Clock, packet_times
from .images import first_gap, read_image, stored_shape
from .inputs import images_in
from .recorded_lens import equivalent_focal

DEFAULT_IMAGE_FPS = 30.0
_CHUNK_BYTES = 192 * 2**20  # pixels that backwards reading may hold at a time
_END_LEEWAY = 0.1  # seconds that a wanted end may lie beyond the last frame without a word
_PLAUSIBLE_FPS = (0.5, 1000.0)  # outside of it a container's rate is a placeholder; measured instead
_NOT_VIDEO_FORMATS = {"tty", "lrc", "srt", "webvtt", "ass"}  # FFmpeg "reads" plain text with these
_MPEG_PERIOD = 2**33 / 90_000  # seconds
_JOINED_FORMATS = {"mpegts", "mpeg"}  # people, cameras and receivers join them byte by byte, so stamps may begin anew


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
    where the file does not tell; untimed: whether the rate is assumed, for nothing tells the
    pictures' times; shortened: None, or one sentence about a wanted end that lies beyond the last frame; problem: after a
    complete reading None, or one sentence about frames that could not be read or were timed anew.
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
        self.untimed = False
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

    fps: the rate of a folder of images (None: 30), or of a bare H.264 or HEVC stream (None: what it names); other videos have their own.
    Raises InputError with one sentence when the path is missing, is no video, has no images or differently sized ones, or when the range
    holds no frame.
    """
    path = Path(path)
    if not os.path.exists(path):
        raise InputError(f"There is no file or folder {path}; check the path.")
    if path.is_dir():
        return ImageSource(path, start, end, fps)
    if not path.is_file():  # a device may have no end
        raise InputError(f"{path} is neither a file nor a folder; give a video, or a folder of images.")
    return VideoSource(path, start, end, fps)


def probe_source(path: str | os.PathLike, fps: float | None = None) -> SourceInfo:
    """Size, rate, length and codec, without decoding more than the first frame. Errors as `open_source`."""
    source = open_source(path, fps=fps)
    if isinstance(source, VideoSource):
        return source.info()
    assert isinstance(source, ImageSource)
    return source.info()


class VideoSource(Source):
    """A video file."""

    def __init__(self, path: Path, start: float | None, end: float | None, fps: float | None = None) -> None:
        super().__init__(path, start, end)
        with self._open() as container:
            stream = _films(container)[0]
            self._shown_as_decoded = container.format.name == "avi"
            first = self._first_frame(container, stream)
            self._orientation = _orientation(first)
            self.rotation = _clockwise_degrees(self._orientation)
            self._coded_size = _square_pixel_size(first, stream)
            self.width, self.height = self._coded_size[::-1] if self._orientation[0] else self._coded_size
            self.codec = stream.codec_context.name
            self._time_base = stream.time_base or Fraction(1, 1000)
            self._origin = (first.dts if self._shown_as_decoded else first.pts) or 0
            self._claimed = stream.frames or None
            self._duration, self._duration_sure = _duration(container, stream, self._origin)
            self.fps, guessed = float(stream.average_rate or 0.0), float(stream.guessed_rate or 0.0)
            self._given, self._rate_unless_timed = fps, fps or (guessed if _plausible(guessed) else DEFAULT_IMAGE_FPS)
            may_jump = container.format.name in _JOINED_FORMATS
            self._period = _MPEG_PERIOD if may_jump else math.inf
        self._jumps = False  # known from the packets, else once a reading meets a jump
        unknown = self._duration is None or not _plausible(self.fps)
        if unknown or may_jump:
            times, self._jumps = self._packets
            if unknown or self._jumps:
                self._measure(times)
            if self._jumps and _plausible(guessed):  # a packet may hold a field, half a frame: too many to measure the rate
                self.fps = guessed
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
            until = "its end" if end is None else f"{end:.2f} s"
            raise InputError(f"{self.path} has no frame between {self.start:g} s and {until}; choose a longer range.")

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
        times, _ = self._packets
        steps = np.diff(times)
        variable = bool(len(steps) > 1 and steps.max() - steps.min() > 0.25 * np.median(steps))
        return SourceInfo(str(self.path), "video", self.width, self.height, self.rotation, self.fps, variable,
                          float(self._duration or 0.0), len(times), self.codec)

    def _open(self) -> av.container.InputContainer:
        try:
            container = av.open(str(self.path.absolute()))  # absolute: the colon in 12:30.mp4 ends no protocol
        except (av.FFmpegError, OSError, ValueError) as error:
            raise InputError(_unreadable(self.path)) from error
        formats = set(container.format.name.split(","))
        if formats & _NOT_VIDEO_FORMATS or any(n == "image2" or n.endswith("_pipe") for n in formats):
            raise InputError(f"{self.path} is not a video; give a video file, or a folder of numbered images.")
        if not _films(container):
            raise InputError(f"{self.path} has no video track (only sound?); give a file with pictures.")
        return container

    def _first_frame(self, container: av.container.InputContainer, stream: av.VideoStream) -> av.VideoFrame:
        count = _Count()
        for frame in _decodable_frames(container, stream, count):
            return frame
        if count.fault:
            raise InputError(f"{self.path} cannot be decoded ({count.fault}); convert it to MP4 and try again.")
        raise InputError(f"{self.path} holds no frames; record or export it again.")

    def _measure(self, times: list[float]) -> None:
        """Takes duration and rate from the packets' times."""
        span = times[-1] - times[0]
        self._duration, self._duration_sure = (span + span / max(len(times) - 1, 1)) or None, True
        self.fps = (len(times) - 1) / max(span, 1e-3) if len(times) > 1 else self._rate_unless_timed

    def _decode(self, start: float, end: float | None = None) -> Iterator[tuple[float, av.VideoFrame]]:
        """(time, frame) of every frame of the range from `start` on, until `end` (None: the range's end).

        Sets `problem` when it reaches the range's end.
        """
        count, clock = _Count(), Clock(1.0 / self.fps, self._period)
        with self._open() as container:
            stream = _films(container)[0]
            if start > 0 and not self._seek(container, stream, start):
                yield from self._decode_from_beginning(start, end)
                return
            for frame in _decodable_frames(container, stream, count):
                stamp = self._stamp(frame)
                if np.isinf(clock.last) and start > 0 and (stamp is None or stamp > start + 1e-6):
                    break  # the seek went too far (no index): read from the beginning instead
                time = clock.time(stamp)
                self._jumps = self._jumps or bool(clock.jumps)
                if self._after_range(time) or (end is not None and time > end):
                    break
                if self._in_range(time):
                    count.corrupt += frame.is_corrupt
                    count.decoded += 1
                    count.until = time + max(1.0 / self.fps, float((frame.duration or 0) * self._time_base))
                    yield time, frame
            else:
                count.complete = True
        if np.isinf(clock.last) and start > 0:
            yield from self._decode_from_beginning(start, end)
            return
        if end is None:
            self.problem = self._judge(count, clock)

    def _seek(self, container: av.container.InputContainer, stream: av.VideoStream, start: float) -> bool:
        """Goes to the keyframe before `start`; False where that cannot be done: in bare streams, and where stamps occur twice."""
        if self._jumps:
            return False
        try:
            container.seek(self._origin + int(start / self._time_base), stream=stream)
        except av.FFmpegError:
            return False
        return True

    def _decode_from_beginning(self, start: float, end: float | None) -> Iterator[tuple[float, av.VideoFrame]]:
        for time, frame in self._decode(0.0, end):
            if time >= start - 1e-6:
                yield time, frame

    def _judge(self, count: _Count, clock: Clock) -> str | None:
        """One sentence if something could not be read or was timed anew.

        A container may claim more frames than it shows (edit lists, estimates), so a missing count alone is no fault: the
        pictures must also stop early. That alone is a fault where the duration is surely the pictures' and no count is claimed.
        """
        faults = []
        broken = count.errors + count.corrupt
        lacking = self._claimed - count.discarded - count.decoded if self._claimed and count.complete and self.start <= 0 else 0
        early = self._duration is not None and count.complete and count.until + 0.5 / self.fps + 0.02 < self._duration
        if early and (lacking > 0 or broken or count.truncated or (self._duration_sure and not self._claimed)):
            faults.append(f"breaks off at {clock.last:.2f} s of {self._duration:.2f} s (the rest could not be read, "
                          f"the {count.decoded} frames before it were used)")
        elif broken:
            faults.append(f"has {broken} damaged frame{'s' * (broken > 1)} ({count.decoded} frames were used, damaged ones as far as "
                          "they can be read)")
        if clock.jumps:
            often = f"{len(clock.jumps)} times, first " * (len(clock.jumps) > 1)
            faults.append(f"jumps back in its time stamps {often}at {clock.jumps[0]:.2f} s (what follows was timed as going on there)")
        return f"{self.path.name} {' and '.join(faults)}." if faults else None

    def _stamp(self, frame: av.VideoFrame) -> float | None:
        """When the frame is shown as the file tells, in seconds from the first."""
        stamp = frame.dts if self._shown_as_decoded else frame.pts
        return None if stamp is None else float((stamp - self._origin) * self._time_base)

    def _rgb(self, frame: av.VideoFrame) -> np.ndarray:
        width, height = self._coded_size
        rgb = frame.to_ndarray(format="rgb24", width=width, height=height)
        return upright(rgb, *self._orientation)

    @cached_property
    def _packets(self) -> tuple[list[float], bool]:
        """(Presentation times of all frames in seconds, whether their stamps jump back), from packets alone: nothing is decoded."""
        stamps, untimed = [], 0
        with self._open() as container:
            try:
                for packet in container.demux(_films(container)[0]):
                    if packet.pts is not None and packet.size and not packet.is_discard:
                        decoded = packet.pts if packet.dts is None else packet.dts
                        stamps.append((decoded if self._shown_as_decoded else packet.pts, decoded))
                    untimed += packet.pts is None and packet.size > 0
            except av.FFmpegError:
                pass  # a damaged end: the packets before it count
        if not stamps and untimed:  # a bare stream, as some cameras and recorders write it
            self.untimed = self._given is None
            return [i / self._rate_unless_timed for i in range(untimed)], False
        return packet_times((np.array(stamps or [(self._origin, self._origin)]) - self._origin) * float(self._time_base), self._period)

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


def _films(container: av.container.InputContainer) -> list[av.VideoStream]:
    """The video streams without cover pictures, which may come before them."""
    return [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]


def _plausible(fps: float) -> bool:
    return _PLAUSIBLE_FPS[0] <= fps <= _PLAUSIBLE_FPS[1]


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
    """What one reading met. errors: packets that gave no frame, fault: why the first one; corrupt: frames flagged as damaged by the
    decoder; until: when the last frame ends."""

    decoded: int = 0
    discarded: int = 0
    errors: int = 0
    fault: str = ""
    corrupt: int = 0
    until: float = 0.0
    truncated: bool = False
    complete: bool = False


def _decodable_frames(container: av.container.InputContainer, stream: av.VideoStream, count: _Count) -> Iterator[av.VideoFrame]:
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except av.FFmpegError as error:
            count.truncated = True
            count.fault = count.fault or str(error.strerror)
            return
        count.discarded += packet.is_discard
        count.truncated |= packet.is_corrupt
        try:
            yield from packet.decode()
        except av.FFmpegError as error:
            count.errors += 1
            count.fault = count.fault or str(error.strerror)


def _duration(container: av.container.InputContainer, stream: av.VideoStream, origin: int) -> tuple[float | None, bool]:
    """(Seconds that the container tells or None, whether they are surely the pictures').

    Only Matroska's tag is sure: others may be those of longer sound, of a recorder's clock, or from another zero than the first picture.
    """
    time_base = float(stream.time_base or 0.0)
    if stream.frames and stream.average_rate and container.format.name == "avi" and _is_cut_short(Path(container.name)):
        return stream.frames / float(stream.average_rate), False  # FFmpeg's is of what is left
    if stream.duration:
        lost = origin - stream.start_time if stream.start_time is not None and container.format.name != "avi" else 0
        return (stream.duration - max(lost, 0)) * time_base or None, False  # lost: what could not be decoded before the first picture
    seconds = container.duration / av.time_base if container.duration else None
    if "matroska" not in container.format.name:
        return seconds, False
    tag = re.fullmatch(r"(\d+):(\d+):(\d+\.?\d*)", stream.metadata.get("DURATION", ""))
    if tag:
        seconds = float(tag[1]) * 3600 + float(tag[2]) * 60 + float(tag[3])
    late = origin * time_base  # Matroska's zero is the file's
    if seconds is not None and 0 < late < seconds:
        seconds -= late
    return seconds, tag is not None


def _is_cut_short(avi: Path) -> bool:
    """Whether an AVI ends before its (first) RIFF chunk does."""
    with open(avi, "rb") as file:
        head = file.read(8)
    return head[:4] == b"RIFF" and int.from_bytes(head[4:], "little") + 8 > avi.stat().st_size


def upright(rgb: np.ndarray, transposed: bool, flip_x: bool, flip_y: bool) -> np.ndarray:
    """The picture (H, W, 3) uint8 with rows and columns exchanged, then mirrored. By OpenCV: a copy of numpy's view takes ten times as
    long, in every frame of a phone's video."""
    if transposed:
        rgb = cv2.transpose(rgb)
    if flip_x or flip_y:
        rgb = cv2.flip(rgb, -1 if flip_x and flip_y else int(flip_x))
    return np.ascontiguousarray(rgb)


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
        self.fps, self.untimed = fps or DEFAULT_IMAGE_FPS, fps is None
        self._all = images_in(path)
        if not self._all:
            raise InputError(f"The folder {path} has no images; give a folder of numbered PNG or JPEG files, OpenPose's JSON, or a video.")
        sample, first = next(((p, rgb) for p in self._all if (rgb := read_image(p)) is not None), (path, None))
        if first is None:
            raise InputError(f"None of the {len(self._all)} images in {path} can be read; export them again as PNG or JPEG.")
        self.height, self.width = first.shape[:2]
        self._times = [i / self.fps for i in range(len(self._all))]
        self._chosen = [i for i, t in enumerate(self._times) if self._in_range(t)]
        if not self._chosen:
            raise self._beyond_end(len(self._all) / self.fps)
        self._check_sizes(sample)
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
        elif gap := first_gap([self._all[i] for i in self._chosen]):
            self.problem = f"Images are missing in {self.path} after {gap.name}; those that are there were taken as following each other."

    def frames_before(self, index: int) -> Iterator[Frame]:
        for i in range(min(index, len(self._chosen)) - 1, -1, -1):
            rgb = self._read(self._chosen[i])
            yield Frame(i, self._times[self._chosen[i]], np.zeros((self.height, self.width, 3), np.uint8) if rgb is None else rgb)

    def info(self) -> SourceInfo:
        """What is in the whole folder."""
        return SourceInfo(str(self.path), "images", self.width, self.height, 0, self.fps, False, len(self._all) / self.fps,
                          len(self._all), self._all[0].suffix[1:].lower())

    def _check_sizes(self, sample: Path) -> None:
        """Raises InputError for a chosen image of another size than the `sample`; decodes only those whose headers differ from its."""
        usual = stored_shape(sample)
        for number in self._chosen:
            if stored_shape(self._all[number]) not in (usual, None):
                self._read(number)

    def _read(self, number: int) -> np.ndarray | None:
        rgb = read_image(self._all[number])
        if rgb is not None and rgb.shape[:2] != (self.height, self.width):
            raise InputError(f"The images in {self.path} differ in size: {self._all[number].name} is {rgb.shape[1]}x{rgb.shape[0]}, "
                             f"the first {self.width}x{self.height}; export them all at one size.")
        return rgb
