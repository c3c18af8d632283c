"""Fewer keys: curves that an animator can edit, within a stated distance of the dense motion.

Method: each bone's channels share their keys. Between keys runs the cubic that has the dense motion's values and slopes at both
(Blender's Bezier with handles at a third of the way is that cubic). Beginning, end, contacts' beginnings and ends, and the turning
points of each bone are keys; then the frame that is furthest off becomes a key, in every gap, until none is off by more than its
share. What the whole rig then does is compared with the dense motion (every bone's place and orientation), and the shares are made
smaller until it is within 2 mm (as large as the person is) and 0.5 degrees. Limits: noise is kept as far as it is larger than that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from .. import rotations
from .channels import from_channels, rotation_channels
from .pose import Pose
from .rig import Rig
from .transfer import RigMotion

FARTHEST, MOST = 0.002, np.radians(0.5)
"""Metres at the person's size (a rig may be larger or smaller) and radians that simplified keys may be off at any bone in any frame."""

# Turning points of channels that go on less than this are not worth a key: radians, and metres at the person's size.
_A_TURN, _A_WAY = np.radians(2.0), 0.035


@dataclass(frozen=True)
class Keys:
    """Rows of the dense motion that become keys: for each bone's rotation, and for each bone that is moved."""

    turned: dict[str, np.ndarray]
    moved: dict[str, np.ndarray]


def cubic(frames: np.ndarray, values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """(T, C) the curve through `values` (T, C) at the key rows, with their slopes, at all frames (T,)."""
    if len(rows) < 2:
        return np.repeat(values[rows], len(frames), axis=0)
    every = np.arange(len(frames))
    gap = np.clip(np.searchsorted(rows, every, side="right") - 1, 0, len(rows) - 2)
    return _between(frames, values, slopes_of(frames, values), rows[gap], rows[gap + 1], every)


def _between(frames: np.ndarray, values: np.ndarray, slopes: np.ndarray, a: np.ndarray, b: np.ndarray, at: np.ndarray) -> np.ndarray:
    """(N, C) the cubics between the keys in rows a and b, at rows `at`, all (N,)."""
    width = (frames[b] - frames[a])[:, None]
    s = (frames[at] - frames[a])[:, None] / width
    return ((2 * s**3 - 3 * s**2 + 1) * values[a] + (s**3 - 2 * s**2 + s) * width * slopes[a]
            + (3 * s**2 - 2 * s**3) * values[b] + (s**3 - s**2) * width * slopes[b])


def slopes_of(frames: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(T, C) change of the dense `values` per frame."""
    if len(frames) < 2:
        return np.zeros_like(values)
    return np.gradient(values, frames, axis=0, edge_order=2 if len(frames) > 2 else 1)


def needed_rows(frames: np.ndarray, values: np.ndarray, off: Callable[[np.ndarray, np.ndarray], np.ndarray], allowed: float,
                always: Iterable[int]) -> np.ndarray:
    """Sorted rows to key so that the curve is nowhere further off than `allowed`; `always` are among them.

    off: of a curve's values (N, C) at rows (N,), how far off each is (N,). What a smaller `allowed` needs holds what a larger one does.
    """
    slopes = slopes_of(frames, values)
    rows = np.unique([0, len(frames) - 1, *always])
    a, b = rows[:-1], rows[1:]  # the gaps that may need a key
    while True:
        a, b = a[b - a > 1], b[b - a > 1]
        if not len(a):
            return rows
        first = np.cumsum(b - a - 1) - (b - a - 1)
        gap = np.repeat(np.arange(len(a)), b - a - 1)
        at = a[gap] + 1 + np.arange(len(gap)) - first[gap]
        errors = off(_between(frames, values, slopes, a[gap], b[gap], at), at)
        top = np.maximum.reduceat(errors, first)
        peaks = np.flatnonzero(errors == top[gap])
        worst = at[peaks[np.unique(gap[peaks], return_index=True)[1]]]
        wanting = top > allowed
        a, worst, b = a[wanting], worst[wanting], b[wanting]
        rows = np.union1d(rows, worst)
        a, b = np.concatenate([a, worst]), np.concatenate([worst, b])


def simplify(rig: Rig, moved: RigMotion, frames: np.ndarray, contacts: np.ndarray) -> Keys:
    """The keys that are needed; frames: (T,) scene frames of the motion's rows, contacts: (T, N) bool."""
    changes = np.flatnonzero(np.any(np.diff(contacts.astype(int), axis=0), axis=1))
    always = np.unique([*changes, *(changes + 1)]).astype(int)
    dense = _posed(rig, moved.rotations, moved.locations)
    share, keys = 0.5, None
    for _ in range(8):
        keys = _chosen(rig, moved, frames, always, share, keys)
        if _near(dense, _posed(rig, *_thinned(rig, moved, frames, keys)), moved.placement.scale):
            return keys
        share *= 0.6
    everything = np.arange(len(frames))
    return Keys(dict.fromkeys(moved.rotations, everything), dict.fromkeys(moved.locations, everything))


def _chosen(rig: Rig, moved: RigMotion, frames: np.ndarray, always: np.ndarray, share: float, sure: Keys | None) -> Keys:
    """The keys for a share of what is allowed; `sure`: those for a larger one, which are among them."""
    turned = {}
    for bone, quaternions in moved.rotations.items():
        mode = rig.modes[rig.index(bone)]
        values = rotation_channels(quaternions, mode)[1]

        def off(curve: np.ndarray, at: np.ndarray, mode: str = mode, true: np.ndarray = quaternions) -> np.ndarray:
            return rotations.angle_between(true[at], from_channels(curve, mode))

        begin = [*always, *_turning_points(values, _A_TURN)] if sure is None else sure.turned[bone]
        turned[bone] = needed_rows(frames, values, off, share * MOST, begin)
    # Metres of the person for each armature unit.
    size = float(np.cbrt(abs(np.linalg.det(rig.world[:3, :3])))) / moved.placement.scale
    places = {}
    for bone, path in moved.locations.items():
        def away(curve: np.ndarray, at: np.ndarray, path: np.ndarray = path) -> np.ndarray:
            return size * np.linalg.norm(curve - path[at], axis=-1)

        begin = [*always, *_turning_points(path, _A_WAY / size)] if sure is None else sure.moved[bone]
        places[bone] = needed_rows(frames, path, away, share * FARTHEST, begin)
    return Keys(turned, places)


def _turning_points(values: np.ndarray, least: float) -> np.ndarray:
    """Rows where the channel that moves most turns back, as far as it had gone on by more than `least`."""
    channel = values[:, int(np.argmax(np.ptp(values, axis=0)))]
    found, kept = [], 0
    for row in np.flatnonzero(np.diff(np.sign(np.diff(channel))) != 0) + 1:
        if abs(channel[row] - channel[kept]) > least:
            found.append(int(row))
            kept = int(row)
    return np.array(found, dtype=int)


def _thinned(rig: Rig, moved: RigMotion, frames: np.ndarray, keys: Keys) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Rotations and locations at all frames as the keys alone give them."""
    turned = {}
    for bone, quaternions in moved.rotations.items():
        mode = rig.modes[rig.index(bone)]
        turned[bone] = from_channels(cubic(frames, rotation_channels(quaternions, mode)[1], keys.turned[bone]), mode)
    return turned, {bone: cubic(frames, path, keys.moved[bone]) for bone, path in moved.locations.items()}


def _posed(rig: Rig, turned: dict[str, np.ndarray], places: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """(B, T, 3) heads in the world and (B, T, 4) orientations of the bones that are keyed."""
    pose = Pose(rig, {}, {rig.index(bone): q for bone, q in turned.items()}, {rig.index(bone): p for bone, p in places.items()})
    bones = [rig.index(bone) for bone in turned]
    heads = np.stack(np.broadcast_arrays(*(rig.to_world(pose.head(b)) for b in bones)))
    return heads, np.stack(np.broadcast_arrays(*(pose.of(b) for b in bones)))


def _near(a: tuple[np.ndarray, np.ndarray], b: tuple[np.ndarray, np.ndarray], scale: float) -> bool:
    """Whether heads and orientations of `_posed` are within what is allowed on a rig that is `scale` times as large as the person."""
    far = float(np.linalg.norm(a[0] - b[0], axis=-1).max())
    return far <= scale * FARTHEST and float(rotations.angle_between(a[1], b[1]).max()) <= MOST
