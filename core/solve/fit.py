"""The fit: the motion of one skeleton that explains lifted markers and picture best, over a whole window of frames at once.

Unknowns: the root's place and every joint's rotation in every frame. Evidence: marker positions about the hips' middle with their
uncertainty, keypoints in the picture with their confidence, both robust (Cauchy) because detectors sometimes point at something else,
but not where somebody has put them right by hand;
feet, and what else the body rests on, that stay on the ground (`footing`). Priors: `limits` and `smoothness`. Method:
Levenberg-Marquardt with analytic derivatives; frames are coupled two apart, so each step is one banded Cholesky solve, linear in the
number of frames.
Limits: finds the nearest optimum to where it starts; the body's size stands. numpy and scipy, float64.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .. import rotations
from ..skeleton import JOINTS
from .banded import empty_chain, solve_chain
from .body import DOF, Body, Pose
from .contacts import BALL_FLESH, FLESH, FOOT_POINTS
from .footing import TOUCHING, Footing
from .limits import Rows, prior_rows
from .rests import REST_POINTS, flesh
from .smoothness import TAIL, Smoothness, smoothness

_OUTLIER = 2.0  # standard deviations: where evidence starts to lose its say,
_NEVER = 1e3  # and where what is certain does
_HIPS = ("LeftUpLeg", "RightUpLeg")
_BALLS = ("LeftToe", "RightToe")  # stay above the floor like the foot points, but half as strictly: toes must not snap for it
_REST_STRICT, _REST_GIVES = 1.0 / 16.0, 0.025  # how strictly the rest of the body does, whose flesh gives (metres) and is roughly known
_LONGEST_STEP = 0.6  # radians (and metres) in one iteration
_ENOUGH = 5e-4  # relative gain below which the fit is done
_ITERATIONS = 20
_RIDGE = 1e-6  # keeps what nothing speaks of (the turn of a lone frame's root, say) from being undefined


@dataclass(frozen=True)
class Evidence:
    """What T frames say about a body's points; the first M points are the markers, `seen_points` (K,) are the keypoints'.

    positions: (T, M, 3) metres about the hips' middle; weight_3d: (T, M) 1 / variance; image: (T, K, 2) normalised image places
    (x/z, y/z); weight_2d: (T, K) 1 / variance in those units. Weight 0 where nothing is known; no NaN. times: (T,) seconds.
    footing: see there. independence: what a frame's evidence, priors and still feet count (`smoothness.independence`). restlessness: how
    much more than usual the velocity may change (`choices`). certain: (T, K) bool, the keypoints that cannot point at something else, or
    None.
    """

    positions: np.ndarray
    weight_3d: np.ndarray
    seen_points: np.ndarray
    image: np.ndarray
    weight_2d: np.ndarray
    times: np.ndarray
    footing: Footing
    independence: float = 1.0
    restlessness: float = 1.0
    certain: np.ndarray | None = None

    def window(self, start: int, stop: int) -> Evidence:
        """Frames start to stop - 1."""
        cut = slice(start, stop)
        return Evidence(self.positions[cut], self.weight_3d[cut], self.seen_points, self.image[cut], self.weight_2d[cut], self.times[cut],
                        self.footing.window(start, stop), self.independence, self.restlessness,
                        None if self.certain is None else self.certain[cut])

    @property
    def outlier_2d(self) -> float | np.ndarray:
        """Standard deviations from which on keypoints lose their say: of all, or of each (T, K)."""
        return _OUTLIER if self.certain is None else np.where(self.certain, _NEVER, _OUTLIER)


@dataclass(frozen=True)
class State:
    """Local rotations (T, 21, 4) and root places (T, 3) in the camera."""

    local: np.ndarray
    root: np.ndarray

    def moved(self, step: np.ndarray) -> State:
        """After small moves (T, DOF)."""
        turns = step[:, 3:].reshape(len(step), len(JOINTS), 3)
        turned = rotations.multiply(self.local, rotations.from_rotation_vector(turns))
        return State(rotations.normalise(turned), self.root + step[:, :3])


@dataclass(frozen=True)
class _Terms:
    pose: Pose
    residual: np.ndarray  # (T, 3 M + 2 K) in standard deviations
    weight: np.ndarray  # the same shape, of the robust fit
    priors: Rows
    smooth: Smoothness | None
    slide: np.ndarray  # (T-1, P, 3) move of what touches the ground in standard deviations, and (T-1, P) its robust weight
    slide_weight: np.ndarray
    sink: np.ndarray  # (T, P) height above the ground in standard deviations, and (T, P) its robust weight
    sink_weight: np.ndarray
    through: np.ndarray  # (T, 6 + N) how deep the body's lowest points are below the floor, in standard deviations, 0 above
    adrift: np.ndarray  # (T, 4, 3) from the places where planted points are held, in standard deviations
    cost: float


def fit(body: Body, evidence: Evidence, start: State, report: Callable[[], None]) -> State:
    """The best state near `start`; `report` is called once an iteration (it may raise to stop)."""
    problem = _Problem(body, evidence)
    state, terms, damping = start, problem.terms(start), 1e-3
    for _ in range(_ITERATIONS):
        report()
        columns, gradient = problem.system(terms)
        while damping < 1e6:
            step = np.clip(solve_chain(columns, -gradient, damping), -_LONGEST_STEP, _LONGEST_STEP)
            candidate = state.moved(step)
            new = problem.terms(candidate)
            if new.cost < terms.cost:
                break
            damping = max(damping * 8.0, 1e-3)
        else:
            return state
        gain = 1.0 - new.cost / terms.cost
        state, terms, damping = candidate, new, damping / 4.0
        if gain < _ENOUGH:
            return state
    return state


def residuals(body: Body, evidence: Evidence, state: State) -> np.ndarray:
    """(R,) everything that a state costs as one vector whose half squared length is the cost that `fit` makes small."""
    terms = _Problem(body, evidence).terms(state)
    markers = 3 * evidence.positions.shape[1]
    frames = len(state.root)
    robust = (terms.residual[:, :markers].reshape(frames, -1, 3), terms.residual[:, markers:].reshape(frames, -1, 2), terms.slide,
              terms.sink[..., None])
    outliers: tuple[float | np.ndarray, ...] = (_OUTLIER, np.asarray(evidence.outlier_2d)[..., None], _OUTLIER, _OUTLIER)
    parts = [np.sqrt(evidence.independence) * _shortened(r, outlier) for r, outlier in zip(robust, outliers, strict=True)]
    parts += [terms.priors.residual, terms.through, terms.adrift]
    if terms.smooth is not None:
        parts.append(_shortened(terms.smooth.residual, np.sqrt(TAIL)[:, None]))
    return np.concatenate([p.ravel() for p in parts])


class _Problem:
    """Residuals, cost and normal equations of one window."""

    def __init__(self, body: Body, evidence: Evidence) -> None:
        used = evidence.footing.in_use()  # mostly the feet alone
        self.body, self.evidence = body, dataclasses.replace(evidence, footing=evidence.footing.only(used))
        self._markers = evidence.positions.shape[1]
        self._feet = [body.names.index(n) for n in FOOT_POINTS]
        self._touching = [body.names.index(TOUCHING[i]) for i in used]
        self._strict = np.array([1.0] * len(self._feet) + [1.0 / 4.0] * len(_BALLS) + [_REST_STRICT] * len(REST_POINTS))
        self._flesh = np.concatenate([FLESH, [BALL_FLESH] * len(_BALLS), flesh(body.skeleton.stature) - _REST_GIVES])
        self._low = np.array(self._feet + [body.names.index(n) for n in _BALLS + REST_POINTS])
        self._hips = [body.names.index(n) for n in _HIPS]
        self._scale_3d = np.sqrt(evidence.weight_3d)
        self._scale_2d = np.sqrt(evidence.weight_2d)

    def terms(self, state: State) -> _Terms:
        """Everything that a state costs."""
        pose = self.body.pose(state.local, state.root)
        hips = pose.points[:, self._hips].mean(1, keepdims=True)
        off_3d = (pose.points[:, :self._markers] - hips - self.evidence.positions) * self._scale_3d[..., None]
        off_2d = (self._image(pose) - self.evidence.image) * self._scale_2d[..., None]
        counts = self.evidence.independence
        weight_3d, cost_3d = _robust(off_3d, counts)
        weight_2d, cost_2d = _robust(off_2d, counts, self.evidence.outlier_2d)
        touching, footing = pose.points[:, self._touching], self.evidence.footing
        slide = np.diff(touching, axis=0) * np.sqrt(footing.still)[..., None]
        sink = (touching @ footing.up - footing.level) * np.sqrt(footing.ground)
        slide_weight, slide_cost = _robust(slide, counts)
        sink_weight, sink_cost = _robust(sink[..., None], counts)
        priors = prior_rows(state.local, counts)
        smooth = smoothness(state.local, state.root, self.evidence.times, self.evidence.restlessness) if len(state.root) > 2 else None
        cost = cost_3d + cost_2d + 0.5 * float(np.sum(priors.residual**2)) + (smooth.cost if smooth else 0.0)
        through = np.minimum(pose.points[:, self._low] @ footing.up - footing.floor - self._flesh, 0.0)
        through *= np.sqrt(footing.hardness * self._strict)
        adrift = (touching[:, :len(self._feet)] - footing.anchor) * np.sqrt(footing.held)[..., None]
        cost += slide_cost + sink_cost + 0.5 * float(np.sum(through**2) + np.sum(adrift**2))
        frames = len(state.root)
        residual = np.concatenate([off_3d.reshape(frames, -1), off_2d.reshape(frames, -1)], axis=1)
        weight = np.concatenate([np.repeat(weight_3d, 3, axis=1), np.repeat(weight_2d, 2, axis=1)], axis=1)
        return _Terms(pose, residual, weight, priors, smooth, slide, slide_weight, sink, sink_weight, through, adrift,
                      cost)

    def _image(self, pose: Pose) -> np.ndarray:
        points = pose.points[:, self.evidence.seen_points]
        return points[..., :2] / np.maximum(points[..., 2:], 0.05)

    def system(self, terms: _Terms) -> tuple[np.ndarray, np.ndarray]:
        """Normal equations: the columns (T, DOF, 4 DOF) for `solve_chain` and the gradient (T, DOF)."""
        root_weight = np.sqrt(terms.weight)
        moves = self.body.jacobian(terms.pose)
        rows = self._derivative(terms.pose, moves, root_weight)
        columns = empty_chain(len(rows), DOF)
        np.matmul(rows.transpose(0, 2, 1), rows, out=columns[:, :, :DOF])
        columns[:, np.arange(DOF), np.arange(DOF)] += _RIDGE
        gradient = ((terms.residual * root_weight)[:, None] @ rows)[:, 0]
        _add_priors(columns, gradient, terms.priors)
        if terms.smooth is not None:
            _add_smoothness(columns, gradient, terms.smooth)
        self._add_footing(columns, gradient, terms, moves)
        return columns, gradient

    def _add_footing(self, columns: np.ndarray, gradient: np.ndarray, terms: _Terms, moves: np.ndarray) -> None:
        """Feet, and what else the body rests on, that stay where they are and on the ground; moves (T, B, 3, DOF) of the body's points."""
        footing, frames = self.evidence.footing, len(moves)
        sunk = np.flatnonzero((terms.through < 0).any(0))
        through = terms.through[:, sunk]
        above = footing.up @ moves[:, self._low[sunk]] * np.sqrt(footing.hardness * self._strict[sunk] * (through < 0))[..., None]
        _add(columns, gradient, above, through)
        moves = moves[:, self._touching]
        rise = footing.up @ moves
        sink = rise * np.sqrt(footing.ground * terms.sink_weight)[..., None]
        _add(columns, gradient, sink, terms.sink * np.sqrt(terms.sink_weight))
        if footing.held.any():
            held = moves[:, :len(self._feet)] * np.sqrt(footing.held)[..., None, None]
            _add(columns, gradient, held.reshape(frames, -1, DOF), terms.adrift.reshape(frames, -1))
        scale = np.sqrt(footing.still * terms.slide_weight)[..., None, None]
        rows = 3 * len(self._touching)
        before, after = ((scale * moves[cut]).reshape(frames - 1, rows, DOF) for cut in (slice(0, -1), slice(1, None)))
        slide = (terms.slide * np.sqrt(terms.slide_weight)[..., None]).reshape(frames - 1, 1, rows)
        columns[:-1, :, :DOF] += before.transpose(0, 2, 1) @ before
        columns[1:, :, :DOF] += after.transpose(0, 2, 1) @ after
        columns[:-1, :, DOF:2 * DOF] -= before.transpose(0, 2, 1) @ after
        gradient[:-1] -= (slide @ before)[:, 0]
        gradient[1:] += (slide @ after)[:, 0]

    def _derivative(self, pose: Pose, moves: np.ndarray, factor: np.ndarray) -> np.ndarray:
        """(T, 3 M + 2 K, DOF) of the residuals, each row times its factor (T, 3 M + 2 K); moves: the points' (T, P, 3, DOF)."""
        frames, split, seen = len(pose.joints), 3 * self._markers, self.evidence.seen_points
        rows = np.empty((frames, split + 2 * len(seen), DOF))
        markers, image = rows[:, :split].reshape(frames, -1, 3, DOF), rows[:, split:].reshape(frames, -1, 2, DOF)
        hips = moves[:, self._hips].mean(1, keepdims=True)
        scale = self._scale_3d[..., None] * factor[:, :split].reshape(frames, -1, 3)
        np.multiply(moves[:, :self._markers] - hips, scale[..., None], out=markers)
        depth = np.maximum(pose.points[:, seen, 2], 0.05)
        scale = (self._scale_2d / depth)[..., None] * factor[:, split:].reshape(frames, -1, 2)
        np.multiply(moves[:, seen, :2] - self._image(pose)[..., None] * moves[:, seen, 2:], scale[..., None], out=image)
        return rows


def _robust(residual: np.ndarray, counts: float, outlier: float | np.ndarray = _OUTLIER) -> tuple[np.ndarray, float]:
    """Weights (T, N) and half the summed cost of Cauchy's loss for residual vectors (T, N, d) that count so much each."""
    square = np.sum(residual**2, axis=-1) / outlier**2
    return counts / (1.0 + square), 0.5 * counts * float((outlier**2 * np.log1p(square)).sum())


def _shortened(residual: np.ndarray, outlier: float | np.ndarray = _OUTLIER) -> np.ndarray:
    """Residual vectors (T, N, d) as long as the root of what Cauchy's loss makes of them."""
    length = np.linalg.norm(residual, axis=-1, keepdims=True)
    return residual * np.sqrt(np.log1p((length / outlier) ** 2)) * outlier / np.maximum(length, 1e-12)


def _add(columns: np.ndarray, gradient: np.ndarray, rows: np.ndarray, residual: np.ndarray) -> None:
    """Rows (T, R, DOF) with residuals (T, R), each of one frame."""
    columns[:, :, :DOF] += rows.transpose(0, 2, 1) @ rows
    gradient += (residual[:, None] @ rows)[:, 0]


def _columns(joint: int) -> slice:
    return slice(3 + 3 * joint, 6 + 3 * joint)


def _add_priors(columns: np.ndarray, gradient: np.ndarray, rows: Rows) -> None:
    for joint in range(len(JOINTS)):
        mine = rows.joint == joint
        if mine.any():
            derivative = rows.derivative[:, mine]
            at = _columns(joint)
            columns[:, at, at] += derivative.transpose(0, 2, 1) @ derivative
            gradient[:, at] += (rows.residual[:, None, mine] @ derivative)[:, 0]


def _add_smoothness(columns: np.ndarray, gradient: np.ndarray, smooth: Smoothness) -> None:
    parts = (smooth.before, smooth.at, smooth.after)
    weighted = [smooth.weight[..., None, None] * np.swapaxes(p, -1, -2) for p in parts]
    count, nodes = len(smooth.residual), DOF // 3
    grid = columns.reshape(len(columns), nodes, 3, 4, nodes, 3)
    every = np.arange(nodes)
    for i in range(3):
        pull = (weighted[i] @ smooth.residual[..., None])[..., 0]
        gradient[i:i + count] += pull.reshape(count, DOF)
        for k in range(i, 3):  # rows of frame t + k, columns of frame t + i
            block = weighted[i] @ parts[k]
            grid[i:i + count, every, :, k - i, every, :] += block.transpose(1, 0, 2, 3)
