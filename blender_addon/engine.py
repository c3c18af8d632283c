"""Where the engine is: the Python environment with torch and MediaPipe that the worker process runs in, and the code it runs."""

from __future__ import annotations

import functools
import os
import sys
from pathlib import Path

import bpy

from .core import environment
from .core.errors import InputError

_HERE = Path(__file__).resolve().parent
CODE = _HERE if (_HERE / "core").is_dir() else _HERE.parent
"""The folder that holds `core`: the extension's own, or the repository in a checkout."""
_SECTIONS = ("engine", "torch")


def own_directory() -> Path:
    """Where "Set up engine" puts the environment: the extension's user folder, which updates of the extension leave alone."""
    try:
        return Path(bpy.utils.extension_path_user(__package__)) / "engine"
    except ValueError:  # not installed as an extension
        return environment.engine_directory(CODE)


def find_python() -> Path:
    """The engine's interpreter: the preference, else VIDEO_MOCAP_ENV, else what "Set up engine" made, else a checkout's .venv.

    Raises InputError with one sentence that says what to press.
    """
    chosen = _preferred_python()
    if chosen:
        return _python_of(Path(bpy.path.abspath(chosen)))
    for directory in dict.fromkeys((Path(os.environ.get(environment.DIRECTORY_VARIABLE) or own_directory()), CODE / ".venv")):
        if is_ready(directory):
            return environment.interpreter(directory)
    raise InputError("The engine is not set up yet; press 'Set up engine' in the Video Mocap panel.")


def _python_of(path: Path) -> Path:
    """The interpreter that a path names: it itself, or that of the environment whose folder it is."""
    if not path.exists():
        raise InputError(f"The engine's Python {path} does not exist; correct it in the add-on's preferences.")
    python = environment.interpreter(path) if path.is_dir() else path
    if not python.is_file() or not os.access(python, os.X_OK):
        raise InputError(f"{path} is no Python; give Engine Python in the add-on's preferences the folder of an environment (.venv) "
                         f"or its {environment.interpreter(Path())}.")
    return python


@functools.lru_cache(maxsize=1)
def is_known() -> bool:
    """Whether `find_python` finds one; kept, because the panel asks at every redraw, until `is_known.cache_clear()`."""
    try:
        find_python()
        return True
    except InputError:
        return False


def is_ready(directory: Path) -> bool:
    """Whether a complete environment of this version stands there."""
    try:
        wanted = environment.Environment(directory, (), _SECTIONS)
        return wanted.python.exists() and not environment.missing_sections(CODE, wanted)
    except OSError:
        return False


def worker_command(python: Path) -> list[str]:
    """The worker process; it runs in `CODE`."""
    return [str(python), "-m", "core.worker"]


def setup_command() -> list[str]:
    """Makes the environment in `own_directory` with Blender's own Python. Raises InputError when going online is not allowed."""
    if not bpy.app.online_access:
        raise InputError("Setting up the engine downloads about 1 GB; first tick Allow Online Access in Preferences > System > Network.")
    return [sys.executable, str(CODE / "build.py"), "setup", "--json", "--env", str(own_directory())]


def _preferred_python() -> str:
    addon = bpy.context.preferences.addons.get(__package__)
    return addon.preferences.engine_python.strip() if addon is not None and addon.preferences is not None else ""
