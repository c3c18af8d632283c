"""How the camera moved, from the corners of the background that `background` has followed.

Method:  frame by frame against a key frame the corners are explained by a rotation about the camera's own centre (x' ~ K R K^-1 x; robust
         Gauss-Newton over three angles). A clip that turns far enough tells its focal length too: the one with which rotations explain most
         (Hartley 1994); so does one that only the assumed focal length cannot explain. Corners that stay where they are outvote those that
         move: a bus is not the camera; and where nearly all the frames that corners call moved look, as a whole, as if the camera stood
         (`background.Row.standing`), it stands.
         What rotations do not explain, but rotations with another focal length in each frame do, is a zoom.
         The camera travels where both leave much unexplained that an essential matrix does explain (Nister 2004, robustly), with corners
         shifted by more than a hand's sway would. Turns are relative to the mean of the stretch between two cuts, zooms to the widest view.
Limits:  a sway of up to a twentieth of the distance to the background is taken for rotation; travel along a flat wall that fills the
         picture looks like a turn, and travel towards one like a zoom; frames that show too little of the background borrow from their
         neighbours, and a clip that shows hardly any is taken as still; overlays that cover most of the picture hide a shake; nothing is
         known across a cut, where the lens is taken to go on; who travels while zooming may be taken for who zooms.

Lengths in the picture are shares of its longer side, from its middle (`background.Row`).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from .. import rotations
from ..camera import ASSUMED_FOCAL
from ..camera_motion import MOVES, SHAKING, STILL, TRAVELLING, TURNING, ZOOMING, CameraMotion
from ..runs import runs
from .background import Background

_SPREAD = 0.0015  # how well a corner is followed
_LEAST = 3  # frames that a motion lasts
_STAYING = 1 / 3  # of the corners: when as many stay, the camera does, whatever the others do
_STANDS = 0.6  # of the parts of the picture that tell: when as many look as if the camera stood, it does; bars and captions always do
_SELDOM, _MOMENT = 0.5, 0.25  # of the frames, and seconds on end, that may look otherwise: a shadow on most of the picture
_ASIDE = 0.25  # of the longer side, half way to the edge: where a roll or a zoom moves the picture
_MOST_ZOOM = 4.0  # from a key frame to a frame that shows the same corners
_WIDE = 0.14  # of the longer side, the standard deviation of the agreeing corners' places: less may be one thing that moves
_SLOW = np.radians(4.0)  # the range of a shaken camera's mean view over a second is less
_FOCALS = np.geomspace(0.5, 3.0, 25)
_LENSES = (0.7, 1.0, 1.4, 2.0)  # for each of which it must look like travel: through a wrong one a long lens's shake does
_RESOLVED = 0.1  # of the frames that the assumed focal length cannot explain: another that leaves fewer is the true one
_TELLING, _SHARP = np.radians(6.0), 0.045  # a turn that tells the focal length; what 15 % more or less of it costs a corner then
_TURNS = 0.03  # of the longer side: a picture that moved less tells of no lens
_UNEXPLAINED = (0.0016, 0.025)  # what rotations leave off, and as a share of how far corners went, where more than rotation is in it
_PLAINER = 0.5  # travel must leave less than this share of it
_PASSED, _LEFT = 0.04, 0.03  # it has shifted a quarter of the corners by this, or rotation leaves half of them off by that
_ENLARGED = 0.015  # how much worse corners are followed in an enlarged picture, for each unit of the zoom's logarithm
_ZOOM_LEAVES = (0.004, 0.1)  # as _UNEXPLAINED, but of single corners
_NEARER, _ONE_WAY = 0.015, 0.25  # of the corners, and of the strays: the surplus that grows more than a zoom explains
_ONE_THING, _ONE_THING_WALKS = 0.1, 0.8  # of the longer side: strays of which half lie nearer to their middle; _ONE_WAY for these
_ZOOMS, _STILL_LEFT = np.log(1.03), 0.25  # a zoom that is told; of the frames that rotations do not explain, those it may leave
_WIDEST = 0.05  # the quantile of the focal lengths that is the widest view
_LASTS = 0.5  # seconds: what ends sooner is a hand
_SURE = 2.0  # seconds of travel after which no focal length and nothing that follows can make a turn of it
_PAUSE = 0.3  # seconds: what is shorter does not part two travels
_SPEED, _SPEED_SPAN = 0.01, 0.1  # of the longer side a second, and seconds to either side: a picture that moves
_MOST_ASKED, _SURELY_PASSED = 8, 3  # frames of one suspicious run; of those, what a swaying hand does not reach
_ROUNDS, _FIRST_ROUNDS = 10, 3
_BLOCK = 256  # frames at a time


def egomotion(background: Background, times: np.ndarray) -> CameraMotion:
    """The verdict over all frames; times: (T,) seconds."""
    focal, far = _focal(background)
    frames = _fit(background, focal or ASSUMED_FOCAL)
    if focal and not far:  # a turn so small tells the focal length only where the assumed one cannot be
        assumed = _fit(background, ASSUMED_FOCAL)
        if _suspicious(frames).sum() >= _RESOLVED * _suspicious(assumed).sum():
            focal, frames = None, assumed
    unexplained = _suspicious(frames)
    if unexplained.sum() >= _LEAST:
        lens = _focal(background, zooming=True)[0]
        zoomed = _fit(background, lens or ASSUMED_FOCAL, zooming=True)
        if _zooms(zoomed, unexplained):
            of_keys = _relative(background, zoomed)[1][[key.frame for key in background.keys]]
            focal, frames = lens, _fit(background, lens or ASSUMED_FOCAL, zooming=True, of_keys=of_keys)
    turns, all_zooms = _relative(background, frames)
    zooms = all_zooms if np.ptp(np.log(all_zooms)) > _ZOOMS else None
    measured = focal is not None and zooms is None  # of a lens that changes, this is some key frame's
    focal = focal or ASSUMED_FOCAL
    still = CameraMotion(STILL, np.tile(np.eye(3), (len(times), 1, 1)), ASSUMED_FOCAL, seen=float(frames.known.mean()))
    shift = _shift(turns, focal)
    turned = frames.known & (shift > MOVES)
    moving = turned if zooms is None else frames.known & (np.hypot(shift, _ASIDE * np.log(zooms)) > MOVES)
    if moving.sum() < _LEAST or _stands(background, times, moving):
        return still
    travels = _travels(background, frames, times)
    if travels:
        return CameraMotion(TRAVELLING, turns, focal, False, travels, still.seen, zooms)
    kind = TURNING if _slow_range(turns, times) > _SLOW else SHAKING if turned.sum() >= _LEAST else ZOOMING
    return CameraMotion(kind, turns, focal, measured, (), still.seen, zooms)


def surely_travels(background: Background, times: np.ndarray) -> bool:
    """Whether the camera has travelled for the last seconds, whatever its focal length is; times: (T,) seconds of the frames so far.

    Asked while frames still come, when a turn has not yet told the focal length. A camera that passes a flat wall is not certain.
    """
    if times[-1] - times[0] < _SURE:
        return False
    asked = np.unique(np.searchsorted(times, np.linspace(times[-1] - _SURE, times[-1], _MOST_ASKED)))
    recent = Background(background.keys, [background.rows[t] for t in asked], [background.changes[t] for t in asked])
    frames = _fit(recent, ASSUMED_FOCAL)
    if not _suspicious(frames).all() or _stands(recent, times[asked], np.ones(len(asked), bool)):
        return False
    frames = dataclasses.replace(frames, off=np.min([_fit(recent, focal).off for focal in _FOCALS], axis=0))
    if not _suspicious(frames).all() or _zooms(_fit(recent, ASSUMED_FOCAL, zooming=True), frames.known):
        return False
    return sum(_is_passed(recent, t, frames.off[t]) for t in range(len(asked))) >= _SURELY_PASSED


@dataclass(frozen=True)
class _Frames:
    """Of T frames. known: (T,) bool, whether there was background enough; turns: (T, 3, 3) from the frame's key frame; zooms: (T,) focal
    length over the key frame's; off: (T,) how far both leave the median corner; strays: (T, 2) shares of the corners that stray further,
    and less far or back, than zooms take them; astray: where the former are, (N, 2) a frame; far: (T,) how far the median corner went;
    stays: (T,) bool, outvoted by corners that stay; stretch: (T,) int, which uncut piece a frame is in, -1 where nothing was seen."""

    known: np.ndarray
    turns: np.ndarray
    zooms: np.ndarray
    off: np.ndarray
    strays: np.ndarray
    astray: list[np.ndarray]
    far: np.ndarray
    stays: np.ndarray
    stretch: np.ndarray


def _stands(background: Background, times: np.ndarray, asked: np.ndarray) -> bool:
    """Whether the frames `asked` (T,) bool, at least one, look as if the camera stood, but for moments and seldom; times: (T,) seconds.

    Not where most of them tell nothing: a picture that fades in cannot be compared.
    """
    standing = np.array([np.nan if row is None else row.standing for row in background.rows])
    telling = np.flatnonzero(asked & np.isfinite(standing))
    moves = standing[telling] < _STANDS
    if 2 * len(telling) < asked.sum() or moves.mean() > _SELDOM:
        return False
    return all(times[telling[after - 1]] - times[telling[first]] < _MOMENT for first, after in runs(moves))


def _blocks(background: Background) -> list[tuple[int, np.ndarray, np.ndarray, np.ndarray]]:
    """(key, frames (F,), places (F, N, 2), agree (F, N)) of frames compared with the same key frame, at most `_BLOCK` together."""
    blocks = []
    for key in range(len(background.keys)):
        mine = [t for t, row in enumerate(background.rows) if row is not None and row.key == key]
        for first in range(0, len(mine), _BLOCK):
            rows = [background.rows[t] for t in mine[first:first + _BLOCK]]
            places, agree = np.stack([r.places for r in rows if r]), np.stack([r.agree for r in rows if r])
            blocks.append((key, np.array(mine[first:first + _BLOCK]), places.astype(np.float64), agree))
    return blocks


def _fit(background: Background, focal: float, zooming: bool = False, of_keys: np.ndarray | None = None) -> _Frames:
    """Every frame beside its key frame; zooming: whether it may have another focal length; of_keys: what `focal` is multiplied by in each
    key frame, 1 unless given."""
    count = len(background.rows)
    known, stays = np.zeros(count, bool), np.zeros(count, bool)
    turns, zooms = np.tile(np.eye(3), (count, 1, 1)), np.ones(count)
    off, strays, far = np.zeros(count), np.zeros((count, 2)), np.zeros(count)
    astray = [np.zeros((0, 2))] * count
    stretch = np.full(count, -1)
    for key, frames, places, agree in _blocks(background):
        points, lens = background.keys[key].points, focal if of_keys is None else focal * float(of_keys[key])
        turns[frames], zooms[frames], left = fit_turns(points, places, agree, lens, zooming)
        off[frames] = np.nanmedian(left, axis=1)
        went = np.linalg.norm(places - points, axis=-1)
        far[frames] = np.nanmedian(went, axis=1)
        if zooming:
            further, back = _strays(points, places, turns[frames], zooms[frames], lens, far[frames])
            followed = np.maximum(np.isfinite(places).all(-1).sum(1), 1)
            strays[frames] = np.stack([further.sum(1), back.sum(1)], axis=-1) / followed[:, None]
            for t, those in zip(frames, further, strict=True):
                astray[t] = points[those]
        staying = np.nanmean(np.where(np.isfinite(went), went < MOVES, np.nan), axis=1) > _STAYING
        stays[frames] = staying & (np.hypot(_shift(turns[frames], lens), _ASIDE * np.log(zooms[frames])) > 2 * MOVES)
        known[frames] = _width(places, agree) > _WIDE
        stretch[frames] = background.keys[key].stretch
    turns[stays], zooms[stays] = np.eye(3), 1.0
    return _Frames(known, turns, zooms, off, strays, astray, far, stays, stretch)


def _zooms(zoomed: _Frames, unexplained: np.ndarray) -> bool:
    """Whether the frames that rotations leave `unexplained` (T,) bool, at least one, are explained by other focal lengths.

    Who walks towards a wall makes it larger like a zoom, but the floor between grows more; of what a zoom leaves as much goes back. What
    is together in one place may be a thing that moves by itself, such as a shadow, unless all of it goes further.
    """
    further, back = zoomed.strays[unexplained].mean(0)
    astray = np.concatenate([zoomed.astray[t] for t in np.flatnonzero(unexplained)])
    one_thing = len(astray) and np.median(np.linalg.norm(astray - np.median(astray, axis=0), axis=-1)) < _ONE_THING
    walks = further - back > max(_NEARER, (_ONE_THING_WALKS if one_thing else _ONE_WAY) * (further + back))
    largest = np.abs(np.log(zoomed.zooms[unexplained])).max()
    return bool(_suspicious(zoomed)[unexplained].mean() <= _STILL_LEFT and not walks and largest > _ZOOMS)


def _strays(points: np.ndarray, places: np.ndarray, turns: np.ndarray, zooms: np.ndarray, focal: float,
            far: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of the corners (N, 2) those (F, N) bool that went plainly further the way that zooms (F,) take them, and those less far or back."""
    floor, share = _ZOOM_LEAVES
    followed = np.isfinite(places).all(-1)
    rays = np.concatenate([points / focal, np.ones((len(points), 1))], axis=-1)
    beyond = np.where(followed[..., None], -_off(turns, focal * zooms, rays, np.nan_to_num(places))[0], 0.0)
    plain = np.linalg.norm(beyond, axis=-1) > np.maximum(floor, share * far)[:, None]
    further = (beyond * points).sum(-1) * np.log(zooms)[:, None] > 0
    return plain & further, plain & ~further


def _width(places: np.ndarray, agree: np.ndarray) -> np.ndarray:
    """(F,) how far the agreeing corners (F, N, 2) are spread."""
    spread = np.nanstd(np.where(agree[..., None], places, np.nan), axis=1)
    return np.asarray(np.linalg.norm(spread, axis=-1))


def fit_turns(points: np.ndarray, places: np.ndarray, agree: np.ndarray, focal: float,
              zooming: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rotations (F, 3, 3) and zooms (F,) that take corners (N, 2), seen with `focal`, to places (F, N, 2), and how far off they leave
    each (F, N), NaN where not followed.

    agree: (F, N) bool, the corners to begin with; afterwards all count, robustly. zooming: whether the focal length may change; else
    zooms are 1.
    """
    known = np.isfinite(places).all(-1)
    target = np.where(known[..., None], places, 0.0)
    rays = np.concatenate([points / focal, np.ones((len(points), 1))], axis=-1)
    turns, zooms = np.tile(np.eye(3), (len(places), 1, 1)), np.ones(len(places))
    unknowns = 4 if zooming else 3
    weight = (agree & known).astype(np.float64)
    for number in range(_ROUNDS):
        off, derivative = _off(turns, focal * zooms, rays, target)
        if number >= _FIRST_ROUNDS:
            weight = np.where(known, 1.0 / (1.0 + (off**2).sum(-1) / _SPREAD**2), 0.0)
        jacobian = derivative[..., :unknowns].reshape(len(places), -1, unknowns)
        rows = jacobian.transpose(0, 2, 1) * np.repeat(weight, 2, axis=1)[:, None]
        step = np.linalg.solve(rows @ jacobian + 1e-6 * np.eye(unknowns), rows @ off.reshape(len(places), -1, 1))[..., 0]
        turns = rotations.to_matrix(rotations.from_rotation_vector(-step[:, :3])) @ turns
        if zooming:
            zooms = np.clip(zooms * np.exp(-step[:, 3]), 1 / _MOST_ZOOM, _MOST_ZOOM)
    off, _ = _off(turns, focal * zooms, rays, target)
    return turns, zooms, np.where(known, np.linalg.norm(off, axis=-1), np.nan)


def _off(turns: np.ndarray, focals: np.ndarray, rays: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(F, N, 2) from the target to where turns (F, 3, 3) and focal lengths (F,) take rays (N, 3), and its derivative (F, N, 2, 4) by one
    more small turn and by the focal length's logarithm."""
    turned = np.einsum("fij,nj->fni", turns, rays)
    u, v = np.moveaxis(turned[..., :2] / np.maximum(turned[..., 2:], 0.05), -1, 0)
    jacobian = np.stack([np.stack([-u * v, 1 + u * u, -v, u], -1), np.stack([-1 - v * v, u * v, u, v], -1)], -2)
    focals = focals[:, None, None]
    return focals * np.stack([u, v], axis=-1) - target, focals[..., None] * jacobian


def _shift(turns: np.ndarray, focal: float) -> np.ndarray:
    """(T,) how far turns (T, 3, 3) move the picture: its middle by pan and tilt, a place half way to the edge by roll."""
    x, y, z = np.moveaxis(rotations.to_rotation_vector(rotations.from_matrix(turns)), -1, 0)
    return np.asarray(np.sqrt((focal * x) ** 2 + (focal * y) ** 2 + (_ASIDE * z) ** 2))


def _focal(background: Background, zooming: bool = False) -> tuple[float | None, bool]:
    """The focal length with which rotations (and zooms) explain most, None where others are nearly as good; and whether the camera
    turned far."""
    wide = []
    for key, _, places, agree in _blocks(background):
        points = background.keys[key].points
        far = np.nanmedian(np.linalg.norm(places - points, axis=-1), axis=1)
        wide += [(far[i], points, places[i:i + 1], agree[i:i + 1]) for i in np.argsort(-far)[:_MOST_ASKED]]
    wide = sorted(wide, key=lambda row: -row[0])[:2 * _MOST_ASKED]
    if not wide or wide[0][0] < _TURNS:
        return None, False
    costs = np.array([np.mean([_cost(*row[1:], focal, zooming) for row in wide]) for focal in _FOCALS])
    best = int(costs.argmin())
    if not 2 <= best < len(_FOCALS) - 2 or costs[[best - 2, best + 2]].min() < costs[best] + _SHARP:
        return None, False
    below, here, above = costs[best - 1:best + 2]
    shift = 0.5 * (below - above) / (below - 2 * here + above)
    return float(_FOCALS[best] * (_FOCALS[1] / _FOCALS[0]) ** shift), bool(wide[0][0] > ASSUMED_FOCAL * _TELLING)


def _cost(points: np.ndarray, places: np.ndarray, agree: np.ndarray, focal: float, zooming: bool) -> float:
    left = fit_turns(points, places, agree, focal, zooming)[2]
    return float(np.nanmean(np.log1p((left / _SPREAD) ** 2)))


def _chained(background: Background, frames: _Frames) -> tuple[np.ndarray, np.ndarray]:
    """(T, 3, 3) turns and (T,) zooms from each stretch's first key frame."""
    turns, zooms = frames.turns.copy(), frames.zooms.copy()
    homes: list[tuple[np.ndarray, float]] = []
    for number, key in enumerate(background.keys):
        row = background.rows[key.frame]
        if row is None or row.key == number:
            homes.append((np.eye(3), 1.0))
        else:
            turn, zoom = homes[row.key]
            homes.append((frames.turns[key.frame] @ turn, frames.zooms[key.frame] * zoom))
    for t, row in enumerate(background.rows):
        if row is not None:
            turn, zoom = homes[row.key]
            turns[t], zooms[t] = frames.turns[t] @ turn, frames.zooms[t] * zoom
    return turns, zooms


def _relative(background: Background, frames: _Frames) -> tuple[np.ndarray, np.ndarray]:
    """Turns (T, 3, 3) from the mean view of each stretch, zooms (T,) from the widest view; what is not known lies between its neighbours.

    A stretch begins with the focal length with which the one before it ended.
    """
    turns, zooms = _chained(background, frames)
    known = np.flatnonzero(frames.known & (frames.stretch >= 0))
    if not len(known):
        return np.tile(np.eye(3), (len(turns), 1, 1)), np.ones(len(turns))
    for stretch in np.unique(frames.stretch[known]):
        mine = known[frames.stretch[known] == stretch]
        turns[mine] = turns[mine] @ rotations.nearest(turns[mine].sum(0)).T
        earlier = known[known < mine[0]]
        zooms[mine] *= (zooms[earlier[-1]] if len(earlier) else 1.0) / zooms[mine[0]]
    zooms /= np.quantile(zooms[known], _WIDEST)
    quaternions = rotations.from_matrix(turns)
    every = np.arange(len(turns))
    after = np.clip(np.searchsorted(known, every), 0, len(known) - 1)
    before = np.where(known[after] == every, after, np.maximum(after - 1, 0))
    a, b = known[before], known[after]
    share = np.clip((every - a) / np.maximum(b - a, 1), 0.0, 1.0)
    share = np.where(frames.stretch[a] == frames.stretch[b], share, np.round(share))
    logarithms = np.log(zooms)
    return (rotations.to_matrix(rotations.slerp(quaternions[a], quaternions[b], share)),
            np.exp((1 - share) * logarithms[a] + share * logarithms[b]))


def _slow_range(turns: np.ndarray, times: np.ndarray) -> float:
    """Radians between the most different views, each the mean over a second."""
    vectors = rotations.to_rotation_vector(rotations.from_matrix(turns))
    step = float(np.median(np.diff(times))) if len(times) > 1 else 1.0
    width = int(np.clip(round(1.0 / max(step, 1e-3)), 1, len(vectors)))
    sums = np.cumsum(np.concatenate([np.zeros((1, 3)), vectors]), axis=0)
    means = (sums[width:] - sums[:-width]) / width
    return float(np.linalg.norm(np.ptp(means, axis=0)))


def _travels(background: Background, frames: _Frames, times: np.ndarray) -> tuple[tuple[float, float], ...]:
    """Seconds (from, to) of the runs of frames that travel explains and rotation does not."""
    parts = runs(_suspicious(frames))
    travels = np.zeros(len(times), bool)
    for first, after in parts:
        if times[after - 1] - times[first] < _LASTS:
            continue
        asked = np.unique(np.linspace(first, after - 1, _MOST_ASKED).round().astype(int))
        # Not all: at first, and after each change of the key frame, the way is short.
        if 4 * sum(_is_passed(background, t, frames.off[t], frames.zooms[t]) for t in asked) >= len(asked):
            travels[first:after] = True
    return _whole(background, frames, times, parts, travels) if travels.any() else ()


def _suspicious(frames: _Frames) -> np.ndarray:
    """(T,) bool, where a rotation (and a zoom) leaves too much."""
    floor, share = _UNEXPLAINED
    enlarged = _ENLARGED * np.abs(np.log(frames.zooms))
    return frames.known & ~frames.stays & (frames.off > np.maximum(floor, share * frames.far) + enlarged)


def _whole(background: Background, frames: _Frames, times: np.ndarray, suspicious: list[tuple[int, int]],
           travels: np.ndarray) -> tuple[tuple[float, float], ...]:
    """Seconds (from, to) of travels (T,) bool from where they began to where they ended: it takes way for one to show, and once it
    does, a camera that stands again is still away from its key frame."""
    moving = _moving(background, times)
    for direction in (suspicious, suspicious[::-1]):  # runs on either side that only a change of the key frame parts from it
        for (a, b), (c, d) in pairwise(direction):
            if times[max(a, c)] - times[min(b, d) - 1] <= _PAUSE and travels[a]:
                travels[min(a, c):max(b, d)] = True
    found: list[tuple[float, float]] = []
    for first, after in runs(travels):
        row = background.rows[first]
        while row and first > background.keys[row.key].frame and moving[first - 1] and frames.far[first - 1] < frames.far[first]:
            first -= 1
        parts = runs(moving[first:after]) or [(0, after - first)]
        for a, b in parts:
            start, end = float(times[first + a]), float(times[first + b - 1])
            if found and start - found[-1][1] <= _PAUSE:
                start = found.pop()[0]
            found.append((start, end))
    return tuple(f for f in found if f[1] - f[0] > _PAUSE) or tuple(found)


def _moving(background: Background, times: np.ndarray) -> np.ndarray:
    """(T,) bool, whether the picture moves."""
    moving = np.zeros(len(times), bool)
    for t, row in enumerate(background.rows):
        low, high = np.searchsorted(times, (times[t] - _SPEED_SPAN - 1e-6, times[t] + _SPEED_SPAN + 1e-6))
        near = [(times[u], r.places) for u, r in enumerate(background.rows[low:high], low) if r and row and r.key == row.key]
        if len(near) > 1:
            way = np.linalg.norm(near[-1][1] - near[0][1], axis=-1)
            way = way[np.isfinite(way)]
            moving[t] = len(way) > 0 and np.median(way) > _SPEED * (near[-1][0] - near[0][0])
    return moving


def _is_passed(background: Background, frame: int, off: float, zoom: float = 1.0) -> bool:
    """Whether travel explains a frame that rotation and `zoom` leave `off`, and has shifted the corners far, whatever the lens."""
    row = background.rows[frame]
    assert row is not None
    followed = np.isfinite(row.places).all(-1)
    a, b = background.keys[row.key].points[followed].astype(np.float64), row.places[followed] / zoom
    return all(_passes(a, b, focal, off) for focal in _LENSES)


def _passes(a: np.ndarray, b: np.ndarray, focal: float, off: float) -> bool:
    """`_is_passed` for corners that went from a to b (N, 2), seen through a lens of this focal length."""
    K = np.diag([focal, focal, 1.0])
    essential, _ = cv2.findEssentialMat(a, b, K, cv2.USAC_MAGSAC, 0.999, 2 * _SPREAD)
    if essential is None or essential.shape != (3, 3):
        return False
    *turns, direction = cv2.decomposeEssentialMat(essential)
    turn = max(turns, key=np.trace)  # the other one looks backwards
    rays = np.concatenate([a / focal, np.ones((len(a), 1))], axis=1) @ turn.T
    turned = np.asarray(rays / rays[:, 2:])
    line = np.cross(direction[:, 0], turned)
    across = np.abs((line[:, :2] * b / focal).sum(1) + line[:, 2]) / np.maximum(np.linalg.norm(line[:, :2], axis=1), 1e-9)
    if focal * np.median(across) > _PLAINER * off:
        return False
    along = focal * np.linalg.norm(b / focal - turned[:, :2], axis=1)
    return float(np.quantile(along, 0.75)) > _PASSED or off > _LEFT
