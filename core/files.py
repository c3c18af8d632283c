"""Files as a machine gives them: a lock that keeps two programs apart, and a sentence where it refuses to read or write.

Method: the operating system's lock on an open file, which goes when its holders go, however they end. Limits: on a file system that has
no locks nothing is kept apart. Standard library only: environments are made with it, and the add-on asks inside Blender.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from .errors import InputError

_HELD = (errno.EACCES, errno.EAGAIN)  # what Windows and POSIX say of a lock that another holds
_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)


def try_lock(file: IO[bytes]) -> bool:
    """Locks an open file until it is closed; False when another has locked it."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in _HELD  # any other: there are no locks here, and waiting for one would never end
    return True


@contextlib.contextmanager
def held(path: Path) -> Iterator[bool]:
    """Holds the lock file `path`, which is made for it and removed afterwards; gives False, and does nothing, when another holds it.

    Raises OSError when the file cannot be made.
    """
    file = _taken(path)
    try:
        yield file is not None
    finally:
        if file is not None:
            _give_back(file, path)


def _taken(path: Path) -> IO[bytes] | None:
    while True:
        file = open(path, "a+b")  # noqa: SIM115 (whoever holds it closes it)
        if not try_lock(file):
            file.close()
            return None
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), os.stat(path)):
                return file
        file.close()  # the one before has removed it in the meantime: others would lock another file of this name


def _give_back(file: IO[bytes], path: Path) -> None:
    if os.name == "nt":  # which removes no file that is open, here or by the next one
        file.close()
    with contextlib.suppress(OSError):
        path.unlink()
    file.close()  # elsewhere only now, or it could be the next one's that is removed


@contextlib.contextmanager
def refusals_told(where: str | os.PathLike) -> Iterator[None]:
    """Turns what the machine refuses inside (no permission, no room, too long a name) into an InputError; `where`: what to name if the
    system names no file."""
    try:
        yield
    except OSError as error:
        if error.errno not in (*_FULL, *_FORBIDDEN, errno.ENAMETOOLONG):
            raise
        what = error.filename2 or error.filename or where
        if error.errno == errno.ENAMETOOLONG:
            raise InputError(f"The name of {what} is too long for this system; give a shorter one.") from error
        cure = "make room, or choose another place" if error.errno in _FULL else "change its permissions, or choose another"
        deed = "written" if error.errno in (*_FULL, errno.EROFS) else "read or written"
        raise InputError(f"{what} cannot be {deed} ({error.strerror}); {cure}.") from error
