"""The engine behind Blender: one process, one job, JSON lines over pipes.

stdin:  first line {"input": path, "out": folder, "options": {...}} (options as RunOptions.to_json);
        later {"cancel": true}, or the end of the stream (Blender closed or crashed), stops the job.
stdout: the events of core.events, one JSON object a line. Exit code 0 for a complete result, 2 for bad input, 1 for a fault of ours.

The libraries underneath print what they like: their stdout is turned to stderr before they are loaded, so that the protocol stays clean.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import threading

from .events import JsonReporter

_PACKAGES = ("numpy", "scipy", "cv2", "av", "mediapipe", "torch")  # without which no run gets anywhere


def main() -> int:
    """Runs the job that stdin describes; returns the exit code."""
    events = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)
    reporter = JsonReporter(events)
    try:
        request = json.loads(sys.stdin.readline())
        job = request["input"], request["out"], request.get("options", {})
    except (ValueError, KeyError, TypeError) as error:
        reporter.error(f"The worker was not told what to do ({error!r}).", "fault")
        return 1
    if missing := [name for name in _PACKAGES if importlib.util.find_spec(name) is None]:
        reporter.error(f"The Python {sys.executable} lacks {', '.join(missing)}, so that it is no engine; correct Engine Python in the "
                       "add-on's preferences, or empty it there and press 'Set up engine'.", "input")
        return 2
    threading.Thread(target=_watch_for_cancel, args=(reporter,), daemon=True).start()

    from .jobs import run_job

    return run_job(*job, reporter)


def _watch_for_cancel(reporter: JsonReporter) -> None:
    for line in sys.stdin:
        if '"cancel"' in line:
            break
    reporter.cancel()


if __name__ == "__main__":
    sys.exit(main())
