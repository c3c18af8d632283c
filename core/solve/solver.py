"""The solver stage: whole-clip inverse kinematics on one skeleton, then the world around it.

Method: set left and right as in the whole take; estimate the skeleton; put a first pose and place into every seen frame; fit all frames
together in windows that overlap (time and memory grow linearly with the clip), frames in short holes among them; find up and the ground;
fill longer holes.
Limits: one person, a camera that stands still, an undistorted picture.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from threadpoolctl import threadpool_limits

from .. import rotations
from ..errors import InputError
from ..events import Reporter
from ..frame_times import usual_step
from ..keypoints import ATTACHMENTS, CANONICAL, Keypoints
from ..motion import Camera, Motion
from ..place import locate
from ..skeleton import ASSUMED_STATURE, INDEX, JOINTS, Skeleton
from .body import Body, point_of
from .bones import estimate_skeleton, of_stature, refine_skeleton
from .choices import Choices
from .confidence import joint_confidence
from .contacts import FOOT_POINTS, detect_contacts, of_seen_feet
from .fit import Evidence, State, fit
from .footing import TOUCHING, footing, stillness
from .gaps import bridged, fill
from .gravity import STATURE_SPREAD, MeasuredStature, find_flights, measured_stature
from .quality import quality
from .rests import REST_POINTS, Rests, flesh
from .sides import one_way_round
from .smoothness import LONGEST_GAP, independence
from .standing import standing
from .start import first_rotations, unwound
from .world import GROUND_POINTS, World, find_world, never_upright

WINDOW, OVERLAP = 8.0, 1.0  # seconds
_MOST_FRAMES = 480  # of a window, whatever the frame rate
_PIXEL_SPREAD = 0.012  # of the person's height: how far a keypoint is from the point that it means
_BY_HAND = 0.5  # of that, where somebody has put it right
_LOOSE = {"l_hip": 2.0, "r_hip": 2.0, "l_shoulder": 1.5, "r_shoulder": 1.5, "l_thumb": 2.0, "r_thumb": 2.0}
_FOOT_KEYPOINTS = [[CANONICAL.index(f"{side}_{part}") for part in ("ankle", "heel", "toe")] for side in "lr"]
_PER_AXIS = 0.63  # a mean distance from the truth in 3D is 1.6 standard deviations of each axis
_SMALLEST_SIGMA = 0.002
_VAGUE, _VAGUER = ("Hips", "Spine", "Spine1", "LeftShoulder", "RightShoulder"), 1.6  # skeletons differ in them: so much less sure
_ALWAYS = ("LeftArm", "RightArm", "LeftUpLeg", "RightUpLeg")  # markers of the trunk, whatever the take shows
_SHORTEST_STEP = 1e-3  # seconds
_PASSES = 3
_STATURES = (0.4, 3.0)  # metres: who is to be smaller or taller stands before a camera whose height is another
_AS_GIVEN = 0.1  # share by which the camera may stand higher or lower than was said without a warning
_UP_SPREAD = np.radians(2.5)  # by how much up is off, where the camera's pitch is not given
_HARDLY, _GLIMPSE = 0.1, 0.3  # confidence, seconds: what does not get more than this for longer was never shown


class Lifted(Protocol):
    """What `core.lift` hands over: see there."""

    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def positions(self) -> np.ndarray: ...
    @property
    def sigma(self) -> np.ndarray: ...


def solve(lifted: Lifted, keypoints: Keypoints, K: np.ndarray, stature: float | None = None, reporter: Reporter | None = None,
          choices: Choices | None = None) -> Motion:
    """The motion of the person in `keypoints`.

    lifted: names (M), positions (T, M, 3) metres about the hips' middle in camera axes, sigma (T, M) metres; NaN and inf where
    unseen. K: (3, 3) pixels. stature: the person's height in metres (or a guess, see `Choices.stature_is_a_guess`); None keeps the lifted
    size.
    choices: see there. Raises InputError when no frame has a person, Cancelled when the reporter was told so.
    """
    reporter, choices = reporter or Reporter(), choices or Choices()
    problem = posed(lifted, keypoints, K, stature)
    evidence = dataclasses.replace(problem.evidence, restlessness=choices.restlessness)
    canonical, rows = problem.keypoints, problem.rows
    if problem.turned.any():
        reporter.log(f"Left and right were the other way round in {int(problem.turned.sum())} of {len(keypoints)} frames; they go by the "
                     "frames before and after.")
    with threadpool_limits(1, "blas"):  # thousands of small products: handing them to threads costs more than they do
        # Of feet of which nothing is seen the lifter does not know more than of the floor.
        stands = standing(problem, K) * np.repeat(_seen_feet(evidence), 2, axis=1)
        still = stillness(canonical, rows, problem.start.root[:, 2], K[0, 0], stands)
        fitted = _fit_all(problem.body, evidence, problem.start, still, stature, choices, reporter)
    motion = _motion(fitted, keypoints, K, rows, problem.confidence)
    meta: dict[str, Any] = {"solver": dataclasses.asdict(choices), "quality": quality(motion, canonical, K, problem.turned)}
    if fitted.world.beneath is not None:
        meta["floors_m"] = sorted({round(float(z), 2) for z in fitted.world.beneath.ravel()})
    if fitted.measured:
        meta["stature"] = fitted.measured.describe(np.flatnonzero(rows))
        fitted.measured.report(reporter)
    joints = motion.joints_world()[rows]
    if never_upright(joints[:, [INDEX["LeftFoot"], INDEX["RightFoot"]]].mean(1), joints[:, INDEX["Hips"]], joints[:, INDEX["Neck"]]):
        reporter.warning("The person lies or is upside down throughout; if the picture is turned, rotate the video; if the camera looks "
                         "down steeply, give its pitch.")
    return dataclasses.replace(motion, meta=meta)


@dataclass(frozen=True)
class Posed:
    """The problem that a fit has to solve, and where it starts. rows: (T,) bool, the frames that take part; keypoints: the canonical ones
    with times that increase and sides as before and after; confidence: (T, 21); turned: (T,) bool, whose sides were not."""

    body: Body
    evidence: Evidence
    start: State
    rows: np.ndarray
    keypoints: Keypoints
    confidence: np.ndarray
    turned: np.ndarray


def posed(lifted: Lifted, keypoints: Keypoints, K: np.ndarray, stature: float | None) -> Posed:
    """What `solve` fits, from its own arguments. Raises InputError when no frame has a person."""
    seen = keypoints.seen & np.isfinite(lifted.positions).all(-1).any(-1)
    if not seen.any():
        raise InputError("No person was found in any frame; choose another range or another video.")
    canonical = keypoints.canonical().replace(times=_increasing(keypoints.times))
    positions, sigma = (np.asarray(a, dtype=np.float64) for a in (lifted.positions, lifted.sigma))
    scale = 1.0 if stature is None else stature / estimate_skeleton(lifted.names, positions, sigma, None).stature
    positions, sigma, canonical, turned = one_way_round(lifted.names, scale * positions, scale * sigma, canonical, K)
    sigma = np.where(_shown(lifted.names, canonical), sigma, np.inf)
    skeleton = estimate_skeleton(lifted.names, positions[seen], sigma[seen], stature)
    body = Body(skeleton, lifted.names + tuple(sorted({point_of(n) for n in CANONICAL} - set(lifted.names))))
    rows = bridged(seen, canonical.times)
    evidence, start = _prepare(body, np.where(seen[:, None, None], positions, np.nan)[rows], sigma[rows], canonical, K, rows)
    confidence = np.where(seen[:, None], joint_confidence(lifted.names, sigma / scale, canonical), 0.0)
    return Posed(body, evidence, start, rows, canonical, confidence, turned)


def _increasing(times: np.ndarray) -> np.ndarray:
    """Times that grow from frame to frame by at least a millisecond, also where a container repeats or swaps its stamps."""
    ramp = _SHORTEST_STEP * np.arange(len(times))
    return np.maximum.accumulate(times - ramp) + ramp


def _shown(names: tuple[str, ...], keypoints: Keypoints) -> np.ndarray:
    """(M,) whether the take ever shows the part of the body that a marker is on; else the network only guesses it. What it guesses of a
    shin or a forearm whose knee or elbow is seen is worth more than a straight limb."""
    enough = min(_GLIMPSE * keypoints.fps, 0.5 * len(keypoints))
    ever = {n: (keypoints.confidence[:, i] > _HARDLY).sum() > enough for i, n in enumerate(keypoints.names)}
    shows = {joint: ever[n] for n, (joint, offset) in ATTACHMENTS.items() if not any(offset)}
    shows |= {f"{side}{end}": shows[f"{side}{end}"] or shows[f"{side}{middle}"]
              for side in ("Left", "Right") for middle, end in (("Leg", "Foot"), ("ForeArm", "Hand"))}
    shows |= {f"{side}Toe": shows[f"{side}Foot"] for side in ("Left", "Right")}
    shows |= dict.fromkeys(_ALWAYS, True)
    return np.array([shows.get(ATTACHMENTS[n][0] if n in ATTACHMENTS else n, True) for n in names])


def _prepare(body: Body, positions: np.ndarray, sigma: np.ndarray, keypoints: Keypoints, K: np.ndarray,
             rows: np.ndarray) -> tuple[Evidence, State]:
    """Evidence and first state of the frames `rows` (T,) bool; positions (S, M, 3), sigma (S, M) of the body's first M points."""
    names = body.names[:positions.shape[1]]
    sigma = _PER_AXIS * sigma * np.where(np.isin(names, _VAGUE), _VAGUER, 1.0)
    sigma = np.maximum(sigma, _SMALLEST_SIGMA)
    known = np.isfinite(positions).all(-1) & np.isfinite(sigma)
    times, there = keypoints.times[rows], np.isfinite(positions).all(-1).any(1)
    local = unwound(first_rotations(names, np.where(known[..., None], positions, np.nan), body), there, times)
    pose = body.pose(local, np.zeros((len(local), 3)))
    hips = 0.5 * (pose.joints[:, INDEX["LeftUpLeg"]] + pose.joints[:, INDEX["RightUpLeg"]])
    points = np.array([body.names.index(point_of(n)) for n in keypoints.names])
    lifted = pose.points.copy()
    lifted[:, :len(names)] = np.where(known[..., None], positions + hips[:, None], lifted[:, :len(names)])
    image = np.nan_to_num((keypoints.xy[rows] - K[:2, 2]) / np.array([K[0, 0], K[1, 1]]))
    confidence, stature = keypoints.confidence[rows], body.skeleton.stature
    root = locate(lifted[:, points], image, confidence, 2.5 * stature)
    spread = np.array([_LOOSE.get(n, 1.0) for n in keypoints.names]) * _PIXEL_SPREAD * stature
    weight_3d = np.where(known, 1.0 / np.where(known, sigma, 1.0) ** 2, 0.0)
    certain = None if keypoints.by_hand is None else keypoints.by_hand[rows] & (confidence == 1.0)
    spread = spread if certain is None else np.where(certain, _BY_HAND, 1.0) * spread
    weight_2d = (confidence * root[:, 2:] / spread) ** 2  # confidence is a chance: what is unsure counts little
    evidence = Evidence(np.where(known[..., None], positions, 0.0), weight_3d, points, image, weight_2d, times,
                        footing(np.zeros((len(times), len(TOUCHING))), times), independence(times), certain=certain)
    return evidence, State(*fill(local[there], root[there], there, times))


@dataclass(frozen=True)
class _Fitted:
    """What the frames of the fit came to. contacts: (S, 4) of `FOOT_POINTS`; measured: the stature, if flights tell it."""

    skeleton: Skeleton
    state: State
    world: World
    contacts: np.ndarray
    measured: MeasuredStature | None


def _fit_all(body: Body, evidence: Evidence, start: State, still: np.ndarray, stature: float | None, choices: Choices,
             reporter: Reporter) -> _Fitted:
    """First without a ground, then with bones measured in the first fit's pose and on its ground, at last with planted feet held.

    still: (S, P) of `TOUCHING`.
    """
    times = evidence.times
    evidence = dataclasses.replace(evidence, footing=footing(still if choices.contacts else 0.0 * still, times))
    state = _fit_windows(body, evidence, start, reporter, 0)
    evidence, state, skeleton = _with_bones(body, evidence, state, stature, choices)
    body = Body(skeleton, body.names)
    if choices.ground:
        ground = footing(still, times, *_touching(skeleton, state), _world(skeleton, state, evidence, choices))
        still_rows = ground.still if choices.contacts else evidence.footing.still
        evidence = dataclasses.replace(evidence, footing=dataclasses.replace(ground, still=still_rows))
    if not choices.contacts:  # this fit is the last
        evidence = dataclasses.replace(evidence, footing=evidence.footing.firm())
    state = _fit_windows(body, evidence, state, reporter, 1)
    world = _world(skeleton, state, evidence, choices)
    measured = None
    if stature is not None and choices.stature_is_a_guess:
        measured = measured_stature(find_flights(skeleton, state, evidence, body.names, world), stature)
        if measured and measured.counts:
            evidence, state, skeleton = _scaled(evidence, state, skeleton, measured.metres / stature)
            body, world = Body(skeleton, body.names), _world(skeleton, state, evidence, choices)
    feet, rests = _touching(skeleton, state)
    contacts = detect_contacts(world.from_camera(feet), times, 0.0 if world.beneath is None else world.beneath)
    contacts = of_seen_feet(contacts, _seen_feet(evidence), times)
    if choices.contacts:
        ground = footing(still, times, feet, rests, world) if choices.ground else evidence.footing
        evidence = dataclasses.replace(evidence, footing=ground.planted(feet, contacts, _soles(skeleton), times).firm())
        state, contacts = _fit_windows(body, evidence, state, reporter, 2), evidence.footing.held > 0
    if choices.camera_height is not None:  # the floor has moved a little since the first fit
        scale = _scale_at(choices.camera_height, world, skeleton, state, choices.camera_pitch is not None)
        _, state, skeleton = _scaled(evidence, state, skeleton, scale)
        beneath = None if world.beneath is None else scale * world.beneath
        world = World(world.rotation, scale * world.translation, beneath)
        if choices.camera_pitch is None:
            _tell_height(choices.camera_height, -float(world.translation @ world.rotation[:, 2]), skeleton.stature, reporter)
    reporter.progress("solve", len(times), len(times))
    return _Fitted(skeleton, state, world, contacts, measured)


def _with_bones(body: Body, evidence: Evidence, state: State, stature: float | None,
                choices: Choices) -> tuple[Evidence, State, Skeleton]:
    """The skeleton as measured in the first fit's pose, and everything in its size."""
    markers = evidence.positions.shape[1]
    points = body.pose(state.local, state.root).points[:, :markers]
    skeleton = refine_skeleton(body.skeleton, body.names[:markers], evidence.positions, evidence.weight_3d, points, stature)
    if choices.camera_height is None:
        return evidence, state, skeleton
    world = _world(skeleton, state, evidence, choices)
    scale = _scale_at(choices.camera_height, world, skeleton, state, choices.camera_pitch is not None)
    return _scaled(evidence, state, skeleton, scale)


def _tell_height(given: float, used: float, stature: float, reporter: Reporter) -> None:
    """Says what became of the camera's height where its pitch was only estimated; metres."""
    if abs(used / given - 1.0) < _AS_GIVEN:
        reporter.log(f"From the camera's height and adults' usual size the person is {stature:.2f} m tall; the camera's pitch would make "
                     "it surer.")
    else:
        reporter.warning(f"With the camera {given:.2f} m above the floor the person would be {stature * given / used:.2f} m tall, but "
                         f"its pitch is only estimated: {stature:.2f} m is assumed, with the camera at {used:.2f} m; give the camera's "
                         "pitch as well, or the person's height instead.")


def _scale_at(camera_height: float, world: World, skeleton: Skeleton, state: State, known_pitch: bool) -> float:
    """How much larger everything is most probably, with the camera so many metres above the floor. Raises InputError.

    Where its pitch is only estimated, the floor at the person's feet is too high or too low by the distance times the error of up, and
    adults' usual size says more the further away the person is.
    """
    up = world.rotation[:, 2]
    size = ASSUMED_STATURE / skeleton.stature
    share_found = -float(world.translation @ up) * size / camera_height  # of a mean adult
    level = np.linalg.norm(state.root - (state.root @ up)[:, None] * up, axis=-1)
    unsure = 0.0 if known_pitch else float(np.median(level)) * size * float(np.tan(_UP_SPREAD)) / camera_height
    smallest, largest = (ASSUMED_STATURE / s for s in _STATURES[::-1])
    if not smallest - 2.0 * unsure < share_found < largest + 2.0 * unsure:
        problem = (f"the person would be {ASSUMED_STATURE / share_found:.1f} m tall" if share_found > 0
                   else "the picture shows the person from beneath the floor")
        raise InputError(f"With the camera {camera_height:g} m above the floor {problem}; give its height above the floor on which the "
                         "person stands, or the person's height instead.")
    trust = STATURE_SPREAD**2 / (STATURE_SPREAD**2 + unsure**2)
    return size / (1.0 + trust * (share_found - 1.0))


def _scaled(evidence: Evidence, state: State, skeleton: Skeleton, scale: float) -> tuple[Evidence, State, Skeleton]:
    """The same in the picture, but larger and further away. The footing stays as it is."""
    evidence = dataclasses.replace(evidence, positions=scale * evidence.positions, weight_3d=evidence.weight_3d / scale**2)
    return evidence, State(state.local, scale * state.root), of_stature(skeleton, scale * skeleton.stature)


def _touching(skeleton: Skeleton, state: State) -> tuple[np.ndarray, Rests]:
    """(S, 4, 3) the foot points, and what else the body may rest on, in the camera."""
    points = Body(skeleton, TOUCHING).pose(state.local, state.root).points
    return points[:, :len(FOOT_POINTS)], Rests(points[:, len(FOOT_POINTS):], flesh(skeleton.stature))


def _soles(skeleton: Skeleton) -> np.ndarray:
    """(2,) metres from heel to toe tip of the left and the right foot at rest."""
    rest = Body(skeleton, FOOT_POINTS).pose(np.tile(rotations.IDENTITY, (1, len(JOINTS), 1)), np.zeros((1, 3))).points[0]
    return np.asarray(np.linalg.norm(rest[1::2] - rest[::2], axis=-1))


def _fit_windows(body: Body, evidence: Evidence, start: State, reporter: Reporter, before: int) -> State:
    """Fits windows that overlap and fades each into the next; `before` of the `_PASSES` over the frames are done already."""
    frames = len(evidence.times)
    windows = _windows(evidence.times, np.any(evidence.weight_3d > 0, axis=1))
    local, root = start.local.copy(), start.root.copy()
    done = 0
    for number, (first, last) in enumerate(windows):
        def report(at: int = done) -> None:
            reporter.progress("solve", (before * frames + at) // _PASSES, frames)

        result = fit(body, evidence.window(first, last), State(start.local[first:last], start.root[first:last]), report)
        shared = max(0, windows[number - 1][1] - first) if number else 0
        share = (np.arange(1, shared + 1) / (shared + 1.0)) if shared else np.zeros(0)
        common = slice(first, first + shared)
        root[common] += share[:, None] * (result.root[:shared] - root[common])
        local[common] = rotations.slerp(local[common], result.local[:shared], share[:, None])
        local[first + shared:last], root[first + shared:last] = result.local[shared:], result.root[shared:]
        done = last
    return State(rotations.continuous(local), root)


def _windows(times: np.ndarray, seen: np.ndarray) -> list[tuple[int, int]]:
    """Half-open frame ranges of about `WINDOW` seconds that overlap by about `OVERLAP`, where the person is seen (T,) as well as may be:
    a window that ends in a gap does not know where it leads."""
    if len(times) < 3:
        return [(0, len(times))]
    frame_time = usual_step(times)
    size = int(np.clip(round(WINDOW / frame_time), 60, _MOST_FRAMES))
    overlap = int(np.clip(round(OVERLAP / frame_time), 8, size // 4))
    unseen = np.concatenate([[0], np.cumsum(~seen)])
    starts = [0]
    while starts[-1] + size + overlap < len(times):
        wanted = starts[-1] + size - overlap
        nearest = sorted(range(max(wanted - overlap, 0), min(wanted + overlap, len(times) - overlap) + 1), key=lambda s: abs(s - wanted))
        starts.append(min(nearest, key=lambda s: unseen[s + overlap] - unseen[s]))
    return list(zip(starts, [s + overlap for s in starts[1:]] + [len(times)], strict=True))


def _seen_feet(evidence: Evidence) -> np.ndarray:
    """(S, 2) bool: whether anything of the left and of the right foot is seen."""
    return np.stack([(evidence.weight_2d[:, foot] > 0).any(1) for foot in _FOOT_KEYPOINTS], axis=1)


def _world(skeleton: Skeleton, state: State, evidence: Evidence, choices: Choices) -> World:
    pose = Body(skeleton, GROUND_POINTS + REST_POINTS).pose(state.local, state.root)
    feet, rests = pose.points[:, :len(GROUND_POINTS)], Rests(pose.points[:, len(GROUND_POINTS):], flesh(skeleton.stature))
    ankles = pose.joints[:, [INDEX["LeftFoot"], INDEX["RightFoot"]]].mean(1)
    forward = -pose.rotations[:, INDEX["Hips"], :, 1]
    return find_world(feet, rests, ankles, pose.joints[:, INDEX["Neck"]], pose.joints[:, INDEX["Hips"]], forward,
                      evidence.times, choices.camera_pitch, _seen_feet(evidence))


def _motion(fitted: _Fitted, keypoints: Keypoints, K: np.ndarray, rows: np.ndarray, confidence: np.ndarray) -> Motion:
    """The fit of the frames `rows` (T,) bool in the world, with a row for every frame of the take."""
    state, world = fitted.state, fitted.world
    local = state.local.copy()
    local[:, 0] = rotations.multiply(rotations.from_matrix(world.rotation.T), local[:, 0])
    times, frames = _increasing(keypoints.times), len(rows)
    local, root = fill(rotations.continuous(local), world.from_camera(state.root), rows, times)
    contacts = np.zeros((frames, len(FOOT_POINTS)), dtype=bool)
    contacts[rows] = fitted.contacts
    contacts[1:][np.diff(times) > LONGEST_GAP] = False  # a foot that is seen again stands anew
    camera = Camera(np.asarray(K, dtype=np.float64), np.tile(world.rotation, (frames, 1, 1)), np.tile(world.translation, (frames, 1)),
                    keypoints.width, keypoints.height)
    seen_2d = np.concatenate([keypoints.xy, keypoints.confidence[..., None]], axis=-1)
    return Motion(fitted.skeleton, local, root, keypoints.times, keypoints.fps, confidence, contacts, camera, keypoints.names, seen_2d)
