"""How the scripts of this package end that are no commands of `build.py`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NoReturn

from core.errors import InputError


def run_script(main: Callable[[list[str]], int]) -> NoReturn:
    """Leaves with what `main` makes of the command line; bad input is one sentence and exit code 2."""
    try:
        code = main(sys.argv[1:])
    except InputError as error:
        print(error, file=sys.stderr)
        code = 2
    raise SystemExit(code)
