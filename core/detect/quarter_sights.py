"""Looks again, at the picture in other quarter turns, where what was seen of a person cannot be trusted.

Problem: a person detector knows people who stand. Of one who lies, bows deeply or does push-ups it guesses which end is up, and in the
next picture guesses otherwise: legs are taken for arms, and the body jumps about.
Method:  frames are in doubt where the trunk does not stand in the picture, where the body changes faster than bodies do, and where nobody
         was seen in between. These are shown to the detector in the other three quarter turns as well, cut out around the person. Of all
         sights of a frame one is picked, or none: sights that are right agree with each other and with the frames before and after, wrong
         ones are wrong in many ways (a Viterbi search over the stretch that may leave frames out). The picked one is averaged with those
         that lie on it.
Limits:  who is seen the same wrong way from all sides stays so, in fast videos also for a moment only (at 60 frames a second from 0.2 s
         on, at 30 from 0.4 s on); a frame in doubt takes four times as long.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np

from ..keypoints import LIMB_KEYPOINTS
from ..quarter_turns import turned_places, turned_points
from . import tiles
from .both_ways import sided
from .detector import Detection

_UPRIGHT = 0.5  # cosine of the trunk with the picture's vertical below which somebody does not stand
_FRAME = 1 / 30  # seconds: in less, what changes is the detector's noise
_FASTEST = 1.5  # sizes a second: the median keypoint's move beside the body's own (measured: up to 0.8 in runs and jumps)
_AROUND = 0.2  # seconds about what is in doubt that are looked at again, too
_LONGEST_GAP = 1.0  # seconds; who is away for longer is not looked for
_SAME_PLACE = 0.5  # intersection over union of two boxes from which on they are of one person
_FAR = 0.3  # sizes: changes that are larger are no worse
_MOVE, _AGREEMENT, _DOUBT = 15.0, 3.0, 5.0  # prices of a size that a body changes, of being alone with what is seen, of being unsure
_LEFT_OUT, _MOST_LEFT_OUT = 4.5, 10  # price of going by none of a frame's sights: that of the largest change; frames on end
_SAME = 0.1  # sizes: sights closer than this are of one mind, and averaged


def in_doubt(rows: Sequence[Detection | None], times: np.ndarray) -> np.ndarray:
    """(T,) bool, the frames in and around which somebody does not stand, changes faster than bodies do, or was lost from sight; rows: the
    sights of one person, None where not seen; times: (T,) seconds."""
    there = {i: row for i, row in enumerate(rows) if row is not None}
    seen, size = list(there), _size(list(there.values()))
    doubt = np.array([row is not None and not _stands(row) for row in rows], dtype=bool)
    for before, after in itertools.pairwise(seen):
        step = float(times[after] - times[before])
        moved = _changes(_places([there[before]]), _places([there[after]]))[0, 0]
        fast = moved > _FASTEST * size * max(step, _FRAME)
        if step <= _LONGEST_GAP and (fast or after > before + 1):
            doubt[before:after + 1] = True
    when = times[doubt]
    around = np.searchsorted(when, times + _AROUND, side="right") > np.searchsorted(when, times - _AROUND)
    if seen:
        around[:seen[0]] = around[seen[-1] + 1:] = False
    return around


def nearest_in_time(rows: Sequence[Detection | None], frame: int) -> Detection:
    """The sight of the frame, or of the nearest one with any; there must be one."""
    around = itertools.chain.from_iterable((frame - away, frame + away) for away in itertools.count())
    return next(row for i in around if 0 <= i < len(rows) and (row := rows[i]) is not None)


def turned_sights(finder: tiles.Finder, rgb: np.ndarray, expected: np.ndarray) -> list[Detection]:
    """What the three other quarter turns of the picture rgb (H, W, 3) show around a person expected at keypoints (K, 2) pixels."""
    found = []
    for quarters in (1, 2, 3):
        def turned(cut: np.ndarray, quarters: int = quarters) -> list[Detection]:
            seen = finder(np.ascontiguousarray(np.rot90(cut, quarters)))
            return [_turned_back(d, quarters, *cut.shape[:2]) for d in seen]

        found += tiles.look_at(turned, rgb, expected)
    return found


def one_person(rows: Sequence[Detection | None], other: Sequence[Detection | None]) -> bool:
    """Whether two tracks are of one person, seen in two ways: they fill the same place, which two people hardly ever do for long."""
    both = [(a, b) for a, b in zip(rows, other, strict=True) if a is not None and b is not None]
    both = both or [(nearest_in_time(rows, i), b) for i, b in enumerate(other) if b is not None]
    return bool(np.median([_overlap(a.xy, b.xy) for a, b in both]) > _SAME_PLACE)


def of_one(sights: Sequence[Detection], expected: Detection, strangers: Sequence[Detection]) -> list[Detection]:
    """The sights of a frame that fill the place of the expected person rather than that of a stranger."""
    own = [(d, _overlap(d.xy, expected.xy)) for d in sights]
    return [d for d, share in own if share > _SAME_PLACE and all(_overlap(d.xy, s.xy) < share for s in strangers)]


def picked(sights: Sequence[Sequence[Detection]], times: np.ndarray) -> list[Detection | None]:
    """For each frame the best of its sights, averaged with those that agree with it; None where there is none, or where all are of another
    mind than those before and after. times: (T,) seconds."""
    frames = [i for i, found in enumerate(sights) if found]
    result: list[Detection | None] = [None] * len(sights)
    size, places = _size([d for found in sights for d in found]), [_places(sights[i]) for i in frames]
    best: list[np.ndarray] = []  # price of the best way up to each sight of a frame, and where that came from
    came_from: list[list[tuple[int, int]]] = []
    for n, frame in enumerate(frames):
        origin = [(-1, -1)] * len(sights[frame])
        least = np.full(len(sights[frame]), _LEFT_OUT * n)
        for earlier in range(max(0, n - _MOST_LEFT_OUT - 1), n):
            fade = np.exp(-(times[frame] - times[frames[earlier]]) / _LONGEST_GAP)
            moves = np.minimum(_changes(places[earlier], places[n]) / size, _FAR)
            steps = best[earlier][:, None] + _MOVE * fade * moves + _LEFT_OUT * (n - earlier - 1)
            for sight in np.flatnonzero(steps.min(axis=0) < least):
                least[sight] = steps[:, sight].min()
                origin[sight] = earlier, int(steps[:, sight].argmin())
        best.append(least + _prices(sights[frame], places[n] / size))
        came_from.append(origin)
    last = [prices.min() + _LEFT_OUT * (len(frames) - 1 - n) for n, prices in enumerate(best)]
    n = int(np.argmin(last)) if last else -1
    choice = int(best[n].argmin()) if last else -1
    while n >= 0:
        found, alike = sights[frames[n]], _apart(places[n])[choice] < _SAME * size
        result[frames[n]] = _mean([sided(d, found[choice]) for d, same in zip(found, alike, strict=True) if same])
        n, choice = came_from[n][choice]
    return result


def _prices(found: Sequence[Detection], places: np.ndarray) -> np.ndarray:
    """(N,) what speaks against each sight of a frame: that it is unsure, and how many of the others are not like it. places: (N, 13, 2)
    sizes."""
    unsure = np.array([1.0 - float(d.confidence.mean()) for d in found])
    alike = np.exp(-0.5 * (_apart(places) / _SAME) ** 2)
    share = (alike.sum(axis=1) - 1.0) / max(len(found) - 1, 1)
    return _DOUBT * unsure + _AGREEMENT * (1.0 - share)


def _turned_back(d: Detection, quarters: int, height: int, width: int) -> Detection:
    """What was seen in a picture that is turned anticlockwise, in the picture as it was, of height x width pixels."""
    size = (height, width) if quarters % 2 else (width, height)  # of what was looked at
    return dataclasses.replace(d, xy=turned_places(d.xy, quarters, *size), world=turned_points(d.world, quarters))


def _overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of the boxes of two sets of keypoints (K, 2)."""
    low, high = np.maximum(a.min(axis=0), b.min(axis=0)), np.minimum(a.max(axis=0), b.max(axis=0))
    both = float(np.prod(np.maximum(high - low, 0.0)))
    return both / max(float(np.prod(np.ptp(a, axis=0)) + np.prod(np.ptp(b, axis=0))) - both, 1.0)


def _places(found: Sequence[Detection]) -> np.ndarray:
    """(N, 13, 2) pixels: limbs and nose, which tell how somebody lies."""
    return np.stack([d.xy[[d.names.index(n) for n in (*LIMB_KEYPOINTS, "nose")]] for d in found])


def _apart(places: np.ndarray) -> np.ndarray:
    """(N, N) median distance of each two sights of one picture, places (N, 13, 2)."""
    return np.median(np.linalg.norm(places[:, None] - places, axis=-1), axis=-1)


def _changes(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """(N, M) median move of the keypoints beside the body's own, from places (N, 13, 2) to (M, 13, 2)."""
    move = after - before[:, None]
    return np.median(np.linalg.norm(move - np.median(move, axis=2, keepdims=True), axis=-1), axis=-1)


def _size(found: Sequence[Detection]) -> float:
    """The median over sights of the longer side of the person's box, pixels; 1 at least."""
    return max(float(np.median(np.ptp(_places(found), axis=1).max(axis=-1))), 1.0) if found else 1.0


def _stands(d: Detection) -> bool:
    shoulders, hips = (0.5 * (d.xy[d.names.index(f"l_{n}")] + d.xy[d.names.index(f"r_{n}")]) for n in ("shoulder", "hip"))
    trunk = shoulders - hips
    return bool(-trunk[1] >= _UPRIGHT * np.linalg.norm(trunk))


def _mean(found: Sequence[Detection]) -> Detection:
    """The mean of sights that agree."""
    return dataclasses.replace(found[0], **{field: np.mean([getattr(d, field) for d in found], axis=0)
                                            for field in ("xy", "confidence", "depth", "world")})
