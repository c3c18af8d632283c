"""Left and right in the picture as the lifted body has them.

Problem: seen from the side, legs that pass each other look to a detector like legs that turn back, and it may exchange them for a whole
         step; continuity, which is all that 2D has, is of the same opinion.
Method:  the lifting network has seen people walk, and lifts them the right way round where some keypoints have changed sides. So the take
         is lifted as it was detected; where the lifted body lies on the keypoints once they are exchanged, and not as they are, they are
         (`core.flips` decides, with continuity as the second witness). A body that is upside down, or exchanged as a whole, the network may
         lift wrongly: where continuity would begin otherwise, the same is done from there, and the keypoints count of which
         the network is surer. Of 3,056 frames of held-out runs legs are exchanged in 47 and arms in 34 as detected; by continuity alone
         in 43 and 23, of which 10 and 5 were right; by the body in 14 and 0, of which 3 were right (`models.judge_sides`).
Limits:  what neither way of beginning gets right: without the detector's own depth, exactly one step of a walk seen from the side is
         often left exchanged, and sides exchanged for seconds always. Legs faster than people's (three strides a second) may be
         exchanged where they were right.
"""

from __future__ import annotations

import numpy as np

from ..camera import assume_intrinsics, pixel_rays
from ..events import Reporter
from ..flips import by_continuity, find_flips, mend_flips, state_orders
from ..keypoints import ATTACHMENTS, LIMB_KEYPOINTS, Keypoints
from ..lift import Lifted, Lifter, lift
from ..place import locate
from ..runs import runs
from .cleaning import cleaned

_NOISE = 0.04  # metres: what a keypoint of the right side is off the body by
_SHARE = 0.5  # of the network's stated error, which is mostly along the line of sight
_STAGE = "left and right"
_ROUNDS = 2  # a body that was lifted from mended keypoints is a better witness than the first
_ABOUT = 0.25  # seconds before and after a stretch in which it still tells on the body
_FAR = 4.0  # metres: where a take without a frame that tells would be put


def mended(keypoints: Keypoints, judge: Lifter, reporter: Reporter) -> Keypoints:
    """Detections with the sides that the body has which `judge` lifts from them. Reports progress as stage "left and right"."""
    result, continuous = _settled(keypoints, judge, reporter), by_continuity(keypoints)
    if _differing(result, continuous).any():
        result = _surer(result, _settled(continuous, judge, reporter), judge, reporter)
    touched = _differing(keypoints, result)
    if touched.any():
        reporter.log(f"The detector had left and right exchanged in {int(touched.sum())} of {len(keypoints)} frames; they were mended.")
    return result


def _settled(keypoints: Keypoints, judge: Lifter, reporter: Reporter) -> Keypoints:
    """The keypoints with sides as the body has them that is lifted from them."""
    for _ in range(_ROUNDS):
        states = find_flips(keypoints, against(*_lifted(keypoints, judge, reporter)))
        if not states.any():
            break
        keypoints = mend_flips(keypoints, states)
    return keypoints


def _lifted(keypoints: Keypoints, judge: Lifter, reporter: Reporter) -> tuple[Keypoints, Lifted, np.ndarray]:
    """What the judge is shown, its answer, and the intrinsics that it was told. Ankles and wrists are not corrected before: a correction
    that goes by exchanged sides takes the right ones for implausible."""
    shown, K = cleaned(keypoints), assume_intrinsics(keypoints.width, keypoints.height)
    return shown, lift(shown, K, judge, reporter, stage=_STAGE), K


def _surer(a: Keypoints, b: Keypoints, judge: Lifter, reporter: Reporter) -> Keypoints:
    """`a`, but of each stretch in which `b` differs the one whose body, from a little before to a little after, may be less wrong."""
    differing = _differing(a, b)
    if not differing.any():
        return a
    a_doubt, b_doubt = (np.sum(_lifted(k, judge, reporter)[1].sigma ** 2, axis=1) for k in (a, b))
    told = np.isfinite(a_doubt) & np.isfinite(b_doubt)
    take_b = np.zeros(len(a), dtype=bool)
    for first, after in runs(differing):
        about = told & (a.times >= a.times[first] - _ABOUT) & (a.times <= a.times[after - 1] + _ABOUT)
        take_b[first:after] = b_doubt[about].sum() < a_doubt[about].sum()

    def chosen(ours: np.ndarray | None, theirs: np.ndarray | None) -> np.ndarray | None:
        if ours is None or theirs is None:
            return None
        return np.where(take_b.reshape(-1, *[1] * (ours.ndim - 1)), theirs, ours)

    return a.replace(**{name: chosen(getattr(a, name), getattr(b, name)) for name in ("xy", "confidence", "depth", "world")})


def _differing(a: Keypoints, b: Keypoints) -> np.ndarray:
    """(T,) bool: the frames in which a keypoint is elsewhere."""
    return np.asarray(((a.xy != b.xy) & ~(np.isnan(a.xy) & np.isnan(b.xy))).any((1, 2)))


def against(keypoints: Keypoints, lifted: Lifted, K: np.ndarray) -> np.ndarray:
    """(T, 4) how badly the keypoints lie on the lifted body in each state of `core.flips`."""
    k = keypoints.canonical()
    marker_of = {i: lifted.names.index(m) for i, n in enumerate(k.names) if (m := _marker(n)) in lifted.names}
    points = list(marker_of)
    body, sigma = lifted.positions[:, list(marker_of.values())], lifted.sigma[:, list(marker_of.values())]
    rays = pixel_rays(k.xy, K)[..., :2]
    place = locate(body, rays[:, points], k.confidence[:, points], _FAR)
    placed = body + place[:, None]
    flat = placed[..., :2] / np.maximum(placed[..., 2:], 0.3)
    scale = (_NOISE + _SHARE * np.where(np.isfinite(sigma), sigma, 1.0))[..., None]
    costs = []
    for order in state_orders(k.names)[0]:
        taken = order[points]
        off = np.sum(((rays[:, taken] - flat) * place[:, None, 2:] / scale) ** 2, axis=-1)
        costs.append(np.sum(k.confidence[:, taken] * np.log1p(np.nan_to_num(off)), axis=1))
    return np.stack(costs, axis=1)


def _marker(keypoint: str) -> str:
    return ATTACHMENTS[keypoint][0] if keypoint in LIMB_KEYPOINTS else keypoint
