"""The Blender scene: armature animated, camera placed, footage behind it; also FBX and glTF, through Blender's own exporters.

Problem: bpy pins another numpy than the engine, and core must not import it. Method: Blender's module lives in an environment of
its own; its interpreter runs `blender_addon.scene_script` in a child process, which answers with the same JSON events as the worker.
Limits: on a machine without bpy nothing of this can be written; one warning says so and everything else goes on.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import threading
from collections.abc import Iterable
from pathlib import Path

from ..environment import blender_obstacle, blender_python
from ..events import Reporter

ROOT = Path(__file__).resolve().parents[2]
_FILE_NAMES = {"blend": "scene.blend", "fbx": "scene.fbx", "glb": "scene.glb"}
_QUIET = 0.2  # seconds between looks at whether the user has cancelled


class SceneError(RuntimeError):
    """Not all of it could be written; the message is one sentence. written: what was; ours: whether Blender's module failed, rather than
    the disk or a name."""

    def __init__(self, text: str, written: dict[str, Path] | None = None, ours: bool = True) -> None:
        super().__init__(text)
        self.written, self.ours = written or {}, ours


def write_scene(motion_path: Path, footage: Path | None, formats: Iterable[str], out: Path, reporter: Reporter) -> dict[str, Path]:
    """Writes scene.blend, scene.fbx and scene.glb, as far as wanted, into folder `out`; returns format -> path.

    motion_path: motion.npz. footage: the video or the folder of images behind the camera, or None. formats: of "blend", "fbx", "glb".
    Without Blender's module: a warning, and nothing is written. Raises Cancelled, and SceneError when not all could be written; then the
    other files are as they were.
    """
    wanted = {name: out.resolve() / _FILE_NAMES[name] for name in _FILE_NAMES if name in set(formats)}
    python = _interpreter()
    if python is None or not (ROOT / "blender_addon").is_dir():
        reporter.warning(blender_obstacle() or "scene.blend, .fbx and .glb need Blender's Python module bpy, which is not set up here; "
                         "'python3 build.py run' sets it up when --formats names one of them. Everything else works.")
        return {}
    request = {"motion": str(motion_path.resolve()), "footage": str(footage.resolve()) if footage else None,
               "files": {name: str(path) for name, path in wanted.items()}}
    before = {path: _stamp(path) for path in wanted.values()}
    try:
        _check_names(request)
        _run(python, request, reporter)
    except SceneError as error:
        written = {name: path for name, path in wanted.items() if _stamp(path) != before[path]}
        raise SceneError(str(error), written, error.ours) from error
    finally:
        for leftover in out.glob("scene.partial.*"):  # of a child that was killed
            leftover.unlink(missing_ok=True)
    return wanted


def _stamp(path: Path) -> int | None:
    """When the file was written; None where there is none."""
    return path.stat().st_mtime_ns if path.exists() else None


def _check_names(request: dict) -> None:
    """Raises SceneError for paths that Blender cannot be told."""
    for path in (request["motion"], request["footage"] or "", *request["files"].values()):
        try:
            path.encode()
        except UnicodeEncodeError as error:
            raise SceneError(f"Blender reads no names that are not UTF-8, such as {path!a}; rename it.", ours=False) from error


def _interpreter() -> Path | None:
    """The Python that has bpy; VIDEO_MOCAP_BPY names another one than the project's own."""
    chosen = os.environ.get("VIDEO_MOCAP_BPY")
    return Path(chosen) if chosen else blender_python(ROOT)


def _run(python: Path, request: dict, reporter: Reporter) -> None:
    with tempfile.TemporaryDirectory() as scratch:  # Blender's module leaves its folder there
        _ask(python, request, {**os.environ, **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), scratch)}, reporter)


def _ask(python: Path, request: dict, variables: dict[str, str], reporter: Reporter) -> None:
    process = subprocess.Popen([str(python), "-m", "blender_addon.scene_script"], cwd=ROOT, env=variables, text=True, encoding="utf-8",
                               errors="replace", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    said: list[str] = []
    reader = threading.Thread(target=lambda: said.extend(_communicate(process, request)), daemon=True)
    reader.start()
    try:
        while reader.is_alive():
            reporter.progress("Blender scene", 0, 1)  # raises Cancelled when the user has asked for it
            reader.join(_QUIET)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
    for line in said:
        if line.startswith('{"event": "warning"'):
            reporter.warning(json.loads(line)["text"])
    error = next((json.loads(line) for line in said if line.startswith('{"event": "error"')), None)
    if error:
        raise SceneError(error["text"], ours=error["kind"] != "input")
    if process.returncode != 0:
        raise SceneError(f"Blender's module stopped with code {process.returncode} while it wrote the scene.")
    reporter.progress("Blender scene", 1, 1)


def _communicate(process: subprocess.Popen, request: dict) -> list[str]:
    return process.communicate(json.dumps(request))[0].splitlines()
