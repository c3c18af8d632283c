"""The motion: what a run leaves in motion.npz, and the contract between the engine, Blender and anyone's scripts.

Keys, shapes and meanings are those of the table "motion.npz" in CONTRIBUTING.md; no pickles. numpy only: Blender reads it too.
"""

from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import dataclass, field
from operator import attrgetter
from typing import IO, Any

import numpy as np

from . import rotations
from .errors import InputError
from .keypoints import NPZ_ERRORS, npz_problem, write_npz
from .skeleton import END_PARENTS, ENDS, JOINTS, PARENTS, Skeleton

CONTACT_NAMES = ("left heel", "left toe", "right heel", "right toe")
_AT_A_FRAME = 1e-3  # of the step between two frames: nearer to one is that one


@dataclass(frozen=True)
class Camera:
    """Where the picture was taken from. K: (3, 3) pixels; R: (T, 3, 3), t: (T, 3) metres: x_camera = R x_world + t (OpenCV axes).
    zooms: (T,), what K's focal length is multiplied by in each frame; None for one lens throughout."""

    K: np.ndarray
    R: np.ndarray
    t: np.ndarray
    width: int
    height: int
    zooms: np.ndarray | None = None

    @property
    def lenses(self) -> np.ndarray:
        """(T, 3, 3) pixels, K as it is in each frame."""
        lenses = np.tile(self.K, (len(self.R), 1, 1))
        if self.zooms is not None:
            lenses[:, :2, :2] *= self.zooms[:, None, None]
        return lenses


@dataclass(frozen=True)
class Motion:
    """A person's motion over T frames in the world (Z up, floor z = 0, metres); quaternions (w, x, y, z), continuous in time.

    skeleton: the person's bones. local_rotations: (T, 21, 4) from the rest T-pose, relative to the parent.
    root_translation: (T, 3). confidence: (T, 21) in [0, 1]. contacts: (T, 4) bool, see CONTACT_NAMES. times: (T,) seconds.
    keypoints_2d: (T, K, 3) pixels and confidence as detected, NaN where missing; keypoint_names: their K names.
    """

    skeleton: Skeleton
    local_rotations: np.ndarray
    root_translation: np.ndarray
    times: np.ndarray
    fps: float
    confidence: np.ndarray
    contacts: np.ndarray
    camera: Camera
    keypoint_names: tuple[str, ...]
    keypoints_2d: np.ndarray
    meta: dict = field(default_factory=dict)

    def __post_init__(self) -> None:
        frames = len(self.times)
        for name, shape in (("local_rotations", (frames, len(JOINTS), 4)), ("root_translation", (frames, 3)),
                            ("confidence", (frames, len(JOINTS))), ("contacts", (frames, 4)),
                            ("keypoints_2d", (frames, len(self.keypoint_names), 3)), ("camera.K", (3, 3)), ("camera.R", (frames, 3, 3)),
                            ("camera.t", (frames, 3)), ("skeleton.rest_offsets", (len(JOINTS), 3)),
                            ("skeleton.end_offsets", (len(ENDS), 3))):
            there = np.shape(attrgetter(name)(self))
            if there != shape:
                raise ValueError(f"{name} must be {shape}, got {there}")
        if self.camera.zooms is not None and self.camera.zooms.shape != (frames,):
            raise ValueError(f"camera.zooms must be ({frames},), got {self.camera.zooms.shape}")
        if not isinstance(self.meta, dict):
            raise ValueError("meta must be a dict")

    def __len__(self) -> int:
        return len(self.times)

    def joints_world(self) -> np.ndarray:
        """(T, 21, 3) forward kinematics, metres."""
        return self.skeleton.forward_kinematics(self.local_rotations, self.root_translation)[0]

    def joints_camera(self) -> np.ndarray:
        """(T, 21, 3) the same in the camera."""
        return to_camera(self.joints_world(), self.camera)

    def save(self, path: str | os.PathLike) -> None:
        """Writes motion.npz."""
        write_npz(path, **self.to_arrays())

    def to_arrays(self) -> dict[str, Any]:
        """What motion.npz holds."""
        world, global_rotations = self.skeleton.forward_kinematics(self.local_rotations, self.root_translation)
        f32 = np.float32
        zooms = {} if self.camera.zooms is None else {"camera_zooms": self.camera.zooms}
        return {
            "kind": "video-mocap motion", "joint_names": np.array(JOINTS), "parents": np.array(PARENTS),
            "rest_offsets": self.skeleton.rest_offsets.astype(f32), "end_names": np.array(ENDS),
            "end_parents": np.array([JOINTS.index(p) for p in END_PARENTS.values()]),
            "end_offsets": self.skeleton.end_offsets.astype(f32), "local_rotations": self.local_rotations.astype(f32),
            "root_translation": self.root_translation.astype(f32), "joints_world": world.astype(f32),
            "ends_world": self.skeleton.end_positions(world, global_rotations).astype(f32),
            "joints_camera": to_camera(world, self.camera).astype(f32), "keypoints_2d": self.keypoints_2d.astype(f32),
            "keypoint_names": np.array(self.keypoint_names), "confidence": self.confidence.astype(f32),
            "contacts": self.contacts.astype(bool), "times": self.times, "fps": self.fps, "camera_K": self.camera.K,
            "camera_R": self.camera.R, "camera_t": self.camera.t,
            "image_size": np.array([self.camera.width, self.camera.height]), "meta": json.dumps(self.meta), **zooms}

    def resampled(self, fps: float) -> Motion:
        """The same take at a steady rate: same first time, same length; rotations by slerp, what is not continuous by nearest frame, and
        a foot that leaves the ground between two frames is not on it there."""
        count = max(1, int(round((self.times[-1] - self.times[0]) * fps)) + 1) if len(self) > 1 else 1
        times = np.minimum(self.times[0] + np.arange(count) / fps, self.times[-1])
        after = np.clip(np.searchsorted(self.times, times, side="right"), 1, max(1, len(self) - 1)) if len(self) > 1 else np.zeros(1, int)
        before = np.maximum(after - 1, 0)
        span = np.maximum(self.times[after] - self.times[before], 1e-9)
        s = np.clip((times - self.times[before]) / span, 0.0, 1.0)
        nearest = np.where(s < 0.5, before, after)
        earlier, later = np.where(s > 1.0 - _AT_A_FRAME, after, before), np.where(s < _AT_A_FRAME, before, after)

        def mix(value: np.ndarray) -> np.ndarray:
            weight = s.reshape((-1,) + (1,) * (value.ndim - 1))
            return (1 - weight) * value[before] + weight * value[after]

        turned = rotations.slerp(self.local_rotations[before], self.local_rotations[after], s[:, None])
        camera_rotation = rotations.from_matrix(self.camera.R)
        return dataclasses.replace(
            self, local_rotations=rotations.continuous(turned), root_translation=mix(self.root_translation), times=times,
            fps=float(fps), confidence=mix(self.confidence), contacts=self.contacts[earlier] & self.contacts[later],
            keypoints_2d=self.keypoints_2d[nearest],
            camera=dataclasses.replace(
                self.camera, R=rotations.to_matrix(rotations.slerp(camera_rotation[before], camera_rotation[after], s)),
                t=mix(self.camera.t), zooms=None if self.camera.zooms is None else mix(self.camera.zooms)))


def to_camera(points: np.ndarray, camera: Camera) -> np.ndarray:
    """World points (T, N, 3) into the camera's frame, metres."""
    return np.einsum("tij,tnj->tni", camera.R, points) + camera.t[:, None]


def project(points_camera: np.ndarray, K: np.ndarray) -> np.ndarray:
    """Camera-frame points (..., N, 3) to pixels (..., N, 2), K (3, 3) or (..., 3, 3); points not in front of the camera come out NaN."""
    z = points_camera[..., 2:]
    with np.errstate(divide="ignore", invalid="ignore"):
        pixels = points_camera[..., :2] / z * np.stack([K[..., 0, 0], K[..., 1, 1]], axis=-1)[..., None, :] + K[..., None, :2, 2]
    return np.where(z > 1e-6, pixels, np.nan)


def _unit(quaternions: np.ndarray) -> np.ndarray:
    """Of length 1; NaN where there is none."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return rotations.normalise(quaternions)


def load_motion(path: str | os.PathLike | IO[bytes]) -> Motion:
    """Reads motion.npz, a file or its bytes. Raises InputError with one sentence when it is missing, damaged or something else, or holds
    what cannot be."""
    try:
        with np.load(path, allow_pickle=False) as data:
            if "kind" not in data or str(data["kind"]) != "video-mocap motion":
                raise InputError(f"{path} is not a motion file of Video Mocap.")
            if tuple(data["joint_names"]) != JOINTS:
                raise InputError(f"{path} was made for another skeleton; run the video again with this version.")
            width, height = (int(v) for v in data["image_size"])
            motion = Motion(
                Skeleton(data["rest_offsets"], data["end_offsets"]), _unit(data["local_rotations"]),
                data["root_translation"].astype(np.float64), data["times"].astype(np.float64), float(data["fps"]),
                data["confidence"], data["contacts"],
                Camera(data["camera_K"], data["camera_R"], data["camera_t"], width, height,
                       data["camera_zooms"] if "camera_zooms" in data else None),
                tuple(str(n) for n in data["keypoint_names"]), data["keypoints_2d"], json.loads(str(data["meta"])))
    except NPZ_ERRORS as error:
        raise InputError(f"{path} cannot be read as a motion file ({npz_problem(error)}).") from error
    for name, values in (("rest_offsets", motion.skeleton.rest_offsets), ("end_offsets", motion.skeleton.end_offsets),
                         ("times", motion.times), ("local_rotations", motion.local_rotations), ("confidence", motion.confidence),
                         ("root_translation", motion.root_translation), ("camera_K", motion.camera.K), ("camera_R", motion.camera.R),
                         ("camera_t", motion.camera.t)):
        if not np.isfinite(values).all():
            raise InputError(f"{path} holds {name} that are no numbers; write finite ones.")
    zooms = np.ones(1) if motion.camera.zooms is None else motion.camera.zooms
    for name, value in (("fps", motion.fps), ("image_size", (motion.camera.width, motion.camera.height)), ("camera_zooms", zooms),
                         ("camera_K", motion.camera.K[[0, 1], [0, 1]])):
        if not all(0 < number < np.inf for number in np.ravel(value)):
            raise InputError(f"{path} holds {name} of {np.ravel(value)[0]:g}; write what is above 0.")
    if not (np.diff(motion.times) >= 0).all():
        raise InputError(f"The times in {path} fall from one frame to the next; write them in seconds, in the order of the frames.")
    return motion
