"""What a motion says about its own quality: for `meta["quality"]`, and in sentences for people.

Method: per limb the mean confidence and the stretches in which it was hardly seen; how far the body's points lie from the keypoints;
how far planted feet slide; in how many frames joints lie beyond what people can do.
Limits: a wrong guess that the detector and the network are sure of does not show.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from ..frame_times import usual_step
from ..keypoints import Keypoints
from ..motion import Motion, project, to_camera
from ..runs import runs
from ..skeleton import INDEX, JOINTS
from .body import Body, point_of
from .contacts import FOOT_POINTS
from .limits import beyond_limits

LIMBS: dict[str, tuple[str, ...]] = {
    "head": ("Head",), "trunk": ("Hips", "Spine1"),
    "left arm": ("LeftForeArm", "LeftHand"), "right arm": ("RightForeArm", "RightHand"),
    "left leg": ("LeftLeg", "LeftFoot"), "right leg": ("RightLeg", "RightFoot"),
}
_UNSEEN = 0.15  # confidence
_SHORTEST = 0.15  # seconds that are worth a sentence
_OFF = 8.0  # percent of the person's height: keypoints and body disagree
_BEYOND = np.radians(3.0)


def quality(motion: Motion, canonical: Keypoints, K: np.ndarray, turned: np.ndarray) -> dict[str, Any]:
    """Figures as JSON types; `canonical`: the keypoints that the fit saw, K: (3, 3) pixels, turned: (T,) bool, whose left and right it
    exchanged. See the names of the entries for units.

    bad_ranges: sentences; frames count from 1, as in Blender.
    """
    off, percent = _reprojection(motion, canonical, K)
    limbs = {limb: motion.confidence[:, [INDEX[j] for j in joints]].mean(1) for limb, joints in LIMBS.items()}
    up = motion.camera.R[0, :, 2]
    return {
        "stature_m": round(motion.skeleton.stature, 3),
        "reprojection_px": _median(off), "reprojection_percent_of_height": _median(percent),
        "limb_confidence": {limb: round(float(c.mean()), 2) for limb, c in limbs.items()},
        "contact_slide_cm": contact_slide(motion), "frames_beyond_joint_limit_percent": _limits(motion),
        "camera_tilt_deg": round(float(np.degrees(np.arctan2(-up[2], -up[1]))), 1),
        "camera_roll_deg": round(float(np.degrees(np.arcsin(np.clip(up[0], -1, 1)))), 1),
        "bad_ranges": _bad_ranges(motion, limbs, percent, turned),
    }


def sentences(figures: dict[str, Any]) -> list[str]:
    """What `quality` found, for people."""
    off, percent = figures["reprojection_px"], figures["reprojection_percent_of_height"]
    lies = f"The body lies {off:.1f} px ({percent:.1f} % of its height) from the keypoints; p" if off is not None else "P"
    limbs = ", ".join(f"{limb} {value:.2f}" for limb, value in figures["limb_confidence"].items())
    said = [f"{lies}lanted feet stray by {figures['contact_slide_cm']:.2f} cm at most.", f"Mean confidence: {limbs}."]
    said += [f"{joint} is bent beyond what joints do in {share:.1f} % of the frames."
             for joint, share in figures["frames_beyond_joint_limit_percent"].items()]
    return said + figures["bad_ranges"]


def _reprojection(motion: Motion, canonical: Keypoints, K: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(T, K) distance of body and keypoint in pixels and in percent of the person's height in the picture; NaN where unseen."""
    body = Body(motion.skeleton, tuple(point_of(n) for n in canonical.names))
    points = to_camera(body.pose(motion.local_rotations, motion.root_translation).points, motion.camera)
    off = np.linalg.norm(project(points, K) - canonical.xy, axis=-1)
    size = K[0, 0] * motion.skeleton.stature / np.maximum(motion.joints_camera()[:, :1, 2], 0.1)
    return off, 100 * off / size


def _median(values: np.ndarray) -> float | None:
    known = values[np.isfinite(values)]
    return round(float(np.median(known)), 2) if len(known) else None


def contact_slide(motion: Motion) -> float:
    """Centimetres: the longest way that a foot point strays from its first place in a contact."""
    feet = Body(motion.skeleton, FOOT_POINTS).pose(motion.local_rotations, motion.root_translation).points
    strays = [np.linalg.norm(feet[a:b, i] - feet[a, i], axis=-1).max()
              for i in range(len(FOOT_POINTS)) for a, b in runs(motion.contacts[:, i])]
    return round(100 * float(max(strays, default=0.0)), 2)


def _limits(motion: Motion) -> dict[str, float]:
    """Joint -> percent of the frames in which it lies beyond what people can do; those that never do are left out."""
    shares = (100 * (beyond_limits(motion.local_rotations) > _BEYOND).mean(0)).round(1)
    return {joint: float(share) for joint, share in zip(JOINTS, shares, strict=True) if share > 0}


def _bad_ranges(motion: Motion, limbs: dict[str, np.ndarray], percent: np.ndarray, turned: np.ndarray) -> list[str]:
    """Sentences in the order of time."""
    nobody = motion.confidence.max(1) == 0
    known = np.isfinite(percent)
    far = np.where(known.any(1), np.where(known, percent, 0.0).sum(1) / np.maximum(known.sum(1), 1), 0.0) > _OFF
    found = [(nobody, "nobody seen"), (far & ~nobody, "the body does not lie on the keypoints")]
    found += [(turned, "left and right were the other way round and go by the frames before and after")]
    found += [((c < _UNSEEN) & ~nobody, f"{limb} not seen") for limb, c in limbs.items()]
    step = usual_step(motion.times)
    shortest = max(1, round(_SHORTEST / max(step, 1e-3)))
    ranges = [(a, b, text) for flags, text in found for a, b in runs(flags) if b - a >= min(shortest, len(motion))]
    return [f"{_frames(a + 1, b)}: {text}" for a, b, text in sorted(ranges)]


def renumbered(sentence: str, number: Callable[[int], int]) -> str:
    """A sentence of `bad_ranges` that speaks of the frames number(n) instead of n."""
    frames, text = sentence.split(":", 1)
    ends = [number(int(n)) for n in re.findall(r"\d+", frames)]
    return f"{_frames(ends[0], ends[-1])}:{text}"


def _frames(first: int, last: int) -> str:
    return f"frames {first} to {last}" if last > first else f"frame {first}"
