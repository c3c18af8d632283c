"""Keypoints that are put right as markers in the Movie Clip Editor, and the take that is made of them."""

from __future__ import annotations

import dataclasses
import errno
import json
import tempfile
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from blender_addon.core.errors import InputError
from blender_addon.core.keypoints import CANONICAL, CONVENTIONS, Keypoints, load_keypoints
from blender_addon.core.options import RunOptions
from blender_addon.core.skeleton import mirror_order
from helpers import MIXAMO, limb_error, make_rig, snapshot, synthetic_motion, write_order
from test_footage import SAMPLE, filmed, pictures, turned

from blender_addon import engine, versions
from blender_addon.corrections import clip_in_question, target_of
from blender_addon.jobs import DESK
from blender_addon.keypoint_tracks import _turned, clip_of, edited
from blender_addon.rigs import chosen_armature
from blender_addon.take_marks import digest, latest, made_when, takes_on
from blender_addon.takes import Solved

FRAMES = 30
OPTIONS = RunOptions(smooth="strong", camera_pitch=12.0, height=1.6, end=3.0, person="2", overlay=True).to_json()
UNSEEN = CANONICAL.index("l_heel")  # in every frame
CORNER = {0: (0.1, 0.8), 90: (0.2, 0.1), 180: (0.9, 0.2), 270: (0.8, 0.9)}
"""Degrees clockwise that Blender leaves a picture turned -> where it shows what is at (0.1, 0.2) of the upright one."""


def keypoints_of(width: int = 640, height: int = 480, start: float = 0.0, fps: float = 30.0) -> Keypoints:
    """Somebody of whom some points are missing in some frames."""
    rng = np.random.default_rng(1)
    shape = (FRAMES, len(CANONICAL))
    confidence = rng.uniform(0.1, 0.9, shape) * (rng.random(shape) > 0.1)
    confidence[:, UNSEEN] = 0.0
    return Keypoints(CANONICAL, rng.uniform(0.1, 0.9, (*shape, 2)) * (width, height), confidence, start + np.arange(FRAMES) / fps, width,
                     height, fps, rng.normal(0, 20, shape), rng.normal(0, 0.3, (*shape, 3)))


def stored(keypoints: Keypoints, folder: Path) -> Keypoints:
    """As they come out of a file, in its precision."""
    keypoints.save(folder / "k.npz")
    return load_keypoints(folder / "k.npz")


def same(a: Keypoints, b: Keypoints) -> bool:
    pairs = ((a.xy, b.xy), (a.confidence, b.confidence), (a.depth, b.depth), (a.world, b.world), (a.times, b.times))
    return all(np.array_equal(x, y, equal_nan=True) for x, y in pairs)


def tracks(clip: Any) -> Any:
    return clip.tracking.objects[0].tracks


@pytest.fixture
def keypoints(tmp_path: Path) -> Keypoints:
    return stored(keypoints_of(), tmp_path)


@pytest.fixture
def clip(keypoints: Keypoints) -> Any:
    """What Edit Keypoints makes of the last import."""
    motion = dataclasses.replace(synthetic_motion(FRAMES, 30.0), meta={"source_fps": 30.0, "source_rotation": 0, "options": OPTIONS})
    DESK.keep(Solved(motion, SAMPLE, keypoints, start_frame=11), bpy.context.scene)
    assert bpy.ops.video_mocap.edit_keypoints() == {"FINISHED"}
    (made,) = bpy.data.movieclips
    return made


def test_what_nobody_touches_comes_back_as_it_was(clip: Any, keypoints: Keypoints) -> None:
    assert [track.name for track in tracks(clip)] == list(CANONICAL)
    assert sum(not m.mute for track in tracks(clip) for m in track.markers) == (keypoints.confidence > 0).sum()
    assert same(edited(clip).keypoints, keypoints) and same(edited(clip).detected, keypoints)
    assert "'Solve Again'" in DESK.status.message


def test_markers_that_are_moved_disabled_or_deleted(clip: Any, keypoints: Keypoints) -> None:
    wrist = CANONICAL.index("l_wrist")
    rows = np.flatnonzero(keypoints.confidence[:, wrist])[:3]
    markers = tracks(clip)["l_wrist"].markers
    markers.find_frame(int(rows[0]) + 1).co = (0.25, 0.75)  # the sample has as many frames a second
    markers.find_frame(int(rows[1]) + 1).mute = True
    markers.delete_frame(int(rows[2]) + 1)
    result = edited(clip).keypoints
    np.testing.assert_allclose(result.xy[rows[0], wrist], (160, 120), atol=1e-3)
    assert list(result.confidence[rows, wrist]) == [1.0, 0.0, 0.0]
    assert (result.confidence != keypoints.confidence).sum() == 3


@pytest.mark.parametrize("clockwise", [0, 90, 180, 270])
def test_markers_lie_on_a_phones_picture(tmp_path: Path, clockwise: int) -> None:
    """The corner of the upright picture is another corner of the picture that Blender shows where it ignores the flag."""
    size = (640, 480) if clockwise in (0, 180) else (480, 640)
    plain = keypoints_of(*size)
    xy = plain.xy.copy()
    xy[:, 0] = np.array(size) * (0.1, 0.2)
    keypoints = stored(plain.replace(xy=xy, confidence=np.full_like(plain.confidence, 0.5)), tmp_path)
    clip = clip_of(keypoints, filmed(synthetic_motion(FRAMES, 30.0), *size, source_rotation=clockwise), turned(tmp_path, clockwise), 1)
    honoured = clockwise == 0 or bpy.app.version >= (4, 4)
    np.testing.assert_allclose(tracks(clip)["nose"].markers[0].co, CORNER[0 if honoured else clockwise], atol=1e-5)
    assert same(edited(clip).keypoints, keypoints)


@pytest.mark.parametrize("clockwise", CORNER)
def test_places_turn_with_the_picture_and_back(clockwise: int) -> None:
    """On every version, and so also where Blender turns the picture itself."""
    place = np.array([[0.1, 0.2]])
    np.testing.assert_allclose(_turned(place, clockwise), [CORNER[clockwise]])
    np.testing.assert_allclose(_turned(_turned(place, clockwise), clockwise), place)


def test_a_folder_of_numbered_images_and_a_range(tmp_path: Path) -> None:
    """A clip counts from 1, whatever the number of its first image."""
    folder = pictures(tmp_path / "frames", [f"shot.{7 + i:04d}.png" for i in range(40)])
    keypoints = stored(keypoints_of(start=0.2), tmp_path)
    clip = clip_of(keypoints, filmed(synthetic_motion(FRAMES, 30.0), 640, 480), folder, 101)
    ears = tracks(clip)["l_ear"].markers
    assert [m.frame for m in ears] == [7 + int(row) for row in np.flatnonzero(keypoints.confidence[:, CANONICAL.index("l_ear")])]
    assert clip.frame_start == 101 - 7 + 1  # so that the take's first frame shows its picture
    assert same(edited(clip).keypoints, keypoints)


def test_sides_are_exchanged_in_a_range_and_back(clip: Any, keypoints: Keypoints) -> None:
    bpy.context.scene.frame_set(14)  # the clip begins on 11
    assert bpy.ops.video_mocap.swap_sides() == {"FINISHED"}
    changed = np.flatnonzero((edited(clip).keypoints.confidence != keypoints.confidence).any(1))
    assert list(changed) == [3]
    bpy.ops.video_mocap.swap_sides()
    assert same(edited(clip).keypoints, keypoints)
    tracks(clip)["r_knee"].select = True
    scene = bpy.context.scene
    scene.use_preview_range, scene.frame_preview_start, scene.frame_preview_end = True, 20, 29
    bpy.ops.video_mocap.swap_sides()
    result, knees = edited(clip).keypoints, [CANONICAL.index("l_knee"), CANONICAL.index("r_knee")]
    np.testing.assert_array_equal(result.confidence[9:19, knees], keypoints.confidence[9:19, knees[::-1]])
    others = [i for i in range(len(CANONICAL)) if i not in knees]
    np.testing.assert_array_equal(result.confidence[:, others], keypoints.confidence[:, others])
    np.testing.assert_array_equal(np.delete(result.confidence, np.s_[9:19], 0), np.delete(keypoints.confidence, np.s_[9:19], 0))
    assert bpy.ops.video_mocap.swap_sides(first=500, last=600) == {"CANCELLED"}
    tracks(clip)["r_knee"].select, tracks(clip)["nose"].select = False, True
    assert bpy.ops.video_mocap.swap_sides() == {"CANCELLED"}


def test_tracks_come_back_to_what_the_detector_saw(clip: Any, keypoints: Keypoints) -> None:
    scene, wrist = bpy.context.scene, CANONICAL.index("l_wrist")
    rows = np.flatnonzero(keypoints.confidence[:, wrist])[:4]
    markers = tracks(clip)["l_wrist"].markers
    markers.find_frame(int(rows[0]) + 1).co = (0.25, 0.75)
    markers.find_frame(int(rows[1]) + 1).mute = True
    markers.delete_frame(int(rows[2]) + 1)
    tracks(clip)["l_heel"].markers.insert_frame(int(rows[0]) + 1, co=(0.5, 0.5))  # which nobody saw
    tracks(clip)["nose"].markers.find_frame(int(np.flatnonzero(keypoints.confidence[:, 0])[0]) + 1).co = (0.9, 0.9)
    nose = edited(clip).keypoints.xy[:, 0]
    tracks(clip)["l_wrist"].select = tracks(clip)["l_heel"].select = True
    scene.frame_set(int(rows[0]) + 11)  # the clip begins on 11
    assert bpy.ops.video_mocap.restore_keypoints() == {"FINISHED"}
    same_there = edited(clip).keypoints
    np.testing.assert_array_equal(same_there.confidence[rows[0]], keypoints.confidence[rows[0]])
    assert list(same_there.confidence[rows[1:3], wrist]) == [0.0, 0.0]
    assert bpy.ops.video_mocap.restore_keypoints(first=11, last=40) == {"FINISHED"}
    np.testing.assert_array_equal(edited(clip).keypoints.xy[:, 0], nose)  # was not selected
    np.testing.assert_array_equal(edited(clip).keypoints.confidence[:, 1:], keypoints.confidence[:, 1:])
    assert bpy.ops.video_mocap.restore_keypoints(first=11, last=40) == {"CANCELLED"}
    tracks(clip)["l_wrist"].select = tracks(clip)["l_heel"].select = False
    for frame in [m.frame for m in markers]:
        markers.delete_frame(frame)  # the track goes with its last one
    assert bpy.ops.video_mocap.restore_keypoints(first=11, last=40) == {"FINISHED"}
    assert same(edited(clip).keypoints, keypoints)


def test_the_work_goes_on_after_the_file_was_saved_and_opened(clip: Any, tmp_path: Path) -> None:
    tracks(clip)["nose"].markers[0].mute = True
    name, kept = clip.name, edited(clip).keypoints
    path = str(tmp_path / "later.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    DESK.recent = None
    assert bpy.ops.video_mocap.solve_again.poll() and bpy.ops.video_mocap.edit_keypoints() == {"FINISHED"}
    assert list(bpy.data.movieclips) == [bpy.data.movieclips[name]] and same(edited(bpy.data.movieclips[name]).keypoints, kept)


def test_a_take_is_corrected_and_applied_in_a_file_that_was_opened_later(keypoints: Keypoints, tmp_path: Path) -> None:
    """Its action keeps what it was made from; another file knows nothing of it, once Blender was started anew."""
    DESK.keep(Solved(synthetic_motion(FRAMES, 30.0), SAMPLE, keypoints), bpy.context.scene)
    bpy.ops.video_mocap.apply_again(start_frame=11)
    DESK.recent = None
    path = str(tmp_path / "later.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    assert not bpy.ops.video_mocap.apply_again.poll() and not bpy.ops.video_mocap.edit_keypoints.poll()
    bpy.ops.wm.open_mainfile(filepath=path)
    bpy.context.scene.frame_set(3)
    assert bpy.ops.video_mocap.edit_keypoints() == {"FINISHED"}
    (clip,) = bpy.data.movieclips
    assert same(edited(clip).keypoints, keypoints) and edited(clip).start_frame == 11
    assert bpy.context.scene.frame_current == 11  # the first that shows something
    rig = make_rig(MIXAMO)
    assert bpy.ops.video_mocap.apply_again() == {"FINISHED"}
    assert limb_error(rig, MIXAMO, synthetic_motion(FRAMES, 30.0)) < 0.1


def test_the_video_is_found_beside_the_file_that_was_moved_with_it(keypoints: Keypoints, tmp_path: Path) -> None:
    DESK.keep(Solved(synthetic_motion(FRAMES, 30.0), tmp_path / "one" / "walk.mp4", keypoints), bpy.context.scene)
    bpy.ops.video_mocap.apply_again()
    (tmp_path / "walk.mp4").write_bytes(SAMPLE.read_bytes())
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "walk.blend"))
    assert bpy.ops.video_mocap.edit_keypoints() == {"FINISHED"}
    (clip,) = bpy.data.movieclips
    assert edited(clip).footage == tmp_path / "walk.mp4"


def test_a_video_that_cannot_be_looked_at_stops_nothing(keypoints: Keypoints) -> None:
    """Of a name that this system does not take; or in somebody else's folder, which a test as root cannot have."""
    DESK.keep(Solved(synthetic_motion(FRAMES, 30.0), Path("/" + 300 * "x" + ".mp4"), keypoints), bpy.context.scene)
    bpy.ops.video_mocap.apply_again()
    assert bpy.ops.video_mocap.apply_again() == {"FINISHED"}
    with pytest.raises(RuntimeError, match="is too long for this system"):
        bpy.ops.video_mocap.apply_again(footage=True)


def test_what_an_action_keeps_may_be_damaged(keypoints: Keypoints) -> None:
    DESK.keep(Solved(synthetic_motion(FRAMES, 30.0), SAMPLE, keypoints), bpy.context.scene)
    bpy.ops.video_mocap.apply_again()
    bpy.context.object.animation_data.action["Mocap Motion"] = b"no"
    for button in (bpy.ops.video_mocap.apply_again, bpy.ops.video_mocap.edit_keypoints):
        with pytest.raises(RuntimeError, match="What the action 'sample' keeps of its take is damaged; import the video anew"):
            button()


def test_a_take_is_solved_again_where_it_is(keypoints: Keypoints, tmp_path: Path) -> None:
    """Not on a rig with a take of something else, which happens to be selected."""
    armatures = []
    for shift in (0.0, 5.0):
        bpy.ops.object.select_all(action="DESELECT")
        DESK.keep(Solved(synthetic_motion(FRAMES, 30.0), SAMPLE, keypoints.replace(xy=keypoints.xy + shift)), bpy.context.scene)
        bpy.ops.video_mocap.apply_again()
        armatures.append(bpy.context.object)
        if not shift:
            bpy.ops.video_mocap.edit_keypoints()
    (clip,) = bpy.data.movieclips
    assert chosen_armature(bpy.context) == armatures[1] and target_of(bpy.context, clip) == armatures[0]
    with pytest.raises(RuntimeError, match=rf"of the take on '{armatures[1].name}' are not shown yet; press 'Edit Keypoints' first"):
        bpy.ops.video_mocap.solve_again()
    bpy.ops.object.select_all(action="DESELECT")
    assert target_of(bpy.context, clip) == armatures[0]
    other = make_rig(MIXAMO)  # without a take: it is meant
    assert target_of(bpy.context, clip) == other
    DESK.keep(Solved(synthetic_motion(FRAMES, 30.0), tmp_path / "run.mp4"), bpy.context.scene)
    bpy.ops.video_mocap.apply_again()  # a take of which there are no keypoints
    assert chosen_armature(bpy.context) == other and target_of(bpy.context, clip) == armatures[0]
    assert clip_in_question(bpy.context) == clip  # the only one
    with pytest.raises(RuntimeError, match="The keypoints of the take on 'rig' are not at hand any more"):
        bpy.ops.video_mocap.edit_keypoints()


def test_editing_again_shows_what_was_corrected_and_another_take_is_another_clip(clip: Any, keypoints: Keypoints) -> None:
    tracks(clip)["nose"].markers[0].mute = True
    bpy.ops.video_mocap.edit_keypoints()
    assert list(bpy.data.movieclips) == [clip]
    DESK.keep(dataclasses.replace(DESK.recent, keypoints=keypoints.replace(xy=keypoints.xy + 5)), bpy.context.scene)
    bpy.ops.video_mocap.edit_keypoints()
    other = next(c for c in bpy.data.movieclips if c != clip)
    assert clip_in_question(bpy.context) == other  # the last import's
    DESK.keep(dataclasses.replace(DESK.recent, keypoints=keypoints), bpy.context.scene)
    assert clip_in_question(bpy.context) == clip
    DESK.recent = None
    with pytest.raises(RuntimeError, match="Several clips hold keypoints"):
        bpy.ops.video_mocap.solve_again()


def test_solving_again_makes_the_take_of_the_corrected_keypoints(clip: Any, keypoints: Keypoints, fake_python: Path, tmp_path: Path,
                                                               monkeypatch: pytest.MonkeyPatch) -> None:
    motion = tmp_path / "there.npz"
    synthetic_motion(seed=3).save(motion)
    seen = tmp_path / "seen.npz"
    order = write_order(tmp_path / "order.json", "ok", motion, keep=str(seen))
    monkeypatch.setenv("VIDEO_MOCAP_TEST_ORDER", str(order))
    monkeypatch.setattr(engine, "find_python", lambda: fake_python)
    tracks(clip)["nose"].markers[0].co = (0.5, 0.5)
    corrected = edited(clip).keypoints
    settings = bpy.context.scene.video_mocap
    settings.height, settings.start, settings.person, settings.person_number = 1.9, 0.5, "number", 3
    assert bpy.ops.video_mocap.solve_again(focal=700.0) == {"FINISHED"}
    assert same(load_keypoints(seen), stored(corrected, tmp_path))
    options = json.loads(seen.with_suffix(".json").read_text())["options"]
    assert (options["focal"], options["start"], options["person"]) == (700.0, None, "largest") and options["height"] == pytest.approx(1.9)
    last = DESK.last()
    assert last is not None and bpy.context.object.animation_data.action.name == "sample" and last.source == SAMPLE
    assert last.keypoints is not None and same(last.keypoints, keypoints)  # so that 'Edit Keypoints' finds this clip again
    assert (options["smooth"], options["camera_pitch"]) == ("strong", 12.0)  # as in the run that is corrected
    assert versions.curves_of(bpy.context.object)[0].range()[0] == 11.0  # where the take was
    assert last.motion.meta == {"source": str(SAMPLE), "source_fps": 30.0, "source_rotation": 0}
    assert "30 frames" in DESK.status.message


def test_what_cannot_be_is_one_sentence(clip: Any, keypoints: Keypoints, tmp_path: Path) -> None:
    tracks(clip)["l_hip"].name = "hip"
    before = snapshot()
    with pytest.raises(RuntimeError, match="The clip 'sample keypoints' has a track 'hip', but none of the name 'l_hip'; was it renamed"):
        bpy.ops.video_mocap.solve_again()
    assert snapshot() == before
    clip["Mocap Keypoints"] = b"no"
    with pytest.raises(InputError, match="is damaged; delete it and import the video anew"):
        edited(clip)
    DESK.keep(Solved(synthetic_motion(), tmp_path / "gone.mp4", keypoints_of(320, 240)), bpy.context.scene)
    with pytest.raises(RuntimeError, match=r"gone\.mp4 cannot be opened to show the keypoints on it"):
        bpy.ops.video_mocap.edit_keypoints()
    DESK.keep(Solved(synthetic_motion(), tmp_path / "keypoints.npz", keypoints_of(fps=25.0)), bpy.context.scene)
    with pytest.raises(RuntimeError, match="there is no video to show them on"):
        bpy.ops.video_mocap.edit_keypoints()


def test_a_full_disk_is_one_sentence_and_leaves_nothing(clip: Any, tmp_path: Path, fake_python: Path,
                                                        monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Keypoints, path: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", path)

    monkeypatch.setattr(Keypoints, "save", refuse)
    monkeypatch.setattr(engine, "find_python", lambda: fake_python)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    there = sorted(tmp_path.iterdir())
    with pytest.raises(RuntimeError, match=r"sample keypoints\.npz cannot be written \(No space left on device\); make room"):
        bpy.ops.video_mocap.solve_again()
    assert sorted(tmp_path.iterdir()) == there


def test_frames_that_share_a_picture_keep_what_was_seen_in_each(tmp_path: Path) -> None:
    """A video of uneven frames: Blender's clip counts even ones."""
    plain = keypoints_of()
    keypoints = stored(plain.replace(times=np.arange(FRAMES) / 45), tmp_path)
    clip = clip_of(keypoints, filmed(synthetic_motion(FRAMES, 45.0), 640, 480), SAMPLE, 1)
    assert same(edited(clip).keypoints, keypoints)
    frames = np.round(np.arange(FRAMES) / 45 * clip.fps).astype(int) + 1
    twice = next(f for f in frames if (frames == f).sum() == 2 and (keypoints.confidence[frames == f, 0] > 0).all())
    tracks(clip)["nose"].markers.find_frame(int(twice)).co = (0.5, 0.5)
    result = edited(clip).keypoints
    np.testing.assert_allclose(result.xy[frames == twice, 0], [(320, 240)] * 2, atol=1e-3)
    assert (result.confidence != keypoints.confidence).sum() == 2
    bpy.context.scene.frame_set(int(twice))
    bpy.ops.video_mocap.swap_sides(first=int(twice), last=int(twice))
    other = mirror_order(CANONICAL)
    exchanged = edited(clip).keypoints.confidence[frames == twice, 1:]
    np.testing.assert_array_equal(exchanged, keypoints.confidence[frames == twice][:, other[1:]])


def test_nobody_is_there_where_every_marker_is_off(tmp_path: Path) -> None:
    """Also of points that the editor does not show, inner eyes and the mouth."""
    names = CONVENTIONS["blazepose33"]
    shape = (FRAMES, len(names))
    rng = np.random.default_rng(0)
    many = Keypoints(names, rng.uniform(50, 400, (*shape, 2)), np.full(shape, 0.7), np.arange(FRAMES) / 30, 640, 480, 30.0)
    clip = clip_of(stored(many, tmp_path), filmed(synthetic_motion(FRAMES, 30.0), 640, 480), SAMPLE, 1)
    for track in tracks(clip):
        track.markers.find_frame(5).mute = True
    assert np.flatnonzero(~edited(clip).keypoints.seen).tolist() == [4]


def test_the_clip_begins_where_the_take_does_and_rates_that_differ_are_told(clip: Any) -> None:
    assert clip.frame_start == 11 and any("at 24 frames a second, the video at 30" in w for w in DESK.status.warnings)
    bpy.context.scene.render.fps = 30
    bpy.ops.video_mocap.apply_again(start_frame=101)
    bpy.ops.video_mocap.edit_keypoints()
    assert clip.frame_start == 101 and not DESK.status.warnings


@pytest.mark.parametrize("nla", [True, False])
def test_a_take_that_was_moved_is_edited_where_it_is(keypoints: Keypoints, nla: bool) -> None:
    DESK.keep(Solved(synthetic_motion(FRAMES, 30.0), SAMPLE, keypoints), bpy.context.scene)
    bpy.ops.video_mocap.apply_again(start_frame=1, nla=nla)
    armature = bpy.context.object
    if nla:
        strip = armature.animation_data.nla_tracks[0].strips[0]
        strip.frame_end += 100
        strip.frame_start = 101.0
    else:
        for curve in versions.curves_of(armature):
            for key in curve.keyframe_points:
                key.co.x += 100
        versions.curves_of(armature)[0].keyframe_points.insert(3.0, 0.0)  # something of the animator's own before it
    bpy.ops.video_mocap.edit_keypoints()
    (clip,) = bpy.data.movieclips
    assert clip.frame_start == 101 and edited(clip).start_frame == 101
    assert list(takes_on(armature).values()) == [101]


def test_a_take_that_was_trimmed_begins_where_it_did(keypoints: Keypoints) -> None:
    DESK.keep(Solved(synthetic_motion(FRAMES, 30.0), SAMPLE, keypoints), bpy.context.scene)
    bpy.context.scene.render.fps = 30
    bpy.ops.video_mocap.apply_again(start_frame=1)
    armature = bpy.context.object
    for first, last in ((10, 30), (10, 25)):
        for curve in versions.curves_of(armature):
            for key in reversed(curve.keyframe_points):
                if not first <= key.co.x <= last:
                    curve.keyframe_points.remove(key)
        assert list(takes_on(armature).values()) == [1]


def test_of_two_takes_the_selected_armatures_is_meant(keypoints: Keypoints) -> None:
    scene = bpy.context.scene
    armatures, made = [], []
    for shift in (0.0, 5.0):
        bpy.ops.object.select_all(action="DESELECT")
        DESK.keep(Solved(synthetic_motion(FRAMES, 30.0), SAMPLE, keypoints.replace(xy=keypoints.xy + shift)), bpy.context.scene)
        bpy.ops.video_mocap.apply_again(start_frame=7)
        armatures.append(bpy.context.object)
        bpy.ops.video_mocap.edit_keypoints()
        made.append(clip_in_question(bpy.context))
    assert made[0] != made[1]
    for armature, clip in zip(armatures, made, strict=True):
        bpy.ops.object.select_all(action="DESELECT")
        armature.select_set(True)
        bpy.context.view_layer.objects.active = armature
        assert clip_in_question(bpy.context) == clip and bpy.ops.video_mocap.edit_keypoints() == {"FINISHED"}
        assert clip.name in DESK.status.message and edited(clip).start_frame == 7
    assert scene.video_mocap.start_frame == 1
    bpy.data.movieclips.remove(made[0])
    bpy.ops.object.select_all(action="DESELECT")
    armatures[0].select_set(True)
    bpy.context.view_layer.objects.active = armatures[0]
    assert bpy.ops.video_mocap.edit_keypoints() == {"FINISHED"} and clip_in_question(bpy.context) not in made  # anew
    bpy.data.movieclips.remove(clip_in_question(bpy.context))
    action = armatures[0].animation_data.action
    for name in ("Mocap Motion", "Mocap Keypoints"):  # as in files of a version that did not keep them
        del action[name]
    with pytest.raises(RuntimeError, match="The keypoints of the take on 'Video Mocap' are not at hand any more"):
        bpy.ops.video_mocap.edit_keypoints()


def test_a_take_in_a_strip_is_the_armatures_too(keypoints: Keypoints) -> None:
    """Beside an older take that is still the active action."""
    DESK.keep(Solved(synthetic_motion(FRAMES, 30.0), SAMPLE, keypoints), bpy.context.scene)
    bpy.ops.video_mocap.apply_again()
    bpy.ops.video_mocap.edit_keypoints()
    older = clip_in_question(bpy.context)
    DESK.keep(Solved(synthetic_motion(FRAMES, 30.0), SAMPLE, keypoints.replace(xy=keypoints.xy + 5)), bpy.context.scene)
    bpy.ops.video_mocap.apply_again(nla=True, start_frame=50)
    assert bpy.ops.video_mocap.edit_keypoints() == {"FINISHED"}
    newer = clip_in_question(bpy.context)
    assert newer != older and edited(newer).start_frame == 50
    DESK.recent = None
    assert clip_in_question(bpy.context) == newer


def test_a_strip_that_was_trimmed_and_stretched_begins_where_its_first_frame_would_be(keypoints: Keypoints) -> None:
    DESK.keep(Solved(synthetic_motion(FRAMES, 30.0), SAMPLE, keypoints), bpy.context.scene)
    bpy.ops.video_mocap.apply_again(nla=True, start_frame=50)
    (strip,) = versions.strips_of(bpy.context.object)
    strip.action_frame_start += 10.0
    strip.scale = 2.0
    assert takes_on(bpy.context.object) == {digest(keypoints): round(strip.frame_start) - 20}


def test_of_two_armatures_with_the_take_the_one_that_is_shown_is_meant(clip: Any) -> None:
    armatures = []
    for _ in range(2):
        bpy.ops.object.select_all(action="DESELECT")
        bpy.ops.video_mocap.apply_again()
        armatures.append(bpy.context.object)
    bpy.ops.object.select_all(action="DESELECT")
    assert target_of(bpy.context, clip) == armatures[1]
    armatures[1].hide_set(True)
    assert target_of(bpy.context, clip) == armatures[0]


def test_the_files_own_take_comes_before_a_linked_one_that_was_made_later(tmp_path: Path) -> None:
    for name in ("own", "theirs"):
        bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
        DESK.keep(Solved(synthetic_motion(), tmp_path / f"{name}.mp4"), bpy.context.scene)
        bpy.ops.video_mocap.apply_again()
        bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / f"{name}.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "own.blend"))
    with bpy.data.libraries.load(str(tmp_path / "theirs.blend"), link=True) as (_, wanted):
        wanted.actions = ["theirs"]
    assert made_when(bpy.data.actions["theirs"]) > made_when(bpy.data.actions["own"])
    assert latest() == bpy.data.actions["own"]


def test_the_same_keypoints_on_two_armatures_begin_where_each_take_does(keypoints: Keypoints) -> None:
    DESK.keep(Solved(synthetic_motion(FRAMES, 30.0), SAMPLE, keypoints), bpy.context.scene)
    armatures = []
    for start in (7, 200):
        bpy.ops.object.select_all(action="DESELECT")
        bpy.ops.video_mocap.apply_again(start_frame=start)
        armatures.append(bpy.context.object)
        bpy.ops.video_mocap.edit_keypoints()
    (clip,) = bpy.data.movieclips
    for armature, start in zip(armatures, (7, 200), strict=True):
        bpy.ops.object.select_all(action="DESELECT")
        armature.select_set(True)
        bpy.context.view_layer.objects.active = armature
        bpy.ops.video_mocap.edit_keypoints()
        assert clip.frame_start == start and takes_on(armature) == {digest(keypoints): start}


def test_a_clip_knows_the_options_of_the_last_run(clip: Any, keypoints: Keypoints) -> None:
    """Of the same video, and so of the same keypoints."""
    assert edited(clip).options["smooth"] == "strong"
    meta = DESK.recent.motion.meta | {"options": OPTIONS | {"smooth": "none"}}
    DESK.keep(dataclasses.replace(DESK.recent, motion=dataclasses.replace(DESK.recent.motion, meta=meta)), bpy.context.scene)
    bpy.ops.video_mocap.edit_keypoints()
    assert edited(clip).options["smooth"] == "none" and len(bpy.data.movieclips) == 1


def test_a_video_that_was_moved_is_found_where_the_clip_finds_it(clip: Any, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere.mp4"
    moved.write_bytes(SAMPLE.read_bytes())
    clip.filepath = str(moved)
    assert edited(clip).footage == moved and edited(clip).meta["source"] == str(moved)


def test_without_keypoints_there_is_nothing_to_edit() -> None:
    assert not bpy.ops.video_mocap.solve_again.poll() and not bpy.ops.video_mocap.swap_sides.poll()
    assert not bpy.ops.video_mocap.restore_keypoints.poll()
    DESK.keep(Solved(synthetic_motion(), SAMPLE), bpy.context.scene)
    assert not bpy.ops.video_mocap.edit_keypoints.poll()


def test_a_runs_keypoints_are_found_beside_its_motion(tmp_path: Path) -> None:
    motion = dataclasses.replace(synthetic_motion(FRAMES, 30.0), meta={"source": str(SAMPLE)})
    motion.save(tmp_path / "motion.npz")
    assert Solved.load(tmp_path / "motion.npz").keypoints is None
    keypoints_of().save(tmp_path / "keypoints.npz")
    assert Solved.load(tmp_path / "motion.npz").keypoints is not None
    for other in (keypoints_of(1920, 1080), keypoints_of(fps=25.0), keypoints_of(start=1.0)):  # of another video, or of another run
        other.save(tmp_path / "keypoints.npz")
        assert Solved.load(tmp_path / "motion.npz").keypoints is None
