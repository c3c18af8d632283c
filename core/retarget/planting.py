"""Feet that stand on the ground stand still on the target too.

Problem: a rig with other proportions than the motion's own skeleton has the same limb directions but its feet end up elsewhere: they slide.
Method: a foot in contact turns about what touches the ground (heel, then ball), which gives the path that its ankle should have. The
figure as a whole is first moved by what both feet need on average, smoothly, which changes no limb's direction; the rest is an analytic
two-bone inverse kinematics of hip, knee and ankle, the knee staying in the plane that the motion gives. Between contacts both
fade in and out. While heel and ball are both down, the foot does not turn. Limits: where both feet stand and the rig is proportioned
differently, standing wins over limb directions; a contact that is further away than the leg is long slides by the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import rotations

_FADE = 0.15  # seconds in which a foot enters and leaves what a contact asks of it, and the figure goes from one foot to the other
_TURNS = np.radians(10.0)  # a foot that turns more than this about its mean while heel and ball are down is not held
_BENT = 0.996  # of the leg's length, up to which a leg is stretched that the motion does not stretch further: beyond, knees jump
_STRETCH = 1.0 - 1e-5  # of the leg's length; a leg that is exactly straight has no plane to bend in


@dataclass(frozen=True)
class Leg:
    """One leg over T frames in the rig's world, metres. hip, knee, ankle, ball: (T, 3) joints as the motion's directions alone put them.

    foot: (T, 4) the foot's rotation away from standing flat. front: (T, 3) where the knee points. contacts: (T, 2) bool, heel and ball.
    heel: (3,) the sole under the ankle, from the ankle, while the foot is flat. heights: (2,) of heel and ball on the ground.
    lift: (T, 2) how far above the ground the motion's own heel and ball stand, metres of the rig.
    """

    hip: np.ndarray
    knee: np.ndarray
    ankle: np.ndarray
    ball: np.ndarray
    foot: np.ndarray
    front: np.ndarray
    contacts: np.ndarray
    heel: np.ndarray
    heights: np.ndarray
    lift: np.ndarray


@dataclass(frozen=True)
class Planted:
    """What to change. shift: (T, 3) metres for the whole figure. turns: for each leg (3, T, 4) rotations in the world that thigh, shin
    and foot get on top of what they have. slide: metres, the farthest that a standing foot gets from its place."""

    shift: np.ndarray
    turns: list[np.ndarray]
    slide: float


def plant(legs: list[Leg], times: np.ndarray) -> Planted:
    """Plants the feet of these legs; times: (T,) seconds. Without any contact nothing changes."""
    turned = [_foot_turns(leg, times) for leg in legs]
    needs = [_needs(leg, turn) for leg, turn in zip(legs, turned)]
    down = [np.any(leg.contacts, axis=1) for leg in legs]
    shift = _shift(needs, down, times)
    shift = shift - _too_far(legs, _targets(legs, needs, down, shift, times), shift, times)
    targets = _targets(legs, needs, down, shift, times)
    turns, slide = [], 0.0
    for leg, target, turn, flags in zip(legs, targets, turned, down):
        thigh, shin, ankle = two_bones(leg.hip + shift, leg.knee + shift, leg.ankle + shift, target, leg.front)
        turns.append(np.stack([thigh, shin, turn]))
        slide = max(slide, float(np.linalg.norm(ankle - target, axis=-1)[flags].max(initial=0.0)))
    return Planted(shift, turns, slide)


def _targets(legs: list[Leg], needs: list[np.ndarray], down: list[np.ndarray], shift: np.ndarray, times: np.ndarray) -> list[np.ndarray]:
    """For each leg (T, 3) where its ankle goes: where the foot stands, and around that on the way there from where the figure has it."""
    return [leg.ankle + shift + _presence(flags, times)[:, None] * (_bridged(need, np.flatnonzero(flags), times) - shift)
            for leg, need, flags in zip(legs, needs, down)]


def two_bones(hip: np.ndarray, knee: np.ndarray, ankle: np.ndarray, target: np.ndarray, front: np.ndarray
              ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rotations (T, 4) of upper and lower bone that bring the ankle to the target, and where it gets (T, 3).

    hip, knee, ankle, target: (T, 3) metres. The knee stays in its plane; front: (T, 3) says where it bends when it is straight.
    """
    upper, lower = np.linalg.norm(knee - hip, axis=-1), np.linalg.norm(ankle - knee, axis=-1)
    reach = np.linalg.norm(target - hip, axis=-1)
    length = np.clip(reach, np.abs(upper - lower) + 1e-6, _STRETCH * (upper + lower))
    along = _unit(target - hip)
    swing = rotations.between_vectors(ankle - hip, along)
    aside = _across(rotations.rotate(swing, knee - hip), along) + 1e-3 * _across(_unit(front), along)
    near = (upper**2 - lower**2 + length**2) / (2 * length)
    bent = hip + near[:, None] * along + np.sqrt(np.maximum(upper**2 - near**2, 0.0))[:, None] * _unit(aside)
    end = hip + length[:, None] * along
    thigh = rotations.multiply(rotations.between_vectors(rotations.rotate(swing, knee - hip), bent - hip), swing)
    shin = rotations.multiply(rotations.between_vectors(rotations.rotate(swing, ankle - knee), end - bent), swing)
    still = (np.linalg.norm(target - ankle, axis=-1) < 1e-9)[:, None]
    return np.where(still, rotations.IDENTITY, thigh), np.where(still, rotations.IDENTITY, shin), np.where(still, ankle, end)


def runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """Half-open ranges in which `flags` (T,) is true."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(int)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2])]


def _unit(v: np.ndarray) -> np.ndarray:
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-12)


def _across(v: np.ndarray, axis: np.ndarray) -> np.ndarray:
    return v - np.sum(v * axis, axis=-1, keepdims=True) * axis


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
    """(T, 4) what keeps the foot from turning while heel and ball are down, faded out around that."""
    turns = np.tile(rotations.IDENTITY, (len(times), 1))
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
            fade = _smooth(1.0 - np.abs(times[near] - times[edge]) / _FADE)
            turns[near] = rotations.multiply(rotations.slerp(rotations.IDENTITY, turns[edge], fade), turns[near])
    return turns


def _needs(leg: Leg, turn: np.ndarray) -> np.ndarray:
    """(T, 3) from where the ankle is to where the standing foot wants it; meaningless out of contact."""
    offsets = np.stack([rotations.rotate(leg.foot, leg.heel), leg.ball - leg.ankle], axis=1)
    offsets = rotations.rotate(turn[:, None], offsets)
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
    """How far the path must be raised for what touches to be on the ground, or on the step that it is on in the motion."""
    last = len(pivot) - 1 if pivot[-1] else int(np.argmax(pivot)) if pivot.any() else 0
    which = int(pivot[last])
    lift = float(leg.lift[rows, which][pivot == which].mean())
    return leg.heights[which] + (lift if lift > _A_STEP else 0.0) - float(path[last, 2] + offsets[last, which, 2])


_A_STEP = 0.05  # metres above the ground from which on a foot stands on something


def _shift(needs: list[np.ndarray], down: list[np.ndarray], times: np.ndarray) -> np.ndarray:
    """(T, 3) what the feet that are down need on average, going smoothly from one to the other and through the air."""
    weights = np.stack([_presence(flags, times) for flags in down])[..., None]
    total = weights.sum(axis=0)
    wanted = np.stack([_bridged(need, np.flatnonzero(flags), times) for need, flags in zip(needs, down)])
    mean = (weights * wanted).sum(axis=0) / np.maximum(total, 1e-9)
    known = np.flatnonzero(total[:, 0] > 0.2)
    return _calmed(_bridged(mean, known, times), times)


def _calmed(path: np.ndarray, times: np.ndarray) -> np.ndarray:
    """(T, 3) whose way over the ground is without what is faster than a figure's weight can move: trembling feet are for the legs to
    make up. Not so the height: legs that are nearly straight would need large bends for little."""
    step = float(np.median(np.diff(times))) if len(times) > 1 else 1.0
    half = max(1, round(_FADE / step))
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


def _too_far(legs: list[Leg], targets: list[np.ndarray], shift: np.ndarray, times: np.ndarray) -> np.ndarray:
    """(T, 3) by how much the figure must come down so that its legs reach where they stand, smoothed."""
    drop = np.zeros(len(times))
    for leg, target in zip(legs, targets):
        length = np.linalg.norm(leg.knee - leg.hip, axis=-1) + np.linalg.norm(leg.ankle - leg.knee, axis=-1)
        way = target - leg.hip - shift
        level = np.sum(way[:, :2] ** 2, axis=-1)
        straight = np.linalg.norm(leg.ankle - leg.hip, axis=-1) / length
        high = np.sqrt(np.maximum((np.clip(straight, _BENT, _STRETCH) * length) ** 2 - level, 0.0))
        # Only where the figure's own pose reaches: a leg that hangs straight in the air asks for nothing.
        drop = np.maximum(drop, np.where(leg.contacts.any(axis=1) & (way[:, 2] < 0), -way[:, 2] - high, 0.0))
    drop = np.where(drop > 1e-5, drop, 0.0)
    if not drop.any():
        return np.zeros_like(shift)
    return np.array([0.0, 0.0, 1.0]) * _enveloped(drop, times)[:, None]


def _enveloped(values: np.ndarray, times: np.ndarray) -> np.ndarray:
    """(T,) a smooth curve that is nowhere below `values` >= 0."""
    step = float(np.median(np.diff(times))) if len(times) > 1 else 1.0
    half = max(1, round(0.5 * _FADE / step))
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(values, 2 * half, mode="edge"), 2 * half + 1)
    weights = np.hanning(2 * half + 3)[1:-1]
    return np.convolve(windows.max(axis=-1), weights / weights.sum(), mode="valid")
