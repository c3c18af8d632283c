"""The command line behind build.py. Parsers import nothing heavy, so that --help answers at once and on a bare Python.

Exit codes: 0 a complete result, 2 bad input (or a result that is incomplete because of it), 1 a fault of ours, 130 cancelled.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import signal
import sys
from pathlib import Path

from .errors import Cancelled, InputError
from .events import JsonReporter, Reporter, TerminalReporter, let_go
from .options import RunOptions

SAMPLE = Path(__file__).parent / "assets" / "sample.mp4"

COMMANDS = {
    "run": "turn a video (or 2D keypoints) into motion files",
    "probe": "say what is in a video and what would be done",
    "demo": "run on the sample video: the first thing to try",
    "doctor": "check every dependency, model and device",
    "package": "make the Blender add-on's zip",
    "test": "run the tests",
    "train": "train a lifting network or the correction of ankles and wrists",
    "evaluate": "measure errors: of clips with known 3D truth, of all lifting networks, of the correction",
    "bench": "measure the speed of every stage on this machine",
}


def main(argv: list[str] | None = None) -> int:
    """Runs one command; returns the exit code."""
    argv = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a path that the terminal's encoding lacks must not end a run
            stream.reconfigure(errors="backslashreplace")
    command, rest = (argv[0], argv[1:]) if argv else ("", [])
    try:
        code = _dispatch(command, rest)
        if sys.stdout is not None:  # it is closed
            sys.stdout.flush()
        return code
    except BrokenPipeError:  # who read what we print has left
        let_go()
        return 130
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (Cancelled, KeyboardInterrupt):
        print("error: Cancelled.", file=sys.stderr)
        return 130


def _dispatch(command: str, rest: list[str]) -> int:
    if command == "run":
        return _run(run_parser().parse_args(rest))
    if command == "demo":
        return _demo(_demo_parser().parse_args(rest))
    if command == "probe":
        return _probe(_probe_parser().parse_args(rest))
    if command == "doctor":
        from .doctor import main as doctor

        return doctor(rest)
    if command == "package":
        from .package import main as package

        return package(rest)
    if command == "test":
        from .testing import main as test

        return test(rest)
    if command == "train":
        from models.train import main as train

        return train(rest)
    if command == "evaluate" and "--lifters" in rest:
        from models.evaluate_lifters import main as evaluate_lifters

        return evaluate_lifters(rest)
    if command == "evaluate" and "--correction" in rest:
        from models.judge_correction import main as judge_correction

        return judge_correction(rest)
    if command == "evaluate":
        from .evaluate import main as evaluate

        return evaluate(rest)
    if command == "bench":
        from .bench import main as bench

        return bench(rest)
    print(f"error: There is no command {command!r}; use one of {', '.join(COMMANDS)}, setup.", file=sys.stderr)
    return 2


def _parser(command: str, description: str) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(prog=f"build.py {command}", description=description, allow_abbrev=False)


def run_parser() -> argparse.ArgumentParser:
    """The parser of `run`; its options come from RunOptions."""
    parser = _parser("run", "Turns VIDEO into motion files in DIR. VIDEO is a video file, a folder of numbered images, or 2D keypoints: "
                            "a folder of OpenPose JSON files, a COCO keypoints JSON, or a keypoints.npz that an earlier run left. Several, "
                            "or a folder of videos, are done one after the other.")
    parser.add_argument("video", metavar="VIDEO", nargs="+", help="what to read")
    parser.add_argument("--out", metavar="DIR", help="folder for the results (default: NAME-mocap in the current folder); of several "
                                                     "videos, for a folder NAME each")
    add_run_options(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON event a line: progress, warnings, the result or the error")
    return parser


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """One flag for each field of RunOptions."""
    for option in dataclasses.fields(RunOptions):
        meta = option.metadata
        flag = "--" + option.name.replace("_", "-")
        if meta["type"] is bool:
            parser.add_argument(flag, action="store_true", help=meta["help"])
            continue
        default = ",".join(option.default) if isinstance(option.default, tuple) else option.default
        shown = "" if default is None else f" (default: {default})"
        parser.add_argument(flag, type=meta["type"], default=default, choices=meta.get("choices"),
                            metavar=meta.get("metavar"), help=meta["help"] + shown)


def run_options(args: argparse.Namespace) -> RunOptions:
    """RunOptions from parsed flags; raises InputError."""
    values = {option.name: getattr(args, option.name) for option in dataclasses.fields(RunOptions)}
    values["formats"] = tuple(f.strip() for f in values["formats"].split(",") if f.strip())
    return RunOptions(**values).check()


def _run(args: argparse.Namespace) -> int:
    from .batch import run_takes, takes_of
    from .jobs import BAD_INPUT

    make_reporter: type[Reporter] = JsonReporter if args.json else TerminalReporter
    try:
        options, takes = run_options(args).to_json(), takes_of(args.video, args.out)
    except InputError as error:
        make_reporter().error(str(error), "input")
        return BAD_INPUT
    return run_takes(takes, options, make_reporter)


def _demo_parser() -> argparse.ArgumentParser:
    parser = _parser("demo", "Runs the main job on the sample video in the repository and says where the results are.")
    parser.add_argument("--out", metavar="DIR", default="out/demo", help="folder for the results (default: out/demo)")
    return parser


def _demo(args: argparse.Namespace) -> int:
    from .environment import blender_obstacle, blender_python
    from .jobs import run_job

    reporter = TerminalReporter()
    formats = ["npz", "bvh"]
    if blender_python(Path(__file__).parent.parent):
        formats.append("blend")
    else:
        reporter.warning(blender_obstacle() or "scene.blend is left out: bpy could not be installed; everything else works.")
    return run_job(str(SAMPLE), args.out, RunOptions(formats=tuple(formats), overlay=True).to_json(), reporter)


def _probe_parser() -> argparse.ArgumentParser:
    parser = _parser("probe", "Says what is in VIDEO (size, rate, length, people) and what a run would do with it. The numbers of the "
                              "people are those that run --person takes for the same --start and --end.")
    parser.add_argument("video", metavar="VIDEO", help="what to look at: as for run")
    parser.add_argument("--start", type=float, metavar="SECONDS", help="look for people from this time on")
    parser.add_argument("--end", type=float, metavar="SECONDS", help="look for people up to this time")
    parser.add_argument("--fps", type=float, metavar="RATE", help="the rate of images or keypoints, which tell none (default: 30)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def _probe(args: argparse.Namespace) -> int:
    from .probe import describe, probe

    found = probe(Path(args.video), TerminalReporter(), args.start, args.end, args.fps)
    print(json.dumps(found) if args.json else describe(found))
    return 0


def end_gently() -> None:
    """Lets those signals that ask to end do what Ctrl-C does: children end, what is half done goes, and it is said. What is ignored (nohup)
    stays so."""
    for name in ("SIGTERM", "SIGHUP"):  # Windows has no hang-up
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)


if __name__ == "__main__":
    end_gently()
    sys.exit(main())
