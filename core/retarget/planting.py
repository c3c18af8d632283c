"""Feet that stand on the ground stand still on the target too.

Problem: a rig with other proportions than the motion's own skeleton has the same limb directions but its feet end up elsewhere: they slide.
Method: a foot in contact turns about what touches the ground (heel, then tip), which gives the path that its ankle should have. Each foot
stands where both feet, while both stand or one right after the other, want the same of the figure; then the figure as a whole goes where
they want it, smoothly, which turns no limb. What is left where two feet stand and the body is built differently is given to the pelvis, as
a small tilt, and to those legs that have to turn least for it: a bent leg rather than a straight one. While heel and tip are both down, the
foot does not turn.
Feet are as high above the ground as in the motion. `reach` then brings the ankles there. Limits: where both feet stand and the rig is
proportioned differently, standing wins over limb directions; a contact that is further away than the leg is long slides by the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .. import rotations
from ..frame_times import usual_step
from ..runs import runs
from .reach import STRETCH

_FADE = 0.15  # seconds in which a foot enters and leaves what a contact asks of it, and the figure goes from one foot to the other
_CALM = 0.05  # seconds to both sides over which the figure's way over the ground is calmed
_TURNS = np.radians(20.0)  # a foot that turns more than this about its mean while heel and tip are down is not held
_BENT = 0.996  # of the leg's length, up to which a leg is stretched that the motion does not stretch further: beyond, knees jump
_YIELD = 0.02 / 0.821  # of the leg's length, 2 cm of the mean adult's: a straight leg gives as if its bones stood off the line by this much
_REACHES = 1e-5  # of the leg's length: what is no further out of reach asks for nothing
_PELVIS = 2.0  # how much dearer than turning thigh or shin it is to tilt the pelvis by the same angle


@dataclass(frozen=True)
class Leg:
    """One leg over T frames in the rig's world, metres. hip, knee, ankle: (T, 3) joints as the motion's directions alone put them.

    foot: (T, 2, 4) rotations of foot and toes away from standing flat. contacts: (T, 2) bool, heel and tip of the toes. sole: (T, 3, 3)
    from the ankle to the heel, from the ankle to the ball, and from the ball to the tip. heights: (2,) of heel and tip on the ground.
    lift: (T, 2) how far above the ground the motion's own heel and tip stand, metres of the rig.
    """

    hip: np.ndarray
    knee: np.ndarray
    ankle: np.ndarray
    foot: np.ndarray
    contacts: np.ndarray
    sole: np.ndarray
    heights: np.ndarray
    lift: np.ndarray

    @property
    def length(self) -> np.ndarray:
        """(T,) from the hip over the knee to the ankle, metres."""
        return np.asarray(np.linalg.norm(self.knee - self.hip, axis=-1) + np.linalg.norm(self.ankle - self.knee, axis=-1))


@dataclass(frozen=True)
class Standing:
    """What makes L feet stand over T frames. shift: (T, 3) metres for the middle of the hip joints. tilt: (T, 4) rotation in the world
    that the pelvis gets on top of what it has. ankles: (L, T, 3) where they go. feet: (L, T, 2, 4) what foot and toes get, likewise."""

    shift: np.ndarray
    tilt: np.ndarray
    ankles: np.ndarray
    feet: np.ndarray


def stand(legs: list[Leg], times: np.ndarray) -> Standing:
    """How one or two legs stand; times: (T,) seconds. Without any contact nothing changes."""
    turned = [_foot_turns(leg, times) for leg in legs]
    down = [np.any(leg.contacts, axis=1) for leg in legs]
    presence = np.stack([_presence(flags, times) for flags in down])
    agreed = _agreed([_needs(leg, turn) for leg, turn in zip(legs, turned)], down, times)
    needs = np.stack([_bridged(need, np.flatnonzero(flags), times) for need, flags in zip(agreed, down)])
    hips = np.stack([leg.hip for leg in legs])
    arms = hips - hips.mean(axis=0)
    shift, tilt = _carried(needs, presence, np.stack([_stiffness(leg) for leg in legs]), arms, times)

    def ankles(moved: np.ndarray) -> np.ndarray:
        """Where the foot stands, and around that on the way there from where the figure has it."""
        there = np.stack([leg.ankle for leg in legs]) + moved
        return there + presence[..., None] * (needs - moved)

    turn = rotations.from_rotation_vector(tilt)
    moved = shift + rotations.rotate(turn, arms) - arms
    drop = _too_far(legs, ankles(moved), moved, times)
    return Standing(shift - drop, turn, ankles(moved - drop), np.stack(turned))


def _smooth(x: np.ndarray) -> np.ndarray:
    """From 0 to 1 without a corner, for x (...,) in [0, 1]."""
    x = np.clip(x, 0.0, 1.0)
    return x * x * (3 - 2 * x)


def _seconds_from(flags: np.ndarray, times: np.ndarray) -> np.ndarray:
    """(T,) seconds to the nearest frame of `flags`; infinite when there is none."""
    there = np.flatnonzero(flags)
    if not len(there):
        return np.full(len(times), np.inf)
    rows = np.searchsorted(there, np.arange(len(times)))
    before, after = there[np.maximum(rows - 1, 0)], there[np.minimum(rows, len(there) - 1)]
    return np.minimum(np.abs(times - times[before]), np.abs(times - times[after]))


def _presence(flags: np.ndarray, times: np.ndarray) -> np.ndarray:
    """(T,) 1 in contact, fading to 0 around it."""
    return _smooth(1.0 - _seconds_from(flags, times) / _FADE)


def _foot_turns(leg: Leg, times: np.ndarray) -> np.ndarray:
    """(T, 2, 4) what keeps foot and toes from turning while heel and tip are down, faded out around that."""
    turns = np.tile(rotations.IDENTITY, (len(times), 2, 1))
    flat = np.all(leg.contacts, axis=1)
    for start, stop in runs(flat):
        mean = rotations.normalise(rotations.continuous(leg.foot[start:stop]).sum(axis=0))
        held = rotations.multiply(mean, rotations.inverse(leg.foot[start:stop]))
        if rotations.angle_between(rotations.IDENTITY, held).max() > _TURNS:
            continue
        turns[start:stop] = held
        for edge, rows in ((start, np.arange(start)[::-1]), (stop - 1, np.arange(stop, len(times)))):
            near = rows[np.abs(times[rows] - times[edge]) < _FADE]
            near = near[:np.argmax(flat[near])] if flat[near].any() else near
            fade = _smooth(1.0 - np.abs(times[near] - times[edge]) / _FADE)[:, None]
            turns[near] = rotations.multiply(rotations.slerp(rotations.IDENTITY, turns[edge], fade), turns[near])
    return turns


def _needs(leg: Leg, turn: np.ndarray) -> np.ndarray:
    """(T, 3) from where the ankle is to where the standing foot wants it; meaningless out of contact."""
    heel, ball, tip = (rotations.rotate(turn[:, of], leg.sole[:, i]) for i, of in enumerate((0, 0, 1)))
    offsets = np.stack([heel, ball + tip], axis=1)
    needs = np.zeros_like(leg.ankle)
    for start, stop in runs(np.any(leg.contacts, axis=1)):
        rows = slice(start, stop)
        pivot = np.where(leg.contacts[rows, 1], 1, 0)
        path = _rolled(offsets[rows], pivot)
        wanted = path - leg.ankle[rows]
        place = -wanted.mean(axis=0)
        place[2] = _level(leg, rows, pivot, path, offsets[rows])
        needs[rows] = wanted + place
    return needs


def _rolled(offsets: np.ndarray, pivot: np.ndarray) -> np.ndarray:
    """(N, 3) path of an ankle whose foot turns about its heel (0) or ball (1), the first one at the origin; offsets: (N, 2, 3)."""
    touching = np.take_along_axis(offsets, pivot[:, None, None], axis=1)[:, 0]
    # The place of what touches changes only when the pivot does, by as much as the two lie apart then.
    moved = np.zeros_like(touching)
    for k in np.flatnonzero(np.diff(pivot)) + 1:
        moved[k:] += offsets[k, pivot[k]] - offsets[k, pivot[k - 1]]
    return moved - touching


def _level(leg: Leg, rows: slice, pivot: np.ndarray, path: np.ndarray, offsets: np.ndarray) -> float:
    """How far the path must be raised for what touches to be as high above the ground as it is in the motion."""
    last = len(pivot) - 1 if pivot[-1] else int(np.argmax(pivot)) if pivot.any() else 0
    which = int(pivot[last])
    lift = float(leg.lift[rows, which][pivot == which].mean())
    return leg.heights[which] + lift - float(path[last, 2] + offsets[last, which, 2])


def _agreed(needs: list[np.ndarray], down: list[np.ndarray], times: np.ndarray) -> list[np.ndarray]:
    """The needs with every standing place moved over the ground so that feet that stand at the same time, or one right after the other,
    want the same of the figure.

    Least squares over all pairs of such contacts; the middle of all places stays. So steps are as long as these legs and feet make them.
    """
    spans = [runs(flags) for flags in down]
    if len(spans) < 2 or not (pairs := _meetings(spans[0], spans[1], times)):
        return needs
    left, right = np.array([(i, len(spans[0]) + j) for i, j, _, _ in pairs]).T
    weight = np.array([rows.stop - rows.start for _, _, rows, _ in pairs], dtype=float)[:, None]
    apart = np.array([(needs[1][there] - needs[0][here])[:, :2].mean(axis=0) for _, _, here, there in pairs])
    count = len(spans[0]) + len(spans[1])

    def gathered(of_pairs: np.ndarray) -> np.ndarray:
        total = np.zeros((count, 2))
        np.add.at(total, left, of_pairs)
        np.add.at(total, right, -of_pairs)
        return total

    ways = _solved(lambda places: gathered(weight * (places[left] - places[right])), gathered(weight * apart))
    moved = [need.copy() for need in needs]
    for need, (start, stop), way in zip([moved[0]] * len(spans[0]) + [moved[1]] * len(spans[1]), spans[0] + spans[1], ways):
        need[start:stop, :2] += way
    return moved


def _meetings(a: list[tuple[int, int]], b: list[tuple[int, int]], times: np.ndarray) -> list[tuple[int, int, slice, slice]]:
    """(index in a, index in b, rows of a, rows of b) of all ranges that overlap, with the rows that they share, and of those that follow
    each other within `_FADE`, with the last row of one and the first of the other; both lists are in order."""
    found, i, j = [], 0, 0
    while i < len(a) and j < len(b):
        start, stop = max(a[i][0], b[j][0]), min(a[i][1], b[j][1])
        a_first = a[i][1] < b[j][1]
        if start < stop:
            found.append((i, j, slice(start, stop), slice(start, stop)))
        elif times[start] - times[stop - 1] < _FADE:
            last, first = slice(stop - 1, stop), slice(start, start + 1)
            found.append((i, j, last, first) if a_first else (i, j, first, last))
        if a_first:
            i += 1
        else:
            j += 1
    return found


def _solved(apply: Callable[[np.ndarray], np.ndarray], wanted: np.ndarray) -> np.ndarray:
    """x (N, C) with apply(x) = wanted (N, C), nearest to zero; apply is symmetric and positive semidefinite. Conjugate gradients."""
    x, rest = np.zeros_like(wanted), wanted.copy()
    way, size = rest.copy(), np.sum(rest**2, axis=0)
    enough = 1e-12 * size
    for _ in range(2 * len(x)):
        if np.all(size <= enough):
            break
        there = apply(way)
        step = size / np.maximum(np.sum(way * there, axis=0), 1e-300)
        x, rest = x + step * way, rest - step * there
        before, size = size, np.sum(rest**2, axis=0)
        way = rest + size / np.maximum(before, 1e-300) * way
    return x


def _stiffness(leg: Leg) -> np.ndarray:
    """(T, 3, 3) what it costs to move the ankle away from the hip: d K d is the least sum of squared angles (radians) by which thigh
    and shin turn for a small way d."""
    gives = (_YIELD * leg.length[:, None, None]) ** 2 * np.eye(3)
    for bone in (leg.knee - leg.hip, leg.ankle - leg.knee):
        gives += np.sum(bone**2, axis=-1)[:, None, None] * np.eye(3) - bone[:, :, None] * bone[:, None, :]
    return np.linalg.inv(gives)


def _carried(needs: np.ndarray, presence: np.ndarray, stiffness: np.ndarray, arms: np.ndarray, times: np.ndarray
             ) -> tuple[np.ndarray, np.ndarray]:
    """(T, 3) shift of the figure and (T, 3) small rotation vector of its pelvis that let the feet have their needs (L, T, 3) at the
    least cost, going smoothly from one foot to the other and through the air. arms: (L, T, 3) from the hips' middle to each hip joint."""
    shift, tilt = np.zeros((2, len(times), 3))
    total = presence.sum(axis=0)
    known = np.flatnonzero(presence.max(axis=0) == 1.0)
    cost = presence[:, known, None, None] * stiffness[:, known]
    # A hip joint moves by shift + tilt x arm.
    moves = np.concatenate([np.broadcast_to(np.eye(3), cost.shape), -_cross_matrix(arms[:, known])], axis=-1)
    normal = np.einsum("ltki,ltkm,ltmj->tij", moves, cost, moves)
    normal[:, 3:, 3:] += _PELVIS * np.eye(3)
    best = np.linalg.solve(normal, np.einsum("ltki,ltkm,ltm->ti", moves, cost, needs[:, known])[..., None])[..., 0]
    shift[known], tilt[known] = best[:, :3], best[:, 3:]
    return _calmed(_bridged(shift, known, times), times), np.minimum(total, 1.0)[:, None] * _bridged(tilt, known, times)


def _cross_matrix(v: np.ndarray) -> np.ndarray:
    """(..., 3, 3) that takes x to v x x."""
    return np.cross(v[..., None, :], np.eye(3)).swapaxes(-1, -2)


def _calmed(path: np.ndarray, times: np.ndarray) -> np.ndarray:
    """(T, 3) whose way over the ground is without what is faster than a figure's weight can move: trembling feet are for the legs to
    make up. Not so the height: legs that are nearly straight would need large bends for little."""
    step = usual_step(times)
    half = max(1, round(_CALM / step))
    weights = np.hanning(2 * half + 3)[1:-1]
    padded = np.pad(path[:, :2], ((half, half), (0, 0)), mode="edge")
    level = [np.convolve(column, weights / weights.sum(), mode="valid") for column in padded.T]
    return np.stack([*level, path[:, 2]], axis=1)


def _bridged(values: np.ndarray, known: np.ndarray, times: np.ndarray) -> np.ndarray:
    """`values` (T, 3) at the frames `known`, a smooth way from one to the next in between, the nearest one's beyond; 0 without any."""
    if not len(known):
        return np.zeros_like(values)
    rows = np.searchsorted(known, np.arange(len(values)))
    before, after = known[np.maximum(rows - 1, 0)], known[np.minimum(rows, len(known) - 1)]
    s = _smooth((times - times[before]) / np.maximum(times[after] - times[before], 1e-9))[:, None]
    bridge = (1 - s) * values[before] + s * values[after]
    exact = np.zeros(len(values), bool)
    exact[known] = True
    return np.where(exact[:, None], values, bridge)


def _too_far(legs: list[Leg], ankles: np.ndarray, moved: np.ndarray, times: np.ndarray) -> np.ndarray:
    """(T, 3) by how much the figure must come down so that its legs reach where they stand, smoothed. ankles, moved: (L, T, 3)."""
    drop = np.zeros(len(times))
    for leg, target, carried in zip(legs, ankles, moved):
        length = leg.length
        way = target - leg.hip - carried
        level = np.sum(way[:, :2] ** 2, axis=-1)
        straight = np.linalg.norm(leg.ankle - leg.hip, axis=-1) / length
        high = np.sqrt(np.maximum((np.clip(straight, _BENT, STRETCH) * length) ** 2 - level, 0.0))
        # Only where the figure's own pose reaches: a leg that hangs straight in the air asks for nothing.
        lacks = -way[:, 2] - high
        drop = np.maximum(drop, np.where(leg.contacts.any(axis=1) & (way[:, 2] < 0) & (lacks > _REACHES * length), lacks, 0.0))
    return np.array([0.0, 0.0, 1.0]) * _enveloped(drop, times)[:, None]


def _enveloped(values: np.ndarray, times: np.ndarray) -> np.ndarray:
    """(T,) a smooth curve that is nowhere below `values` >= 0."""
    step = usual_step(times)
    half = max(1, round(0.5 * _FADE / step))
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(values, 2 * half, mode="edge"), 2 * half + 1)
    weights = np.hanning(2 * half + 3)[1:-1]
    return np.convolve(windows.max(axis=-1), weights / weights.sum(), mode="valid")
