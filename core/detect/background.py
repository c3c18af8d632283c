"""Follows the picture's background from frame to frame: what `egomotion` tells the camera's motion from.

Problem: whether a camera moves shows in what does not move by itself: behind people, on dull walls, in flicker, past cuts, over any
         length of take, in a few milliseconds a frame.
Method:  small grey pictures without their slow changes of brightness; corners spread over the picture outside the boxes of people.
         Each frame is compared with a key frame, not with the frame before, so that nothing drifts: optical flow (Lucas and Kanade, in
         pyramids after Bouguet 2001) from the key frame's corners, started where the last homography (robust, MAGSAC++,
         Barath et al. 2020) expects them, and back as a check. Where the overlap gets small, another key frame is taken: an
         earlier one that overlaps, else this frame. What neither a key frame nor the frame before explains begins a new stretch: a cut.
         Few corners may belong to a shadow, and many key frames drift; so the whole picture is asked, too, whether it looks more like
         the stretch's first one as it is or like it moved by what the corners say.
Limits:  a motion of more than about a tenth of the picture from one frame to the next is taken for a cut, and so is a thing that covers
         the picture for a moment; a picture in which fewer than `FEWEST` corners can be followed says nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

FEWEST = 12
"""Corners that a frame needs to say anything about the camera."""

_SIDE = 320  # pixels, the longer side of the small picture at most
_MIDDLE = 128.0  # the brightness of a plain picture
_SLOW = (31, 31)  # pixels: brightness that changes over more than this is left out
_CELL, _PER_CELL = 40, 5  # pixels; corners that one cell of the picture may give
_WEAKEST = 3e-5  # of a corner (the smaller eigenvalue of its gradients): what compression leaves of a dull wall stays below
_WINDOW = (15, 15)
_NEAR, _FAR = 1, 3  # halvings of the picture: how far a corner is searched
_PLAIN = 0.8  # of the corners: with more that are followed and agree nothing else is tried
_STOP = (cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 12, 0.02)
_THERE_AND_BACK = 0.5  # pixels
_OFF_PLANE, _TRIES = 1.5, 300  # pixels; samples of corners that the homography may cost
_FOLLOWED, _AGREE = 0.35, 0.25  # of the corners in sight: with fewer the two pictures do not show the same
_TIRED, _OVERLAP = 0.6, 0.6  # shares of corners followed and of the key frame in sight below which another key frame is taken
_KEPT = 24  # key frames that can be returned to
_PART, _SMOOTH = 20, 1.5  # pixels; parts of two pictures that are compared, and how much these are smoothed before, as moving one does
_NOISE, _TELLS = 0.1, 0.15  # grey levels, added to the differences of a part; the logarithm of their ratio in parts that tell
_FEWEST_PARTS = 3  # that have to tell
_CUT, _AROUND = 0.45, 8  # of the picture that changes at once where a shot begins, more than in so many frames before and after
_LEAST_SHOWN = 0.1  # of the picture without people that tells of a change
_MARGIN = 0.15  # of a person's size around their keypoints
_LINGER = 5  # frames for which the place of a person who is no longer detected is left out


@dataclass(frozen=True)
class KeyFrame:
    """A frame that others are compared with. stretch: which uncut piece it is in; points: (N, 2) its corners, see `Row`."""

    frame: int
    stretch: int
    points: np.ndarray


@dataclass(frozen=True)
class Row:
    """A frame compared with key frame number `key`. places: (N, 2) where its corners are now, from the picture's middle, in longer
    sides of the picture, NaN where not followed; agree: (N,) bool, those that move as a plane would; standing: of the parts of the
    picture that tell, the share that looks more like the stretch's first key frame as it is than moved by the corners' plane; NaN where
    too few tell."""

    key: int
    places: np.ndarray
    agree: np.ndarray
    standing: float


@dataclass(frozen=True)
class Background:
    """What was seen of the background. rows: one a frame, None where too little was seen; changes: one a frame, 0 to 1, how much of the
    picture is other than in the frame before."""

    keys: list[KeyFrame]
    rows: list[Row | None]
    changes: list[float]

    def cuts(self) -> list[int]:
        """The frames with which another shot seems to begin: all of the picture changes at once, and the corners do not go on."""
        seen = [t for t, row in enumerate(self.rows) if row is not None]
        stretches = [self.keys[row.key].stretch for row in self.rows if row is not None]
        changes = np.array(self.changes)
        found: list[int] = []
        for t in np.flatnonzero(changes > _CUT).tolist():
            around = [changes[s] for s in range(max(t - _AROUND, 1), min(t + _AROUND + 1, len(changes))) if s != t]
            after = int(np.searchsorted(seen, t))
            goes_on = not 0 < after < len(seen) or stretches[after - 1] == stretches[after]
            told = bool(found) and t - found[-1] <= _AROUND
            if not goes_on and not told and around and changes[t] - np.median(around) > _CUT:
                found.append(t)
        return found


@dataclass
class _Picture:
    """One small picture. free: (h, w) uint8, 0 where people are; smooth: (h, w) float32, the grey one's difference from its middle."""

    frame: int
    grey: np.ndarray
    free: np.ndarray
    smooth: np.ndarray

    @staticmethod
    def of(frame: int, grey: np.ndarray, free: np.ndarray) -> _Picture:
        return _Picture(frame, grey, free, cv2.GaussianBlur(grey.astype(np.float32) - _MIDDLE, (0, 0), _SMOOTH))


@dataclass
class _Key:
    """A key frame. first: its stretch's first; points: (N, 2) pixels; home: (3, 3) to it from there; plane: as last seen, see `_Match`."""

    number: int
    stretch: int
    first: _Picture
    grey: np.ndarray
    points: np.ndarray
    home: np.ndarray
    plane: np.ndarray


@dataclass(frozen=True)
class _Match:
    """A frame compared with a key frame. places: (N, 2) pixels, NaN where not followed; plane: (3, 3) homography from the key frame;
    agree: (N,) bool, who obeys it; share: of the corners in sight that were followed."""

    key: _Key
    places: np.ndarray
    plane: np.ndarray
    agree: np.ndarray
    share: float

    @property
    def here(self) -> np.ndarray:
        """(3, 3) from the stretch's first key frame."""
        return np.asarray(self.plane @ self.key.home)


class BackgroundTracker:
    """Takes one frame after the other; `background` says what they have shown."""

    def __init__(self) -> None:
        self._rows: list[Row | None] = []
        self._changes: list[float] = []
        self._key_frames: list[KeyFrame] = []
        self._keys: list[_Key] = []
        self._match: _Match | None = None
        self._last: _Picture | None = None
        self._people: list[np.ndarray] = []
        self._size = np.zeros(2)

    def add(self, rgb: np.ndarray, people: Sequence[np.ndarray]) -> None:
        """The next frame (H, W, 3) uint8 and the keypoints (K, 2) of everybody in it, pixels, NaN where missing."""
        shrink = -(-max(rgb.shape[:2]) // _SIDE)
        grey = _small(rgb, shrink)
        picture = _Picture.of(len(self._rows), grey, self._free(grey.shape, [xy / shrink for xy in people]))
        self._changes.append(0.0 if self._last is None else _change(self._last, picture))
        self._size = np.array(rgb.shape[1::-1]) / shrink
        match = self._compare(picture)
        self._last = picture
        self._rows.append(None)
        if match is None:
            self._match = None
            return
        standing = _standing(match.key.first, picture, match.here)
        self._rows[-1] = Row(match.key.number, _units(match.places, self._size).astype(np.float32), match.agree, standing)
        self._match = self._renewed(match, picture)

    def background(self) -> Background:
        """Over all frames so far."""
        return Background(self._key_frames, self._rows, self._changes)

    def _free(self, shape: tuple[int, ...], people: Sequence[np.ndarray]) -> np.ndarray:
        """(h, w) 255 where nobody is, nor was a moment ago."""
        self._people = [*self._people, np.array([_box(xy) for xy in people if np.isfinite(xy).any()]).reshape(-1, 4)][-_LINGER:]
        free = np.full(shape[:2], 255, np.uint8)
        for left, top, right, bottom in np.concatenate(self._people).round().astype(int):
            free[max(top, 0):max(bottom, 0), max(left, 0):max(right, 0)] = 0
        return free

    def _compare(self, picture: _Picture) -> _Match | None:
        """The picture beside a key frame that shows the same; None where nothing can be followed."""
        last = self._match
        if last is not None:
            match = _follow(last.key, picture)
            if match is None and self._last is not None:
                step = self._new_key(self._last, last)
                match = None if step is None else _follow(step, picture)
            if match is not None:
                return match
        for key in self._keys[:-4:-1]:
            match = _follow(key, picture)
            if match is not None:
                return match
        fresh = self._new_key(picture, None)
        return None if fresh is None else _itself(fresh)

    def _renewed(self, match: _Match, picture: _Picture) -> _Match:
        """The match to go on from: with another key frame where this one is nearly out of sight."""
        size = picture.free.shape[::-1]
        if match.share >= _TIRED and _overlap(match.plane, size) >= _OVERLAP:
            return match
        for key in self._keys:
            plane = match.here @ np.linalg.inv(key.home)
            if key is not match.key and key.stretch == match.key.stretch and _overlap(plane, size) > 0.5 * (1 + _OVERLAP):
                key.plane = plane
                earlier = _follow(key, picture)
                if earlier is not None and earlier.share > _TIRED:
                    return earlier
        fresh = self._new_key(picture, match)
        return match if fresh is None else _itself(fresh)

    def _new_key(self, picture: _Picture, match: _Match | None) -> _Key | None:
        """A picture with corners enough, as a key frame; match: it beside an earlier one, None where a new stretch begins."""
        points = _corners(picture)
        if len(points) < FEWEST:
            return None
        if match is None:
            stretch, first, home = self._keys[-1].stretch + 1 if self._keys else 0, picture, np.eye(3)
        else:
            stretch, first, home = match.key.stretch, match.key.first, match.here
        key = _Key(len(self._key_frames), stretch, first, picture.grey, points, home, np.eye(3))
        self._key_frames.append(KeyFrame(picture.frame, stretch, _units(points, self._size)))
        self._keys = [*self._keys, key][-_KEPT:]
        return key


def _standing(first: _Picture, picture: _Picture, plane: np.ndarray) -> float:
    """How much of the picture looks as if the camera stood: `Row.standing`; plane: (3, 3) homography from `first`."""
    size = picture.grey.shape[::-1]
    both = (first.free > 0) & (cv2.warpPerspective(first.free, plane, size, flags=cv2.INTER_NEAREST) > 0) & (picture.free > 0)
    before, now = first.smooth, picture.smooth
    moved = cv2.warpPerspective(before, plane, size, flags=cv2.INTER_LINEAR)
    asked, as_it_is, as_moved = (_part_means(np.where(both, x, 0.0)) for x in (1.0, np.abs(before - now), np.abs(moved - now)))
    enough = asked > 0.5
    better = np.log((as_moved[enough] / asked[enough] + _NOISE) / (as_it_is[enough] / asked[enough] + _NOISE))
    tells = np.abs(better) > _TELLS
    return float((better[tells] > 0).mean()) if tells.sum() >= _FEWEST_PARTS else np.nan


def _change(before: _Picture, now: _Picture) -> float:
    """0 to 1: how much of what two pictures show, people left out, only one of them shows."""
    both = (before.free > 0) & (now.free > 0)
    shown = np.abs(before.smooth[both]).sum() + np.abs(now.smooth[both]).sum()
    return float(np.abs(before.smooth[both] - now.smooth[both]).sum() / shown) if both.mean() > _LEAST_SHOWN and shown > 0 else 0.0


def _part_means(values: np.ndarray) -> np.ndarray:
    """The means of whole parts of a picture (h, w)."""
    rows, columns = values.shape[0] // _PART, values.shape[1] // _PART
    return np.asarray(values[: rows * _PART, : columns * _PART].reshape(rows, _PART, columns, _PART).mean((1, 3)))


def _itself(key: _Key) -> _Match:
    return _Match(key, key.points, np.eye(3), np.ones(len(key.points), bool), 1.0)


def _box(xy: np.ndarray) -> np.ndarray:
    """(4,) left, top, right, bottom of a person with keypoints (K, 2), with the hair and hands that stand out."""
    low, high = np.nanmin(xy, axis=0), np.nanmax(xy, axis=0)
    margin = _MARGIN * (high - low).max()
    return np.concatenate([low - margin, high + margin])


def _small(rgb: np.ndarray, shrink: int) -> np.ndarray:
    """(h, w) uint8, so many times smaller, without slow changes of brightness."""
    height, width = rgb.shape[0] // shrink, rgb.shape[1] // shrink  # whole blocks of pixels average several times faster
    small = cv2.resize(rgb[:height * shrink, :width * shrink], (width, height), interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    return cv2.addWeighted(grey, 1.0, cv2.blur(grey, _SLOW), -1.0, _MIDDLE)


def _units(places: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Pixels (pixel centres at 0) of a picture of `size` as `Row` has them: from its middle, in longer sides."""
    return np.asarray((places + 0.5 - 0.5 * size) / size.max())


def _corners(picture: _Picture) -> np.ndarray:
    """(N, 2) float32 pixels, the best few of every cell."""
    strength = cv2.cornerMinEigenVal(picture.grey, 5)
    peaks = (strength == cv2.dilate(strength, np.ones((9, 9)))) & (strength > _WEAKEST) & (picture.free > 0)
    edge = _WINDOW[0] // 2
    peaks[:edge], peaks[-edge:], peaks[:, :edge], peaks[:, -edge:] = False, False, False, False
    y, x = np.nonzero(peaks)
    order = np.argsort(-strength[y, x], kind="stable")
    y, x = y[order], x[order]
    cells = (y // _CELL) * 1000 + x // _CELL
    rank = np.zeros(len(cells), int)
    for cell in np.unique(cells):
        mine = np.flatnonzero(cells == cell)
        rank[mine] = np.arange(len(mine))
    return np.stack([x, y], axis=-1)[rank < _PER_CELL].astype(np.float32)


def _follow(key: _Key, picture: _Picture) -> _Match | None:
    """The picture beside `key`, which remembers the outcome; None when they do not seem to show the same."""
    matches = []
    for levels in (_NEAR, _FAR):  # the short search does not stray to the next of many bricks that look alike
        match = _search(key, picture, levels)
        matches += [match] if match else []
        if match and match.agree.sum() > _PLAIN * np.isfinite(match.places).all(-1).sum() and match.share > _PLAIN:
            break
    if not matches:
        return None
    best = max(matches, key=lambda match: match.agree.sum())
    key.plane = best.plane
    return best


def _search(key: _Key, picture: _Picture, levels: int) -> _Match | None:
    """One search over as many halvings of the picture."""
    size = picture.free.shape[::-1]
    expected = _through(key.plane, key.points)
    sight = _inside(expected, size, 0) & _is_free(expected, picture.free)
    if sight.sum() < FEWEST:
        return None
    points = key.points[sight]
    there, found, _ = cv2.calcOpticalFlowPyrLK(key.grey, picture.grey, points, expected[sight].astype(np.float32), winSize=_WINDOW,
                                               maxLevel=levels, criteria=_STOP, flags=cv2.OPTFLOW_USE_INITIAL_FLOW)
    back, found_back, _ = cv2.calcOpticalFlowPyrLK(picture.grey, key.grey, there, points.copy(), winSize=_WINDOW, maxLevel=0,
                                                   criteria=_STOP, flags=cv2.OPTFLOW_USE_INITIAL_FLOW)
    good = (found.ravel() > 0) & (found_back.ravel() > 0) & (np.linalg.norm(back - points, axis=-1) < _THERE_AND_BACK)
    good &= _inside(there, size, 0) & _is_free(there, picture.free)
    if good.sum() < max(FEWEST, _FOLLOWED * len(good)):
        return None
    plane, obey = cv2.findHomography(points[good], there[good], cv2.USAC_MAGSAC, _OFF_PLANE, maxIters=_TRIES, confidence=0.99)
    if plane is None or obey.sum() < max(FEWEST, _AGREE * len(good)) or not _sane(plane, size):
        return None
    places = np.full_like(key.points, np.nan)
    agree = np.zeros(len(key.points), bool)
    rows = np.flatnonzero(sight)[good]
    places[rows], agree[rows] = there[good], obey.ravel() > 0
    return _Match(key, places, plane, agree, float(good.mean()))


def _through(plane: np.ndarray, points: np.ndarray) -> np.ndarray:
    return np.asarray(cv2.perspectiveTransform(points[None].astype(np.float64), plane)[0])


def _inside(points: np.ndarray, size: tuple[int, ...], edge: float) -> np.ndarray:
    return np.asarray(((points >= edge) & (points < np.array(size) - edge)).all(-1))


def _is_free(points: np.ndarray, free: np.ndarray) -> np.ndarray:
    at = np.clip(np.nan_to_num(points).round().astype(int), 0, np.array(free.shape[::-1]) - 1)
    return np.asarray(free[at[:, 1], at[:, 0]] > 0)


def _grid(size: tuple[int, ...]) -> np.ndarray:
    """(48, 2) the middles of 8 x 6 parts of the picture."""
    x, y = np.meshgrid((np.arange(8) + 0.5) * size[0] / 8, (np.arange(6) + 0.5) * size[1] / 6)
    return np.stack([x.ravel(), y.ravel()], axis=-1)


def _overlap(plane: np.ndarray, size: tuple[int, ...]) -> float:
    """The share of a key frame that is in the picture."""
    return float(_inside(_through(plane, _grid(size)), size, 0).mean())


def _sane(plane: np.ndarray, size: tuple[int, ...]) -> bool:
    """Whether a camera could see the same scene so: no mirror image, no vanishing line in the picture, no wild change of size."""
    grid = _grid(size)
    depth = np.concatenate([grid, np.ones((len(grid), 1))], axis=1) @ plane[2]
    if depth.min() < 0.3 * depth.max():
        return False
    area = np.linalg.det(plane) / depth**3
    return bool(area.min() > 0.1 and area.max() < 10.0)
