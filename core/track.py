"""Who is who over time: links the people found in each picture into tracks, and picks the wanted one.

Problem: a detector lists the people of a picture in any order, may list one twice, and loses people for a while.
Method:  copies of one person are dropped; then frame by frame the people are assigned to the tracks (Hungarian algorithm) by an
         object keypoint similarity, as COCO's, to where each track's constant velocity predicts its keypoints. The tolerance grows
         with the time since a track was last seen, so those who are there choose before those who were lost. A pose whose left and
         right are exchanged is compared both ways. A track that is over is joined with a later one, after whatever gap, if size and
         place allow it and nobody else can be meant.
         Where several people are seen at a time and it is known what they wear (`core.looks`), what looks like somebody else is not
         theirs: of two people who meet, a detector often sees only one, now the one and now the other, where both might be. What was
         cut out for its colours goes back where nobody who was about looks like it.
Limits:  two people in like colours who meet, are both lost and part again may come out exchanged, and so may somebody who is never seen
         beside the other; who shows the colours of somebody who has just left is taken for them; people of one size who come one after
         the other, never two at a time, are taken for one (`core.presence` warns of what it can see).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import TypeVar

import numpy as np
from scipy.optimize import linear_sum_assignment

from .errors import InputError
from .keypoints import Keypoints
from .looks import Looks, unlikeness
from .runs import runs
from .skeleton import mirror_order

_SPREAD = 0.15  # of a person's size: how far a keypoint may be from its prediction for a similarity of 0.6
_SPREAD_GROWTH = 1.0  # of a person's size a second since last seen
_LEAST_SIMILARITY = 0.05
_LONGEST_GAP = 2.0  # seconds after which a track is over; it may still be joined with a later one
_FLASH_GAP = 0.3  # the same for one too short to be a person: a flash must not become whoever comes later
_FLASH_FRAMES = 2  # that it may be missing in any case: in a time lapse the next frame is further off
_SIZE_RATIO = 1.5  # between two tracks of one person, at the two ends of the gap: they may come back nearer or farther
_END_SPAN = 1.0  # seconds at a track's end that its size is taken from
_RETURN_REACH = 1.0  # of a person's size: how far from where they were lost a person may be seen again
_RETURN_SPEED = 1.5  # and this much farther for each second of the gap; a walk
_VELOCITY_MEMORY = 0.1  # seconds
_UNLIKE, _UNSURE = 13.0, 3.0  # of Lab's units: where colours begin to speak against a person, and over how much more
_RIVAL, _RIVAL_UNSURE = 5.0, 1.0  # by how much nearer somebody else's may be
_BESIDE = 3  # frames in which several people are seen: fewer are chance
_ABOUT, _NEARBY = 1.0, 1.5  # seconds, and sizes of a person: who was so near could be taken for them
_SAME_PLACE = 0.5  # the similarity of two sights, one after the other
_DUPLICATE = 0.07  # of a person's size: two poses closer than this (median) are one person seen twice
_SHORTEST = 0.15  # seconds; shorter tracks are noise, unless there is nothing else
_THINNEST = 0.25  # of the frames between first and last sight; thinner tracks are noise as well


Someone = TypeVar("Someone", bound="Follower")
"""Whoever is followed: the same kind comes back."""


@dataclass(frozen=True)
class Pose:
    """One person in one picture. xy: (K, 2) pixels, NaN where missing; confidence: (K,); colours: (3, 3) what they wear (`core.looks`),
    None where nobody has looked."""

    xy: np.ndarray
    confidence: np.ndarray
    colours: np.ndarray | None = None

    @cached_property
    def size(self) -> float:
        """The longer side of the keypoints' box, pixels; at least 1."""
        there = self.xy[np.isfinite(self.xy).all(-1)]
        return float(max(np.ptp(there, axis=0).max(), 1.0)) if len(there) else 1.0


@dataclass
class Track:
    """One person over time. frames: indices of the frames where seen; picks: which of the frame's people it is, each time."""

    frames: list[int] = field(default_factory=list)
    picks: list[int] = field(default_factory=list)


def follow(people: Sequence[Sequence[Pose]], times: np.ndarray, names: tuple[str, ...]) -> list[Track]:
    """Tracks in order of appearance, those too short to be a person left out.

    people: for each frame its poses; times: (T,) seconds; names: (K,) the keypoints' names.
    """
    mirror = mirror_order(names)
    without_copies = [distinct(poses, mirror) for poses in people]
    beside = np.array([len(kept) > 1 for kept in without_copies], dtype=bool)
    if max((last - first for first, last in runs(beside)), default=0) < _BESIDE:  # whose colours change then is in other light
        people = [[replace(p, colours=None) for p in poses] for poses in people]
    flash = max(_FLASH_GAP, (_FLASH_FRAMES + 0.5) * float(np.median(np.diff(times)))) if len(times) > 1 else _FLASH_GAP
    live: list[_Live] = []
    done: list[_Live] = []
    for frame, (poses, kept, time) in enumerate(zip(people, without_copies, times, strict=True)):
        over = [t for t in live if time - t.time > (_LONGEST_GAP if t.lasting else flash)]
        done += over
        live = [t for t in live if t not in over]
        # People who have been there for a while choose first: a flash beside them must not take their place. Of these, those who have
        # just been seen do: of one who was lost, hardly anything is too far.
        fresh = [t for t in live if t.lasting and time - t.time <= flash]
        lost = [t for t in live if t.lasting and time - t.time > flash]
        rivals = fresh + lost
        for group in (fresh, lost, [t for t in live if not t.lasting]):
            taken = {kept[k]: track for track, k in assigned(group, rivals, [poses[i] for i in kept], time, mirror)}
            for pick, track in taken.items():
                track.add(frame, pick, poses[pick], time)
            kept = [i for i in kept if i not in taken]
        live += [_Live(frame, i, poses[i], time) for i in kept]
    tracks = sorted(done + live, key=lambda t: (t.track.frames[0], t.track.picks[0]))  # whoever comes or goes later
    lasting = _reunited([t.track for t in tracks if t.lasting and not t.thin], people, times, mirror)
    return _joined(lasting or [t.track for t in tracks], people, times)


def company(tracks: Sequence[Track]) -> bool:
    """Whether several people are seen at a time, so that colours tell who is who; where there is only one, they tell of the light."""
    _, counts = np.unique([f for t in tracks for f in t.frames], return_counts=True)
    return int((counts > 1).sum()) >= _BESIDE


def distinct(poses: Sequence[Pose], mirror: np.ndarray) -> list[int]:
    """Indices of the poses without copies: of two that lie on each other, the more confident one stays."""
    order = sorted(range(len(poses)), key=lambda i: -float(np.sum(poses[i].confidence)))
    kept: list[int] = []
    for i in order:
        if not any(same_person(poses[i], poses[k], mirror) for k in kept):
            kept.append(i)
    return sorted(kept)


def choose_person(people: Sequence[Keypoints], person: str) -> Keypoints:
    """The wanted one of several people: "largest" (box height weighted by frames seen), "central" (likewise) or a number from 1.

    Raises InputError when there is no person of that number.
    """
    if person.isdecimal():
        if not 1 <= int(person) <= len(people):
            found = "1 person was" if len(people) == 1 else f"{len(people)} people were"
            raise InputError(f"There is no person {person}: {found} found; choose a number from 1 to {len(people)}.")
        return people[int(person) - 1]
    weight = _centrality if person == "central" else median_height
    return max(people, key=lambda k: k.seen.sum() * weight(k))


def median_height(keypoints: Keypoints) -> float:
    """The median over the frames of the person's box's height, pixels; 0 if never seen."""
    rows = keypoints.xy[keypoints.seen, :, 1]
    return float(np.median(np.nanmax(rows, axis=1) - np.nanmin(rows, axis=1))) if len(rows) else 0.0


def median_centre(keypoints: Keypoints) -> tuple[float, float]:
    """The median over the frames of the middle of the person's box, pixels."""
    rows = keypoints.xy[keypoints.seen]
    middle = np.median(0.5 * (np.nanmax(rows, axis=1) + np.nanmin(rows, axis=1)), axis=0)
    return float(middle[0]), float(middle[1])


def _centrality(keypoints: Keypoints) -> float:
    if not keypoints.seen.any():
        return 0.0
    offset = np.array(median_centre(keypoints)) / (keypoints.width, keypoints.height) - 0.5
    return float(max(0.01, 1.0 - 2.0 * np.abs(offset).max()))


class Follower:
    """Where one person was last, how fast, and hence where to expect them. Times may also run backwards: give them negated."""

    def __init__(self, pose: Pose, time: float) -> None:
        self.pose, self.time = pose, time
        self._since, self._sights = time, 1
        self._velocity = np.zeros(2)
        self._looks = Looks()
        self._looks.add(pose.colours, 0.0)

    def extend(self, pose: Pose, time: float) -> None:
        """The person was seen again, as `pose` at `time` seconds."""
        dt = max(time - self.time, 1e-3)
        step = (pose.xy - self.pose.xy)[np.isfinite(pose.xy + self.pose.xy).all(-1)]
        measured = np.median(step, axis=0) / dt if len(step) else self._velocity
        weight = 1.0 - np.exp(-dt / _VELOCITY_MEMORY)
        self._velocity = self._velocity + weight * (measured - self._velocity)
        self.pose, self.time = pose, time
        self._sights += 1
        self._looks.add(pose.colours, dt)

    @property
    def lasting(self) -> bool:
        """Whether they have been seen long enough to be a person rather than a flash."""
        return abs(self.time - self._since) >= _SHORTEST and self._sights >= 3

    def predicted(self, time: float) -> Pose:
        """The pose moved on to `time`. A lost person's velocity is worth less and less: it fades within about 0.3 s."""
        reach = 0.3 * (1.0 - np.exp(-(time - self.time) / 0.3))
        return Pose(self.pose.xy + self._velocity * reach, self.pose.confidence)

    def fits(self, poses: Sequence[Pose], time: float, mirror: np.ndarray, gap: float | None = None) -> np.ndarray:
        """For each pose 0 to 1: how well it continues this person at `time`, by its place, after `gap` seconds (None: since last seen)."""
        expected = self.predicted(time)
        return np.array([_similarity(expected, p, mirror, time - self.time if gap is None else gap) for p in poses])

    def unlikeness(self, poses: Sequence[Pose]) -> np.ndarray:
        """For each pose how far its colours are from this person's; NaN where they are not known."""
        return np.array([self._looks.unlikeness(p.colours) for p in poses])

    def best(self, poses: Sequence[Pose], time: float, mirror: np.ndarray) -> int | None:
        """Which of the poses continues this person, if any does."""
        scores = self.fits(poses, time, mirror) * _likeness(self.unlikeness(poses))
        return int(scores.argmax()) if len(poses) and scores.max() > _LEAST_SIMILARITY else None


class _Live(Follower):
    """A track while it grows."""

    def __init__(self, frame: int, pick: int, pose: Pose, time: float) -> None:
        super().__init__(pose, time)
        self.track = Track([frame], [pick])

    @property
    def thin(self) -> bool:
        """Whether it was missing most of the time between its first and last sight."""
        frames = self.track.frames
        return len(frames) < _THINNEST * (frames[-1] - frames[0] + 1)

    def add(self, frame: int, pick: int, pose: Pose, time: float) -> None:
        self.extend(pose, time)
        self.track.frames.append(frame)
        self.track.picks.append(pick)


def assigned(live: Sequence[Someone], rivals: Sequence[Follower], poses: Sequence[Pose], time: float,
             mirror: np.ndarray) -> list[tuple[Someone, int]]:
    """Which poses continue which of those `live` at `time`, by place and colours; rivals: who else may be meant."""
    if not live or not poses:
        return []
    table = np.stack([t.fits(poses, time, mirror) for t in live])
    if any(p.colours is not None for p in poses):
        table *= _likeness(np.stack([t.unlikeness(poses) for t in live])) * _against_rivals(live, rivals, poses, time, mirror)
    rows, columns = linear_sum_assignment(-table)
    return [(live[r], int(c)) for r, c in zip(rows, columns, strict=True) if table[r, c] > _LEAST_SIMILARITY]


def _against_rivals(live: Sequence[Follower], rivals: Sequence[Follower], poses: Sequence[Pose], time: float,
                    mirror: np.ndarray) -> np.ndarray:
    """(L, P) 0 to 1: what looks much more like somebody else who was last seen about there is hardly anybody's but theirs, also where that
    one is lost."""
    about = np.array([t.fits(poses, time, mirror, gap=0.0) > _LEAST_SIMILARITY for t in rivals]).reshape(len(rivals), len(poses))
    apart = np.where(about, np.array([t.unlikeness(poses) for t in rivals]).reshape(about.shape), np.nan)
    result = np.ones((len(live), len(poses)))
    for row, track in enumerate(live):
        others = apart[[r is not track for r in rivals]]
        nearest = np.fmin.reduce(others, axis=0, initial=np.nan)
        result[row] = _likeness(track.unlikeness(poses) - nearest, _RIVAL, _RIVAL_UNSURE)
    return result


def _reunited(tracks: list[Track], people: Sequence[Sequence[Pose]], times: np.ndarray, mirror: np.ndarray) -> list[Track]:
    """The tracks with those made one that only their colours tell apart, unless somebody else who was about looks like the shorter one:
    whoever is half hidden, or stands in other light, is the same person. In order of appearance."""
    if not all(people[f][p].colours is not None for t in tracks for f, p in zip(t.frames, t.picks, strict=True)):
        return tracks
    seen = dict(enumerate(_Sights.of(t, people) for t in tracks))
    order = sorted(seen, key=lambda i: len(tracks[i].frames))
    for at, piece in enumerate(order):
        for whole in order[:at:-1]:
            others = [s for i, s in seen.items() if i not in (piece, whole)]
            if _alternates(seen[piece].track, seen[whole].track, people, times, mirror) and not seen[piece].may_be(others, times):
                both = (seen[piece].track, seen[whole].track)
                pairs = sorted((f, p) for t in both for f, p in zip(t.frames, t.picks, strict=True))
                seen[whole] = _Sights.of(Track([f for f, _ in pairs], [p for _, p in pairs]), people)
                del seen[piece]
                break
    return sorted((s.track for s in seen.values()), key=lambda t: (t.frames[0], t.picks[0]))


@dataclass(frozen=True)
class _Sights:
    """A track with where its sights (S) are. worn: (3, 3) their median colours; centres: (S, 2) and sizes (S,), pixels."""

    track: Track
    worn: np.ndarray
    centres: np.ndarray
    sizes: np.ndarray

    @staticmethod
    def of(track: Track, people: Sequence[Sequence[Pose]]) -> _Sights:
        poses = [people[f][p] for f, p in zip(track.frames, track.picks, strict=True)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a part that is never to be seen
            worn = np.nanmedian(np.array([p.colours for p in poses]), axis=0)
            centres = np.array([np.nanmedian(p.xy, axis=0) for p in poses])
        return _Sights(track, worn, centres, np.array([p.size for p in poses]))

    def may_be(self, others: Sequence[_Sights], times: np.ndarray) -> bool:
        """Whether one of the others was about, but not seen beside it, and looks like it."""
        frames, first, last = set(self.track.frames), times[self.track.frames[0]] - _ABOUT, times[self.track.frames[-1]] + _ABOUT
        middle, reach = np.median(self.centres, axis=0), _NEARBY * self.sizes.max()
        for other in others:
            when = times[other.track.frames]
            near = (np.linalg.norm(other.centres - middle, axis=-1) < reach) & (when >= first) & (when <= last)
            if near.any() and not frames & set(other.track.frames) and unlikeness(self.worn, other.worn) < _UNLIKE:
                return True
        return False


def _alternates(a: Track, b: Track, people: Sequence[Sequence[Pose]], times: np.ndarray, mirror: np.ndarray) -> bool:
    """Whether wherever one of the tracks takes over from the other, the other was just there, and never both are seen."""
    ends = [(times[t.frames[0]], times[t.frames[-1]]) for t in (a, b)]
    if max(first for first, _ in ends) > min(last for _, last in ends) + _FLASH_GAP or set(a.frames) & set(b.frames):
        return False
    rows = [(f, people[f][p], owner) for owner, t in enumerate((a, b)) for f, p in zip(t.frames, t.picks, strict=True)]
    rows.sort(key=lambda row: row[0])
    handed = [(times[g] - times[f], _similarity(x, y, mirror, times[g] - times[f]))
              for (f, x, i), (g, y, j) in pairwise(rows) if i != j]
    return len(handed) > 0 and all(gap <= _FLASH_GAP and alike > _SAME_PLACE for gap, alike in handed)


def _joined(tracks: list[Track], people: Sequence[Sequence[Pose]], times: np.ndarray) -> list[Track]:
    """The tracks with those made one that only one and the same person can have left; in order of appearance."""
    ends = np.array([[_end(t, people, times, 0), _end(t, people, times, -1)] for t in tracks]).reshape(-1, 2, 4)
    tracks = list(tracks)
    while (pair := _clearest_pair(ends)) is not None:
        a, b = pair
        tracks[a] = Track(tracks[a].frames + tracks[b].frames, tracks[a].picks + tracks[b].picks)
        ends[a, 1] = ends[b, 1]
        del tracks[b]
        ends = np.delete(ends, b, axis=0)
    return tracks


def _end(track: Track, people: Sequence[Sequence[Pose]], times: np.ndarray, end: int) -> tuple[float, float, float, float]:
    """Time, x, y and size of the person at a track's beginning (end 0) or end (-1); seconds, pixels."""
    time = times[track.frames[end]]
    near = [people[f][p].size for f, p in zip(track.frames, track.picks, strict=True) if abs(times[f] - time) <= _END_SPAN]
    x, y = np.nanmedian(people[track.frames[end]][track.picks[end]].xy, axis=0)
    return float(time), float(x), float(y), float(np.percentile(near, 80))  # at the picture's edge only a part may be seen


def _clearest_pair(ends: np.ndarray) -> tuple[int, int] | None:
    """Of the pairs (earlier, later) that must be one person the one with the shortest gap; ends (N, 2, 4) as `_end` tells them.

    A rival is another track that one of the two may be joined with, but not both: then it is open who is who.
    """
    gaps = ends[None, :, 0, 0] - ends[:, None, 1, 0]
    may = (gaps > 0) & _may_return(ends[:, None, 1], ends[None, :, 0], gaps)
    joins, cannot = may.astype(np.float64), (~may).T.astype(np.float64)  # whole numbers, but whole-number products are slow
    rivals = joins @ cannot + cannot @ joins - 2  # each sum counts the pair itself once
    clear = np.where(may & (rivals == 0), gaps, np.inf)
    if not np.isfinite(clear).any():
        return None
    a, b = np.unravel_index(clear.argmin(), clear.shape)
    return int(a), int(b)


def _may_return(lost: np.ndarray, found: np.ndarray, gaps: np.ndarray) -> np.ndarray:
    """(N, N) bool: whether size and place let the person `lost` (..., 4) be the one `found` `gaps` seconds later."""
    larger, smaller = np.maximum(lost[..., 3], found[..., 3]), np.minimum(lost[..., 3], found[..., 3])
    reach = larger * (_RETURN_REACH + _RETURN_SPEED * gaps)
    return np.asarray((larger <= _SIZE_RATIO * smaller) & (np.linalg.norm(lost[..., 1:3] - found[..., 1:3], axis=-1) <= reach))


def _similarity(a: Pose, b: Pose, mirror: np.ndarray, gap: float) -> float:
    """0 to 1, the better of b as it is and b with its sides exchanged; `gap` seconds lie between the two."""
    size = max(a.size, b.size)
    spread = size * (_SPREAD + _SPREAD_GROWTH * gap)
    best = 0.0
    for xy in (b.xy, b.xy[mirror]):
        squares = np.sum((a.xy - xy) ** 2, axis=-1)
        shared = np.isfinite(squares)
        if shared.any():
            best = max(best, float(np.mean(np.exp(-0.5 * squares[shared] / spread**2))))
    return best * float(min(a.size, b.size) / size) ** 0.5


def _likeness(apart: np.ndarray, unlike: float = _UNLIKE, unsure: float = _UNSURE) -> np.ndarray:
    """0 to 1: how well colours that are so far from a person's fit them; 1 where they are not known."""
    return np.where(np.isnan(apart), 1.0, 1.0 / (1.0 + np.exp((apart - unlike) / unsure)))


def same_person(a: Pose, b: Pose, mirror: np.ndarray) -> bool:
    """Whether two poses of one picture lie on each other, left and right exchanged or not."""
    return apart(a, b, mirror) < _DUPLICATE


def apart(a: Pose, b: Pose, mirror: np.ndarray) -> float:
    """Median distance of the keypoints of two poses of one picture, left and right exchanged or not, in sizes of the larger person; inf
    where they share none."""
    distances = [np.linalg.norm(a.xy - xy, axis=-1) for xy in (b.xy, b.xy[mirror])]
    medians = [float(np.median(d[np.isfinite(d)])) for d in distances if np.isfinite(d).any()]
    return min(medians, default=np.inf) / max(a.size, b.size)
