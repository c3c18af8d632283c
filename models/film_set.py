"""What is in front of the camera in a rendered run: a person of the rendering tool in motion, floor, wall, things, light, and the camera.

The people, their motions and the camera's place are the tool's own (its modules `human`, `retarget` and `make_detections` are imported);
colours, sizes and the order of random choices are such that a run looks as the tool would have rendered it, and its truth is the same to
a micrometre. World: metres, Z up, the floor at 0, the motion in the middle. Cameras have OpenCV's axes. numpy and the tool only.
"""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from core.errors import InputError

from .people_renderer import Array, Light, Material, Mesh, box, joined, skinned

Run = dict[str, Any]
"""The tool's random choices of one run."""
_SPINE = {"pelvis": "pelvis", "spine": "spine_02", "chest": "spine_03", "neck": "neck_01", "head": "head"}
_LIMBS = {"hip": ("thigh", 0), "knee": ("calf", 0), "ankle": ("foot", 0), "foot": ("ball", 0), "toe": ("ball", 1),
          "clavicle": ("clavicle", 0), "shoulder": ("upperarm", 0), "elbow": ("lowerarm", 0), "wrist": ("hand", 0),
          "hand_tip": ("middle_03", 1), "index": ("index_01", 0), "pinky": ("pinky_01", 0), "thumb": ("thumb_03", 1)}
_POINT_OF = {name: (bone, 0) for name, bone in _SPINE.items()} | {
    f"{side}_{name}": (f"{bone}_{side}", end) for side in "lr" for name, (bone, end) in _LIMBS.items()}
_ON_SKIN = ("head_top", "nose", "l_ear", "r_ear", "l_heel", "r_heel")
NAMES = [*_POINT_OF, *_ON_SKIN, "l_eye", "r_eye"]
"""The points of the truth, as the tool names them."""
_SHADING = (("pelvis", "spine_01", 0.13, (0.3,)), ("spine_01", "spine_03", 0.13, (0.3, 0.8)), ("spine_03", "neck_01", 0.13, (0.5,)),
            ("head", "head", 0.1, (0.0,)), *((f"{a}_{s}", f"{b}_{s}", r, at) for s in "lr" for a, b, r, at in (
                ("thigh", "calf", 0.08, (0.2, 0.6, 0.95)), ("calf", "foot", 0.05, (0.3, 0.7)), ("foot", "ball", 0.05, (0.2, 1.0)),
                ("upperarm", "lowerarm", 0.045, (0.3, 0.9)), ("lowerarm", "hand", 0.035, (0.4, 1.0)))))
_FLOORS = (((0.28, 0.22, 0.17), (0.36, 0.28, 0.21), "checker", 1.6), ((0.30, 0.31, 0.32), (0.40, 0.41, 0.42), "checker", 1.1),
           ((0.16, 0.24, 0.12), (0.24, 0.33, 0.16), "noise", 6.0), ((0.38, 0.36, 0.33), (0.30, 0.28, 0.26), "noise", 4.0))
_WALLS = (((0.55, 0.53, 0.48), (0.62, 0.60, 0.55), "noise", 2.0), ((0.42, 0.30, 0.24), (0.50, 0.36, 0.29), "brick", 2.2),
          ((0.38, 0.45, 0.50), (0.44, 0.52, 0.57), "noise", 3.0), ((0.62, 0.60, 0.57), (0.57, 0.55, 0.52), "brick", 1.2))
_CROWN = 0.2  # metres above the head's joint that have to be in the picture


class NoCamera(Exception):
    """Nowhere does the tool find a place from which it could film a run."""


def rendering_tool(folder: Path) -> SimpleNamespace:
    """The tool's modules as `runs` (make_detections), `human` and `retarget`. Raises InputError when they are not there."""
    names = {"runs": "make_detections", "human": "human", "retarget": "retarget"}
    missing = [f"{n}.py" for n in names.values() if not (folder / f"{n}.py").is_file()]
    if missing:
        raise InputError(f"There is no {missing[0]} in {folder}; give the rendering tool's folder as --tool.")
    sys.path.insert(0, str(folder))
    try:
        return SimpleNamespace(**{ours: importlib.import_module(theirs) for ours, theirs in names.items()})
    except ModuleNotFoundError as e:
        raise InputError(f"{e}: the rendering tool in {folder} needs it; install it.") from e
    finally:
        sys.path.remove(str(folder))


@dataclass(frozen=True)
class Person:
    """A rigged person in motion. human: of the tool's `build_human`; turns: (T, B, 3, 3) from rest, heads: (T, B, 3) metres."""

    human: dict[str, Any]
    turns: Array
    heads: Array

    def bone(self, name: str) -> int:
        """The index of a bone."""
        return int(self.human["bones"].index(name))

    def matrices(self) -> Array:
        """(T, B, 4, 4) rest to world."""
        out = np.tile(np.eye(4), (*self.heads.shape[:2], 1, 1))
        out[..., :3, :3] = self.turns
        out[..., :3, 3] = self.heads - np.einsum("tbij,bj->tbi", self.turns, self.human["head"])
        return out

    def points(self) -> Array:
        """(T, J, 3) the points `NAMES`, metres."""
        h, moved = self.human, self.matrices()
        out = []
        for bone, end in _POINT_OF.values():
            b = self.bone(bone)
            out.append(self.heads[:, b] + end * np.einsum("tij,j->ti", self.turns[:, b], h["tail"][b] - h["head"][b]))
        skin = next(p for p in h["parts"] if p["name"] == "skin")
        for name in _ON_SKIN:
            vertex = h["landmarks"][name]
            blended = np.einsum("b,tbij->tij", skin["w"][vertex] / skin["w"][vertex].sum(), moved)
            out.append(np.einsum("tij,j->ti", blended, [*skin["v"][vertex], 1.0])[:, :3])
        out += [np.einsum("tij,j->ti", moved[:, self.bone("head")], [*h["eyes"][s], 1.0])[:, :3] for s in "lr"]
        return np.stack(out, 1)

    def extent(self) -> Array:
        """(T, P, 3) what the camera has to have in view, metres: all bones and the crown."""
        crown = self.heads[:, self.bone("head"), None] + [0.0, 0.0, _CROWN]
        return np.concatenate([self.heads[:, 1:], crown], 1)

    def spheres(self) -> Array:
        """(T, S, 4) centres and radii, metres, that stand for the body where light is concerned; the first one is in its middle."""
        rows = []
        for a, b, radius, places in _SHADING:
            start, end = self.heads[:, self.bone(a)], self.heads[:, self.bone(b)]
            rows += [np.concatenate([start + k * (end - start), np.full((len(start), 1), radius)], -1) for k in places]
        return np.stack(rows, 1)


def person_in(tool: SimpleNamespace, run: Run) -> Person:
    """The run's person on its motion. Raises InputError for a BVH file on a skeleton that the tool does not know."""
    rate, ahead = run["fps"], min(run["start"], tool.runs.PAD_S)
    before = int(rate * ahead)  # frames that only the retargeting sees
    seconds = (before + run["frames"]) / rate + tool.runs.PAD_S
    try:
        source = tool.retarget.load_source(run["motion"], rate, run["start"] - before / rate, seconds)
    except ValueError as e:
        raise InputError(f"{run['motion']}: {e}.") from e
    human = tool.human.build_human(run["person"])
    moved = tool.retarget.retarget(source, human)
    turns, heads = (moved[name][before : before + run["frames"]] for name in ("Q", "P"))
    ground = heads[:, 1:, :2]
    return Person(human, turns, heads - np.append(0.5 * (ground.min((0, 1)) + ground.max((0, 1))), 0.0))


@dataclass(frozen=True)
class Shot:
    """A run with its camera. K: (3, 3) pixels; R: (T, 3, 3), t: (T, 3) metres: x_camera = R x_world + t; size: width, height;
    to_camera: (3,) level unit vector from the motion's middle (3,) towards the camera's eye (3,); rng: where the run's choices go on."""

    person: Person
    K: Array
    R: Array
    t: Array
    size: tuple[int, int]
    to_camera: Array
    middle: Array
    eye: Array
    rng: np.random.Generator

    def truth(self) -> dict[str, Array]:
        """The points `NAMES` in the world, in the camera (T, J, 3) and in the picture (T, J, 2), as float32, and whether they are in it."""
        points = self.person.points()
        seen = np.einsum("tij,tkj->tki", self.R, points) + self.t[:, None]
        flat = self.K[:2, 2] + self.K[0, 0] * seen[..., :2] / seen[..., 2:]
        inside = (flat >= 0).all(-1) & (flat < self.size).all(-1) & (seen[..., 2] > 0)
        return {"joints3d_world": points.astype("f4"), "joints3d_cam": seen.astype("f4"), "joints2d": flat.astype("f4"), "in_frame": inside}


def shot_of(tool: SimpleNamespace, run: Run) -> Shot:
    """The run's person before the run's camera. Raises InputError, as `person_in`, and NoCamera."""
    rng = np.random.default_rng(run["scene"])
    person = person_in(tool, run)
    size = run["width"], run["height"]
    focal = run["camera"]["focal"] * max(size) / 36.0
    K = np.diag([focal, focal, 1.0])
    K[:2, 2] = np.divide(size, 2)
    facing = -person.turns[len(person.heads) // 2, 1][:2, 1]
    try:
        R, t, to_camera, middle, eye = tool.runs.place_camera(
            SimpleNamespace(look_rt=look_rt), run["camera"], person.extent(), person.heads[:, 1], facing, K, *size, run["fps"], rng)
    except TypeError as e:  # how it says that somebody is behind every camera it tried
        raise NoCamera(f"no camera has all of {run['motion']} in view") from e
    return Shot(person, K, R, t, size, to_camera, middle, eye, rng)


def passer_by_of(tool: SimpleNamespace, run: Run, shot: Shot) -> Person:
    """Who walks past the person, as run["passer_by"] says: what `person_in` reads, and "across", radians between their way and the
    picture's plane, "before", metres nearer to the camera than the person when they pass, and "when", the part of the run when that is."""
    choice = run["passer_by"]
    other = person_in(tool, run | {name: choice[name] for name in ("person", "motion", "start")})
    ahead, places = shot.to_camera[:2], other.heads[:, 1, :2]
    way = places[-1] - places[0]
    angle = np.arctan2(ahead[1], ahead[0]) + np.pi / 2 + choice["across"] - np.arctan2(way[1], way[0])
    turn = np.eye(3)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    heads, at = other.heads @ turn.T, int(choice["when"] * len(places))
    heads[..., :2] += shot.person.heads[at, 1, :2] + choice["before"] * ahead - heads[at, 1, :2]
    return Person(other.human, turn @ other.turns, heads)


def look_rt(eye: Array, target: Array) -> tuple[Array, Array]:
    """Rotation (3, 3) and translation (3,) of an upright camera with OpenCV's axes that looks from a point at another (3,)."""
    ahead = np.asarray(target, float) - eye
    ahead /= np.linalg.norm(ahead)
    right = np.array([ahead[1], -ahead[0], 0.0]) / np.hypot(ahead[0], ahead[1])
    rotation = np.stack([right, np.cross(ahead, right), ahead])
    return rotation, -rotation @ eye


class FilmSet:
    """Everything that is drawn. still: (4, 4) of what does not move, behind the person's bones; hidden_by: the index of the one in front of
    the person and its width, depth, height in metres, or None."""

    def __init__(self, person: Person) -> None:
        self.materials: list[Material] = []
        self.still: list[Array] = []
        self.hidden_by: tuple[int, Array] | None = None
        self._bones = len(person.human["bones"])
        self._meshes: list[Mesh] = []
        self._dress(person.human)

    def join(self, other: Person) -> None:
        """Somebody else, whose bones follow the person's and what does not move by now: nothing is to be added after them."""
        self._dress(other.human, self._bones + len(self.still))

    def _dress(self, human: dict[str, Any], first_bone: int = 0) -> None:
        c = human["colors"]
        lips = tuple(np.multiply(c["skin"], [0.85, 0.6, 0.6]))
        scale = {"stripes": 140.0, "noise": 14.0}.get(c["pattern"], 1.0)
        looks = {"skin": [Material(c["skin"], specular=0.3), Material(c["hair"]), Material(lips)],
                 "eyes": [Material((0.8, 0.8, 0.8)), Material((0.05, 0.03, 0.02))],
                 "shirt": [Material(c["shirt"], c["pattern"], scale)], "pants": [Material(c["pants"], "noise", 30.0)],
                 "hair": [Material(c["hair"], "noise", 60.0)], "shoe_l": [Material(c["shoe"])], "shoe_r": [Material(c["shoe"])]}
        for part in human["parts"]:
            first = len(self.materials)
            self.materials += looks[part["name"]]
            faces = part["fmat"] if part["fmat"] is not None else np.zeros(len(part["f"]), int)
            weights = np.pad(part["w"], ((0, 0), (first_bone, 0)))
            self._meshes.append(skinned(part["v"], part["f"], weights, first + np.asarray(faces)))

    def add(self, low: Array | list, high: Array | list, place: Array, angle: float, material: Material) -> None:
        """A box between two corners (3,), metres, turned by `angle` radians about the vertical and put at a place (2,) on the floor."""
        matrix = np.eye(4)
        matrix[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        matrix[:2, 3] = place
        self._meshes.append(box(np.asarray(low), np.asarray(high), self._bones + len(self.still), len(self.materials)))
        self.still.append(matrix)
        self.materials.append(material)

    def stand(self, size: list[float], place: Array, angle: float, material: Material) -> None:
        """A box of this width, depth and height in metres, standing on the floor; otherwise as `add`."""
        w, d, h = size
        self.add([-w / 2, -d / 2, 0.0], [w / 2, d / 2, h], place, angle, material)

    def mesh(self) -> Mesh:
        """All of it as one mesh."""
        return joined(self._meshes)


def build(shot: Shot, run: Run) -> tuple[FilmSet, Light]:
    """The set and the light of a shot; goes on with its `rng`."""
    scene, rng = FilmSet(shot.person), shot.rng
    ahead, middle = shot.to_camera[:2], shot.middle[:2]
    side, turn = np.array([-ahead[1], ahead[0]]), float(np.arctan2(ahead[1], ahead[0]) + np.pi / 2)
    reach = (shot.person.extent()[..., :2] - middle) @ ahead  # metres towards the camera
    far, near = max(-reach.min(), 0.4), max(reach.max(), 0.2)

    def drawn(looks: tuple[tuple[Any, Any, str, float], ...]) -> Material:
        first, second, pattern, scale = looks[int(rng.integers(len(looks)))]
        return Material(first, pattern, scale, second)

    scene.add([-60.0, -60.0, -0.2], [60.0, 60.0, 0.0], np.zeros(2), 0.0, drawn(_FLOORS))
    if run["background"]["wall"]:
        look, height = drawn(_WALLS), 3.2 + 2 * rng.random()
        scene.add([-40.0, 0.0, -0.1], [40.0, 0.2, height], middle - ahead * (far + run["background"]["wall_distance"] + 1.6), turn, look)
    for thing in run["background"]["boxes"]:
        aside, behind = thing["pos"]
        scene.stand(thing["size"], middle + side * aside - ahead * (far + behind), aside, Material(tuple(thing["color"])))
    if run["occluder"]:
        halfway = 0.5 * float(np.linalg.norm(shot.eye[:2] - middle))
        before = min(near + 0.3, max(halfway, 0.7 * near))
        scene.hidden_by = len(scene.still), np.array(run["occluder"]["size"])
        scene.stand(run["occluder"]["size"], middle + ahead * before + side * run["occluder"]["side"] * 0.6, turn,
                    Material((0.35, 0.22, 0.10), "noise", 5.0))
    return scene, _light(shot, run["light"])


def _light(shot: Shot, light: dict[str, Any]) -> Light:
    aside, leftwards, height = shot.rng.uniform(25, 60), shot.rng.random() < 0.5, shot.rng.uniform(42, 62)
    azimuth = np.arctan2(shot.to_camera[1], shot.to_camera[0]) + np.radians(aside if leftwards else -aside)
    if light["sun_angle"] is not None:  # from anywhere, rather than from over the camera's shoulder
        azimuth, height = np.radians(light["sun_angle"]), light["sun_elevation"]
    level, up = np.cos(np.radians(height)), np.sin(np.radians(height))
    sun = np.array([level * np.cos(azimuth), level * np.sin(azimuth), up])
    fill = np.append(shot.to_camera[:2], 0.35)
    return Light(sun, light["sun"], light["sun_size"], light["sky"] * np.array(light["sky_tint"]), light["exposure"],
                 fill / np.linalg.norm(fill) if light["fill"] else None)


def occluded(shot: Shot, scene: FilmSet, points: Array) -> Array:
    """(T, J) whether the thing in front of the person, if there is one, hides points (T, J, 3) in the world."""
    if scene.hidden_by is None:
        return np.zeros(points.shape[:2], bool)
    which, size = scene.hidden_by
    return behind_box(scene.still[which], size, -np.einsum("tji,tj->ti", shot.R, shot.t), points)


def behind_box(matrix: Array, size: Array, eyes: Array, points: Array) -> Array:
    """(T, J) whether a box hides points (T, J, 3) from eyes (T, 3): one that stands on the origin of its matrix (4, 4), of this width,
    depth and height in metres."""
    inverse = np.linalg.inv(matrix)
    start = (eyes @ inverse[:3, :3].T + inverse[:3, 3])[:, None]
    step = points @ inverse[:3, :3].T + inverse[:3, 3] - start
    low, high = np.array([-size[0] / 2, -size[1] / 2, 0.0]), np.array([size[0] / 2, size[1] / 2, size[2]])
    with np.errstate(divide="ignore", invalid="ignore"):
        ends = np.stack([(low - start) / step, (high - start) / step])
    enters, leaves = ends.min(0).max(-1), ends.max(0).min(-1)
    return np.asarray((enters <= leaves) & (((enters >= 0) & (enters <= 1)) | ((leaves >= 0) & (leaves <= 1))))
