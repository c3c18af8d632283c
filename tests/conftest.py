"""Fixtures that every test may use. Imports nothing heavy: the tests of the add-on load it inside Blender's Python too."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("any machine", deadline=None)  # a busy machine is slow, and a time is no test
settings.load_profile("any machine")

REPO = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with data that is not in the repository (VIDEO_MOCAP_SHARED, else ../shared); skips where there is none."""
    folder = Path(os.environ.get("VIDEO_MOCAP_SHARED") or REPO.parent / "shared")
    if not folder.is_dir():
        pytest.skip(f"no data folder {folder} (set VIDEO_MOCAP_SHARED)")
    return folder
