"""What the Blender tests share: a motion, rigs of several makes, how they really move, and what a file holds."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from blender_addon.core import rotations
from blender_addon.core.motion import Camera, Motion
from blender_addon.core.skeleton import INDEX, JOINTS, Skeleton

from blender_addon import versions

LIMBS = [(side + a, side + b) for side in ("Left", "Right")
         for a, b in (("UpLeg", "Leg"), ("Leg", "Foot"), ("Arm", "ForeArm"), ("ForeArm", "Hand"))]

FAKE_WORKER = '''
import json, os, shutil, signal, sys, time
request = json.loads(sys.stdin.readline())
order = json.load(open(os.environ.get("VIDEO_MOCAP_TEST_ORDER") or request["input"]))
say = lambda **event: print(json.dumps(event), flush=True)
print("a line that is not JSON", flush=True)
for i in range(order["frames"] + 1):
    say(event="progress", stage="Finding the person", done=i, total=order["frames"])
kind = order["behaviour"]
if kind == "bad input":
    say(event="error", kind="input", text="There is no person in this video."); sys.exit(2)
if kind == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
if kind == "crash":
    raise SystemError("out of order")
if kind == "waits":
    for line in sys.stdin:
        if "cancel" in line:
            break
    say(event="error", kind="cancelled", text="Cancelled."); sys.exit(130)
if kind == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN) if order.get("very") else None
    time.sleep(60)
if kind == "slow":
    for i in range(order["frames"] + 1):
        say(event="progress", stage="Finding the person", done=i, total=order["frames"]); time.sleep(order["pause"])
say(event="warning", text="The person is far away.")
target = os.path.join(request["out"], "motion.npz")
shutil.copy(order["motion"], target) if kind != "damaged" else open(target, "w").write("no")
if "keep" in order:
    shutil.copy(request["input"], order["keep"])
with open(order.get("keep", request["input"] + ".npz")[:-4] + (".json" if "keep" in order else ".request"), "w") as file:
    json.dump(request, file)
say(event="result", files={"npz": target}, summary={})
if kind == "incomplete":
    say(event="warning", text="The video is damaged from frame 20 on.")
    say(event="error", kind="input", text="The video is damaged from frame 20 on."); sys.exit(2)
'''


def write_order(path: Path, behaviour: str, motion: Path, frames: int = 30, **more: Any) -> Path:
    """A "video" that tells the stand-in for the engine what to do."""
    path.write_text(json.dumps({"behaviour": behaviour, "motion": str(motion), "frames": frames, **more}))
    return path


def synthetic_motion(frames: int = 30, fps: float = 25.0, seed: int = 0, uneven: bool = False) -> Motion:
    """Somebody who turns, sways and walks off; every joint moves."""
    rng = np.random.default_rng(seed)
    times = np.arange(frames) / fps
    if uneven:
        times = times + 0.3 / fps * np.sin(np.arange(frames))
    speed, phase = rng.uniform(1, 6, (1, 21, 3)), rng.uniform(0, 6, (1, 21, 3))
    turn = rng.normal(0, 0.3, (1, 21, 3)) + 0.35 * np.sin(times[:, None, None] * speed + phase)
    turn[:, 0] = np.array([0.1, 0.05, 1.0]) * times[:, None]
    root = np.stack([0.5 * times, -0.3 * times, 0.95 + 0.05 * np.sin(times)], axis=-1)
    K, R = np.array([[900.0, 0, 330], [0, 900, 235], [0, 0, 1]]), np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    camera = Camera(K, np.tile(R, (frames, 1, 1)), np.tile([0.1, 1.0, 4.0], (frames, 1)), 640, 480)
    return Motion(Skeleton.mean(1.8), rotations.continuous(rotations.from_rotation_vector(turn)), root, times, fps, np.ones((frames, 21)),
                  np.zeros((frames, 4), bool), camera, (), np.zeros((frames, 0, 3)), {})


CANONICAL = {joint: joint for joint in JOINTS}
MIXAMO = {joint: "mixamorig7:" + {"LeftToe": "LeftToeBase", "RightToe": "RightToeBase", "Spine1": "Spine2"}.get(joint, joint)
          for joint in JOINTS}
_RIGIFY = {"Hips": "spine", "Spine": "spine.001", "Spine1": "spine.003", "Neck": "spine.004", "Head": "spine.006"}
_RIGIFY_LIMBS = {"UpLeg": "thigh", "Leg": "shin", "Foot": "foot", "Toe": "toe", "Shoulder": "shoulder", "Arm": "upper_arm",
                 "ForeArm": "forearm", "Hand": "hand"}
RIGIFY = _RIGIFY | {side + part: f"{bone}.{side[0]}" for side in ("Left", "Right") for part, bone in _RIGIFY_LIMBS.items()}
_BETWEEN = {"mixamorig7:Spine2": "mixamorig7:Spine1", "spine.003": "spine.002", "spine.006": "spine.005"}


def open_rig(shared: Path, name: str) -> tuple[Any, dict[str, Any]]:
    """One of the rigs that people use, its file opened, and what is true of it; the test is skipped without them."""
    path = shared / "rigs" / f"{name}.blend"
    if not path.exists():
        pytest.skip(f"no rigs in {shared}")
    truth = json.loads(path.with_suffix(".json").read_text())
    bpy.ops.wm.open_mainfile(filepath=str(path))
    return bpy.data.objects[truth["armature_object"]], truth


def armature_in_edit_mode() -> Any:
    """A new armature without bones, active and selected, ready for them."""
    armature = bpy.data.objects.new("rig", bpy.data.armatures.new("rig"))
    bpy.context.scene.collection.objects.link(armature)
    bpy.context.view_layer.objects.active = armature
    armature.select_set(True)
    bpy.ops.object.mode_set(mode="EDIT")
    return armature


def make_rig(names: dict[str, str], arms_down: float = 45.0, seed: int = 1, scale: float = 1.0) -> Any:
    """An armature with these bone names, arms lowered by so many degrees, random rolls, a bone more in spine and neck where usual."""
    rng = np.random.default_rng(seed)
    skeleton = Skeleton.mean(1.6)
    lowered = np.tile(rotations.IDENTITY, (21, 1))
    for side, sign in (("Left", 1.0), ("Right", -1.0)):
        lowered[INDEX[side + "Arm"]] = rotations.from_rotation_vector(np.array([0.0, sign * math.radians(arms_down), 0.0]))
        lowered[INDEX[side + "ForeArm"]] = rotations.from_rotation_vector(np.array([0.2, 0.0, -sign * 0.4]))
        lowered[INDEX[side + "UpLeg"]] = rotations.from_rotation_vector(np.array([0.0, -sign * 0.15, 0.0]))
    heads, turned = skeleton.forward_kinematics(lowered, np.array([0.0, 0.0, 0.92]))
    ends = skeleton.end_positions(heads, turned)
    armature = armature_in_edit_mode()
    data = armature.data
    _edit_bones(data.edit_bones, names, heads / scale, ends / scale, rng)
    bpy.ops.object.mode_set(mode="OBJECT")
    armature.scale = (scale,) * 3
    return armature


def _edit_bones(bones: Any, names: dict[str, str], heads: np.ndarray, ends: np.ndarray, rng: np.random.Generator) -> None:
    from blender_addon.core.skeleton import END_PARENTS, ENDS, JOINT_PARENTS
    first_child = {p: c for c, p in reversed(JOINT_PARENTS.items()) if p} | {"Hips": "Spine", "Spine1": "Neck"}
    for joint, name in names.items():
        bone = bones.new(name)
        bone.head = heads[INDEX[joint]]
        child = first_child.get(joint)
        bone.tail = heads[INDEX[child]] if child else ends[ENDS.index(next(e for e, p in END_PARENTS.items() if p == joint))]
        bone.roll = rng.uniform(-3, 3)
        parent = JOINT_PARENTS[joint]
        if parent:
            bone.parent = bones[names[parent]]
        if name in _BETWEEN:
            between = bones.new(_BETWEEN[name])
            between.head = 0.5 * (bone.parent.head + bone.head)
            between.tail = bone.head
            between.parent, bone.parent = bone.parent, between


def joints_in_blender(armature: Any, names: dict[str, str], frame: float) -> dict[str, np.ndarray]:
    """Where the joints are in the world at a scene frame, by Blender's own evaluation."""
    bpy.context.scene.frame_set(math.floor(frame), subframe=frame - math.floor(frame))
    posed = armature.evaluated_get(bpy.context.evaluated_depsgraph_get())
    return {joint: np.array(posed.matrix_world @ posed.pose.bones[bone].head) for joint, bone in names.items() if bone}


def limb_error(armature: Any, names: dict[str, str], motion: Motion, turn: np.ndarray | None = None, every: int = 5) -> float:
    """Degrees between the limbs of motion and rig, the worst over limbs and frames. turn: (3, 3) from the motion's world to the rig's."""
    render, world, worst = bpy.context.scene.render, motion.joints_world(), 0.0
    for i in range(0, len(motion), every):
        there = joints_in_blender(armature, names, 1 + (motion.times[i] - motion.times[0]) * render.fps / render.fps_base)
        for a, b in LIMBS:
            if a in there and b in there:
                wanted = (np.eye(3) if turn is None else turn) @ (world[i, INDEX[b]] - world[i, INDEX[a]])
                got = there[b] - there[a]
                cosine = wanted @ got / np.linalg.norm(wanted) / np.linalg.norm(got)
                worst = max(worst, math.degrees(math.acos(min(1.0, cosine))))
    return worst


def snapshot() -> dict[str, Any]:
    """Everything of the present file that an import must not touch when it fails."""
    scene, layer = bpy.context.scene, bpy.context.view_layer
    blocks = {kind: sorted(b.name for b in getattr(bpy.data, kind))
              for kind in ("objects", "armatures", "actions", "cameras", "images", "movieclips", "meshes", "collections", "scenes")}
    objects = {o.name: (tuple(map(tuple, o.matrix_world)), o.select_get(), o.mode, _pose(o), _curves(o)) for o in scene.objects}
    render = scene.render
    return {"blocks": blocks, "objects": objects, "active": layer.objects.active and layer.objects.active.name, "mode": bpy.context.mode,
            "scene": (render.fps, render.fps_base, scene.frame_start, scene.frame_end, scene.frame_current, render.resolution_x,
                      scene.camera and scene.camera.name)}


def _pose(thing: Any) -> Any:
    if thing.type != "ARMATURE":
        return None
    rest = {b.name: (tuple(map(tuple, b.matrix_local)), b.use_connect) for b in thing.data.bones}
    return rest, {p.name: (p.rotation_mode, tuple(map(tuple, p.matrix_basis))) for p in thing.pose.bones}


def _curves(thing: Any) -> Any:
    return [(c.data_path, c.array_index, [tuple(k.co) for k in c.keyframe_points]) for c in versions.curves_of(thing)]
