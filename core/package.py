"""`build.py package`: the add-on as one zip that Blender installs.

Problem: the extension must carry everything that it needs on a machine with nothing but Blender: the add-on, the core, the networks
         with their weights, the MediaPipe bundle, and build.py to make the engine's environment.
Method:  the zip's root is the content of `blender_addon`, beside it `core`, `models` and the files of set-up; sorted names and fixed
         dates make the same tree give the same zip. Blender's own extension tool (inside bpy's wheel) validates the result.
Limits:  standard library only, because tests call `build_zip` from Blender's Python.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

from . import environment
from .detect import bundle
from .errors import InputError

ROOT = Path(__file__).resolve().parent.parent
ADDON, MANIFEST = "blender_addon", "blender_manifest.toml"
_FOLDERS = ("core", "models")
_FILES = ("build.py", "requirements.lock", "README.md", "LICENSE")
# Nothing that training, tests or an editor leave behind.
_SUFFIXES = {".py", ".toml", ".md", ".json", ".safetensors", ".task", ".mp4", ".png", ".svg", ".npz", ".html", ".txt"}
_LEFT_OUT = {"__pycache__", "tests", "data"}
_DATE = (2025, 1, 1, 0, 0, 0)


def main(argv: list[str] | None = None) -> int:
    """Builds and validates the zip; returns the exit code."""
    parser = argparse.ArgumentParser(prog="build.py package", allow_abbrev=False, description=(
        "Makes DIR/video_mocap-VERSION.zip, the extension that Blender installs, and validates it with Blender's own tool."))
    parser.add_argument("--out", metavar="DIR", type=Path, default=Path("dist"), help="folder for the zip (default: dist)")
    path = build_zip(ROOT, parser.parse_args(argv).out)
    print(f"{path.resolve()} ({path.stat().st_size / 1e6:.1f} MB)")
    python = environment.blender_python(ROOT)
    if python is None:
        print(f"It was not validated: {environment.blender_obstacle() or 'bpy could not be installed (see above).'}", file=sys.stderr)
        return 0
    answer = validate(python, path)
    print(answer.stdout.strip())
    if answer.returncode:
        print(f"error: Blender's extension tool refuses the zip: {answer.stderr.strip()}", file=sys.stderr)
    return 1 if answer.returncode else 0


def build_zip(root: Path, out: Path) -> Path:
    """Writes `out`/video_mocap-VERSION.zip from the repository `root`; returns its path.

    Raises InputError when the MediaPipe bundle is missing, the versions of core and manifest differ, or `out` is not writable.
    """
    version = core_version(root)
    _check_versions(root, version)
    _check_bundle(root)
    path = out / f"video_mocap-{version}.zip"
    temporary = path.with_suffix(".partial")
    try:
        out.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, file in sorted(content(root)):
                _add(archive, name, file)
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(f"The zip cannot be written to {out} ({error.strerror}); choose another folder with --out.") from error
    return path


def core_version(root: Path) -> str:
    """`core.__version__`, read without importing."""
    found = re.search(r'^__version__ = "(.+)"$', (root / "core" / "__init__.py").read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise ValueError("core/__init__.py states no __version__")
    return found.group(1)


def content(root: Path) -> Iterator[tuple[str, Path]]:
    """What goes into the zip: (name in the zip, file)."""
    for file in _files(root / ADDON):
        yield file.relative_to(root / ADDON).as_posix(), file
    for folder in _FOLDERS:
        for file in _files(root / folder):
            yield file.relative_to(root).as_posix(), file
    for name in _FILES:
        if (root / name).exists():
            yield name, root / name


def validate(python: Path, path: Path) -> subprocess.CompletedProcess[str]:
    """Runs Blender's extension tool, which lies inside bpy, on the zip."""
    packages = python.parent.parent  # the venv
    (tool,) = packages.glob("**/bpy/*/scripts/addons_core/bl_pkg/cli/blender_ext.py")
    return subprocess.run([str(python), str(tool), "validate", str(path)], capture_output=True, text=True, check=False)


def _files(folder: Path) -> Iterator[Path]:
    for file in folder.rglob("*"):
        if file.is_file() and file.suffix in _SUFFIXES and not _LEFT_OUT & set(file.relative_to(folder).parts):
            yield file


def _add(archive: zipfile.ZipFile, name: str, file: Path) -> None:
    info = zipfile.ZipInfo(name, _DATE)
    info.external_attr = 0o644 << 16
    info.create_system = 3  # the same on every system
    info.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(info, file.read_bytes())


def _check_versions(root: Path, version: str) -> None:
    manifest = tomllib.loads((root / ADDON / MANIFEST).read_text(encoding="utf-8"))
    if manifest["version"] != version:
        raise InputError(f"{ADDON}/{MANIFEST} says version {manifest['version']}, core says {version}: make them the same.")


def _check_bundle(root: Path) -> None:
    path = root / "core" / "detect" / bundle.BUNDLE_NAME
    if not bundle.is_intact(path):
        raise InputError(f"The MediaPipe bundle {path} is missing or damaged; run 'python3 build.py setup' first.")
