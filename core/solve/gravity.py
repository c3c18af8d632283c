"""How tall is the person? While nobody touches the ground, the body's centre of mass falls with 9.81 m/s^2, whatever the camera.

Problem: a picture shows no size; without a known height the person is taken for a mean adult, which is 6 % off on average. Method:
- stretches in which both feet are clear of where they stood before and of where they stand after, hands and head well above the ground;
- the centre of mass from the masses of the segments (de Leva, J. Biomech. 29, 1996, the mean of women and men);
- in each, the one arc of constant acceleration along the vertical (and none along the horizontal) that puts the posed trunk onto its
  keypoints, robustly; linear least squares, not on the solved path, which is smoothed;
- arcs that are short, rough, bent sideways or hardly seen do not count. The others' accelerations give the size, weighted by their errors,
  and together with the adults' prior the most probable one.
Limits: people who push with something that is not seen (a trampoline's bed is left like any ground; a rope is not); bodies whose mass
lies elsewhere (a heavy load); slow motion is told from people by the size that comes out, so time stretched by less than some 10 % is not.
A child is measured as well but only told of: images of 24 frames a second that are read as 30 make an adult fall like a child of 1.11 m.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.ndimage import minimum_filter1d

from ..events import Reporter
from ..frame_times import usual_step
from ..runs import runs
from ..skeleton import Skeleton
from .body import Body
from .contacts import SOLE, SOLE_POINTS
from .fit import Evidence, State
from .world import World

GRAVITY = 9.81
STATURE_SPREAD = 0.06
"""Relative standard deviation of adults' height, both sexes together."""
_TALLEST, _SHORTEST = 2.15, 1.35  # metres: no adult whom we would believe is further off
# Segment -> its share of the body's mass, and where between its two ends its own centre lies.
_LIMBS = {("Arm", "ForeArm"): (0.0263, 0.576), ("ForeArm", "Hand"): (0.0150, 0.457), ("Hand", "HandEnd"): (0.0058, 0.769),
          ("UpLeg", "Leg"): (0.1447, 0.385), ("Leg", "Foot"): (0.0457, 0.444), ("Foot", "ToeEnd"): (0.0133, 0.28)}
_SEGMENTS = {(s + a, s + b): share for s in ("Left", "Right") for (a, b), share in _LIMBS.items()} | {("HeadEnd", "Neck"): (0.0681, 0.492)}
_TRUNK = (0.4302, 0.505)  # from the neck to the middle of the hips
_HIPS = ("LeftUpLeg", "RightUpLeg")
_CORE = (*_HIPS, "LeftArm", "RightArm")
"""Whose keypoints say where the body is: the nearest to its middle. Feet and hands lag behind the picture's when limbs are drawn up; the
error of the size was 8 % with these four and 9 % with all, on synthetic takes and on renders."""
_TELLING = ("LeftFoot", "l_heel", "l_toe", "RightFoot", "r_heel", "r_toe")  # whose keypoints say whether feet leave the ground
_UPPER = ("LeftHand", "LeftHandEnd", "RightHand", "RightHandEnd", "HeadEnd")
_CLEAR = 0.04  # metres that both feet must be above their stand
_FREE = 0.3  # metres that hands and head must be above the ground
_REACH = 1.0  # seconds before and after, in which the stand is looked for
_MARGIN = 0.03  # seconds at both ends that do not count: soles give, the solved feet are smooth
_BRIEF, _FEWEST = 0.25, 6  # seconds and frames of the shortest arc that says anything
_ROUGH = 0.05  # of the arc's own height: how far the body may be from it (standard deviation of frames)
_BENT = 0.25  # of its acceleration, sideways
_SEEN = 0.5  # of the usual evidence, in every frame, and of the frames in which a foot must be seen
_OUTLIER = 0.06  # metres: where a keypoint starts to lose its say
_CORRELATED = 1.5  # errors of neighbouring frames are alike: so much larger is an arc's error than that of independent ones
_POSE = 0.01  # metres by which the trunk may bend against the centre of mass from an arc's ends to its top: short arcs say little
_EACH, _COMMON = 0.03, 0.05  # other relative errors of an arc, and those of all of a take (proportions, distance, tilt)


@dataclass(frozen=True)
class Flight:
    """Frames start to stop - 1 in the air. gravity: m/s^2 as it appears in the assumed size; error: its standard deviation."""

    start: int
    stop: int
    gravity: float
    error: float


@dataclass(frozen=True)
class MeasuredStature:
    """metres, error: the most probable height and its standard deviation. apparent: metres, what the flights alone say; plausible:
    whether that can be a person's. flights: those that say it."""

    metres: float
    error: float
    apparent: float
    plausible: bool
    flights: tuple[Flight, ...]

    @property
    def counts(self) -> bool:
        """Whether to go by it: one arc's error (the pose, a root that was scaled) shows only beside another's."""
        return self.plausible and len(self.flights) > 1

    def describe(self, frames: np.ndarray) -> dict[str, Any]:
        """For `meta`, JSON types; frames: the take's for the flights' rows. They count from 1, as in Blender."""
        return {"metres": round(self.metres, 3), "error": round(self.error, 3), "from_flights_alone": round(self.apparent, 3),
                "plausible": self.plausible, "used": self.counts,
                "flights": [[int(frames[f.start]) + 1, int(frames[f.stop - 1]) + 1] for f in self.flights]}

    def report(self, reporter: Reporter) -> None:
        """One sentence."""
        count = f"{len(self.flights)} jump{'s' if len(self.flights) > 1 else ''}"
        if self.counts:
            reporter.log(f"Height {self.metres:.2f} m +- {self.error:.2f} from {count}; give the height if it is known.")
        elif self.plausible:
            reporter.log(f"One jump looks like that of a person of {self.apparent:.2f} m, which is too little to go by; give the height if "
                         f"it is known.")
        elif self.apparent <= _SHORTEST:
            reporter.warning(f"In {count} the body falls as if the person were {self.apparent:.2f} m tall, so this seems to be a child, or "
                             f"the video runs too fast (a wrong frame rate); {self.metres:.2f} m is assumed; give the height if it is not.")
        else:
            reporter.warning(f"In {count} the body falls as if the person were {self.apparent:.2f} m tall, so the video's time may be "
                             f"stretched (slow motion, a wrong frame rate); {self.metres:.2f} m is assumed; give the height if it is not.")


def measured_stature(flights: list[Flight], assumed: float) -> MeasuredStature | None:
    """The height of a person who was taken to be `assumed` metres tall, the prior's mean; None where nothing flies. Beyond what adults
    measure, the mean stays: `plausible` is False, unless a single flight is no further off than its own error explains.

    The relative errors beside the arcs' own were measured on rendered and synthetic takes. Flights that contradict each other
    count as little as they must.
    """
    if not flights:
        return None
    offset = np.log([GRAVITY / f.gravity for f in flights])
    weight = 1.0 / np.array([(f.error / f.gravity) ** 2 + _EACH**2 for f in flights])
    mean = float(np.sum(weight * offset) / np.sum(weight))
    strife = float(np.sum(weight * (offset - mean) ** 2)) / max(len(flights) - 1, 1)
    variance = max(1.0, strife) / float(np.sum(weight)) + _COMMON**2
    apparent = assumed * float(np.exp(mean))
    if not _SHORTEST < apparent < _TALLEST:
        spread = float(np.exp(2.0 * np.sqrt(variance)))
        chance = len(flights) == 1 and _SHORTEST / spread < apparent < _TALLEST * spread
        return MeasuredStature(assumed, assumed * STATURE_SPREAD, apparent, chance, tuple(flights))
    share = STATURE_SPREAD**2 / (STATURE_SPREAD**2 + variance)
    metres = assumed * float(np.exp(share * mean))
    return MeasuredStature(metres, metres * float(np.sqrt(share * variance)), apparent, True, tuple(flights))


def find_flights(skeleton: Skeleton, state: State, evidence: Evidence, names: tuple[str, ...], world: World) -> list[Flight]:
    """The flights of a solved motion. names: the body's points that `evidence.seen_points` counts in.

    Where the feet are not seen nothing flies: guessed ones go up and down with the hips.
    """
    body = Body(skeleton, (*names, *SOLE_POINTS, *_UPPER))
    pose = body.pose(state.local, state.root)
    up = world.rotation[:, 2]
    mass = centre_of_mass(skeleton, state)
    height = (pose.points[:, -len(SOLE_POINTS) - len(_UPPER):] - world.translation) @ up
    low = (height[:, :len(SOLE_POINTS)] - SOLE).min(1)
    upper = height[:, len(SOLE_POINTS):].min(1)
    core = np.isin(np.array(names)[evidence.seen_points], _CORE)
    about = pose.points[:, evidence.seen_points[core]] - mass[:, None]
    image, weight = evidence.image[:, core], evidence.independence * evidence.weight_2d[:, core]
    feet_seen = evidence.weight_2d[:, np.isin(np.array(names)[evidence.seen_points], _TELLING)].sum(1) > 0
    usual = float(np.median(weight.sum(1)))
    flights = []
    for start, stop in _aloft(low, mass @ up, evidence.times):
        cut = slice(start, stop)
        seen = bool((weight[cut].sum(1) > _SEEN * usual).all() and feet_seen[cut].mean() > _SEEN)
        if seen and upper[cut].min() > _FREE:
            found = _arc(about[cut], image[cut], weight[cut], mass[cut, 2], up, evidence.times[cut])
            flights += [Flight(start, stop, *found)] if found else []
    return flights


def centre_of_mass(skeleton: Skeleton, state: State) -> np.ndarray:
    """(T, 3) metres, in the axes of the state's root."""
    names = tuple(sorted({n for pair in _SEGMENTS for n in pair} | set(_HIPS)))
    points = Body(skeleton, names).pose(state.local, state.root).points
    at = {n: points[:, i] for i, n in enumerate(names)}
    share, place = _TRUNK
    total, centre = share, share * ((1 - place) * at["Neck"] + 0.5 * place * (at[_HIPS[0]] + at[_HIPS[1]]))
    for (a, b), (share, place) in _SEGMENTS.items():
        total, centre = total + share, centre + share * ((1 - place) * at[a] + place * at[b])
    return centre / total


def _aloft(low: np.ndarray, height: np.ndarray, times: np.ndarray) -> list[tuple[int, int]]:
    """Half-open ranges in the air, long enough; low (T,): the lowest point of the feet, height (T,): the centre of mass, metres."""
    if len(times) < _FEWEST:
        return []
    frame_time = usual_step(times)
    reach, margin = max(1, round(_REACH / frame_time)), round(_MARGIN / frame_time)
    found = set()
    for first, last in runs(low > minimum_filter1d(low, 2 * reach + 1, mode="nearest") + _CLEAR):
        top = first + int(np.argmax(height[first:last]))
        before, after = slice(max(0, top - reach), top + 1), slice(top, top + reach + 1)
        grounded = np.flatnonzero(low[before] <= low[before].min() + _CLEAR) + before.start
        landed = np.flatnonzero(low[after] <= low[after].min() + _CLEAR) + after.start
        start, stop = int(grounded[-1]) + 1 + margin, int(landed[0]) - margin
        whole = stop - start >= _FEWEST and np.diff(times[start:stop]).max() < 3 * frame_time
        if whole and times[stop - 1] - times[start] + frame_time >= _BRIEF:
            found.add((start, stop))
    return sorted(found)


def _arc(about: np.ndarray, image: np.ndarray, weight: np.ndarray, depth: np.ndarray, up: np.ndarray,
         times: np.ndarray) -> tuple[float, float] | None:
    """Acceleration downwards and its standard error, m/s^2; None where the frames are not one free arc.

    about: (T, K, 3) points from the centre of mass, camera axes, which `image` (T, K, 2) shows with `weight` (T, K); depth: (T,) of the
    centre of mass. A point X of a body whose centre is c + v t - g t^2 / 2 up appears at (u, v), u (X_z + z) = X_x + x: linear.
    """
    t = times - times.mean()
    fallen = -0.5 * (t * t - np.mean(t * t))
    line = np.polyval(np.polyfit(t, depth, 1), t)
    seen = image * (about[..., 2:] + line[:, None, None]) - about[..., :2]
    rows = np.zeros((*seen.shape, 5))
    for axis in range(2):
        rows[..., axis, 2 * axis], rows[..., axis, 2 * axis + 1] = 1.0, t[:, None]
        rows[..., axis, 4] = fallen[:, None] * (up[axis] - image[..., axis] * up[2])
    trust = weight
    for _ in range(10):
        normal = np.einsum("tk,tkai,tkaj->ij", trust, rows, rows)
        answer = np.linalg.solve(normal, np.einsum("tk,tkai,tka->i", trust, rows, seen))
        off = seen - rows @ answer
        trust = weight / (1.0 + np.sum(off**2, axis=-1) / _OUTLIER**2)
    off = (trust[..., None] * off).sum(1) / trust.sum(1)[:, None]  # (T, 2) the frames' own
    visible = float(np.linalg.norm(up[:2]))
    along = up[:2] / visible
    square = float(np.sum(fallen**2))
    rough = float(np.sqrt(np.sum((off @ along) ** 2) / (len(t) - 3)))
    bent = float(np.sum(fallen * (off @ [-along[1], along[0]]))) / square
    gravity = float(answer[4])
    sag = gravity * (t[-1] - t[0]) ** 2 / 8
    if rough > _ROUGH * sag or abs(bent) > _BENT * gravity:
        return None
    drawn = 8.0 * _POSE / (t[-1] - t[0]) ** 2  # by an error of the pose that comes and goes with the arc
    return gravity, float(np.hypot(_CORRELATED * rough / np.sqrt(square) / visible, drawn))
