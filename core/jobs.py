"""Runs the pipeline for somebody who cannot catch exceptions: the command line and the worker process.

Every way in which a run can end becomes one event and an exit code: 0 complete, 2 bad input (or incomplete because of it),
1 a fault of ours, 130 cancelled.
"""

from __future__ import annotations

import os
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import Cancelled, InputError
from .events import Reporter, let_go
from .options import RunOptions

if TYPE_CHECKING:
    from .pipeline import RunResult

COMPLETE, FAULT, BAD_INPUT, CANCELLED = 0, 1, 2, 130


def run_job(path: str, out: str, options: dict, reporter: Reporter) -> int:
    """One run of the pipeline with `options` as RunOptions.to_json gives them; returns the exit code, never raises."""
    try:
        from .pipeline import run

        result = run(path, out, RunOptions.from_json(options), reporter)
        _tell(result, reporter)
    except InputError as error:
        reporter.error(str(error), "input")
        return BAD_INPUT
    except (Cancelled, KeyboardInterrupt):
        reporter.error("Cancelled.", "cancelled")
        return CANCELLED
    except BrokenPipeError:  # who read the events has left
        let_go()
        return CANCELLED
    except MemoryError:
        reporter.error("There is not enough memory for this video; take a part of it by start and end.", "input")
        return BAD_INPUT
    except Exception as error:  # whatever it is, the user gets a sentence and we get the traceback
        reporter.error(f"Something went wrong inside Video Mocap ({type(error).__name__}: {error}); {_keep_traceback(out)}.", "fault")
        return FAULT
    if result.problem is None:
        return COMPLETE
    reporter.error(result.problem, "fault" if result.ours else "input")
    return FAULT if result.ours else BAD_INPUT


def _tell(result: RunResult, reporter: Reporter) -> None:
    motion = result.motion
    seconds = float(motion.times[-1] - motion.times[0]) if len(motion) > 1 else 0.0
    reporter.result({name: str(file) for name, file in result.files.items()}, {
        "frames": len(motion), "seconds": round(seconds, 3), "fps": motion.fps, "complete": result.problem is None,
        "problem": result.problem, "warnings": list(reporter.warnings), "quality": motion.meta.get("quality", {}),
    })


def _keep_traceback(out: str) -> str:
    """Writes the current traceback to `out`/error.log (else to stderr) and says where it is."""
    try:
        log = Path(out) / "error.log"
        log.parent.mkdir(parents=True, exist_ok=True)  # a run that made nothing has removed it
        log.write_text(traceback.format_exc(), encoding="utf-8")
        return f"details are in {os.path.abspath(log)}"
    except OSError:
        traceback.print_exc()
        return "details are above"
