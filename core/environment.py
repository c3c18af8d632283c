"""Makes and repairs the Python environments that Video Mocap runs in. Standard library only: it runs before anything is installed.

Problem: torch, MediaPipe and Blender's module cannot all live in one environment (bpy needs numpy 1, the engine numpy 2), set-up takes
         minutes and gets interrupted, and nobody should have to know any of this.
Method:  each environment is a venv made from sections of requirements.lock. `setup.json` inside it says what it holds and whether
         somebody is (or died while) building in it. An environment that was left unfinished, moved, or whose Python changed is made
         anew from scratch, which covers every half state there is; one whose lock changed is brought up to date in place.
         A file lock, inherited by pip, keeps two set-ups apart, and also a new one from the pip that a killed one left behind.
Limits:  what was downloaded before an interruption is only kept as far as pip's own cache keeps it.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from .detect import bundle
from .events import Reporter
from .files import try_lock

DIRECTORY_VARIABLE = "VIDEO_MOCAP_ENV"  # where the engine's environment is, when it is not .venv beside build.py
BLENDER_VERSIONS = ("5.0", "4.5", "4.2")
BLENDER_FORMATS = ("blend", "fbx", "glb")
BLENDER_PYTHON = "3.11"  # the only one that bpy 4.2 to 5.0 have wheels for

_STATE, _LOCK, _LOG = "setup.json", "setup.lock", "setup.log"
_PIP_OPTIONS = ("--disable-pip-version-check", "--no-input", "--only-binary=:all:")
_TORCH_INDEX = "https://download.pytorch.org/whl"


class SetupError(Exception):
    """An environment cannot be made: the message is one sentence for the user. Exit code 1."""


class PlainReporter(Reporter):
    """For people: the steps of a set-up as plain lines on stderr."""

    def _emit(self, event: dict) -> None:
        if event["event"] == "progress":
            text = f"  {event['stage']} ({event['done']} of {event['total']} done)"
        elif event["event"] == "result":
            text = f"Ready: {', '.join(event['files'].values())}"
        else:
            text = f"{event['event']}: {event['text']}" if event["event"] in ("warning", "error") else event["text"]
        print(text, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Environment:
    """A venv that is wanted: where, made by which Python (a command), holding which sections of the lock, torch for CUDA or not."""

    directory: Path
    maker: tuple[str, ...]
    sections: tuple[str, ...]
    cuda: bool = False

    @property
    def python(self) -> Path:
        """The interpreter inside."""
        return interpreter(self.directory)


@dataclass
class _State:
    """What `setup.json` says. torch: "", "cpu" or "cuda"."""

    location: str
    python: str
    sections: dict[str, str]
    torch: str = ""
    building: bool = True

    @classmethod
    def read(cls, directory: Path) -> _State | None:
        """None when there is no state or when it cannot be read."""
        try:
            return cls(**json.loads((directory / _STATE).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def write(self, directory: Path) -> None:
        """Complete or not at all: written beside, then renamed."""
        temporary = directory / f"{_STATE}.partial"
        temporary.write_text(json.dumps(self.__dict__, indent=1), encoding="utf-8")
        os.replace(temporary, directory / _STATE)


# --- what is wanted -----------------------------------------------------------------------------------------------------------------

def prepare(root: Path, command: str, args: Sequence[str], cuda: bool, reporter: Reporter) -> Path:
    """Makes sure that everything `build.py COMMAND ARGS` needs stands under `root`; returns the engine's interpreter.

    Raises SetupError. A Blender environment that cannot be made is no error: one sentence says what will be missing.
    """
    sections = ("engine", "torch") + (("test", "lint") if command == "test" else ())
    engine = Environment(engine_directory(root), (sys.executable,), sections, cuda)
    ensure(root, engine, reporter)
    ensure_bundle(root, engine, reporter)
    for version in needed_blenders(command, args):
        sentence = ensure_blender(root, version, ("test",) if command == "test" else (), reporter)
        if sentence:
            reporter.warning(sentence)
    return engine.python


def needed_blenders(command: str, args: Sequence[str]) -> tuple[str, ...]:
    """The versions of bpy that a command uses: all for test, the newest where a Blender file is written or checked."""
    if command == "test":
        return BLENDER_VERSIONS
    words = [word for arg in args for word in (arg.split("=", 1) if arg.startswith("--") else [arg])]
    formats = ",".join(after for word, after in itertools.pairwise(words) if word == "--formats").split(",")
    writes = command == "run" and any(name.strip() in BLENDER_FORMATS for name in formats)
    return BLENDER_VERSIONS[:1] if writes or command in ("demo", "package") else ()


def engine_directory(root: Path) -> Path:
    """Where the engine's environment is: the variable VIDEO_MOCAP_ENV, else .venv under `root`."""
    return Path(os.environ.get(DIRECTORY_VARIABLE) or root / ".venv").absolute()


def blender_directory(root: Path, version: str) -> Path:
    """Where the environment with bpy `version` is."""
    return root / f".venv-blender-{version}"


def interpreter(directory: Path) -> Path:
    """The Python inside a venv."""
    return directory / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def blender_python(root: Path, version: str = "5.0") -> Path | None:
    """The interpreter that has bpy of `version` (of `BLENDER_VERSIONS`), or None when that environment does not stand."""
    wanted = Environment(blender_directory(root, version), (), (f"blender-{version}",))
    return wanted.python if not missing_sections(root, wanted) and wanted.python.exists() else None


def blender_obstacle() -> str | None:
    """One sentence on why bpy cannot be had on this machine, or None when a Python that it has wheels for is there."""
    if _python_for_blender() is not None:
        return None
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    return (f"scene.blend, .fbx and .glb need Blender's Python module bpy, which has no wheel for Python {running}, and there is no "
            f"python{BLENDER_PYTHON} on the PATH: everything else works.")


def read_lock(root: Path) -> dict[str, list[str]]:
    """The sections of requirements.lock: name -> requirements as pip takes them."""
    sections: dict[str, list[str]] = {}
    for line in (root / "requirements.lock").read_text(encoding="utf-8").splitlines():
        line = line.strip()
        if line.startswith("# ["):
            sections[line[3:-1]] = []
        elif line and not line.startswith("#"):
            sections[list(sections)[-1]].append(line)
    return sections


# --- what is there ------------------------------------------------------------------------------------------------------------------

def missing_sections(root: Path, wanted: Environment) -> list[str]:
    """The sections that `wanted` lacks (all of them when it is unfinished or was moved). Does not run its Python."""
    state = _State.read(wanted.directory)
    if state is None or state.building or state.location != _location(wanted.directory):
        return list(wanted.sections)
    lock = read_lock(root)
    outdated = [s for s in wanted.sections if state.sections.get(s) != _digest(lock[s])]
    other_build = wanted.cuda and state.torch != "cuda" and "torch" not in outdated
    return outdated + (["torch"] if other_build else [])


def _location(directory: Path) -> str:
    return str(directory.absolute().parent.resolve() / directory.name)


def _digest(requirements: list[str]) -> str:
    return hashlib.sha256("\n".join(requirements).encode()).hexdigest()[:16]


def _version_of(python: Sequence[str | Path]) -> str | None:
    """"3.11" of an interpreter, None when it does not run (a venv's Python whose base is gone, a pyenv shim without its version)."""
    try:
        answer = subprocess.run([*map(str, python), "-I", "-S", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
                                capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()


def _python_for_blender() -> tuple[str, ...] | None:
    """A command that runs Python 3.11, None when there is none."""
    if "%d.%d" % sys.version_info[:2] == BLENDER_PYTHON:
        return (sys.executable,)
    for command in ((f"python{BLENDER_PYTHON}",), ("py", f"-{BLENDER_PYTHON}")):
        path = shutil.which(command[0])
        if path and _version_of((path, *command[1:])) == BLENDER_PYTHON:
            return (path, *command[1:])
    return None


# --- making it ----------------------------------------------------------------------------------------------------------------------

def ensure(root: Path, wanted: Environment, reporter: Reporter) -> None:
    """Returns when `wanted` stands; quick when it already does. Raises SetupError."""
    if _stands(root, wanted):
        return
    _refuse_foreign(root, wanted.directory)
    with _exclusive(wanted.directory, reporter) as lock:
        if not _stands(root, wanted):  # the one that we waited for may have made it
            _build(root, wanted, _Installer(wanted, lock, reporter))


def _stands(root: Path, wanted: Environment) -> bool:
    return not missing_sections(root, wanted) and _has_its_python(wanted)


def _has_its_python(wanted: Environment) -> bool:
    state = _State.read(wanted.directory)
    return state is not None and _version_of([wanted.python]) == state.python


def ensure_blender(root: Path, version: str, more: tuple[str, ...], reporter: Reporter) -> str | None:
    """Makes the environment with bpy of `version` and the sections `more`; returns None, or a sentence on why it cannot be had."""
    maker = _python_for_blender()
    if maker is None:
        return blender_obstacle()
    try:
        ensure(root, Environment(blender_directory(root, version), maker, (f"blender-{version}", *more)), reporter)
    except SetupError as error:
        return f"Without Blender's Python module bpy {version} there is no scene.blend, .fbx or .glb, but everything else works: {error}"
    return None


def ensure_bundle(root: Path, engine: Environment, reporter: Reporter) -> None:
    """Makes the MediaPipe bundle from mediapipe's wheel unless it is there, byte for byte. Raises SetupError."""
    target = root / "core" / "detect" / bundle.BUNDLE_NAME
    if bundle.is_intact(target):
        return
    with _exclusive(engine.directory, reporter) as lock:
        if bundle.is_intact(target):
            return
        reporter.log(f"Preparing MediaPipe's model bundle {target.name} (once): fetching {bundle.WHEEL}'s wheel, 35 MB")
        _build_bundle(root, target, _Installer(engine, lock, reporter))


def _build_bundle(root: Path, target: Path, installer: _Installer) -> None:
    folder = installer.wanted.directory / "bundle-wheel"  # a fixed place, so that a killed set-up leaves no more than this one
    shutil.rmtree(folder, ignore_errors=True)
    # One wheel whatever the platform and Python: it is only opened as a zip.
    installer.pip("fetch MediaPipe's model files", "download", "--no-deps", "--python-version", "3.12", "--implementation", "cp",
                  "--abi", "cp312", "--platform", "manylinux_2_28_x86_64", "--dest", str(folder), bundle.WHEEL)
    (wheel,) = folder.glob("*.whl")
    installer.call("build MediaPipe's model bundle", installer.wanted.python, "-P", root / "core" / "detect" / "bundle.py", wheel, target)
    shutil.rmtree(folder, ignore_errors=True)
    if not bundle.is_intact(target):
        raise SetupError(f"{target} was built but is not what it should be; delete .venv and run 'python3 build.py setup' again.")


def _build(root: Path, wanted: Environment, installer: _Installer) -> None:
    """Brings `wanted` to what the lock says, from whatever is there; the lock file is held."""
    directory, reporter = wanted.directory, installer.reporter
    state = _State.read(directory)
    if state is None or state.building or state.location != _location(directory) or not _has_its_python(wanted):
        if state is not None:
            reporter.log(f"{directory} was left unfinished, moved, or made by another Python: making it anew.")
        state = _State(_location(directory), _version_of(wanted.maker) or "", {})
        _clear(directory)
        state.write(directory)
        todo = list(wanted.sections)
        reporter.log(f"Setting up {directory} (once, a few minutes); pip's own messages are in {installer.log}")
        installer.make_venv()
    else:
        todo = missing_sections(root, wanted)
        reporter.log(f"Bringing {directory} up to date with requirements.lock")
    state.building = True
    state.write(directory)
    requirements = read_lock(root)
    for done, section in enumerate(todo):
        reporter.progress(f"set-up: {_SECTION_TITLES.get(section, section)}", done, len(todo))
        if section == "torch":
            state.torch = installer.install_torch(requirements[section])
        else:
            installer.install(section, requirements[section])
        state.sections[section] = _digest(requirements[section])
    reporter.progress("set-up: finished", len(todo), len(todo))
    state.building = False
    state.write(directory)


_SECTION_TITLES = {
    "engine": "video, MediaPipe and numpy", "torch": "torch", "test": "test tools", "lint": "ruff and mypy",
    **{f"blender-{version}": f"Blender {version} as a Python module" for version in BLENDER_VERSIONS},
}


def _refuse_foreign(root: Path, directory: Path) -> None:
    """Never clear a folder that somebody pointed --env to by mistake, nor another checkout's environment through a link."""
    if directory.is_symlink():
        raise SetupError(f"{directory} is a link to {directory.resolve()}, which does not fit this checkout; remove the link.")
    beside_us = directory.absolute().parent == root.absolute() and directory.name.startswith(".venv")
    ours = beside_us or _State.read(directory) is not None
    if directory.exists() and not directory.is_dir():
        raise SetupError(f"{directory} is a file; choose a folder for the environment.")
    if not ours and directory.exists() and {p.name for p in directory.iterdir()} - {_LOCK, _LOG}:
        raise SetupError(f"{directory} is not empty and is no environment of Video Mocap; choose an empty or a new folder.")


def _clear(directory: Path) -> None:
    """Empties a venv except for the lock file, which is in use. Raises SetupError where the system refuses."""
    try:
        for entry in directory.iterdir():
            if entry.name in (_LOCK, _STATE):
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
    except OSError as error:
        raise SetupError(f"{directory} cannot be made anew ({error}); end the programs that use it and try again.") from error


@dataclass(frozen=True)
class _Installer:
    """Runs venv and pip for one environment; their messages go to the log, which every error names. `lock`: the held lock file."""

    wanted: Environment
    lock: IO[bytes]
    reporter: Reporter

    @property
    def log(self) -> Path:
        return self.wanted.directory / _LOG

    def call(self, task: str, *command: str | Path) -> None:
        """Runs a command; raises SetupError, which names the task and pip's reason, when it fails."""
        # A foreign PYTHONPATH would make pip believe that things are installed which are not.
        variables = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
        # A pip that outlives us must keep the lock: closed only on exit of all who hold it.
        inherited = {"pass_fds": (self.lock.fileno(),)} if os.name == "posix" else {}
        with open(self.log, "ab") as log:
            start = log.tell()
            log.write(f"\n$ {' '.join(map(str, command))}\n".encode())
            log.flush()
            done = subprocess.run([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=variables,
                                  check=False, **inherited)  # type: ignore[call-overload]  # a dict of one known keyword
        if done.returncode:
            raise SetupError(f"Set-up could not {task}{_reason(self.log, start)}; see {self.log} and call again to go on.")

    def pip(self, task: str, *args: str) -> None:
        """pip inside the environment."""
        self.call(task, self.wanted.python, "-m", "pip", *args, *_PIP_OPTIONS)

    def make_venv(self) -> None:
        """The bare environment; a Python without ensurepip (Debian's without python3-venv) lends its own pip's package."""
        task = f"make the Python environment {self.wanted.directory}"
        try:
            self.call(task, *self.wanted.maker, "-m", "venv", self.wanted.directory)
        except SetupError:
            self.call(task, *self.wanted.maker, "-m", "venv", "--without-pip", self.wanted.directory)
            self.call("install pip", *self.wanted.maker, "-m", "pip", "--python", self.wanted.python, "install", "pip", *_PIP_OPTIONS)

    def install(self, section: str, requirements: list[str]) -> None:
        """A section of the lock, which is a full closure."""
        self.pip(f"install {_SECTION_TITLES.get(section, section)}", "install", "--no-deps", *requirements)

    def install_torch(self, requirements: list[str]) -> str:
        """torch from the first source that has it; returns "cpu" or "cuda"."""
        (torch,) = (r for r in requirements if r.startswith("torch=="))
        self.install("torch", [r for r in requirements if r != torch])
        *others, last = torch_sources(torch, self.wanted.cuda)
        for source in others:
            with contextlib.suppress(SetupError):
                self.pip("install torch", "install", *source.pip)
                return source.kind
        self.pip("install torch", "install", *last.pip)
        if last.sentence:
            self.reporter.warning(last.sentence)
        return last.kind


@dataclass(frozen=True)
class TorchSource:
    """One way to get torch: pip's arguments, the build it gives ("cpu" or "cuda"), and what to say when it had to be this one."""

    pip: tuple[str, ...]
    kind: str
    sentence: str = ""


def torch_sources(torch: str, cuda: bool, system: str | None = None) -> list[TorchSource]:
    """Where to try for `torch` ("torch==VERSION"), best first, the last without alternative; `system` as platform.system() says.

    PyPI's wheels are CUDA builds on Linux (whose CUDA libraries are dependencies) and CPU builds elsewhere; the "+cpu" ones are
    on PyTorch's own index, or on whatever index or folder pip is configured with.
    """
    system = system or platform.system()
    version = torch.partition("==")[2]
    # A registry that cannot be reached must not cost minutes of retries before the fallback.
    index = ("--timeout", "20", "--retries", "1", "--index-url")
    plain = TorchSource((torch, "--no-deps"), "cpu")
    if system == "Linux" and cuda:
        return [TorchSource((f"torch==={version}",), "cuda")]  # three: 2.13.0+cpu does not count as 2.13.0
    if system == "Linux":
        local = f"{torch}+cpu"
        return [
            TorchSource((local, "--no-deps"), "cpu"),
            TorchSource((local, "--no-deps", *index, f"{_TORCH_INDEX}/cpu"), "cpu"),
            TorchSource((torch,), "cuda", f"The CPU build of {torch} could not be had from PyTorch's index, so the registry's larger "
                                          "CUDA build was installed; it works without a GPU too."),
        ]
    if system == "Windows" and cuda:
        return [TorchSource((f"{torch}+cu130", "--no-deps", *index, f"{_TORCH_INDEX}/cu130"), "cuda"),
                TorchSource(plain.pip, "cpu", f"The CUDA build of {torch} could not be had from PyTorch's index: it is the CPU build.")]
    sentence = "There is no CUDA on this system: the ordinary build of torch was installed." if cuda else ""
    return [TorchSource(plain.pip, "cuda" if cuda else "cpu", sentence)]


def _reason(log: Path, start: int) -> str:
    """Why pip failed, from its log from byte `start` on: in brackets, empty when it does not say."""
    lines = log.read_bytes()[start:].decode(errors="replace").splitlines()
    if any("connection broken by" in line for line in lines):  # pip itself ends such a run with "no matching distribution"
        return " (the package registry cannot be reached: is there a network connection?)"
    errors = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR:")]
    return f" ({errors[-1].rstrip('.')})" if errors else ""


@contextlib.contextmanager
def _exclusive(directory: Path, reporter: Reporter) -> Iterator[IO[bytes]]:
    """Holds the environment's lock file, after waiting for whoever holds it. Raises SetupError where nothing can be written."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        file = open(directory / _LOCK, "a+b")  # noqa: SIM115 (closed below)
    except OSError as error:
        raise SetupError(f"The environment {directory} cannot be written ({error.strerror}); choose another folder.") from error
    with file:
        if not try_lock(file):
            reporter.log(f"Another set-up is at work in {directory}: waiting for it to finish.")
            while not try_lock(file):
                time.sleep(0.2)
        yield file
