"""The same tests in a real Blender: `blender --background --factory-startup --python-exit-code 1 --python THIS -- PYTEST_FOLDER [ARGS]`.

PYTEST_FOLDER holds pytest and hypothesis for Blender's Python (`pip install --target PYTEST_FOLDER pytest hypothesis`); ARGS go to
pytest. With `../shared/tools/blender-gui` (BLENDER_BIND=../shared as an absolute path, for the rigs):
blender-gui batch --factory-startup --python-exit-code 1 --python tests/blender/inside_blender.py -- ...
"""

from __future__ import annotations

import sys
from pathlib import Path

folder, *words = sys.argv[sys.argv.index("--") + 1:]
sys.path[:0] = [folder, str(Path(__file__).resolve().parents[2])]

import pytest  # noqa: E402

code = pytest.main([str(Path(__file__).parent), "-p", "no:cacheprovider", *words])
if code:
    raise SystemExit(int(code))
