"""Frames of a video file: streamed, upright, with their true times.

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
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path

import av
import numpy as np
from av.stream import Disposition

from .errors import InputError
from .frame_times import Clock, packet_times
from .orientation import clockwise_degrees, orientation, square_pixel_size, upright
from .recorded_lens import equivalent_focal
from .source import DEFAULT_IMAGE_FPS, Frame, Source, SourceInfo, shortened

_PLAUSIBLE_FPS = (0.5, 1000.0)  # outside of it a container's rate is a placeholder; measured instead
_NOT_VIDEO_FORMATS = {"tty", "lrc", "srt", "webvtt", "ass"}  # FFmpeg "reads" plain text with these
_MPEG_PERIOD = 2**33 / 90_000  # seconds
_JOINED_FORMATS = {"mpegts", "mpeg"}  # people, cameras and receivers join them byte by byte, so stamps may begin anew


class VideoSource(Source):
    """A video file."""

    def __init__(self, path: Path, start: float | None, end: float | None, fps: float | None = None) -> None:
        super().__init__(path, start, end)
        with self._open() as container:
            stream = _films(container)[0]
            self._shown_as_decoded = container.format.name == "avi"
            first = self._first_frame(container, stream)
            self._orientation = orientation(first)
            self.rotation = clockwise_degrees(self._orientation)
            self._coded_size = square_pixel_size(first, stream)
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
