"""The one command of Video Mocap: `python3 build.py COMMAND ...`.

Problem: a fresh machine has Python and pip, nothing else. Method: make sure that the environments which COMMAND needs stand
(core/environment.py), then hand over to `core.cli` inside them. Limits: standard library only, Python 3.11 or newer.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 (before the imports: an older Python must get this sentence, not an ImportError)
    sys.exit("error: build.py needs Python 3.11 or newer, and this is Python %d.%d; run it with a newer one." % sys.version_info[:2])

import contextlib
import os
import signal
import subprocess
from pathlib import Path

from core import environment
from core.cli import COMMANDS
from core.cli import main as command_line
from core.events import JsonReporter, Reporter

ROOT = Path(__file__).resolve().parent


def usage() -> str:
    """What `build.py` alone says."""
    lines = [f"  {name:<10}{text}" for name, text in {**COMMANDS, "setup": "only make the environment that the others need"}.items()]
    return "\n".join([
        "usage: python3 build.py [--cuda] [--env DIR] COMMAND ...", "", "commands:", *lines, "",
        "  --cuda    use the CUDA build of torch (default: the CPU build)",
        "  --env DIR where the engine's environment is (default: .venv here, or the variable VIDEO_MOCAP_ENV)", "",
        "`build.py COMMAND --help` says more. The first call of a command makes what it needs; later calls install nothing."])


def take_own_options(argv: list[str]) -> tuple[list[str], bool, str | None]:
    """The arguments without build.py's own (wherever they stand), whether --cuda was given, and --env's folder."""
    rest: list[str] = []
    cuda, directory = False, None
    words = iter(argv)
    for word in words:
        if word == "--cuda":
            cuda = True
        elif word == "--env":
            directory = next(words, None)
            if directory is None:
                sys.exit("error: --env needs a folder.")
        else:
            rest.append(word)
    return rest, cuda, directory


def hand_over(python: Path, argv: list[str]) -> int:
    """Continues as `python -m core.cli ARGV`; the current folder stays, so that relative paths mean what the user meant."""
    command = [str(python), "-P", "-m", "core.cli", *argv]  # -P: a folder "core" where the user stands is not ours
    variables = {**os.environ, "PYTHONPATH": str(ROOT)}
    if os.name == "posix":  # on Windows exec does not wait
        os.execve(command[0], command, variables)
    return subprocess.call(command, env=variables)


def main(argv: list[str]) -> int:
    """Runs one command; returns the exit code."""
    rest, cuda, directory = take_own_options(argv)
    if not rest or rest[0] in ("-h", "--help", "help"):
        print(usage())
        return 0
    command = rest[0]
    if command == "setup" and not set(rest[1:]) <= {"--json"}:
        print("usage: build.py [--cuda] [--env DIR] setup [--json]\n\nMakes the engine's environment and the MediaPipe bundle.")
        return 0 if {"-h", "--help"} & set(rest) else 2
    if command != "setup" and (command not in COMMANDS or {"-h", "--help"} & set(rest)):
        with contextlib.suppress(ModuleNotFoundError):  # help needs no environment, unless its module needs numpy
            return command_line(rest)
    if directory is not None:
        os.environ[environment.DIRECTORY_VARIABLE] = str(Path(directory).absolute())
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that pip ends with us; exec undoes it
    reporter: Reporter = JsonReporter() if "--json" in rest else environment.PlainReporter()
    try:
        python = environment.prepare(ROOT, command, rest[1:], cuda, reporter)
    except environment.SetupError as error:
        reporter.error(str(error), "fault")
        return 1
    except KeyboardInterrupt:
        reporter.error("Interrupted; the next call finishes what is missing.", "cancelled")
        return 130
    if command == "setup":
        reporter.result({"python": str(python)}, {})
        return 0
    return hand_over(python, rest)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
