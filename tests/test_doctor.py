"""The doctor: every check becomes a line, none stops the others, and the exit code is honest."""

from __future__ import annotations

import os
import sys
from importlib import metadata
from pathlib import Path

import pytest

from core import doctor
from core.doctor import Finding


def test_versions_are_compared_without_the_build() -> None:
    version = metadata.version("numpy")
    assert doctor._dependency("numpy", version).state == "ok"
    assert doctor._dependency("numpy", "0.1").state == "problem"
    assert doctor._dependency("no-such-package", "1").state == "problem"


def test_a_failing_check_is_a_line() -> None:
    def fail() -> str:
        raise OSError("libEGL.so.1: cannot open shared object file\nmore")

    finding = doctor._check("detector", fail)
    assert finding.state == "problem"
    assert "apt install" in finding.text
    assert "\n" not in finding.text


@pytest.mark.parametrize(("state", "code"), [("ok", 0), ("note", 0), ("problem", 1)])
def test_exit_code(state: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(doctor, "dependencies", lambda root: [])
    monkeypatch.setattr(doctor, "checks", lambda root: [Finding(state, "part", "a sentence")])
    monkeypatch.setattr(doctor, "blenders", lambda root: [])
    assert doctor.main([]) == code
    assert f"{state:<9}part: a sentence" in capsys.readouterr().out


def test_encoder_and_kinematics_work_here() -> None:
    assert "H.264" in doctor.check_encoder()
    assert "21 joints" in doctor.check_kinematics()


def crash() -> str:
    os.abort()


def fail() -> str:
    raise ValueError("nobody was found")


def work() -> str:
    print("libraries say what they like")
    return "a person"


def test_a_check_that_ends_its_process_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """MediaPipe did so in a chroot without /sys, and the doctor said no more (2026-11-23)."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    assert doctor.apart(work) == "a person"
    with pytest.raises(ValueError, match="nobody was found"):
        doctor.apart(fail)
    with pytest.raises(ValueError, match=r"it crashes on this machine \(code "):
        doctor.apart(crash)


def test_every_weights_file_is_checked_and_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """The correction and the contacts are no lifters: on a fresh clone the doctor called it a problem."""
    monkeypatch.setattr(doctor, "apart", lambda check: "not tried here")
    weights = {f.name.removeprefix("weights "): f for f in doctor.checks(doctor.ROOT) if f.name.startswith("weights")}
    assert set(weights) == {p.stem for p in doctor.WEIGHTS.glob("*.safetensors")}
    assert {f.state for f in weights.values()} == {"ok"}, weights


def test_without_torch_there_are_findings_and_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "apart", lambda check: "not tried here")
    for module in ("torch", "models.registry", "models.correction", "models.contacts"):
        monkeypatch.setitem(sys.modules, module, None)  # an import of it fails
    assert {f.state for f in doctor.checks(doctor.ROOT) if f.name in ("device", "weights correction", "weights contacts")} == {"problem"}


def test_a_missing_bundle_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="missing"):
        doctor.check_bundle(tmp_path / "bundle.task")
