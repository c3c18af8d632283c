"""Detections beside truth, three times as fast as by path tracing: the rendering tool's runs, drawn by `models.people_renderer`.

    python -m models.render_detections --tool ../shared/tools/render_human --mocap ../shared/mocap/train \
        --bundle core/detect/pose_landmarker_full.task --out ~/.cache/video-mocap/detections --first 100000 --runs 1500

Every random choice of run n (motion, person, camera, light, things, image quality) is what the tool's make_detections.py draws for the
same n, and the files have the same arrays apart from foot contacts, so that both kinds of runs train together. Finished runs are
skipped: start it again after a stop, or several times with another --shard. Needs numpy, scipy, opencv, mediapipe and moderngl, no
Blender.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from .people_renderer import Array, Light, Material, Mesh, Renderer, box, joined, skinned

_BONE_OF = {"pelvis": "pelvis", "spine": "spine_02", "chest": "spine_03", "neck": "neck_01", "head": "head"}
_SIDED = {"hip": ("thigh", 0), "knee": ("calf", 0), "ankle": ("foot", 0), "foot": ("ball", 0), "toe": ("ball", 1),
          "clavicle": ("clavicle", 0), "shoulder": ("upperarm", 0), "elbow": ("lowerarm", 0), "wrist": ("hand", 0),
          "hand_tip": ("middle_03", 1), "index": ("index_01", 0), "pinky": ("pinky_01", 0), "thumb": ("thumb_03", 1)}
_POINT_OF = {name: (bone, 0) for name, bone in _BONE_OF.items()} | {
    f"{side}_{name}": (f"{bone}_{side}", end) for side in "lr" for name, (bone, end) in _SIDED.items()}
_ON_SKIN = ("head_top", "nose", "l_ear", "r_ear", "l_heel", "r_heel")
NAMES = [*_POINT_OF, *_ON_SKIN, "l_eye", "r_eye"]
_SPHERES = (("pelvis", "spine_01", 0.13, (0.3,)), ("spine_01", "spine_03", 0.13, (0.3, 0.8)), ("spine_03", "neck_01", 0.13, (0.5,)),
            ("head", "head", 0.1, (0.0,)), *((f"{a}_{s}", f"{b}_{s}", r, at) for s in "lr" for a, b, r, at in (
                ("thigh", "calf", 0.08, (0.2, 0.6, 0.95)), ("calf", "foot", 0.05, (0.3, 0.7)), ("foot", "ball", 0.05, (0.2, 1.0)),
                ("upperarm", "lowerarm", 0.045, (0.3, 0.9)), ("lowerarm", "hand", 0.035, (0.4, 1.0)))))


@dataclass(frozen=True)
class Person:
    """A rigged person in motion. human: of the tool's `build_human`; turns: (T, B, 3, 3) from rest, heads: (T, B, 3) metres."""

    human: dict[str, Any]
    turns: Array
    heads: Array

    def bone(self, name: str) -> int:
        return int(self.human["bones"].index(name))

    def matrices(self) -> Array:
        """(T, B, 4, 4) rest to world."""
        out = np.tile(np.eye(4), (*self.heads.shape[:2], 1, 1))
        out[..., :3, :3] = self.turns
        out[..., :3, 3] = self.heads - np.einsum("tbij,bj->tbi", self.turns, self.human["head"])
        return out

    def points(self) -> Array:
        """(T, J, 3) the points `NAMES`."""
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

    def spheres(self) -> Array:
        """(T, S, 4) centres and radii that stand for the body where light is concerned; the first one is in its middle."""
        rows = []
        for a, b, radius, places in _SPHERES:
            start, end = self.heads[:, self.bone(a)], self.heads[:, self.bone(b)]
            rows += [np.concatenate([start + k * (end - start), np.full((len(start), 1), radius)], -1) for k in places]
        return np.stack(rows, 1)


class Scene:
    """Everything of one run that is drawn: meshes, the matrices of what stands still, materials and light."""

    def __init__(self, person: Person) -> None:
        self.materials: list[Material] = []
        self.still: list[Array] = []
        self._first = len(person.human["bones"])
        self._meshes: list[Mesh] = []
        self._dress(person.human)

    def _dress(self, human: dict[str, Any]) -> None:
        c = human["colors"]
        lips = tuple(x * y for x, y in zip(c["skin"], (0.85, 0.6, 0.6), strict=True))
        stripes = {"stripes": 140.0, "noise": 14.0}.get(c["pattern"], 1.0)
        looks = {"skin": [Material(c["skin"], specular=0.3), Material(c["hair"]), Material(lips)],
                 "eyes": [Material((0.8, 0.8, 0.8)), Material((0.05, 0.03, 0.02))],
                 "shirt": [Material(c["shirt"], c["pattern"], stripes)], "pants": [Material(c["pants"], "noise", 30.0)],
                 "hair": [Material(c["hair"], "noise", 60.0)], "shoe_l": [Material(c["shoe"])], "shoe_r": [Material(c["shoe"])]}
        for part in human["parts"]:
            first = len(self.materials)
            self.materials += looks[part["name"]]
            faces = part["fmat"] if part["fmat"] is not None else np.zeros(len(part["f"]), int)
            self._meshes.append(skinned(part["v"], part["f"], part["w"], first + np.asarray(faces)))

    def add(self, low: Array, high: Array, place: Array, angle: float, material: Material) -> None:
        """A box between two corners, turned about the vertical and put at a place."""
        matrix = np.eye(4)
        matrix[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        matrix[:3, 3] = place
        self._meshes.append(box(np.asarray(low), np.asarray(high), self._first + len(self.still), len(self.materials)))
        self.still.append(matrix)
        self.materials.append(material)

    def mesh(self) -> Mesh:
        return joined(self._meshes)


def look_rt(eye: Array, target: Array) -> tuple[Array, Array]:
    """Rotation and translation of a level camera with OpenCV's axes that looks from a point at another."""
    ahead = np.asarray(target, float) - eye
    ahead /= np.linalg.norm(ahead)
    right = np.cross(ahead, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(ahead, right), ahead])
    return rotation, -rotation @ eye


def person_in(tool: SimpleNamespace, run: dict[str, Any]) -> Person:
    """The run's person on its motion, in the middle of the floor."""
    fps, frames = run["fps"], run["frames"]
    pad = int(min(tool.runs.PAD_S, run["start"]) * fps)
    source = tool.retarget.load_source(run["motion"], fps, run["start"] - pad / fps, (frames + pad) / fps + tool.runs.PAD_S)
    human = tool.human.build_human(run["person"])
    motion = tool.retarget.retarget(source, human)
    turns, heads = motion["Q"][pad:pad + frames], motion["P"][pad:pad + frames]
    flat = heads[:, 1:, :2]
    return Person(human, turns, heads - [*((flat.min((0, 1)) + flat.max((0, 1))) / 2), 0.0])


_FLOORS = (((0.28, 0.22, 0.17), (0.36, 0.28, 0.21), "checker", 1.6), ((0.30, 0.31, 0.32), (0.40, 0.41, 0.42), "checker", 1.1),
           ((0.16, 0.24, 0.12), (0.24, 0.33, 0.16), "noise", 6.0), ((0.38, 0.36, 0.33), (0.30, 0.28, 0.26), "noise", 4.0))
_WALLS = (((0.55, 0.53, 0.48), (0.62, 0.60, 0.55), "noise", 2.0), ((0.42, 0.30, 0.24), (0.50, 0.36, 0.29), "brick", 2.2),
          ((0.38, 0.45, 0.50), (0.44, 0.52, 0.57), "noise", 3.0), ((0.62, 0.60, 0.57), (0.57, 0.55, 0.52), "brick", 1.2))


def surroundings(scene: Scene, run: dict[str, Any], rng: np.random.Generator, to_camera: Array, middle: Array, far: float,
                 near: float, eye: Array) -> tuple[Light, int | None]:
    """Floor, wall, things and the occluder go into the scene; the light, and which of the scene's `still` things hides the person."""
    def drawn(choices: tuple[tuple[Any, Any, str, float], ...]) -> Material:
        first, second, pattern, scale = choices[int(rng.integers(len(choices)))]
        return Material(first, pattern, scale, second)

    scene.add(np.array([-60, -60, -0.2]), np.array([60, 60, 0]), np.zeros(3), 0.0, drawn(_FLOORS))
    turn = float(np.arctan2(to_camera[1], to_camera[0]) + np.pi / 2)
    behind = far + run["background"]["wall_distance"] + 1.6
    if run["background"]["wall"]:
        look = drawn(_WALLS)
        scene.add(np.array([-40, 0, -0.1]), np.array([40, 0.2, 3.2 + 2 * rng.random()]),
                  np.array([*(middle[:2] - to_camera[:2] * behind), 0]), turn, look)
    side = np.array([-to_camera[1], to_camera[0]])
    for thing in run["background"]["boxes"]:
        w, d, h = thing["size"]
        place = middle[:2] + side * thing["pos"][0] - to_camera[:2] * (far + thing["pos"][1])
        scene.add(np.array([-w / 2, -d / 2, 0]), np.array([w / 2, d / 2, h]), np.array([*place, 0]), thing["pos"][0],
                  Material(tuple(thing["color"])))
    hides = None
    if run["occluder"]:
        w, d, h = run["occluder"]["size"]
        along = min(near + 0.3, max(0.5 * np.linalg.norm((eye - middle)[:2]), 0.7 * near))
        place = middle[:2] + to_camera[:2] * along + side * run["occluder"]["side"] * 0.6
        hides = len(scene.still)
        scene.add(np.array([-w / 2, -d / 2, 0]), np.array([w / 2, d / 2, h]), np.array([*place, 0]), turn,
                  Material((0.35, 0.22, 0.10), "noise", 5.0))
    light = run["light"]
    azimuth = np.arctan2(to_camera[1], to_camera[0]) + np.radians(rng.uniform(25, 60)) * (1 if rng.random() < 0.5 else -1)
    elevation = np.radians(rng.uniform(42, 62))
    if light["sun_angle"] is not None:
        azimuth, elevation = np.radians(light["sun_angle"]), np.radians(light["sun_elevation"])
    sun = np.array([np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation)])
    fill = np.array([*to_camera[:2], 0.35]) / np.linalg.norm([*to_camera[:2], 0.35]) if light["fill"] else None
    return Light(sun, light["sun"], light["sun_size"], light["sky"] * np.array(light["sky_tint"]), light["exposure"], fill), hides


def behind_box(matrix: Array, size: list[float], eyes: Array, points: Array) -> Array:
    """(T, J) whether the straight line from an eye (T, 3) to a point (T, J, 3) meets a box that stands on its matrix' origin."""
    inverse = np.linalg.inv(matrix)
    start = (eyes @ inverse[:3, :3].T + inverse[:3, 3])[:, None]
    step = points @ inverse[:3, :3].T + inverse[:3, 3] - start
    low, high = np.array([-size[0] / 2, -size[1] / 2, 0]), np.array([size[0] / 2, size[1] / 2, size[2]])
    with np.errstate(divide="ignore", invalid="ignore"):
        ends = np.stack([(low - start) / step, (high - start) / step])
    enters, leaves = ends.min(0).max(-1), ends.max(0).min(-1)
    return np.asarray((enters <= leaves) & (leaves >= 0) & (enters <= 1))


def render(tool: SimpleNamespace, renderer: Renderer, run: dict[str, Any]) -> tuple[list[Array], dict[str, Any]]:
    """The frames of a run, (h, w, 3) uint8 RGB, and the truth beside them."""
    size = run["width"], run["height"]
    rng = np.random.default_rng(run["scene"])
    person = person_in(tool, run)
    focal = run["camera"]["focal"] / 36 * max(size)
    K = np.array([[focal, 0, size[0] / 2], [0, focal, size[1] / 2], [0, 0, 1.0]])
    crown = person.heads[:, person.bone("head")] + [0, 0, 0.2]
    extent = np.concatenate([person.heads[:, 1:], crown[:, None]], 1)
    front = -person.turns[len(extent) // 2, 1][:2, 1]
    R, t, to_camera, middle, eye = tool.runs.place_camera(SimpleNamespace(look_rt=look_rt), run["camera"], extent, person.heads[:, 1],
                                                          front, K, *size, run["fps"], rng)
    reach = (extent.reshape(-1, 3) - middle)[:, :2] @ to_camera[:2]
    scene = Scene(person)
    light, hides = surroundings(scene, run, rng, to_camera, middle, max(-reach.min(), 0.4), max(reach.max(), 0.2), eye)
    renderer.load(scene.mesh(), scene.materials, light)
    bones, spheres = person.matrices(), person.spheres()
    frames = [renderer.image(np.concatenate([bones[f], scene.still]), spheres[f], R[f], t[f], K, size) for f in range(len(R))]
    points = person.points()
    seen = np.einsum("tij,tkj->tki", R, points) + t[:, None]
    flat = seen[..., :2] / seen[..., 2:] * focal + K[:2, 2]
    occluded = np.zeros(flat.shape[:2], bool)
    if hides is not None:
        occluded = behind_box(scene.still[hides], run["occluder"]["size"], -np.einsum("tji,tj->ti", R, t), points)
    return frames, {
        "names": np.array(NAMES), "joints3d_world": points.astype("f4"), "joints3d_cam": seen.astype("f4"), "joints2d": flat.astype("f4"),
        "K": K, "R": R, "t": t, "fps": run["fps"], "width": size[0], "height": size[1], "stature": person.human["stature"],
        "in_frame": ((flat >= 0) & (flat < size)).all(-1) & (seen[..., 2] > 0), "occluded": occluded}


def detected(tool: SimpleNamespace, frames: list[Array], run: dict[str, Any], bundle: Path) -> dict[str, Array]:
    """What MediaPipe sees of the frames, after the image quality of the run; NaN where it finds nobody."""
    import mediapipe as mp
    from mediapipe.tasks import python as tasks
    from mediapipe.tasks.python import vision

    rng = np.random.default_rng(run["scene"] + 1)
    size = np.array([run["width"], run["height"], run["width"]])
    seen, world = np.full((len(frames), 33, 5), np.nan, "f4"), np.full((len(frames), 33, 3), np.nan, "f4")
    options = vision.PoseLandmarkerOptions(base_options=tasks.BaseOptions(model_asset_path=str(bundle)),
                                           running_mode=vision.RunningMode.VIDEO, num_poses=1)
    with vision.PoseLandmarker.create_from_options(options) as landmarker:
        for f, frame in enumerate(frames):
            image = tool.runs.degrade(frame[..., ::-1], run["image"], rng)[..., ::-1]
            found = landmarker.detect_for_video(mp.Image(image_format=mp.ImageFormat.SRGB, data=np.ascontiguousarray(image)),
                                                round(f * 1000 / run["fps"]))
            if found.pose_landmarks:
                seen[f] = [(*(np.array([q.x, q.y, q.z]) * size), q.visibility, q.presence) for q in found.pose_landmarks[0]]
                world[f] = [(q.x, q.y, q.z) for q in found.pose_world_landmarks[0]]
    return {"detections": seen, "world_landmarks": world, "detected": ~np.isnan(seen[:, 0, 0])}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m models.render_detections", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", type=Path, required=True, help="folder of make_detections.py, human.py and retarget.py")
    parser.add_argument("--mocap", nargs="+", required=True, help="folders with BVH files")
    parser.add_argument("--bundle", type=Path, required=True, help="MediaPipe pose landmarker .task file")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="number of the first run")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--shard", default="0/1", help="i/n: this process takes every n-th run, from the i-th")
    parser.add_argument("--size", type=int, default=384, help="pixels of the longer image side")
    args = parser.parse_args()
    sys.path.insert(0, str(args.tool))
    import human  # type: ignore[import-not-found]
    import make_detections  # type: ignore[import-not-found]
    import retarget  # type: ignore[import-not-found]

    tool = SimpleNamespace(runs=make_detections, human=human, retarget=retarget)
    motions = make_detections.list_motions(args.mocap)
    shard, of = (int(x) for x in args.shard.split("/"))
    args.out.mkdir(parents=True, exist_ok=True)
    began, frames_done = time.monotonic(), 0
    with Renderer() as renderer:
        for n in range(args.first + shard, args.first + args.runs, of):
            path = args.out / f"run_{n:06d}.npz"
            if path.exists():
                continue
            run = make_detections.draw_run(args.seed, n, motions, args.size)
            try:
                frames, truth = render(tool, renderer, run)
            except (AssertionError, TypeError, ValueError, IndexError) as e:  # a motion that the tool cannot frame or retarget
                print(f"run {n} left out: {type(e).__name__}: {e}", file=sys.stderr, flush=True)
                continue
            seen = detected(tool, frames, run, args.bundle)
            run["motion"] = os.path.basename(run["motion"])
            part = path.with_suffix(".part")
            with part.open("wb") as file:
                np.savez_compressed(file, **(truth | seen | {"params": json.dumps(run), "motion": run["motion"], "start": run["start"]}))
            part.replace(path)
            frames_done += len(frames)
            print(f"run {n}: {len(frames)} frames, somebody in {seen['detected'].sum()}; "
                  f"{60 * frames_done / (time.monotonic() - began):.0f} frames a minute", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
