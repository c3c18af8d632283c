"""A child process that works and talks JSON lines (`core.events`), seen from Blender's main thread: nothing here waits.

A thread reads the child's lines into a queue; `poll` empties it. The child's end is one more event: {"event": "exit", "code": n}.
A cancelled child that does not stop within `GRACE` seconds is terminated, then killed; one that was sent no request does not
listen and is terminated at once. When Blender itself dies the child
sees the end of its stdin and stops on its own. Free of bpy.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

GRACE = 5.0  # seconds
_LAST_WAIT = 0.5  # seconds
_TAIL = 2000  # bytes of stderr kept for a message


class JsonProcess:
    """Starts `command` in folder `cwd` and sends it `request` as its first line. Raises OSError when it cannot be started."""

    def __init__(self, command: list[str], cwd: Path, request: dict[str, Any] | None = None) -> None:
        # Blender's own Python settings must not reach another interpreter; its text is always UTF-8.
        environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONHOME", "PYTHONPATH")} | {"PYTHONUTF8": "1"}
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (lives as long as the process)
        self._process = subprocess.Popen(
            command, cwd=cwd, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True,
            encoding="utf-8", errors="replace", creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0))
        self._events: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._cancelled_at: float | None = None
        self._grace = 0.0 if request is None else GRACE
        threading.Thread(target=self._read, name="video-mocap-reader", daemon=True).start()
        if request is not None:
            self._send(request)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict) and "event" in event:
                self._events.put(event)
        self._events.put({"event": "exit", "code": self._process.wait()})

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()
        except OSError:
            pass  # it has ended already; its exit event says how

    def poll(self) -> list[dict[str, Any]]:
        """The events since the last call, in order; also ends a child that was cancelled and does not listen."""
        if self._cancelled_at is not None and self._process.poll() is None:
            late = time.monotonic() - self._cancelled_at - self._grace
            if late > 0:
                (self._process.kill if late > GRACE else self._process.terminate)()
        events = []
        while True:
            try:
                events.append(self._events.get_nowait())
            except queue.Empty:
                return events

    def cancel(self) -> None:
        """Asks the child to stop; returns at once."""
        if self._cancelled_at is None:
            self._cancelled_at = time.monotonic()
            self._send({"cancel": True})

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._cancelled_at is not None

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    def last_words(self) -> str:
        """The last line that the child wrote to stderr."""
        self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, self._errors.tell() - _TAIL))
        lines = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1].strip() if lines else ""

    def close(self) -> None:
        """Ends the child now, if it still runs; waits up to `_LAST_WAIT` seconds so that it can end its own children."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_LAST_WAIT)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._errors.close()
