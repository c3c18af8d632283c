"""`build.py test`: lint, types, and the tests in every environment that they are for.

Problem: the engine's tests and those of the add-on need different Pythons, and one failing step must not hide the next.
Method:  ruff, mypy, pytest in the engine's environment, pytest in one environment for each version of bpy; each step runs whatever
         became of the others. The counts come from pytest's JUnit files, so that nothing is guessed from printed text.
Limits:  a test run that dies before it writes its file counts as one failure.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from . import environment

ROOT = Path(__file__).resolve().parent.parent
CHECKED = ("core", "models", "blender_addon", "build.py")
_NOTHING_COLLECTED = 5  # pytest's exit code


@dataclass(frozen=True)
class Outcome:
    """What one step came to: `ok` decides the exit code, the counts the last line."""

    name: str
    ok: bool
    passed: int = 0
    failed: int = 0


def main(argv: list[str] | None = None) -> int:
    """Runs every step; returns 0 only when all of them are fine. Arguments go to pytest."""
    parser = argparse.ArgumentParser(
        prog="build.py test", allow_abbrev=False, usage="build.py test [PYTEST_ARGUMENT ...]",
        description="Runs ruff, mypy and the tests: the engine's, and the add-on's with every Blender of requirements.lock. "
                    "Arguments go to pytest; a path to a test runs only that.")
    _, args = parser.parse_known_args(argv)
    os.chdir(ROOT)  # test paths are relative to the repository
    outcomes = [*_checks(), *_engine_tests(args)]
    for version in environment.BLENDER_VERSIONS:
        outcomes += _blender_tests(version, args)
    for outcome in outcomes:
        print(f"{outcome.name}: {'ok' if outcome.ok else 'FAILED'}")
    print(f"{sum(o.passed for o in outcomes)} passed, {sum(o.failed for o in outcomes)} failed")
    return 0 if all(o.ok for o in outcomes) else 1


def _checks() -> list[Outcome]:
    there = [name for name in CHECKED if (ROOT / name).exists()]
    tests = ["tests"] if (ROOT / "tests").exists() else []
    return [Outcome(name, _call(sys.executable, "-m", *command) == 0) for name, command in (
        ("ruff", ["ruff", "check", *there, *tests]), ("mypy", ["mypy", *there]))]


def _engine_tests(args: Sequence[str]) -> list[Outcome]:
    targets, options = split_targets(args)
    mine = [t for t in targets if not is_blender_test(t)]
    if targets and not mine:
        return []
    return [run_pytest("tests", Path(sys.executable), [*(mine or ["tests", "--ignore=tests/blender"]), *options], bool(args))]


def _blender_tests(version: str, args: Sequence[str]) -> list[Outcome]:
    targets, options = split_targets(args)
    mine = [t for t in targets if is_blender_test(t)]
    if (targets and not mine) or not any((ROOT / "tests" / "blender").glob("test_*.py")):
        return []
    python = environment.blender_python(ROOT, version)
    if python is None:
        print(f"Tests with Blender {version} are skipped: {environment.blender_obstacle() or 'bpy could not be installed (see above).'}")
        return []
    return [run_pytest(f"tests in Blender {version}", python, [*(mine or ["tests/blender"]), *options], bool(args))]


def split_targets(args: Sequence[str]) -> tuple[list[str], list[str]]:
    """pytest's arguments as (paths or test ids, the rest)."""
    targets = [a for a in args if not a.startswith("-") and (ROOT / a.partition("::")[0]).exists()]
    return targets, [a for a in args if a not in targets]


def is_blender_test(target: str) -> bool:
    """Whether a path or test id lies in tests/blender."""
    return (ROOT / target.partition("::")[0]).resolve().is_relative_to(ROOT / "tests" / "blender")


def run_pytest(name: str, python: Path, args: Sequence[str], selected: bool) -> Outcome:
    """One run of pytest; with a selection (`-k` and the like) it is fine when nothing was collected here."""
    print(f"\n=== {name} ===", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "junit.xml"
        code = _call(str(python), "-m", "pytest", f"--junitxml={report}", *args)
        passed, failed = counts(report)
    if selected and code == _NOTHING_COLLECTED:
        return Outcome(name, True)
    if code and not failed:
        print(f"{name}: pytest ended with code {code} although no test failed: it crashed, or found no tests.")
        failed = 1
    return Outcome(name, code == 0, passed, failed)


def counts(report: Path) -> tuple[int, int]:
    """(passed, failed) of a JUnit file; errors are failures, skipped tests are neither. No file: (0, 0)."""
    try:
        suites = list(ElementTree.parse(report).getroot().iter("testsuite"))
    except (OSError, ElementTree.ParseError):
        return 0, 0

    def total(key: str) -> int:
        return sum(int(suite.get(key, 0)) for suite in suites)

    failed = total("failures") + total("errors")
    return total("tests") - failed - total("skipped"), failed


def _call(*command: str) -> int:
    print(f"$ {' '.join(command[1:])}", flush=True)
    return subprocess.call(command, env={**os.environ, "PYTHONPATH": str(ROOT)})


if __name__ == "__main__":
    sys.exit(main())
