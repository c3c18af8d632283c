"""What a job says: JSON lines for programs, plain lines for people, and the way to stop it."""

from __future__ import annotations

import io
import json

import pytest

from core.errors import Cancelled
from core.events import JsonReporter, Reporter, TerminalReporter


def lines(stream: io.StringIO) -> list[dict]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_json_events_are_one_object_a_line() -> None:
    stream = io.StringIO()
    reporter = JsonReporter(stream)
    reporter.progress("2D keypoints", 1, 2)
    reporter.warning("Zwei Füße\nfehlen.")
    reporter.result({"npz": "/tmp/ä.npz"}, {"frames": 2})
    reporter.error("No.", "input")
    assert [e["event"] for e in lines(stream)] == ["progress", "warning", "result", "error"]
    assert lines(stream)[0] == {"event": "progress", "stage": "2D keypoints", "done": 1, "total": 2}
    assert stream.getvalue().isascii()


def test_progress_is_thinned_but_its_end_is_always_told() -> None:
    stream = io.StringIO()
    reporter = JsonReporter(stream)
    for done in range(1, 1001):
        reporter.progress("stage", done, 1000)
    told = [e["done"] for e in lines(stream)]
    assert told[-1] == 1000 and len(told) < 100


def test_a_warning_is_told_once_and_kept() -> None:
    stream = io.StringIO()
    reporter = JsonReporter(stream)
    reporter.warning("a")
    reporter.warning("a")
    assert len(lines(stream)) == 1 and reporter.warnings == ["a"]


def test_cancel_stops_at_the_next_progress() -> None:
    reporter = Reporter()
    reporter.progress("stage", 1, 2)
    reporter.cancel()
    with pytest.raises(Cancelled):
        reporter.progress("stage", 2, 2)


def test_people_read_sentences(capsys: pytest.CaptureFixture[str]) -> None:
    stream = io.StringIO()
    reporter = TerminalReporter(stream)
    for done in range(1, 4):
        reporter.progress("lifting", done, 3)
    reporter.error("There is no file x.", "input")
    reporter.result({"bvh": "/out/motion.bvh"}, {})
    assert stream.getvalue() == "lifting: 3 of 3\nerror: There is no file x.\n"
    assert capsys.readouterr().out.split() == ["bvh:", "/out/motion.bvh"]
