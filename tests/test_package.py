"""The add-on's zip: what is in it, that it is the same every time, and that Blender's own tool takes it."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from core import __version__, environment, package
from core.detect import bundle
from core.errors import InputError

REPO = Path(__file__).resolve().parent.parent


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small repository with everything that belongs into the zip and some things that do not."""
    files = {
        "blender_addon/__init__.py": "", "blender_addon/blender_manifest.toml": 'version = "1.2.3"\n', "blender_addon/panel.py": "",
        "core/__init__.py": '__version__ = "1.2.3"\n', f"core/detect/{bundle.BUNDLE_NAME}": "networks", "models/weights/a.safetensors": "w",
        "models/net.py": "", "build.py": "", "requirements.lock": "", "LICENSE": "", "README.md": "",
        "core/__pycache__/x.cpython-311.pyc": "", "core/__pycache__/y.py": "", "models/data/pack.npz": "", "models/a.partial": "",
        "tests/test_a.py": "", ".venv/setup.json": "",
    }
    for name, text in files.items():
        (tmp_path / "repo" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "repo" / name).write_text(text)
    monkeypatch.setattr(bundle, "BUNDLE_SHA256", bundle.sha256(tmp_path / "repo" / "core" / "detect" / bundle.BUNDLE_NAME))
    return tmp_path / "repo"


def test_content(tree: Path, tmp_path: Path) -> None:
    path = package.build_zip(tree, tmp_path / "out")
    assert path.name == "video_mocap-1.2.3.zip"
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    assert names == sorted(names)
    assert set(names) == {
        "__init__.py", "blender_manifest.toml", "panel.py", "core/__init__.py", f"core/detect/{bundle.BUNDLE_NAME}", "models/net.py",
        "models/weights/a.safetensors", "build.py", "requirements.lock", "LICENSE", "README.md"}


def test_same_tree_same_zip(tree: Path, tmp_path: Path) -> None:
    first = package.build_zip(tree, tmp_path / "a").read_bytes()
    for file in tree.rglob("*.py"):
        os.utime(file, (1_000_000_000, 1_000_000_000))
        file.chmod(0o755)
    assert package.build_zip(tree, tmp_path / "b").read_bytes() == first


def test_versions_must_agree(tree: Path, tmp_path: Path) -> None:
    (tree / "blender_addon" / "blender_manifest.toml").write_text('version = "1.2.4"\n')
    with pytest.raises(InputError, match=r"1\.2\.4"):
        package.build_zip(tree, tmp_path / "out")


def test_a_missing_bundle_is_said(tree: Path, tmp_path: Path) -> None:
    (tree / "core" / "detect" / bundle.BUNDLE_NAME).unlink()
    with pytest.raises(InputError, match="setup"):
        package.build_zip(tree, tmp_path / "out")


def test_an_unwritable_folder_is_said(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="--out"):
        package.build_zip(tree, tmp_path / "file")


def test_this_repository_has_a_licence_and_one_version() -> None:
    assert package.core_version(REPO) == __version__
    assert "GNU GENERAL PUBLIC LICENSE" in (REPO / "LICENSE").read_text(encoding="utf-8")


@pytest.mark.skipif(environment.blender_python(REPO) is None, reason="Blender's extension tool lies in bpy")
@pytest.mark.skipif(not bundle.is_intact(REPO / "core" / "detect" / bundle.BUNDLE_NAME), reason="the bundle is made by set-up")
def test_blender_takes_the_real_zip(tmp_path: Path) -> None:
    path = package.build_zip(REPO, tmp_path)
    python = environment.blender_python(REPO)
    assert python is not None
    answer = package.validate(python, path)
    assert answer.returncode == 0, answer.stdout + answer.stderr
