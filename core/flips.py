"""Finds frames in which the detector exchanged left with right, and mends them.

Problem: on blurred, bowed or turning people a detector takes the front for the back for a while: the 2D skeleton still
         lies on the body, but left and right have changed names and the depths their signs. Sometimes only the arms or the legs.
Method:  every frame is in one of four states (as detected; all, arms or legs exchanged). A second-order Viterbi search finds the
         states with the smoothest motion: each keypoint is compared with where its last two positions, under their states, predict
         it; the detector's 3D guess likewise. Changing state and staying exchanged cost something, so that nothing is touched unless
         the gain is plain. An exchange seen from the same camera is the body reflected in depth, so mending swaps the names and
         turns the sign of depth relative to the hips. Who knows more of a frame than its neighbours do (`core.detect.sides`: the lifted
         body) says what there is against each state; then continuity has less of a say, and changes are cheap.
Limits:  continuity alone: a person first seen, or seen again after a long gap, is taken as the detector names them; one who turns about
         and back within the quarter of a second that nobody sees may be taken for an exchange; an exchange that
         begins and ends while left and right cover each other in both 2D and depth cannot be seen: legs that pass each other, seen from
         the side, are often taken for legs that turn back.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .keypoints import Keypoints
from .runs import runs
from .skeleton import mirror_order

_ARMS = ("shoulder", "elbow", "wrist", "index", "pinky", "thumb", "Shoulder", "Arm", "ForeArm", "Hand")
_LEGS = ("hip", "knee", "ankle", "heel", "toe", "small_toe", "UpLeg", "Leg", "Foot", "Toe")
_GROUPS: tuple[tuple[bool, bool, bool], ...] = ((False, False, False), (True, True, True), (False, True, False), (False, False, True))
"""The states: whether (head, arms, legs) are exchanged. Shoulders and hips go with their limbs."""

_NOISE = 0.012  # of the body's size: jitter of a detected keypoint
_NOISE_RATE = 0.35  # of the body's size a second: what a velocity leaves unexplained
_WORLD_NOISE, _WORLD_RATE, _WORLD_WEIGHT = 0.06, 1.0, 0.5  # metres, metres a second, against a 2D keypoint
_UNKNOWN = 1.0  # cost of a keypoint without a prediction, whatever the state
_LONGEST_FLIP = 3.0  # seconds; who is the other way round for longer has turned about
_LONGEST_UNSEEN = 0.75  # seconds; where the change at one end is not seen, it may be the person's own
_SEEN = 0.07  # seconds from frame to frame: nobody turns about in it
_LONGEST_GAP = 0.3  # seconds; over a longer gap continuity says nothing
_VELOCITY_SPAN = 0.15  # seconds; an older velocity is worth nothing


@dataclass(frozen=True)
class _Prices:
    """continuity: what the costs of motion count; change: of state; partial: more of that for arms or legs alone, as a few keypoints that
    jump by themselves look alike; stay: a second of being exchanged."""

    continuity: float
    change: float
    partial: float
    stay: float


_ALONE = _Prices(1.0, 14.0, 8.0, 60.0)
_WITH_BODY = _Prices(0.25, 1.5, 0.0, 3.0)


def by_continuity(keypoints: Keypoints) -> Keypoints:
    """The keypoints as continuity alone would have them."""
    return mend_flips(keypoints, find_flips(keypoints))


def mend_flips(keypoints: Keypoints, states: np.ndarray) -> Keypoints:
    """The keypoints as they are once the exchanges of `states` (T,), see `find_flips`, are taken back."""
    if not states.any():
        return keypoints
    depth, world = keypoints.depth, keypoints.world
    return keypoints.replace(
        xy=exchanged(keypoints.xy, keypoints.names, states), confidence=exchanged(keypoints.confidence, keypoints.names, states),
        depth=None if depth is None else exchanged(depth[..., None], keypoints.names, states, reflect=True)[..., 0],
        world=None if world is None else exchanged(world, keypoints.names, states, reflect=True))


def state_orders(names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """(4, K) int: where each state takes each keypoint from; (4, K) bool: which keypoints it exchanges (a nose with itself)."""
    mirror, own = mirror_order(names), np.arange(len(names))
    parts = [n.removeprefix("Left").removeprefix("Right").removeprefix("l_").removeprefix("r_") for n in names]
    groups = [1 if p in _ARMS else 2 if p in _LEGS else 0 for p in parts]
    masks = np.array(_GROUPS)[:, groups]
    return np.where(masks, mirror, own), masks


def exchanged(values: np.ndarray, names: tuple[str, ...], states: np.ndarray, reflect: bool = False) -> np.ndarray:
    """(T, K, ...) of keypoints or joints `names` (K), left and right exchanged in frames whose state (T,) says so; `reflect`: where they
    are, the last number, depth from the hips, has its sign turned."""
    orders, masks = state_orders(names)
    result = values.copy()
    for t in np.flatnonzero(states):
        result[t] = values[t, orders[states[t]]]
        if reflect:
            result[t, masks[states[t]], -1] *= -1.0
    return result


def find_flips(keypoints: Keypoints, body: np.ndarray | None = None) -> np.ndarray:
    """(T,) int, the state of each frame: 0 as it should be, 1 all exchanged, 2 the arms, 3 the legs.

    body: (T, 4) what a witness that does not go by continuity has against each state, in natural logarithms; None: there is none.
    """
    states = np.zeros(len(keypoints), dtype=int)
    seen = np.flatnonzero(keypoints.seen)
    breaks = np.flatnonzero(np.diff(keypoints.times[seen]) > _LONGEST_GAP) + 1
    for stretch in np.split(seen, breaks):
        if len(stretch) > 2:
            found = _viterbi(_Stretch(keypoints, stretch), np.zeros((len(stretch), len(_GROUPS))) if body is None else body[stretch],
                             _ALONE if body is None else _WITH_BODY)
            states[stretch] = _only_short(found, keypoints.times[stretch]) if body is None else found
    return states


class _Stretch:
    """The frames of one unbroken stretch, written out in every state where the search stands, never the whole take at once.

    times: (S,) seconds; sizes: (S,) the body's, pixels.
    """

    def __init__(self, keypoints: Keypoints, frames: np.ndarray) -> None:
        orders, masks = state_orders(keypoints.names)
        sided = mirror_order(keypoints.names) != np.arange(len(keypoints.names))
        self._orders, self._masks = orders[:, sided], masks[:, sided]
        self._keypoints, self._frames = keypoints, frames
        self.times = keypoints.times[frames]
        self.sizes = _sizes(keypoints.xy[frames])

    def _points(self, t: int) -> np.ndarray:
        """(4, K, 2) pixels, the keypoints that have a counterpart on the other side."""
        return np.asarray(self._keypoints.xy[self._frames[t]][self._orders])

    def _weights(self, t: int) -> np.ndarray:
        """(4, K) confidences."""
        return np.asarray(self._keypoints.confidence[self._frames[t]][self._orders])

    def _world(self, t: int) -> np.ndarray:
        """(4, K, 3) metres."""
        assert self._keypoints.world is not None
        return _reflected(self._keypoints.world[self._frames[t]][self._orders], self._masks)

    def start_cost(self, t: int) -> np.ndarray:
        """(4 at t - 1, 4 at t): continuity without a velocity."""
        dt = self.times[t] - self.times[t - 1]
        step = (self._points(t)[None, :] - self._points(t - 1)[:, None]) / self.sizes[t]
        cost = _robust(step, _NOISE + 3.0 * _NOISE_RATE * dt, self._weight(t))
        return cost + self._world_cost(t)

    def cost(self, t: int) -> np.ndarray:
        """(4 at t - 2, 4 at t - 1, 4 at t): how far the keypoints are from where the two frames before predict them."""
        dt, before = self.times[t] - self.times[t - 1], self.times[t - 1] - self.times[t - 2]
        trust = np.exp(-max(dt, before) / _VELOCITY_SPAN)
        velocity = (self._points(t - 1)[None, :] - self._points(t - 2)[:, None]) / before
        velocity = np.where(np.isfinite(velocity), velocity, 0.0)
        predicted = self._points(t - 1)[None, :] + trust * dt * velocity
        residual = (self._points(t)[None, None] - predicted[:, :, None]) / self.sizes[t]
        return _robust(residual, _NOISE + _NOISE_RATE * dt, self._weight(t)[None]) + self._world_cost(t)[None]

    def _weight(self, t: int) -> np.ndarray:
        """(4 at t - 1, 4 at t, K): a comparison is worth no more than the less sure of its two keypoints."""
        return np.minimum(self._weights(t - 1)[:, None], self._weights(t)[None])

    def _world_cost(self, t: int) -> np.ndarray:
        if self._keypoints.world is None:
            return np.zeros((len(_GROUPS), len(_GROUPS)))
        scale = _WORLD_NOISE + _WORLD_RATE * (self.times[t] - self.times[t - 1])
        return _robust(self._world(t)[None, :] - self._world(t - 1)[:, None], scale, np.array(_WORLD_WEIGHT))


def _viterbi(stretch: _Stretch, against: np.ndarray, prices: _Prices) -> np.ndarray:
    """(S,) the cheapest states; the search runs over pairs of consecutive states. against: (S, 4), each state by itself."""
    count, length = len(_GROUPS), len(stretch.times)
    exchanged = np.arange(count) > 0
    change = prices.change * (1.0 - np.eye(count)) + prices.partial * _partial_entry()
    alone = against + prices.stay * exchanged * np.gradient(stretch.times)[:, None]
    total = (prices.change * exchanged + alone[0])[:, None] + alone[1] + prices.continuity * stretch.start_cost(1) + change
    back = np.zeros((length, count, count), dtype=np.uint8)
    for t in range(2, length):
        options = total[:, :, None] + prices.continuity * stretch.cost(t)
        back[t] = options.argmin(axis=0)
        total = options.min(axis=0) + change + alone[t]
    states = np.zeros(length, dtype=int)
    states[-2:] = np.unravel_index((total + prices.change * exchanged).argmin(), total.shape)
    for t in range(length - 1, 1, -1):
        states[t - 2] = back[t, states[t - 1], states[t]]
    return states


def _partial_entry() -> np.ndarray:
    """(4, 4): 1 for a step into or out of "arms" or "legs" from anything else."""
    partial = np.arange(len(_GROUPS)) > 1
    return (partial[:, None] | partial[None]) & ~np.eye(len(_GROUPS), dtype=bool)


def _only_short(states: np.ndarray, times: np.ndarray) -> np.ndarray:
    """The states without the exchanged runs that last too long to be the detector's doing."""
    flipped = runs(states > 0)
    states = states.copy()
    for first, after in flipped:
        inside = first > 0 and after < len(states)
        seen = inside and max(times[first] - times[first - 1], times[after] - times[after - 1]) <= _SEEN
        longest = _LONGEST_FLIP if seen else _LONGEST_UNSEEN
        if times[after - 1] - times[first] > longest:
            states[first:after] = 0
    return states


def _robust(residual: np.ndarray, scale: float, weight: np.ndarray) -> np.ndarray:
    """Sum over keypoints of a Cauchy cost; residual (..., K, C), weight broadcast over (..., K)."""
    cost = np.log1p(np.sum((residual / scale) ** 2, axis=-1))
    return np.sum(weight * np.where(np.isfinite(cost), cost, _UNKNOWN), axis=-1)


def _reflected(world: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """(..., K, 3) with those of (..., K) `moved` reflected in depth. About the hips, which are the origin."""
    return np.where(moved[..., None], world * (1.0, 1.0, -1.0), world)


def _sizes(xy: np.ndarray) -> np.ndarray:
    """(S,) the longer side of the body's box, pixels; the median of 15 frames, because limbs come and go."""
    box = np.maximum((np.nanmax(xy, axis=1) - np.nanmin(xy, axis=1)).max(axis=-1), 1.0)
    padded = np.pad(box, 7, mode="edge")
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, 15), axis=-1)
