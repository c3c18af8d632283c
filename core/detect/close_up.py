"""Keeps sight of people whom the detector does not see in the whole picture, with the cut-outs of `tiles`.

Problem: a person who comes from afar is too small to be acquired, and one lost for a moment may not come back by themselves.
Method:  going forward: while nobody is seen, tiles are searched every half second; whoever is found is followed in cut-outs until the
         detector sees them in the whole picture. So is whoever is lost while others are seen: of people near each other it often sees
         only one. Going backwards: from where the wanted person appears, or appears again, they are
         followed in cut-outs towards the frame where they were lost, or the beginning.
Limits:  tiles are searched only while nobody at all is seen; a thing that looks like somebody who has left may be taken for them for
         some seconds.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

import numpy as np

from ..skeleton import mirror_order
from ..source import Source
from ..track import Follower, Pose, assigned, distinct, same_person
from . import tiles
from .appearance import dressed
from .detector import BLAZEPOSE, Detection, pose

_SEARCH_EVERY = 0.5  # seconds
_PATIENCE = 0.5  # seconds without a sight of a followed person until they are given up
_LOST_FOR = 5.0  # seconds beside others without a sight in the whole picture: by then it may be a thing
_MIRROR = mirror_order(BLAZEPOSE)


class _Known(Follower):
    """Somebody whom the detector has seen in the whole picture, last at `whole` seconds."""

    def __init__(self, pose: Pose, time: float) -> None:
        super().__init__(pose, time)
        self.whole = time


class CloseUp:
    """Goes along with the detector, frame by frame, and adds the people whom it misses."""

    def __init__(self, finder: tiles.Finder) -> None:
        self._finder = finder
        self._followed: list[Follower] = []
        self._people: list[_Known] = []
        self._next_search = 0.0

    def missed(self, rgb: np.ndarray, time: float, seen: list[Detection]) -> list[Detection]:
        """The people in rgb (H, W, 3) at `time` seconds who are not among those `seen` in the whole picture."""
        self._followed = [f for f in self._followed if time - f.time <= _PATIENCE and f.best(_poses(seen), time, _MIRROR) is None]
        found: list[Detection] = []
        wanted: list[tuple[Follower, bool]] = [(f, False) for f in self._followed] + [(p, True) for p in self._lost(_poses(seen), time)]
        for follower, by_colours in wanted:
            detection = _look(self._finder, follower, rgb, time, _poses(seen + found), by_colours)
            if detection is not None:
                found.append(detection)
        if not seen and not found and time >= self._next_search:
            self._next_search = time + _SEARCH_EVERY
            found = [dressed(d, rgb) for d in tiles.search(self._finder, rgb)]
            self._followed = [Follower(_pose(d, by_colours=False), time) for d in found]
        return found

    def _lost(self, seen: list[Pose], time: float) -> list[_Known]:
        """Who was there, and is not, while others are."""
        seen = [seen[i] for i in distinct(seen, _MIRROR)]
        self._people = [p for p in self._people if time - p.time <= _PATIENCE and time - p.whole <= _LOST_FOR]
        again = assigned(self._people, self._people, seen, time, _MIRROR)
        for person, pick in again:
            person.extend(seen[pick], time)
            person.whole = time
        known = {pick for _, pick in again}
        lost = [p for p in self._people if p.time < time and p.lasting] if seen else []
        self._people += [_Known(p, time) for pick, p in enumerate(seen) if pick not in known]
        return lost


def follow_back(finder: tiles.Finder, source: Source, first: int, stop: int, later: list[tuple[float, Detection]],
                others: Mapping[int, list[Pose]], by_colours: bool) -> Iterator[tuple[int, Detection | None]]:
    """Frames first - 1, ..., stop with the person in them (and what they wear) or None; ends early when the person stays out of sight.

    later: (time, detection) of the person in a few frames from `first` on, the latest first; others: for each frame the other
    people in it; by_colours: whether what they wear tells who it is, too.
    """
    (time, detection), *rest = later
    follower = Follower(_pose(detection, by_colours), -time)
    for time, detection in rest:
        follower.extend(_pose(detection, by_colours), -time)
    for frame in source.frames_before(first):
        if frame.index < stop or follower.time + _PATIENCE < -frame.time:
            return
        found = _look(finder, follower, frame.rgb, -frame.time, others.get(frame.index, []), by_colours)
        yield frame.index, found


def _look(finder: tiles.Finder, follower: Follower, rgb: np.ndarray, time: float, others: list[Pose],
          by_colours: bool) -> Detection | None:
    """The followed person in a cut-out, if they are there and none of the others."""
    expected = follower.predicted(time)
    if not _touches(expected.xy, rgb):
        return None
    found = [dressed(d, rgb) for d in tiles.look_at(finder, rgb, expected.xy)]
    candidates = [d for d in found if not any(same_person(pose(d), o, _MIRROR) for o in others)]
    best = follower.best([_pose(d, by_colours) for d in candidates], time, _MIRROR)
    if best is None:
        return None
    follower.extend(_pose(candidates[best], by_colours), time)
    return candidates[best]


def _touches(xy: np.ndarray, rgb: np.ndarray) -> bool:
    """Whether any of the keypoints is inside the picture."""
    return bool(((xy >= 0) & (xy < rgb.shape[1::-1])).all(-1).any())


def _poses(detections: list[Detection]) -> list[Pose]:
    return [pose(d) for d in detections]


def _pose(detection: Detection, by_colours: bool) -> Pose:
    return pose(detection if by_colours else dataclasses.replace(detection, colours=None))
