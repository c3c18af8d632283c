"""core.files: of two programs one gets the lock, however the other ended, and nothing of it stays."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

from core import files
from core.errors import InputError
from core.files import held, refusals_told, try_lock

REPO = Path(__file__).resolve().parent.parent


def test_one_at_a_time_and_nothing_is_left(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    for _ in range(2):
        with held(path) as first, held(path) as second:
            assert (first, second) == (True, False)
        assert not list(tmp_path.iterdir())
    with pytest.raises(KeyboardInterrupt), held(path):
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_the_lock_of_another_process_holds_until_it_is_killed(tmp_path: Path) -> None:
    code = ("import sys, time; from pathlib import Path; from core.files import held\n"
            "with held(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)")
    path = tmp_path / "a.lock"
    with subprocess.Popen([sys.executable, "-c", code, str(path)], cwd=REPO, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with held(path) as ours:
            assert not ours
        assert path.exists()
        holder.send_signal(signal.SIGTERM if os.name == "nt" else signal.SIGKILL)
        holder.wait()
    with held(path) as ours:
        assert ours
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name == "nt", reason="Windows removes no open file")
def test_a_lock_file_that_its_last_holder_has_just_removed_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, tried = tmp_path / "a.lock", []

    def late(file: IO[bytes]) -> bool:
        if not tried:
            path.unlink()
        tried.append(file)
        return try_lock(file)

    monkeypatch.setattr(files, "try_lock", late)
    with held(path) as ours:
        assert ours and path.exists() and len(tried) == 2


def test_a_file_system_without_locks_keeps_nobody_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module, function = ("msvcrt", "locking") if os.name == "nt" else ("fcntl", "flock")

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(__import__(module), function, refuse)
    with held(tmp_path / "a.lock") as ours:
        assert ours


def test_refusals_of_the_machine_are_told_and_nothing_else(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"new cannot be written \(it is full\); make room"), refusals_told("old"):
        raise OSError(errno.ENOSPC, "it is full", "half", None, "new")
    with pytest.raises(FileNotFoundError), refusals_told(tmp_path):
        raise FileNotFoundError(errno.ENOENT, "gone")
