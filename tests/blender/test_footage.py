"""The footage behind the camera: upright whatever Blender makes of a rotation flag, in step at every rate, in every kind of folder."""

from __future__ import annotations

import dataclasses
import math
import struct
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from blender_addon.core.errors import InputError
from blender_addon.core.motion import Motion
from blender_addon.core.retarget.choices import Choices
from helpers import MIXAMO, make_rig, synthetic_motion

from blender_addon import versions
from blender_addon.apply import apply_motion
from blender_addon.footage import check_footage
from blender_addon.scene_script import build_scene

SAMPLE = Path(__file__).resolve().parents[2] / "core" / "assets" / "sample.mp4"
FLAGS = {0: (1, 0, 0, 1), 90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}


def behind(motion: Motion, footage: Path, start_frame: float = 1.0) -> Any:
    take = apply_motion(bpy.context, motion, "walk", None, start_frame, footage, camera=True)
    return bpy.data.objects[take.camera].data.background_images[0]


def picture_at(camera: Any, frame: int) -> int:
    """The number of the picture that Blender itself shows on a scene frame."""
    for _ in range(2):  # Blender 4.5 now and then (40 of 220,000 times) counts with the frame offset of the frame before
        bpy.context.scene.frame_set(frame)
    return camera.data.background_images[0].image_user.frame_current


def pictures(folder: Path, names: list[str]) -> Path:
    folder.mkdir()
    image = bpy.data.images.new("tiny", 8, 6)
    for name in names:
        image.filepath_raw, image.file_format = str(folder / name), "PNG"
        image.save()
    bpy.data.images.remove(image)
    return folder


def turned(folder: Path, clockwise: int) -> Path:
    """The sample with a rotation flag in its track header, as phones write it."""
    data = bytearray(SAMPLE.read_bytes())
    a, b, c, d = FLAGS[clockwise]
    place = data.index(b"tkhd") + 4 + 40
    data[place: place + 36] = struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    path = folder / f"phone{clockwise}.mp4"
    path.write_bytes(data)
    return path


def filmed(motion: Motion, width: int, height: int, **meta: Any) -> Motion:
    return dataclasses.replace(motion, camera=dataclasses.replace(motion.camera, width=width, height=height), meta=meta)


@pytest.mark.parametrize("clockwise", FLAGS)
@pytest.mark.parametrize("frame", [(1920, 1080), (1080, 1920), (1000, 1000)])
def test_a_phones_video_stands_upright(tmp_path: Path, clockwise: int, frame: tuple[int, int]) -> None:
    """Blender turns it by itself or is told to; either way the upright picture is fitted into the frame."""
    path = turned(tmp_path, clockwise)
    plain = bpy.data.images.load(str(SAMPLE))
    size = tuple(plain.size) if clockwise in (0, 180) else tuple(plain.size)[::-1]
    render = bpy.context.scene.render
    render.resolution_x, render.resolution_y = frame
    shown = behind(filmed(synthetic_motion(), *size, source_rotation=clockwise), path)
    honoured = bpy.app.version >= (4, 4)
    assert tuple(shown.image.size) == (size if honoured else tuple(plain.size))
    assert math.degrees(shown.rotation) == pytest.approx(0 if honoured else clockwise)
    # Blender fits the picture as it lies in the file into the frame, scales it, turns it.
    lying = shown.image.size[0] / shown.image.size[1]
    width = shown.scale * min(frame[0], frame[1] * lying)
    got = (width, width / lying) if round(math.degrees(shown.rotation)) % 180 == 0 else (width / lying, width)
    fit = min(frame[0] / size[0], frame[1] / size[1])
    np.testing.assert_allclose(got, (fit * size[0], fit * size[1]), rtol=1e-5)


@pytest.mark.parametrize("resampled", [30.0, 60.0, 12.0])
@pytest.mark.parametrize("scene_rate", [24, 60])
def test_a_folders_pictures_play_at_their_own_rate(tmp_path: Path, resampled: float, scene_rate: int) -> None:
    """Whatever rate the motion was resampled to, and the scene has."""
    folder = pictures(tmp_path / "frames", [f"f_{i:03d}.png" for i in range(1, 31)])
    bpy.context.scene.render.fps = scene_rate
    motion = dataclasses.replace(synthetic_motion(int(resampled), resampled), meta={"source_fps": 30.0})
    camera = bpy.data.objects[apply_motion(bpy.context, motion, "walk", None, 1.0, folder, camera=True).camera]
    for frame in range(1, 1 + scene_rate - math.ceil(scene_rate / resampled)):
        assert abs(picture_at(camera, frame) - 1 - (frame - 1) / scene_rate * 30) <= 0.5 + 1e-6, frame


def test_holes_in_the_numbers_and_hidden_files(tmp_path: Path) -> None:
    """The engine reads the pictures one after the other; a ._ file of a Mac is none of them."""
    folder = pictures(tmp_path / "frames", [f"shot2.{i:04d}.png" for i in (7, 8, 11, 12, 40)])
    (folder / "._shot2.0001.png").write_bytes(b"\0\5\x16\7")
    (folder / "notes.json").write_text("{}")
    bpy.context.scene.render.fps = 30
    motion = dataclasses.replace(synthetic_motion(5, 30.0), meta={"source_fps": 30.0})
    camera = bpy.data.objects[apply_motion(bpy.context, motion, "walk", None, 11.0, folder, camera=True).camera]
    assert [picture_at(camera, 11 + i) for i in range(5)] == [7, 8, 11, 12, 40]
    assert Path(camera.data.background_images[0].image.filepath).name == "shot2.0007.png"


@pytest.mark.parametrize(("names", "sentence"), [
    (["a.png", "b.png"], "a.png has no number"), (["a1.png", "b2.png"], "a1.png and b2.png are not named alike"),
    (["01.png", "2.png"], "01.png and 2.png are not named alike"), (["1.png", "2.jpg"], "not named alike"), ([], "no images")])
def test_a_folder_that_cannot_be_shown_is_refused(tmp_path: Path, names: list[str], sentence: str) -> None:
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(InputError, match=sentence):
        check_footage(tmp_path)


def test_footage_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_text("no picture")
    for path in (tmp_path, tmp_path / "1.png", tmp_path / "gone.mp4"):
        with pytest.raises(InputError, match="behind the camera"):
            behind(synthetic_motion(), path)


def test_the_users_own_image_stays_what_it_is(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "frames", ["1.png", "2.png"])
    mine = bpy.data.images.load(str(folder / "1.png"))
    behind(synthetic_motion(), folder)
    assert mine.source == "FILE"


@pytest.mark.parametrize("scene_rate", [None, 24, 60])
@pytest.mark.parametrize("start", [0.0, 0.5])
@pytest.mark.parametrize("uneven", [False, True])
def test_film_and_motion_run_together(scene_rate: int | None, start: float, uneven: bool) -> None:
    """A part of a video (`start`), frames at uneven times, scenes of the video's rate (None: as in scene.blend) and of others."""
    motion = synthetic_motion(30, 30.0, uneven=uneven)
    motion = dataclasses.replace(motion, times=motion.times + start)
    if scene_rate is None:
        take = build_scene(motion, SAMPLE, "walk")
    else:
        bpy.context.scene.render.fps = scene_rate
        take = apply_motion(bpy.context, motion, "walk", None, 1.0, SAMPLE, camera=True)
    camera = bpy.data.objects[take.camera]
    rate = bpy.context.scene.render.fps / bpy.context.scene.render.fps_base
    last = int((motion.times[-1] - motion.times[0]) * rate)
    for frame in range(1, 1 + last):
        seconds = motion.times[0] + (frame - 1) / rate
        assert abs((picture_at(camera, frame) - 1) / 30.0 - seconds) <= 0.5 / 30.0 + 1e-6, frame


@pytest.mark.parametrize("unit", [1.0, 0.01])
def test_the_camera_shows_near_and_far_in_the_scenes_unit(unit: float) -> None:
    """In centimetres a figure 11 m away is 1,100 units away, beyond what Blender's cameras show by themselves; on a rig in metres it is
    not, whatever the scene says of its unit."""
    bpy.context.scene.unit_settings.scale_length = unit
    for armature in (None, make_rig(MIXAMO)):
        take = apply_motion(bpy.context, synthetic_motion(), "walk", armature, camera=True)
        lens = bpy.data.objects[take.camera].data
        assert lens.clip_end == pytest.approx(1000 / unit, rel=0.2)
        assert lens.clip_start == pytest.approx(0.1 if armature or unit == 1.0 else 10.0, rel=0.2)


def blocks() -> dict[str, list[str]]:
    kinds = ("objects", "cameras", "images", "actions")
    return {kind: sorted(b.name for b in getattr(bpy.data, kind)) for kind in kinds}


@pytest.mark.parametrize("pictured", [True, False])
def test_a_take_that_is_applied_again_has_one_camera(tmp_path: Path, pictured: bool) -> None:
    """It stays where the user has put it to use, and under its name."""
    film = pictures(tmp_path / "frames", [f"f_{i:03d}.png" for i in range(1, 31)]) if pictured else SAMPLE
    scene, motion = bpy.context.scene, dataclasses.replace(synthetic_motion(uneven=True), meta={"source_fps": 30.0})
    first = apply_motion(bpy.context, motion, "walk", None, 1.0, film, camera=True)
    before, armature, camera = blocks(), bpy.data.objects[first.armature], bpy.data.objects[first.camera]
    assert camera.data.animation_data.action is not None
    shots = bpy.data.collections.new("shots")
    scene.collection.children.link(shots)
    shots.objects.link(camera)
    scene.collection.objects.unlink(camera)
    marker = scene.timeline_markers.new("shot", frame=1)
    marker.camera = camera
    for choices in (Choices(), Choices(simplify=True)):
        take = apply_motion(bpy.context, motion, "walk", armature, 11.0, film, camera=True, choices=choices)
    camera = bpy.data.objects[take.camera]
    assert take.camera == first.camera and scene.camera == marker.camera == camera and camera.users_collection == (shots,)
    assert camera.data.background_images[0].image_user.frame_start == 11
    after = blocks()
    for kind in ("objects", "cameras", "images"):
        assert len(after[kind]) == len(before[kind]), kind
    assert len(after["actions"]) == len(before["actions"]) + 2  # the armature's own
    other = apply_motion(bpy.context, motion, "walk", make_rig(MIXAMO), 1.0, film, camera=True)
    assert other.camera != take.camera and take.camera in bpy.data.objects


@pytest.mark.parametrize("change", ["action", "keys", "constraint", "parent", "focus", "place", "lens", "copy"])
def test_a_camera_that_the_user_has_changed_is_not_replaced(change: str) -> None:
    motion, armature = synthetic_motion(), make_rig(MIXAMO)
    if change == "keys":
        moving = np.array([[0.0, 0, 0.001 * i] for i in range(len(motion))])
        motion = dataclasses.replace(motion, camera=dataclasses.replace(motion.camera, t=motion.camera.t + moving))
    camera = bpy.data.objects[apply_motion(bpy.context, motion, "walk", armature, camera=True).camera]
    if change == "action":
        camera.keyframe_insert("location", frame=1)
    elif change == "keys":  # of the action that was made for it
        versions.curves_of(camera)[2].keyframe_points[3].co.y += 0.5
    elif change == "constraint":
        camera.constraints.new("TRACK_TO")
    elif change == "parent":
        camera.parent = armature
    elif change == "focus":
        camera.data.dof.use_dof = True
    elif change == "place":
        camera.location.x += 0.5
    elif change == "lens":
        camera.data.lens = 99.0
    else:
        bpy.context.scene.collection.objects.link(camera.copy())
    before = {o.name for o in bpy.data.objects if o.type == "CAMERA"}
    again = apply_motion(bpy.context, motion, "walk", armature, camera=True).camera
    assert again not in before and {o.name for o in bpy.data.objects if o.type == "CAMERA"} == before | {again}


def test_how_the_footage_is_shown_stays_as_it_was_chosen() -> None:
    motion, armature = dataclasses.replace(synthetic_motion(), meta={"source_fps": 30.0}), make_rig(MIXAMO)
    first = apply_motion(bpy.context, motion, "walk", armature, 1.0, SAMPLE, camera=True)
    camera = bpy.data.objects[first.camera]
    camera.data.background_images[0].alpha, camera.data.passepartout_alpha, camera["note"] = 0.25, 0.75, "mine"
    camera.data.show_background_images = False
    again = bpy.data.objects[apply_motion(bpy.context, motion, "walk", armature, 5.0, SAMPLE, camera=True).camera]
    assert again.name == first.camera and again["note"] == "mine" and not again.data.show_background_images
    assert (again.data.background_images[0].alpha, again.data.passepartout_alpha) == (0.25, 0.75)
    assert again.data.background_images[0].image_user.frame_start == 5


def test_the_camera_of_a_strip_stays_beside_a_later_ones() -> None:
    motion, armature, strip = synthetic_motion(), make_rig(MIXAMO), Choices(nla=True)
    cameras = [apply_motion(bpy.context, motion, "walk", armature, start, camera=True, choices=strip).camera for start in (1.0, 50.0, 50.0)]
    assert len(set(cameras)) == 2 and set(cameras) == {o.name for o in bpy.data.objects if o.type == "CAMERA"}
