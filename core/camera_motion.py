"""A camera that moved while it filmed, and a world that stands still whatever the camera does.

Problem: the solver's world belongs to one camera that stands still; in a hand, on a turning head or behind a zoom it takes the
         camera's motion for the person's, and feet slide.
Method:  `core.detect.egomotion` tells how the camera turned and zoomed. Keypoints are seen through one lens (`through_one_lens`); rays of
         keypoints and lifted poses are turned into one reference view, in which the background stands still; the solver sees only that
         one, and afterwards the camera of every frame is turned and zoomed back.
Limits:  the turns belong to the focal length that they were found with; with another one the same motion in the picture is a larger or
         smaller turn, exact for small ones only. What lies more than `WIDEST` off the reference view cannot be used.

numpy only: Blender's Python reads keypoint files too.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from . import rotations
from .camera import pixel_rays
from .errors import InputError

if TYPE_CHECKING:
    from .keypoints import Keypoints
    from .lift import Lifted
    from .motion import Motion

STILL, SHAKING, TURNING, ZOOMING, TRAVELLING = "still", "shaking", "turning", "zooming", "travelling"
WIDEST = np.radians(70.0)
_STEADY = 0.02  # a focal length that changes by a smaller share does not zoom
MOVES = 0.003  # longer sides of the picture: a camera that moves it by less stands


@dataclass(frozen=True)
class CameraMotion:
    """What the camera did in T frames.

    kind: one of the five above; one that shakes or turns may zoom as well. turns: (T, 3, 3), ray in a frame = turn @ ray in the reference
    view, camera axes; identities when still, the nearest to what the picture does when travelling. focal: that they belong to, in longer
    sides of the picture; measured: whether the turns told it. zooms: (T,) focal length of a frame over that of about the widest view,
    which `focal` is; None where it did not zoom. travels: seconds (from, to) in which it travelled. seen: the share of the frames with
    background enough to tell.
    """

    kind: str
    turns: np.ndarray
    focal: float
    measured: bool = False
    travels: tuple[tuple[float, float], ...] = ()
    seen: float = 1.0
    zooms: np.ndarray | None = None

    def cut(self, wanted: np.ndarray, times: np.ndarray) -> CameraMotion:
        """The frames wanted (T,) bool, of those at times (T,) seconds; a camera that travelled in others only has shaken in these.

        Their own mean view and their own widest one count, and a turn or a zoom that is over has not been."""
        if wanted.all():
            return self
        turns, first, last = self.turns[wanted], times[wanted].min(), times[wanted].max()
        travels = tuple((a, b) for a, b in self.travels if b >= first and a <= last)
        kind = self.kind if travels or self.kind != TRAVELLING else SHAKING
        turns = turns @ rotations.nearest(turns.sum(0)).T
        if not travels and self.focal * rotations.angle_between(rotations.IDENTITY, rotations.from_matrix(turns)).max() < MOVES:
            turns, kind = np.tile(np.eye(3), (len(turns), 1, 1)), ZOOMING
        zooms, widest = None, 1.0
        if self.zooms is not None:
            zooms, widest = self.zooms[wanted], float(self.zooms[wanted].min())
            zooms = zooms / widest if np.ptp(zooms) > _STEADY * widest else None
        if kind == ZOOMING and zooms is None:
            kind = STILL
        return dataclasses.replace(self, turns=turns, travels=travels, kind=kind, focal=self.focal * widest, zooms=zooms)

    def turns_with(self, focal: float) -> np.ndarray:
        """(T, 3, 3) for another focal length, in longer sides: pan and tilt move the picture by focal length times angle."""
        vectors = rotations.to_rotation_vector(rotations.from_matrix(self.turns))
        return rotations.to_matrix(rotations.from_rotation_vector(vectors * np.array([1.0, 1.0, focal / self.focal]) * self.focal / focal))

    def to_arrays(self) -> dict[str, np.ndarray]:
        """For an npz file."""
        zooms = {} if self.zooms is None else {"camera_zooms": self.zooms.astype(np.float32)}
        return zooms | {"camera_motion": np.array(self.kind), "camera_turns": self.turns.astype(np.float32), "camera_travels":
                np.array(self.travels).reshape(-1, 2), "camera_figures": np.array([self.focal, self.measured, self.seen])}

    @staticmethod
    def from_arrays(data: Mapping[str, np.ndarray]) -> CameraMotion | None:
        """What `to_arrays` gave, in the file of as many `times`; None where there is none. Raises ValueError when it does not fit them."""
        if "camera_motion" not in data:
            return None
        focal, measured, seen = (float(v) for v in data["camera_figures"])
        turns = rotations.to_matrix(rotations.from_matrix(data["camera_turns"]))
        travels = tuple((float(a), float(b)) for a, b in data["camera_travels"])
        zooms = data["camera_zooms"].astype(np.float64) if "camera_zooms" in data else None
        frames = len(data["times"])
        if turns.shape != (frames, 3, 3) or (zooms is not None and not (zooms.shape == (frames,) and (zooms > 0).all())):
            raise ValueError("camera_turns and camera_zooms must have one of each frame, and zooms be above 0")
        return CameraMotion(str(data["camera_motion"]), turns, focal, bool(measured), travels, seen, zooms)

    def describe(self) -> dict:
        """For the motion's meta, as JSON types. largest_turn_deg: between any frame and the reference view; largest_zoom: longest over
        shortest focal length."""
        angle = rotations.angle_between(rotations.IDENTITY, rotations.from_matrix(self.turns)).max(initial=0.0)
        return {"motion": self.kind, "largest_turn_deg": round(float(np.degrees(angle)), 1), "background_seen": round(self.seen, 3),
                "focal_measured": self.measured, "largest_zoom": round(self.largest_zoom, 2)}

    @property
    def largest_zoom(self) -> float:
        """The longest focal length over the shortest one, 1 where it did not zoom."""
        return 1.0 if self.zooms is None else float(self.zooms.max() / self.zooms.min())

    @property
    def sentence(self) -> str:
        """What the user should know of a camera that shakes, turns or zooms."""
        zooms = f"zooms, by up to {self.largest_zoom:.2f} times"
        if self.kind == ZOOMING:
            does = zooms
        else:
            does = "shakes" if self.kind == SHAKING else "turns"
            does += f", by up to {self.describe()['largest_turn_deg']:g} degrees from its mean view"
            does += f", and {zooms}" if self.zooms is not None else ""
        return f"The camera {does}; the motion is freed of it by what the background does."


def check_camera(camera: CameraMotion, keypoints: Keypoints, K: np.ndarray, what: str) -> None:
    """Raises InputError with one sentence for a camera whose motion cannot be undone; `what`: the file's name."""
    if camera.kind == TRAVELLING:
        raise travel_error(", ".join(f"{a:.1f} s to {b:.1f} s" for a, b in camera.travels), what)
    rays = np.einsum("tji,tkj->tki", _turns(camera, K), pixel_rays(keypoints.xy, K))
    ahead = rays[..., 2] >= np.cos(WIDEST) * np.linalg.norm(rays, axis=-1)
    beyond = keypoints.seen & ~(ahead & (keypoints.confidence > 0)).any(1)
    if beyond.any():
        raise InputError(f"The camera turns too far in {what} (from {keypoints.times[beyond][0]:.1f} s on the person is more than "
                         f"{np.degrees(WIDEST):.0f} degrees off its mean view); choose a shorter part by start and end.")


def travel_error(when: str, what: str) -> InputError:
    """What to say of a camera that travels; when: which part of the file named `what`."""
    return InputError(f"The camera travels in {what} ({when}); only one that stands, shakes in the hand, turns on the spot or zooms can "
                      f"be used so far: choose another part by start and end, or film from one place.")


def through_one_lens(keypoints: Keypoints) -> Keypoints:
    """The keypoints as a camera would see them that did all that theirs did but zoom: always the widest view of theirs."""
    camera = keypoints.camera
    if camera is None or camera.zooms is None:
        return keypoints
    zooms, middle = camera.zooms[:, None], np.array([keypoints.width, keypoints.height]) / 2
    depth = None if keypoints.depth is None else keypoints.depth / zooms
    return keypoints.replace(xy=(keypoints.xy - middle) / zooms[..., None] + middle, depth=depth,
                             camera=dataclasses.replace(camera, zooms=None))


def steadied(keypoints: Keypoints, K: np.ndarray) -> Keypoints:
    """The keypoints, through one lens, as the reference view would see them; missing where too far off it. K: (3, 3) pixels."""
    assert keypoints.camera is not None
    rays = np.einsum("tji,tkj->tki", _turns(keypoints.camera, K), pixel_rays(keypoints.xy, K))
    ahead = rays[..., 2] >= np.cos(WIDEST) * np.linalg.norm(rays, axis=-1)
    flat = rays[..., :2] / np.where(ahead, rays[..., 2], 1.0)[..., None]
    xy = flat * np.array([K[0, 0], K[1, 1]]) + K[:2, 2]
    return keypoints.replace(xy=np.where(ahead[..., None], xy, np.nan), camera=None)


def steadied_lift(lifted: Lifted, camera: CameraMotion, K: np.ndarray) -> Lifted:
    """Lifted markers with the axes of the reference view."""
    return dataclasses.replace(lifted, positions=np.einsum("tji,tmj->tmi", _turns(camera, K), lifted.positions))


def as_filmed(motion: Motion, keypoints: Keypoints, K: np.ndarray) -> Motion:
    """The motion that was solved in the reference view, with every frame's own camera and the keypoints as detected (zooms and all)."""
    assert keypoints.camera is not None
    turns, view = _turns(keypoints.camera, K), motion.camera
    seen_2d = np.concatenate([keypoints.xy, keypoints.confidence[..., None]], axis=-1)
    camera = dataclasses.replace(view, R=turns @ view.R, t=np.einsum("tij,tj->ti", turns, view.t), zooms=keypoints.camera.zooms)
    return dataclasses.replace(motion, camera=camera, keypoints_2d=seen_2d)


def _turns(camera: CameraMotion, K: np.ndarray) -> np.ndarray:
    return camera.turns_with(float(K[0, 0]) / float(2.0 * max(K[0, 2], K[1, 2])))
