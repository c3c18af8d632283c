"""What a long job says while it works: progress, warnings, notes, its result or its error.

The same events are printed for people on a terminal, written as one JSON object a line (`--json`, and the worker process behind
Blender), and checked by tests. Stages of the pipeline take a `Reporter` and call it; they never print.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
from typing import TextIO

from .errors import Cancelled


class Reporter:
    """Takes events and drops them. Also carries the request to cancel, which every report answers by raising Cancelled."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self._cancel = threading.Event()

    def cancel(self) -> None:
        """Asks the job to stop at its next report; may be called from any thread."""
        self._cancel.set()

    def progress(self, stage: str, done: int, total: int | None) -> None:
        """`done` of `total` frames of `stage` are finished (total None: not known). Raises Cancelled after `cancel`."""
        if self._cancel.is_set():
            raise Cancelled
        self._emit({"event": "progress", "stage": stage, "done": int(done), "total": total if total is None else int(total)})

    def begin(self, path: str, out: str, number: int, total: int) -> None:
        """Of several videos in one call it is `path`'s turn, the `number`th of `total`; its results go to folder `out`."""
        self._emit({"event": "begin", "input": path, "out": os.path.abspath(out), "number": number, "total": total})

    def end(self, failed: list[str], total: int) -> None:
        """All of several videos are done; `failed` are not complete."""
        self._emit({"event": "end", "failed": failed, "total": total})

    def warning(self, text: str) -> None:
        """One sentence that the user should know; also kept in `warnings`, which end up in the motion's meta."""
        if text not in self.warnings:
            self.warnings.append(text)
            self._emit({"event": "warning", "text": text})

    def log(self, text: str) -> None:
        """One sentence for the curious."""
        self._emit({"event": "log", "text": text})

    def result(self, files: dict[str, str], summary: dict) -> None:
        """The job is complete: `files` maps a format to its absolute path."""
        self._emit({"event": "result", "files": files, "summary": summary})

    def error(self, text: str, kind: str) -> None:
        """The job failed. `kind`: "input" (exit code 2), "fault" (exit code 1) or "cancelled"."""
        self._emit({"event": "error", "kind": kind, "text": text})

    def _emit(self, event: dict) -> None:
        pass


class JsonReporter(Reporter):
    """One JSON object a line, flushed, ASCII only: for programs. Progress at most 20 times a second and stage."""

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__()
        self._stream = stream or sys.stdout
        self._last: tuple[str | None, float] = (None, 0.0)

    def _emit(self, event: dict) -> None:
        if event["event"] == "progress":
            stage, when = self._last
            if stage == event["stage"] and event["done"] != event["total"] and time.monotonic() - when < 0.05:
                return
            self._last = (event["stage"], time.monotonic())
        self._stream.write(json.dumps(event) + "\n")
        self._stream.flush()


def let_go() -> None:
    """Lets what is printed, and what is left to print, go nowhere: who reads it has left."""
    with open(os.devnull, "w") as nowhere:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):  # it is no file
                    os.dup2(nowhere.fileno(), stream.fileno())


class TerminalReporter(Reporter):
    """For people: one line a stage that counts up (on a terminal), warnings and results as sentences."""

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__()
        self._stream = stream or sys.stderr
        self._open_line = False
        self._last: tuple[str | None, float] = (None, 0.0)
        self._finished: set[str] = set()

    def _emit(self, event: dict) -> None:
        if event["event"] == "progress":
            self._progress(event["stage"], event["done"], event["total"])
            return
        self._close_line()
        if event["event"] == "warning":
            self._stream.write(f"warning: {event['text']}\n")
        elif event["event"] == "error":
            self._stream.write(f"error: {event['text']}\n")
        elif event["event"] == "log":
            self._stream.write(f"{event['text']}\n")
        elif event["event"] == "begin":
            self._stream.write(f"{event['number']} of {event['total']}: {event['input']}\n")
        elif event["event"] == "end":
            failed, total = event["failed"], event["total"]
            self._stream.write(f"{total - len(failed)} of {total} complete" + (f"; not {', '.join(failed)}.\n" if failed else ".\n"))
        elif event["event"] == "result":
            for name, path in event["files"].items():
                print(f"{name + ':':<11}{path}")
        self._stream.flush()

    def _progress(self, stage: str, done: int, total: int | None) -> None:
        complete = total is not None and done >= total
        if not self._stream.isatty():
            if complete and stage not in self._finished:  # several passes of one stage are one line
                self._finished.add(stage)
                self._stream.write(f"{stage}: {done} of {total}\n")
            return
        last_stage, when = self._last
        if last_stage == stage and not complete and time.monotonic() - when < 0.1:
            return
        if last_stage not in (None, stage):
            self._close_line()
        self._last = (stage, time.monotonic())
        bar = "" if not total else f" [{'#' * (30 * done // total):<30}]"
        self._stream.write(f"\r{stage:<24}{bar} {done}" + (f" of {total}" if total else ""))
        self._stream.flush()
        self._open_line = True
        if complete:
            self._close_line()

    def _close_line(self) -> None:
        if self._open_line:
            self._stream.write("\n")
            self._open_line = False
