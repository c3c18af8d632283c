"""Environments: the lock, build.py's own arguments, and set-up that survives being interrupted anywhere."""

from __future__ import annotations

import ast
import itertools
import json
import os
import signal
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import environment
from core.environment import BLENDER_VERSIONS, Environment, SetupError, TorchSource, torch_sources
from core.events import Reporter
from core.files import try_lock

REPO = Path(__file__).resolve().parent.parent
PACKAGES = {"engine": ["left==1", "right==2"], "torch": ["helper==3", "torch==9"], "test": ["checker==4"]}


# --- the lock ---

def test_lock_pins_every_package_once_a_section() -> None:
    lock = environment.read_lock(REPO)
    assert set(lock) == {"engine", "torch", "test", "lint", *(f"blender-{v}" for v in BLENDER_VERSIONS)}
    for section, requirements in lock.items():
        names = [r.partition("==")[0].lower() for r in requirements]
        assert all("==" in r for r in requirements), section
        assert len(set(names)) == len(names), section


def test_sections_of_one_environment_agree() -> None:
    lock = environment.read_lock(REPO)
    for together in (("engine", "torch", "test", "lint"), *((f"blender-{v}", "test") for v in BLENDER_VERSIONS)):
        pins: dict[str, str] = {}
        for line in itertools.chain.from_iterable(lock[s] for s in together):
            name, _, version = line.partition("==")
            assert pins.setdefault(name, version) == version, (together, name)


def test_lock_is_closed_under_dependencies() -> None:
    """Sections are installed without looking at dependencies, so all of them must stand in the lock."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    lock = environment.read_lock(REPO)
    lines = list(itertools.chain.from_iterable(lock[s] for s in ("engine", "torch", "test", "lint")))
    names = {canonicalize_name(Requirement(line).name) for line in lines} | {"opencv-contrib-python"}  # the headless build stands for it
    for name in names:
        try:
            needs = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        for need in map(Requirement, needs):
            if need.marker is None or need.marker.evaluate({"extra": ""}):
                assert canonicalize_name(need.name) in names or "cuda" in need.name or "nvidia" in need.name or need.name == "triton", (
                    f"{name} needs {need}")


# --- what a command needs ---

@pytest.mark.parametrize(("command", "args", "versions"), [
    ("test", [], BLENDER_VERSIONS), ("demo", [], ("5.0",)), ("package", [], ("5.0",)), ("run", ["v.mp4"], ()),
    ("run", ["v.mp4", "--formats", "npz,bvh"], ()), ("run", ["v.mp4", "--formats", "npz, blend"], ("5.0",)),
    ("run", ["v.mp4", "--formats=glb"], ("5.0",)), ("run", ["blend", "--out", "fbx"], ()), ("doctor", [], ())])
def test_needed_blenders(command: str, args: list[str], versions: tuple[str, ...]) -> None:
    assert environment.needed_blenders(command, args) == versions


@pytest.mark.parametrize("system", ["Linux", "Darwin", "Windows"])
@pytest.mark.parametrize("cuda", [False, True])
def test_torch_sources(system: str, cuda: bool) -> None:
    sources = torch_sources("torch==9.1", cuda, system)
    assert all("9.1" in s.pip[0] for s in sources)
    assert all(not s.sentence for s in sources[:-1])
    if len(sources) > 1:
        assert sources[-1].sentence  # a fallback says so
    if system == "Linux":
        assert (sources[0].kind == "cuda") == cuda
        assert sources[0].pip[0] == ("torch===9.1" if cuda else "torch==9.1+cpu")


def test_blender_obstacle_names_what_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "_python_for_blender", lambda: None)
    sentence = environment.blender_obstacle()
    assert sentence is not None
    assert f"Python {sys.version_info.major}.{sys.version_info.minor}" in sentence
    assert sentence.endswith("everything else works.")


# --- set-up with a pretended pip ---

class _Interrupted(BaseException):
    """As a kill: nothing in between may catch it."""


class _Pip:
    """Stands for venv and pip: puts files into the environment, and dies at call number `dies_at`, half way through its work."""

    def __init__(self) -> None:
        self.calls = 0
        self.dies_at = -1

    def call(self, installer: environment._Installer, task: str, *command: str | Path) -> None:
        words = [str(c) for c in command]
        self.calls += 1
        dies = self.calls == self.dies_at
        directory = installer.wanted.directory
        if "venv" in words:
            (directory / "bin").mkdir(parents=True)  # fails on top of a half-made one
            if not dies:
                (directory / "bin" / "python").symlink_to(sys.executable)
        else:
            site = directory / "site"
            site.mkdir(exist_ok=True)
            requirements = [w for w in words[words.index("install") + 1:] if "==" in w]
            for requirement in requirements[: 1 if dies else None]:
                file = site / requirement.partition("==")[0]
                assert not file.exists() or file.read_text() not in ("half", requirement), "installed over remains"
                file.write_text("half" if dies else requirement)
        if dies:
            raise _Interrupted


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch) -> _Pip:
    if os.name == "nt":
        pytest.skip("the pretended venv is a POSIX one")
    fake = _Pip()
    monkeypatch.setattr(environment._Installer, "call", lambda installer, task, *command: fake.call(installer, task, *command))
    monkeypatch.setattr(environment, "torch_sources", lambda torch, cuda: [TorchSource((torch,), "cuda" if cuda else "cpu")])
    return fake


def _repo(folder: Path, packages: dict[str, list[str]] = PACKAGES) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    text = "\n".join(f"# [{name}]\n" + "\n".join(lines) for name, lines in packages.items())
    (folder / "requirements.lock").write_text(f"# a comment\n{text}\n", encoding="utf-8")
    return folder


def _wanted(root: Path, sections: tuple[str, ...] = ("engine", "torch"), cuda: bool = False) -> Environment:
    return Environment(root / ".venv", (sys.executable,), sections, cuda)


def _installed(root: Path) -> set[str]:
    return {f.read_text() for f in (root / ".venv" / "site").iterdir()}


def test_second_call_installs_nothing(pip: _Pip, tmp_path: Path) -> None:
    root = _repo(tmp_path / "a b é")
    environment.ensure(root, _wanted(root), Reporter())
    assert _installed(root) == {"left==1", "right==2", "helper==3", "torch==9"}
    before = pip.calls
    environment.ensure(root, _wanted(root), Reporter())
    assert pip.calls == before


@settings(deadline=None, max_examples=25)
@given(deaths=st.lists(st.integers(1, 5), max_size=3))
def test_interrupted_set_up_is_finished_by_the_next_call(deaths: list[int], tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.MonkeyPatch.context() as patch:
        pip = _Pip()
        patch.setattr(environment._Installer, "call", lambda installer, task, *command: pip.call(installer, task, *command))
        patch.setattr(environment, "torch_sources", lambda torch, cuda: [TorchSource((torch,), "cpu")])
        root = _repo(tmp_path_factory.mktemp("repo"))
        for death in deaths:
            pip.calls, pip.dies_at = 0, death
            try:
                environment.ensure(root, _wanted(root), Reporter())
            except _Interrupted:
                assert environment.missing_sections(root, _wanted(root)) == ["engine", "torch"]
        pip.dies_at = -1
        environment.ensure(root, _wanted(root), Reporter())
        assert environment.missing_sections(root, _wanted(root)) == []
        assert _installed(root) == {"left==1", "right==2", "helper==3", "torch==9"}


def test_a_further_section_is_added_in_place(pip: _Pip, tmp_path: Path) -> None:
    root = _repo(tmp_path)
    environment.ensure(root, _wanted(root), Reporter())
    before = pip.calls
    environment.ensure(root, _wanted(root, ("engine", "torch", "test")), Reporter())
    assert pip.calls == before + 1
    assert "checker==4" in _installed(root)


def test_a_changed_lock_is_followed_in_place(pip: _Pip, tmp_path: Path) -> None:
    root = _repo(tmp_path)
    environment.ensure(root, _wanted(root), Reporter())
    _repo(root, {**PACKAGES, "engine": ["left==7", "right==8"]})
    assert environment.missing_sections(root, _wanted(root)) == ["engine"]
    environment.ensure(root, _wanted(root), Reporter())
    assert _installed(root) == {"left==7", "right==8", "helper==3", "torch==9"}


def test_cuda_replaces_the_cpu_build_but_not_the_other_way(pip: _Pip, tmp_path: Path) -> None:
    root = _repo(tmp_path)
    environment.ensure(root, _wanted(root), Reporter())
    assert environment.missing_sections(root, _wanted(root, cuda=True)) == ["torch"]
    for file in (root / ".venv" / "site").iterdir():
        file.unlink()  # what the pretended pip would refuse to overwrite
    environment.ensure(root, _wanted(root, cuda=True), Reporter())
    assert environment.missing_sections(root, _wanted(root)) == []


@pytest.mark.parametrize("damage", ["moved", "python gone", "python upgraded", "state unreadable", "no state"])
def test_a_broken_environment_is_made_anew(pip: _Pip, tmp_path: Path, damage: str) -> None:
    root = _repo(tmp_path / "repo")
    environment.ensure(root, _wanted(root), Reporter())
    state = root / ".venv" / "setup.json"
    if damage == "moved":
        root = root.rename(tmp_path / "elsewhere")
    elif damage == "python gone":
        _wanted(root).python.unlink()
        _wanted(root).python.symlink_to(tmp_path / "nowhere")
    elif damage == "python upgraded":
        state.write_text(json.dumps({**json.loads(state.read_text()), "python": "3.2"}))
    elif damage == "state unreadable":
        state.write_text("{")
    else:
        state.unlink()
    environment.ensure(root, _wanted(root), Reporter())
    assert environment.missing_sections(root, _wanted(root)) == []
    assert _installed(root) == {"left==1", "right==2", "helper==3", "torch==9"}


def test_another_checkouts_environment_is_not_emptied_through_a_link(tmp_path: Path) -> None:
    theirs, link = tmp_path / "theirs", tmp_path / ".venv"
    theirs.mkdir()
    (theirs / "video_mocap.json").write_text("{}")
    (theirs / "pyvenv.cfg").write_text("home = there")
    link.symlink_to(theirs)
    with pytest.raises(SetupError, match="is a link"):
        environment.ensure(tmp_path, Environment(link, (sys.executable,), ("engine",)), Reporter())
    assert (theirs / "pyvenv.cfg").read_text() == "home = there"


def test_a_foreign_folder_is_not_touched(tmp_path: Path) -> None:
    root = _repo(tmp_path / "repo")
    foreign = tmp_path / "documents"
    foreign.mkdir()
    (foreign / "letter.txt").write_text("dear")
    with pytest.raises(SetupError, match="not empty"):
        environment.ensure(root, Environment(foreign, (sys.executable,), ("engine",)), Reporter())
    assert [f.name for f in foreign.iterdir()] == ["letter.txt"]
    with pytest.raises(SetupError, match="is a file"):
        environment.ensure(root, Environment(foreign / "letter.txt", (sys.executable,), ("engine",)), Reporter())


@pytest.mark.parametrize("setup", [None, '{"steps": 3}'])
def test_a_folder_of_the_checkout_is_no_environment(tmp_path: Path, setup: str | None) -> None:
    """The results of runs and the sources are beside .venv."""
    root = _repo(tmp_path)
    (root / "out").mkdir()
    (root / "out" / "motion.npz").write_text("hours of work")
    if setup:
        (root / "out" / "setup.json").write_text(setup)  # another program's
    before = {f.name for f in (root / "out").iterdir()}
    with pytest.raises(SetupError, match="not empty"):
        environment.ensure(root, Environment(root / "out", (sys.executable,), ("engine",)), Reporter())
    assert {f.name for f in (root / "out").iterdir()} == before


def test_an_environment_of_any_name_is_known_by_its_state(pip: _Pip, tmp_path: Path) -> None:
    root = _repo(tmp_path / "repo")
    for directory in (root / "engine", tmp_path / "engine"):
        wanted = Environment(directory, (sys.executable,), ("engine", "torch"))
        environment.ensure(root, wanted, Reporter())
        wanted.python.unlink()
        environment.ensure(root, wanted, Reporter())
        assert environment.missing_sections(root, wanted) == []


def test_blender_python_only_when_it_stands(pip: _Pip, tmp_path: Path) -> None:
    root = _repo(tmp_path, {**PACKAGES, "blender-5.0": ["bpy==5"]})
    assert environment.blender_python(root, "5.0") is None
    directory = environment.blender_directory(root, "5.0")
    environment.ensure(root, Environment(directory, (sys.executable,), ("blender-5.0", "test")), Reporter())
    assert environment.blender_python(root, "5.0") == environment.interpreter(directory)


def test_a_blender_that_cannot_be_had_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise SetupError("No wheel.")

    monkeypatch.setattr(environment, "_python_for_blender", lambda: (sys.executable,))
    monkeypatch.setattr(environment, "ensure", fail)
    sentence = environment.ensure_blender(tmp_path, "5.0", (), Reporter())
    assert sentence is not None
    assert "everything else works" in sentence


# --- the real venv and pip, without a network ---

def _wheel(folder: Path, name: str, version: str) -> None:
    """The smallest wheel there can be."""
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{name}.py", f"version = {version!r}\n")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", f"{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")


def test_real_set_up_in_a_folder_with_spaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))  # must not reach pip
    _wheel(tmp_path, "tinymocap", "1.0")
    root = _repo(tmp_path / "my répo", {"engine": ["tinymocap==1.0"]})
    wanted = _wanted(root, ("engine",))
    environment.ensure(root, wanted, Reporter())
    answer = subprocess.run([wanted.python, "-c", "import tinymocap; print(tinymocap.version)"], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "1.0"
    _repo(root, {"engine": ["tinymocap==2.0"]})
    with pytest.raises(SetupError, match=r"No matching distribution found for tinymocap==2\.0.*setup\.log"):
        environment.ensure(root, wanted, Reporter())


def test_the_lock_waits_for_a_living_set_up_and_forgets_a_dead_one(tmp_path: Path) -> None:
    code = ("import sys, time; from pathlib import Path; from core import environment as e; from core.events import Reporter\n"
            "with e._exclusive(Path(sys.argv[1]), Reporter()): print('held', flush=True); time.sleep(60)")
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=REPO, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with open(tmp_path / "setup.lock", "a+b") as file:
            assert not try_lock(file)
            holder.send_signal(signal.SIGTERM if os.name == "nt" else signal.SIGKILL)
            holder.wait()
            assert try_lock(file)


# --- build.py ---

def _build(*args: str) -> subprocess.CompletedProcess[str]:
    """Runs it with a Python that has no packages, and where it cannot set up any."""
    command = [sys.executable, "-E", "-S", str(REPO / "build.py"), "--env", __file__, *args]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_build_lists_its_commands_with_a_bare_python() -> None:
    answer = _build()
    assert answer.returncode == 0
    for command in ("run", "probe", "demo", "doctor", "package", "test", "train", "evaluate", "bench", "setup"):
        assert f"\n  {command} " in answer.stdout


@pytest.mark.parametrize("command", ["run", "probe", "demo", "doctor", "package", "test", "setup"])
def test_help_needs_no_environment(command: str) -> None:
    answer = _build(command, "--help")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert f"build.py {command}" in answer.stdout or command == "setup"


def test_unknown_command_is_bad_input() -> None:
    answer = _build("fly")
    assert answer.returncode == 2
    assert "fly" in answer.stderr


def test_build_can_be_read_by_an_old_python_far_enough_to_say_so() -> None:
    ast.parse((REPO / "build.py").read_text(encoding="utf-8"), feature_version=(3, 7))


def test_own_options_are_taken_wherever_they_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(REPO))
    import build

    assert build.take_own_options(["--cuda", "run", "v.mp4", "--env", "d", "--fps", "30"]) == (["run", "v.mp4", "--fps", "30"], True, "d")
    assert build.take_own_options(["demo"]) == (["demo"], False, None)
