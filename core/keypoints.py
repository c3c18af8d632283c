"""2D keypoints: what detectors see, the naming conventions they use, and the bridge to the canonical set.

A keypoint is not a joint of the skeleton: the nose, an ear, a knuckle or a heel rides on a joint as a fixed offset (`ATTACHMENTS`).
Conventions are lists of names in the order of the file or network; the same name means the same point everywhere, "l_" and "r_"
are the person's own sides, "-" is a point that nobody needs. numpy only.

Sources: MediaPipe Pose (BlazePose) topology, COCO keypoint annotations, OpenPose output documentation, Human3.6M as used by
VideoPose3D.
"""

from __future__ import annotations

import dataclasses
import os
import tokenize
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from .camera_motion import CameraMotion
from .errors import InputError
from .skeleton import mirror_name

_PAIRS = ("shoulder", "elbow", "wrist", "index", "pinky", "thumb", "hip", "knee", "ankle", "heel", "toe")
CANONICAL: tuple[str, ...] = ("nose", "l_eye", "r_eye", "l_ear", "r_ear") + tuple(f"{s}_{p}" for p in _PAIRS for s in "lr")
"""The 27 keypoints that the lifter takes: index, pinky: knuckles; thumb: tip; toe: tip of the big toe."""

LIMB_KEYPOINTS: tuple[str, ...] = tuple(f"{s}_{p}" for s in "lr" for p in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle"))
"""The 12 that errors are measured on; each is the centre of rotation of the joint in `ATTACHMENTS`."""

CONVENTIONS: dict[str, tuple[str, ...]] = {
    "blazepose33": (
        "nose", "l_eye_inner", "l_eye", "l_eye_outer", "r_eye_inner", "r_eye", "r_eye_outer", "l_ear", "r_ear", "l_mouth", "r_mouth",
        "l_shoulder", "r_shoulder", "l_elbow", "r_elbow", "l_wrist", "r_wrist", "l_pinky", "r_pinky", "l_index", "r_index",
        "l_thumb", "r_thumb", "l_hip", "r_hip", "l_knee", "r_knee", "l_ankle", "r_ankle", "l_heel", "r_heel", "l_toe", "r_toe"),
    "coco17": (
        "nose", "l_eye", "r_eye", "l_ear", "r_ear", "l_shoulder", "r_shoulder", "l_elbow", "r_elbow", "l_wrist", "r_wrist",
        "l_hip", "r_hip", "l_knee", "r_knee", "l_ankle", "r_ankle"),
    "openpose18": (
        "nose", "neck", "r_shoulder", "r_elbow", "r_wrist", "l_shoulder", "l_elbow", "l_wrist", "r_hip", "r_knee", "r_ankle",
        "l_hip", "l_knee", "l_ankle", "r_eye", "l_eye", "r_ear", "l_ear"),
    "openpose25": (
        "nose", "neck", "r_shoulder", "r_elbow", "r_wrist", "l_shoulder", "l_elbow", "l_wrist", "mid_hip", "r_hip", "r_knee",
        "r_ankle", "l_hip", "l_knee", "l_ankle", "r_eye", "l_eye", "r_ear", "l_ear", "l_toe", "l_small_toe", "l_heel", "r_toe",
        "r_small_toe", "r_heel"),
    "human36m17": (
        "mid_hip", "r_hip", "r_knee", "r_ankle", "l_hip", "l_knee", "l_ankle", "spine", "neck", "-", "head_top", "l_shoulder",
        "l_elbow", "l_wrist", "r_shoulder", "r_elbow", "r_wrist"),
}

# Keypoint -> (joint it rides on, offset in that joint's rest frame for a stature of 1.70 m, metres, Blender's axes).
# Offsets of the head, hand and foot are means over the MakeHuman bodies of the rendered clips.
_LEFT_ATTACHMENTS: dict[str, tuple[str, tuple[float, float, float]]] = {
    "nose": ("Head", (0.0, -0.116, 0.003)),
    "l_eye": ("Head", (0.029, -0.075, 0.039)),
    "l_ear": ("Head", (0.083, 0.011, 0.032)),
    "l_shoulder": ("LeftArm", (0.0, 0.0, 0.0)),
    "l_elbow": ("LeftForeArm", (0.0, 0.0, 0.0)),
    "l_wrist": ("LeftHand", (0.0, 0.0, 0.0)),
    "l_index": ("LeftHand", (0.101, -0.031, 0.0)),
    "l_pinky": ("LeftHand", (0.089, 0.033, 0.0)),
    "l_thumb": ("LeftHand", (0.095, -0.075, -0.050)),
    "l_hip": ("LeftUpLeg", (0.0, 0.0, 0.0)),
    "l_knee": ("LeftLeg", (0.0, 0.0, 0.0)),
    "l_ankle": ("LeftFoot", (0.0, 0.0, 0.0)),
    "l_heel": ("LeftFoot", (0.008, 0.046, -0.061)),
    "l_toe": ("LeftToe", (-0.004, -0.067, 0.003)),
}


def _attachment(name: str) -> tuple[str, tuple[float, float, float]]:
    if name in _LEFT_ATTACHMENTS:
        return _LEFT_ATTACHMENTS[name]
    joint, (x, y, z) = _LEFT_ATTACHMENTS[mirror_name(name)]
    return mirror_name(joint), (-x, y, z)


ATTACHMENTS: dict[str, tuple[str, tuple[float, float, float]]] = {name: _attachment(name) for name in CANONICAL}


@dataclass(frozen=True)
class Keypoints:
    """One person's keypoints over time, T frames of K points. Missing is NaN with confidence 0, never a silent zero.

    xy: (T, K, 2) pixels, origin at the image's top-left corner, pixel centres at +0.5, x right, y down.
    confidence: (T, K) in [0, 1]. times: (T,) seconds. fps: nominal rate.
    depth: (T, K) or None; the detector's own depth relative to the hips, in pixels like x, growing away from the camera.
    world: (T, K, 3) or None; the detector's own metric guess about the hips' middle; metres, x right, y down, z forward.
    camera: what the camera did in the T frames; None where nobody has looked.
    lens: its 35 mm equivalent in millimetres as the camera wrote it into the video; None where it did not.
    by_hand: (T, K) bool or None; what somebody has put right (`core.corrections`): where the confidence is 1 the place counts more than
    all else that is seen, and where it is several limbs' points, which side is which is settled in the frame.
    """

    names: tuple[str, ...]
    xy: np.ndarray
    confidence: np.ndarray
    times: np.ndarray
    width: int
    height: int
    fps: float
    depth: np.ndarray | None = None
    world: np.ndarray | None = None
    camera: CameraMotion | None = None
    lens: float | None = None
    by_hand: np.ndarray | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(str(n) for n in self.names))
        frames, count = len(self.times), len(self.names)
        for name, shape in (("xy", (frames, count, 2)), ("confidence", (frames, count)), ("times", (frames,)),
                            ("depth", (frames, count)), ("world", (frames, count, 3)), ("by_hand", (frames, count))):
            value = getattr(self, name)
            if value is None:
                continue
            value = np.asarray(value, dtype=bool if name == "by_hand" else np.float64)
            if value.shape != shape:
                raise ValueError(f"{name} must be {shape}, got {value.shape}")
            object.__setattr__(self, name, value)
        missing = ~np.isfinite(self.xy).all(-1) | ~(self.confidence > 0)
        object.__setattr__(self, "xy", np.where(missing[..., None], np.nan, self.xy))
        object.__setattr__(self, "confidence", np.where(missing, 0.0, np.clip(self.confidence, 0.0, 1.0)))

    def __len__(self) -> int:
        return len(self.times)

    @property
    def seen(self) -> np.ndarray:
        """(T,) bool, whether anything of the person is there in a frame."""
        return np.asarray((self.confidence > 0).any(-1))

    def replace(self, **changes: Any) -> Keypoints:
        """A copy with some fields changed."""
        return dataclasses.replace(self, **changes)

    def select(self, names: tuple[str, ...]) -> Keypoints:
        """The named keypoints in that order; those that this set lacks come out missing."""
        index = {n: i for i, n in enumerate(self.names)}
        there = np.array([n in index for n in names])
        source = np.array([index.get(n, 0) for n in names])

        def pick(value: np.ndarray | None) -> np.ndarray | None:
            if value is None:
                return None
            mask = there if value.ndim == 2 else there[:, None]
            return np.where(mask, value[:, source], np.nan)

        return self.replace(names=tuple(names), xy=pick(self.xy), confidence=np.where(there, self.confidence[:, source], 0.0),
                            depth=pick(self.depth), world=pick(self.world),
                            by_hand=None if self.by_hand is None else self.by_hand[:, source] & there)

    def canonical(self) -> Keypoints:
        """The 27 `CANONICAL` keypoints."""
        return self.select(CANONICAL)

    def save(self, path: str | os.PathLike) -> None:
        """Writes our own keypoint npz, which `load_keypoints` and the command line take as input."""
        write_npz(path, **self.to_arrays())

    def to_arrays(self) -> dict[str, Any]:
        """What an npz of them holds."""
        optional = {k: getattr(self, k).astype(np.float32) for k in ("depth", "world") if getattr(self, k) is not None}
        optional |= self.camera.to_arrays() if self.camera else {}
        optional |= {"lens_mm": self.lens} if self.lens else {}
        optional |= {} if self.by_hand is None else {"by_hand": self.by_hand}
        return {"kind": "video-mocap keypoints", "names": np.array(self.names), "xy": self.xy.astype(np.float32),
                "confidence": self.confidence.astype(np.float32), "times": self.times, "width": self.width, "height": self.height,
                "fps": self.fps, **optional}


NPZ_ERRORS = (ValueError, TypeError, OSError, KeyError, EOFError, OverflowError, zipfile.BadZipFile, zlib.error, tokenize.TokenError,
              RuntimeError)
"""What numpy raises on an npz that is missing, torn, damaged, lacks an array or has one of another shape (RuntimeError: damage that looks
like encryption or an unknown compression)."""


def npz_problem(error: BaseException) -> str:
    """What is wrong with an npz, for a sentence; numpy's own words are for whoever wrote the file with numpy."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, EOFError):
        return "it is empty"
    of_python = "Object arrays" in str(error)
    if "context manager" in str(error) or ("pickle" in str(error) and not of_python):  # a single array, or what np.load takes for a pickle
        return "it is not an npz file"
    if of_python or isinstance(error, TypeError | OverflowError):
        return "one of its arrays is not what it should be"
    return f"it is damaged: {error.args[0] if error.args else error}"


def load_keypoints(path: str | os.PathLike | IO[bytes]) -> Keypoints:
    """Reads what `Keypoints.save` wrote, from a file or its bytes. Raises InputError with one sentence when it is something else."""
    try:
        with np.load(path, allow_pickle=False) as data:
            if "kind" not in data or str(data["kind"]) != "video-mocap keypoints":
                raise InputError(f"{path} is not a keypoint file of Video Mocap; use the keypoints.npz that a run leaves.")
            keypoints = Keypoints(
                tuple(data["names"]), data["xy"], data["confidence"], data["times"], int(data["width"]), int(data["height"]),
                float(data["fps"]), data["depth"] if "depth" in data else None, data["world"] if "world" in data else None,
                CameraMotion.from_arrays(data), float(data["lens_mm"]) if "lens_mm" in data else None,
                data["by_hand"] if "by_hand" in data else None)
    except NPZ_ERRORS as error:
        raise InputError(f"{path} cannot be read as a keypoint file ({npz_problem(error)}).") from error
    if len(keypoints) == 0:
        raise InputError(f"{path} holds no frames; give keypoints of at least one.")
    if not 0 < keypoints.fps < np.inf:
        raise InputError(f"The frame rate in {path} is {keypoints.fps:g}; write frames a second as fps, for example 30.")
    if keypoints.lens is not None and not 0 < keypoints.lens < np.inf:
        raise InputError(f"The lens in {path} is one of {keypoints.lens:g} mm; write its 35 mm equivalent as lens_mm, or leave that out.")
    if not (np.isfinite(keypoints.times).all() and (np.diff(keypoints.times) > 0).all()):
        raise InputError(f"The times in {path} do not increase from frame to frame; write them in seconds, in the order of the frames.")
    return keypoints


def write_npz(path: str | os.PathLike, **arrays: Any) -> None:
    """A compressed npz, complete or not there at all: written beside `path`, then renamed."""
    temporary = Path(path).with_suffix(".partial")
    try:
        with open(temporary, "wb") as file:
            np.savez_compressed(file, **arrays)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
