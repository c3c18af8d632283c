"""Left and right: stretches in which picture or lifted body are the other way round than before and after.

Problem: what the detector exchanges, or the network lifts as seen from behind though it is seen from the front, makes a body that turns
about within a frame and back again later; a network may see through an exchange in the picture, or make one where there is none.
Method: picture and lifted markers are two witnesses, each searched by `core.flips` for stretches that break its own continuity. What both
say is believed; what one says alone is believed where the two contradict each other about which side is which, and ends the quarrel. An
exchange is the body reflected along the line of sight, so that the picture stays what it was. Points that somebody has put in their
places by hand stay there, and where these are about a limb or more, so does the frame.
Limits: those of `core.flips`.
"""

from __future__ import annotations

import numpy as np

from ..camera import person_view, pixel_rays
from ..flips import exchanged, find_flips
from ..keypoints import ATTACHMENTS, LIMB_KEYPOINTS, Keypoints
from ..runs import runs
from ..skeleton import mirror_order

_PIXELS = 1000.0  # a metre, for a search that thinks in pixels
_HALF = 0.15  # metres of stated uncertainty that halve a marker's say
_SETTLED = 4  # points with a side that somebody has put right in a frame: about a limb
_PAIRS = [(n, "r" + n[1:]) for n in LIMB_KEYPOINTS if n.startswith("l_")]
_ARMS = np.array([n[2:] in ("shoulder", "elbow", "wrist") for n, _ in _PAIRS])


def one_way_round(names: tuple[str, ...], positions: np.ndarray, sigma: np.ndarray, keypoints: Keypoints,
                  K: np.ndarray) -> tuple[np.ndarray, np.ndarray, Keypoints, np.ndarray]:
    """Lifted positions, their sigma and the keypoints with the sides that they have before and after; (T,) bool: where they had not.

    positions: (T, M, 3) metres about the hips' middle, camera axes, of markers `names`, NaN where unseen; sigma: (T, M), inf there;
    keypoints: `LIMB_KEYPOINTS` among them.
    """
    rays = pixel_rays(keypoints.xy, K)
    view = person_view(rays, keypoints.confidence)
    facing = np.einsum("tij,tmj->tmi", view, positions)
    picture = find_flips(keypoints.replace(depth=None, world=None))
    if keypoints.by_hand is not None:
        settled = keypoints.by_hand & (keypoints.confidence > 0) & (mirror_order(keypoints.names) != np.arange(len(keypoints.names)))
        picture[settled.sum(1) >= _SETTLED] = 0
    body = find_flips(keypoints.replace(names=names, xy=_PIXELS * facing[..., :2], confidence=1.0 / (1.0 + (sigma / _HALF) ** 2),
                                        depth=None, world=facing, by_hand=None))
    if not (picture.any() or body.any()):
        return positions, sigma, keypoints, np.zeros(len(keypoints), dtype=bool)
    agreement = _agreement(names, facing, keypoints, np.einsum("tij,tkj->tki", view, rays))
    picture, body = _believed(picture, body, agreement), _believed(body, picture, agreement)
    keypoints = _exchanged_but_by_hand(keypoints, picture)
    turned = np.einsum("tji,tmj->tmi", view, exchanged(facing, names, body, reflect=True))
    return turned, exchanged(sigma, names, body), keypoints, (picture > 0) | (body > 0)


def _exchanged_but_by_hand(keypoints: Keypoints, states: np.ndarray) -> Keypoints:
    """The keypoints with sides exchanged (`core.flips`, states (T,)) but for points that somebody has put in their places: these have said
    whose they are, and what was there before is not known any more."""
    xy, confidence = exchanged(keypoints.xy, keypoints.names, states), exchanged(keypoints.confidence, keypoints.names, states)
    if keypoints.by_hand is not None:
        named = keypoints.by_hand & (keypoints.confidence > 0)
        xy, confidence = np.where(named[..., None], keypoints.xy, xy), np.where(named, keypoints.confidence, confidence)
        own = np.broadcast_to(np.arange(len(keypoints.names)), named.shape)
        source = exchanged(own, keypoints.names, states)
        confidence = np.where(np.take_along_axis(named, source, axis=1) & (source != own) & ~named, 0.0, confidence)
    return keypoints.replace(xy=xy, confidence=confidence)


def _agreement(names: tuple[str, ...], facing: np.ndarray, keypoints: Keypoints, rays: np.ndarray) -> np.ndarray:
    """(T, 6) how far body and picture agree on which of each of the `_PAIRS` is left: positive where they do."""
    flat = rays[..., :2] / np.maximum(rays[..., 2:], 0.1)
    columns = []
    for left, right in _PAIRS:
        ours = facing[:, names.index(ATTACHMENTS[left][0]), :2] - facing[:, names.index(ATTACHMENTS[right][0]), :2]
        a, b = keypoints.names.index(left), keypoints.names.index(right)
        weight = np.minimum(keypoints.confidence[:, a], keypoints.confidence[:, b])
        columns.append(np.nan_to_num(weight * np.sum(ours * (flat[:, a] - flat[:, b]), axis=-1)))
    return np.stack(columns, axis=1)


def _believed(states: np.ndarray, others: np.ndarray, agreement: np.ndarray) -> np.ndarray:
    """The states (T,) of one witness in those stretches in which the other says the same, or the opposite of what it shows."""
    result = np.zeros_like(states)
    state = states[:, None]
    about = np.sum(agreement * ((state == 1) | (state == 2) & _ARMS | (state == 3) & ~_ARMS), axis=1)
    for first, after in runs(states > 0):
        same = (others[first:after] > 0).mean() > 0.5
        if same or about[first:after].sum() < 0:
            result[first:after] = states[first:after]
    return result
