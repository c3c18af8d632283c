"""What a stage says reaches the command line and Blender's panel alike, so it must not talk of flags: "the start", not "--start"."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parent.parent
COMMAND_LINE_ONLY = {"bench.py", "bench_lift.py", "bench_retarget.py", "bench_solve.py", "cli.py", "doctor.py", "evaluate.py", "package.py",
                     "probe.py", "testing.py", "scene.py"}
"""Of core; scene.py writes formats that the panel does not ask for."""
MODULES = sorted(p for p in (REPO / "core").rglob("*.py") if p.name not in COMMAND_LINE_ONLY) + [
    REPO / "models" / "registry.py", *sorted((REPO / "blender_addon").glob("*.py"))]
SAYING = {"InputError", "SetupError", "warning", "error", "log", "refuse", "TorchSource"}


def sentences(module: Path) -> Iterator[str]:
    """The text of every call that says something to the user."""
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in SAYING:
            texts = [a for a in (*node.args, *(k.value for k in node.keywords)) if isinstance(a, ast.Constant | ast.JoinedStr)]
            yield "".join(str(c.value) for text in texts for c in ast.walk(text) if isinstance(c, ast.Constant))


@pytest.mark.parametrize("module", MODULES, ids=lambda p: str(p.relative_to(REPO)))
def test_no_sentence_that_the_panel_shows_names_a_flag(module: Path) -> None:
    assert not [text for text in sentences(module) if "--" in text or "probe" in text]


def test_the_search_finds_sentences() -> None:
    said = [text for module in MODULES for text in sentences(module)]
    assert len(said) > 60 and any("must be positive" in text for text in said)
