"""The whole 2D stage: from frames to one wanted person's keypoints over time.

Method:  one pass forward (detector, on the picture and its mirror image; close-ups of people too small for it), people linked into tracks,
         the wanted one chosen, their gaps filled backwards in close-ups, and what is in doubt looked at in other quarter turns; then
         exchanged sides are mended (with a judge), confidences made honest, and implausible ankles and wrists replaced. The first pass
         follows the background, too, which tells how the camera moved.
Limits:  the close-ups are MediaPipe's: a detector given by the caller is taken as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..camera_motion import travel_error
from ..errors import InputError
from ..events import Reporter
from ..keypoints import Keypoints
from ..presence import check_identity, check_one_shot, check_presence
from ..runs import runs
from ..source import Source
from ..track import Pose, Track, choose_person, company, follow, median_centre, median_height
from .appearance import dressed, looks_changed
from .background import BackgroundTracker
from .both_ways import BothWays
from .cleaning import finished
from .close_up import CloseUp, follow_back
from .detector import BLAZEPOSE, Detection, Detector, over_time, pose
from .egomotion import egomotion, surely_travels
from .mediapipe_detector import MediaPipeDetector
from .misfits import without_misfits
from .quarter_sights import in_doubt, nearest_in_time, of_one, one_person, picked, turned_sights

if TYPE_CHECKING:
    from ..lift import Lifter

STAGE, TURNED_STAGE = "2D keypoints", "2D keypoints turned"
_KNOWN_BY = 5  # frames after a gap that tell how the person moves and what they wear
_ASK_CAMERA = 1.0  # seconds from one question whether the camera travels to the next


@dataclass(frozen=True)
class PersonSummary:
    """One person as `list_people` tells them.

    number: as for --person; seconds: when first and last seen; height: the median box's, pixels; centre: its median place, pixels.
    """

    number: int
    frames_seen: int
    seconds: tuple[float, float]
    height: float
    centre: tuple[float, float]


def extract_keypoints(source: Source, person: str, reporter: Reporter, detector: Detector | None = None,
                      judge: Lifter | None = None) -> Keypoints:
    """The wanted person's keypoints (BlazePose's 33) in every frame of `source`, missing where not seen.

    person: "largest", "central" or a number as `list_people` gives them for the same range; detector: None for MediaPipe, with
    close-ups; one that is given stays open; judge: see `cleaning.finished`. Raises InputError when nobody is there, or the wanted one
    hardly ever, and as soon as it is certain that the camera travels.
    """
    keypoints, colours_worn, cuts = _wanted(source, person, reporter, detector)
    keypoints = without_misfits(keypoints, reporter)
    check_presence(keypoints, source.path.name, reporter)
    check_one_shot(keypoints, cuts, reporter)
    check_identity(keypoints, reporter, looks_changed(colours_worn, keypoints.times))
    return finished(keypoints, reporter, judge)


def _wanted(source: Source, person: str, reporter: Reporter, detector: Detector | None) -> tuple[Keypoints, np.ndarray, list[int]]:
    """The wanted person as detected, (T, 3, 3) what they wear (`appearance.colours`), NaN where that was not seen, and the frames with
    which another shot begins.

    What else was seen goes when this returns: it takes more room than the result.
    """
    with ExitStack() as stack:
        finder = stack.enter_context(_StillFinder()) if detector is None else None
        eyes = detector or stack.enter_context(BothWays(MediaPipeDetector))
        background = BackgroundTracker()
        take = _watch(source, eyes, finder, reporter, background)
        people = take.people(source)
        if not people:
            raise InputError(f"No person was found in the {len(take.times)} frames of {source.path}; use a video that shows a person "
                             f"at least a twentieth of the picture's width tall.")
        wanted = next(i for i, k in enumerate(people) if k is choose_person(people, person))
        if len(people) > 1:
            reporter.log(f"{len(people)} people were found; person {wanted + 1} is followed, who is seen in "
                         f"{int(people[wanted].seen.sum())} of {len(take.times)} frames.")
        if finder is not None:
            _fill_gaps(take, wanted, source, finder, reporter)
            _look_again(take, wanted, source, finder, reporter)
    seen = background.background()
    return take.person(wanted, source).replace(camera=egomotion(seen, take.times)), take.colours(wanted), seen.cuts()


def list_people(source: Source, reporter: Reporter) -> list[PersonSummary]:
    """Who is to be seen in `source`, in order of appearance; empty when nobody is."""
    with _StillFinder() as finder, BothWays(MediaPipeDetector) as eyes:
        people = _watch(source, eyes, finder, reporter).people(source)
    return [_summary(number, k) for number, k in enumerate(people, 1)]


@dataclass
class _Take:
    """What was seen. times: (T,) seconds; sightings: for each frame its detections; tracks: who is who."""

    times: np.ndarray
    sightings: list[list[Detection]]
    tracks: list[Track]

    def people(self, source: Source) -> list[Keypoints]:
        """One entry a track, over the frames of the track only: enough to choose by, and no room for those who are not there."""
        return [_keypoints(self._sightings_of(t), self.times[t.frames], source) for t in self.tracks]

    def person(self, track: int, source: Source) -> Keypoints:
        """One track over all frames."""
        return _keypoints(self.rows(self.tracks[track]), self.times, source)

    def rows(self, track: Track) -> list[Detection | None]:
        """The sight of a track in each frame, None where there is none."""
        rows: list[Detection | None] = [None] * len(self.times)
        for frame, detection in zip(track.frames, self._sightings_of(track), strict=True):
            rows[frame] = detection
        return rows

    def colours(self, track: int) -> np.ndarray:
        """(T, 3, 3) what the person of a track wears, NaN where that was not seen."""
        result = np.full((len(self.times), 3, 3), np.nan)
        for frame, detection in zip(self.tracks[track].frames, self._sightings_of(self.tracks[track]), strict=True):
            if detection.colours is not None:
                result[frame] = detection.colours
        return result

    def others(self, track: int) -> dict[int, list[Pose]]:
        """For each frame the poses that belong to other tracks."""
        poses: dict[int, list[Pose]] = {}
        for other in (t for i, t in enumerate(self.tracks) if i != track):
            for frame, detection in zip(other.frames, self._sightings_of(other), strict=True):
                poses.setdefault(frame, []).append(pose(detection))
        return poses

    def _sightings_of(self, track: Track) -> list[Detection]:
        return [self.sightings[f][p] for f, p in zip(track.frames, track.picks, strict=True)]


class _StillFinder:
    """MediaPipe for unrelated pictures; loaded at the first question, because most videos never ask."""

    def __init__(self) -> None:
        self._detector: BothWays | None = None

    def __call__(self, rgb: np.ndarray) -> list[Detection]:
        self._detector = self._detector or BothWays(lambda: MediaPipeDetector(still=True))
        return self._detector.detect(rgb, 0.0)

    def __enter__(self) -> _StillFinder:
        return self

    def __exit__(self, *_: object) -> None:
        if self._detector is not None:
            self._detector.close()


def _watch(source: Source, detector: Detector, finder: _StillFinder | None, reporter: Reporter,
           background: BackgroundTracker | None = None) -> _Take:
    """The pass forward; with a `background`, as far as the camera can be used."""
    close_up = None if finder is None else CloseUp(finder)
    asked = -np.inf
    times: list[float] = []
    sightings: list[list[Detection]] = []
    if source.shortened:
        reporter.warning(source.shortened)
    reporter.progress(STAGE, 0, source.expected_frames)
    for frame in source.frames():
        seen = [dressed(d, frame.rgb) for d in detector.detect(frame.rgb, frame.time)]
        seen = seen if close_up is None else seen + close_up.missed(frame.rgb, frame.time, seen)
        if background is not None:
            background.add(frame.rgb, [d.xy for d in seen])
        sightings.append(seen)
        times.append(frame.time)
        reporter.progress(STAGE, len(times), _total(source, len(times)))
        if background is not None and frame.time >= asked + _ASK_CAMERA:
            asked = frame.time
            _refuse_travel(background, np.array(times), source)
    reporter.progress(STAGE, len(times), len(times))
    names = next((d.names for row in sightings for d in row), BLAZEPOSE)
    tracks = follow([[pose(d) for d in row] for row in sightings], np.array(times), names)
    return _Take(np.array(times), sightings, tracks)


def _refuse_travel(background: BackgroundTracker, times: np.ndarray, source: Source) -> None:
    """Raises InputError when the camera can only have travelled: detecting people in the rest would be in vain."""
    seen = background.background()
    if surely_travels(seen, times) and (travels := egomotion(seen, times).travels):
        raise travel_error(f"from {travels[-1][0]:.1f} s on; read until {times[-1]:.1f} s", source.path.name)


def _fill_gaps(take: _Take, wanted: int, source: Source, finder: _StillFinder, reporter: Reporter) -> None:
    """Follows the wanted person backwards into the frames where they were not seen; adds what it finds to the take."""
    track = take.tracks[wanted]
    seen = dict(zip(track.frames, track.picks, strict=True))
    gaps = list(_gaps(track.frames))
    frames = len(take.times)
    done, total = frames, frames + sum(first - stop for stop, first in gaps)
    others = take.others(wanted)
    for stop, first in gaps:
        later = [(float(take.times[f]), take.sightings[f][seen[f]]) for f in range(first + _KNOWN_BY - 1, first - 1, -1) if f in seen]
        for index, found in follow_back(finder, source, first, stop, later, others, company(take.tracks)):
            if found is not None:
                seen[index] = len(take.sightings[index])
                take.sightings[index].append(found)
            reporter.progress(STAGE, done + first - index, total)
        done += first - stop
    reporter.progress(STAGE, done, total)
    take.tracks[wanted] = Track(sorted(seen), [seen[f] for f in sorted(seen)])


def _look_again(take: _Take, wanted: int, source: Source, finder: _StillFinder, reporter: Reporter) -> None:
    """Looks at the wanted person in other quarter turns of the picture where what was seen is in doubt; changes the take accordingly."""
    track, done = take.tracks[wanted], 0
    rows = take.rows(track)
    strangers = [other for other in (take.rows(t) for t in take.tracks if t is not track) if not one_person(rows, other)]
    doubt, picks = in_doubt(rows, take.times), dict(zip(track.frames, track.picks, strict=True))
    for first, stop in runs(doubt):
        begin, end = max(first - 1, 0), min(stop + 1, len(rows))  # what is beside it is not in doubt, and weighs in
        sights: list[list[Detection]] = [[] if row is None else [row] for row in rows[begin:end]]
        for frame in source.frames_before(stop):
            if frame.index < first:
                break
            expected = nearest_in_time(rows, frame.index)
            turned = [dressed(d, frame.rgb) for d in turned_sights(finder, frame.rgb, expected.xy)]
            beside = [d for d in (other[frame.index] for other in strangers) if d is not None]
            sights[frame.index - begin] = of_one([*take.sightings[frame.index], *turned], expected, beside)
            done += 1
            reporter.progress(TURNED_STAGE, done, int(doubt.sum()))
        for index, best in enumerate(picked(sights, take.times[begin:end]), begin):
            if first <= index < stop:
                picks.pop(index, None)
                if best is not None:
                    picks[index] = len(take.sightings[index])
                    take.sightings[index].append(best)
    take.tracks[wanted] = Track(sorted(picks), [picks[f] for f in sorted(picks)])


def _gaps(frames: list[int]) -> Iterator[tuple[int, int]]:
    """(first unseen, next seen) for every hole before a seen frame, the latest hole first."""
    for before, after in zip([-1, *frames[:-1]][::-1], frames[::-1], strict=True):
        if after > before + 1:
            yield before + 1, after


def _total(source: Source, done: int) -> int | None:
    return None if source.expected_frames is None else max(source.expected_frames, done)


def _keypoints(rows: Sequence[Detection | None], times: np.ndarray, source: Source) -> Keypoints:
    return over_time(rows, times, source.width, source.height, source.fps).replace(lens=source.lens)


def _seconds(keypoints: Keypoints) -> tuple[float, float]:
    seen = keypoints.times[keypoints.seen]
    return float(seen[0]), float(seen[-1])


def _summary(number: int, keypoints: Keypoints) -> PersonSummary:
    return PersonSummary(number, int(keypoints.seen.sum()), _seconds(keypoints), median_height(keypoints), median_centre(keypoints))
