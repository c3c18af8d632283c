"""The test command: what counts as passed, failed, or fine although nothing ran."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from core import environment, testing
from core.testing import Outcome


@pytest.fixture(autouse=True)
def bare_pytest(monkeypatch: pytest.MonkeyPatch) -> None:
    """The inner runs need no plugins, and start faster without."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


@pytest.mark.parametrize(("body", "passed", "failed", "ok"), [
    ("def test_a(): pass\ndef test_b(): pass", 2, 0, True),
    ("def test_a(): pass\ndef test_b(): assert False", 1, 1, False),
    ("import pytest\ndef test_a(): pytest.skip()", 0, 0, True),
    ("import no_such_module", 0, 1, False),
    ("import os\ndef test_a(): os._exit(3)", 0, 1, False),
])
def test_a_run_is_counted(body: str, passed: int, failed: int, ok: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "test_it.py").write_text(body)
    outcome = testing.run_pytest("it", Path(sys.executable), [str(tmp_path), "-p", "no:cacheprovider", f"--rootdir={tmp_path}"], False)
    assert outcome == Outcome("it", ok, passed, failed)


def test_nothing_collected_is_fine_only_for_a_selection(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("def test_a(): pass")
    args = [str(tmp_path), "-k", "nothing", "-p", "no:cacheprovider", f"--rootdir={tmp_path}"]
    assert testing.run_pytest("it", Path(sys.executable), args, selected=True).ok
    assert not testing.run_pytest("it", Path(sys.executable), args, selected=False).ok


def test_paths_are_told_from_options() -> None:
    assert testing.split_targets(["tests/test_testing.py::test_x", "-k", "word", "-x"]) == (
        ["tests/test_testing.py::test_x"], ["-k", "word", "-x"])
    assert testing.is_blender_test("tests/blender/test_x.py::test_y")
    assert not testing.is_blender_test("tests/test_testing.py")


@pytest.mark.parametrize("lint", [True, False])
def test_every_step_runs_and_the_sum_is_last(lint: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(testing, "_checks", lambda: [Outcome("ruff", lint)])
    monkeypatch.setattr(testing, "_engine_tests", lambda args: [Outcome("tests", True, 5, 0)])
    monkeypatch.setattr(testing, "_blender_tests", lambda version, args: [Outcome(version, True, 2, 0)])
    assert testing.main([]) == (0 if lint else 1)
    assert capsys.readouterr().out.splitlines()[-1] == f"{5 + 2 * len(environment.BLENDER_VERSIONS)} passed, 0 failed"
