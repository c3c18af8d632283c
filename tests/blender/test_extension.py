"""The zip as a real extension, in a Blender of its own: install, enable, run the operator in the background, disable."""

from __future__ import annotations

import os
import subprocess
import zipfile
from pathlib import Path

import pytest
from helpers import synthetic_motion, write_order

from core.package import content, validate

REPO = Path(__file__).resolve().parents[2]

SESSION = """
import sys, bpy
archive, python, video = sys.argv[1:]
print(bpy.ops.extensions.package_install_files(filepath=archive, repo="user_default", enable_on_install=True))
name = "bl_ext.user_default.video_mocap"
try:
    bpy.ops.video_mocap.import_video(filepath=video)
except RuntimeError as error:
    print("SAID", error)
bpy.context.preferences.addons[name].preferences.engine_python = python
print("DID", bpy.ops.video_mocap.import_video(filepath=video))
armature = bpy.context.object
print("GOT", armature.name, len(armature.data.bones), armature.animation_data.action.name)
print("HEAVY", [m for m in ("torch", "mediapipe", "cv2", "scipy", "av") if m in sys.modules])
import addon_utils
addon_utils.disable(name)
print("GONE", not hasattr(bpy.types.Scene, "video_mocap"))
"""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zip as `build.py package` makes it, without the MediaPipe bundle and the sample, which these tests do not need."""
    path = tmp_path_factory.mktemp("zip") / "video_mocap.zip"
    with zipfile.ZipFile(path, "w") as out:
        for name, file in content(REPO):
            if file.suffix not in (".task", ".mp4", ".safetensors"):
                out.write(file, name)
    return path


def test_blenders_own_tool_accepts_the_zip(archive: Path, bpy_python: str) -> None:
    answer = validate(Path(bpy_python), archive)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_the_installed_extension_imports_a_video(archive: Path, fake_python: Path, tmp_path: Path, bpy_python: str) -> None:
    synthetic_motion().save(tmp_path / "there.npz")
    video = write_order(tmp_path / "walk.mp4", "ok", tmp_path / "there.npz")
    environment = {k: v for k, v in os.environ.items() if k != "VIDEO_MOCAP_ENV"}
    answer = subprocess.run(
        [bpy_python, "-c", SESSION, str(archive), str(fake_python), str(video)], cwd=tmp_path, capture_output=True, text=True,
        check=False, timeout=120, env=environment | {"BLENDER_USER_RESOURCES": str(tmp_path / "user")})
    assert answer.returncode == 0, answer.stdout + answer.stderr
    said = {line.split(" ", 1)[0]: line.split(" ", 1)[1] for line in answer.stdout.splitlines() if " " in line}
    assert "press 'Set up engine'" in said["SAID"]
    assert said["DID"] == "{'FINISHED'}" and said["GOT"] == "Video Mocap 21 walk"
    assert said["HEAVY"] == "[]" and said["GONE"] == "True"
