"""Fixtures for tests inside Blender's Python (pip's bpy 4.2, 4.5 and 5.0): the add-on registered, a fresh file, a stand-in for the engine.

The stand-in is an executable that speaks the worker's protocol; what it does stands in the "video", which is a JSON file.
"""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

REPO = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPO), str(Path(__file__).resolve().parent), str(REPO / "tests")]
# Before bpy is imported: the tests' own preferences and extensions, not the user's.
os.environ["BLENDER_USER_RESOURCES"] = tempfile.mkdtemp(prefix="video_mocap_test_")

bpy = pytest.importorskip("bpy")

from helpers import FAKE_WORKER, synthetic_motion, write_order  # noqa: E402

import blender_addon  # noqa: E402
from blender_addon import engine  # noqa: E402
from blender_addon.jobs import DESK  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def addon() -> Iterator[Any]:
    """The add-on, registered; bpy must not exit before it is unregistered."""
    blender_addon.register()
    yield blender_addon
    blender_addon.unregister()


@pytest.fixture(autouse=True)
def scene(addon: Any) -> Iterator[Any]:
    """A fresh, empty file."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    yield bpy.context.scene
    DESK.clear()
    DESK.recent = None


@pytest.fixture(scope="session")
def fake_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An "engine Python" that is our stand-in, whatever its arguments."""
    if os.name != "posix":
        pytest.skip("the stand-in for the engine is a shell script")
    path = tmp_path_factory.mktemp("engine") / "python"
    path.with_suffix(".py").write_text(FAKE_WORKER)
    # A shell in between: a #! line cannot name a Python whose path holds a space.
    path.write_text(f"#!/bin/sh\nexec {shlex.quote(sys.executable)} {shlex.quote(str(path.with_suffix('.py')))}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def order(fake_python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """`order(behaviour)` writes a "video" that makes the stand-in behave so; its motion is `synthetic_motion()`."""
    monkeypatch.setattr(engine, "find_python", lambda: fake_python)
    motion_path = tmp_path / "there.npz"
    synthetic_motion().save(motion_path)

    def write(behaviour: str = "ok", **more: Any) -> Path:
        return write_order(tmp_path / "walk.mp4", behaviour, motion_path, **more)

    return write


@pytest.fixture
def bpy_python() -> str:
    """A Python that imports bpy in a process of its own; there is none in a real Blender."""
    if bpy.app.binary_path:
        pytest.skip("needs pip's bpy")
    return sys.executable
