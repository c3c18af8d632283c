"""`build.py doctor`: one line for everything that a run needs, so that a person can see at a glance what is wrong with a machine.

Problem: when a run fails on somebody else's computer, the cause is usually a version, a missing file or a driver.
Method:  compare what is installed with requirements.lock, check the model files, and try each part of the path for real on the
         sample video. A check is a function that returns what it found or raises; it never stops the others.
Limits:  bpy is looked for, not started: the tests do that.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from . import environment
from .detect import bundle
from .detect.bundle import BUNDLE_NAME

if TYPE_CHECKING:
    from torch import Tensor, nn

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "core" / "assets" / "sample.mp4"
WEIGHTS = ROOT / "models" / "weights"
_NO_LIFTERS = ("correction", "contacts")
_SAMPLE_FRAMES = 10
_MARK = "the check says: "  # libraries may print before
_CHILD = f"""
import sys
sys.path.insert(0, {{root!r}})
try:
    from {{module}} import {{name}}
    print({_MARK!r} + {{name}}(), end="")
except Exception as error:
    sys.exit(print({_MARK!r} + (str(error) or type(error).__name__), end="") or 1)
"""


@dataclass(frozen=True)
class Finding:
    """One line. state: "ok", "note" (works without) or "problem"."""

    state: str
    name: str
    text: str


def main(argv: list[str] | None = None) -> int:
    """Prints every finding; returns 0 only when all that a run needs works."""
    argparse.ArgumentParser(prog="build.py doctor", allow_abbrev=False, description=(
        "Checks every dependency, model file and device, and tries the parts of a run on the sample video, one line each. "
        "Exit code 0 only if all that is needed works.")).parse_args(argv)
    problems = 0
    print(f"{'ok':<9}Python {sys.version.split()[0]} in {sys.prefix}")
    for finding in chain(dependencies(ROOT), checks(ROOT), blenders(ROOT)):
        print(f"{finding.state:<9}{finding.name}: {finding.text}", flush=True)
        problems += finding.state == "problem"
    print(f"{problems} problem{'' if problems == 1 else 's'}.")
    return 1 if problems else 0


def dependencies(root: Path) -> list[Finding]:
    """What requirements.lock pins for the engine against what is installed."""
    from packaging.requirements import Requirement

    lock = environment.read_lock(root)
    wanted = [Requirement(line) for section in ("engine", "torch") for line in lock[section]]
    return [_dependency(w.name, str(w.specifier).removeprefix("==")) for w in wanted if w.marker is None or w.marker.evaluate()]


def _dependency(name: str, pinned: str) -> Finding:
    try:
        found = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Finding("problem", name, f"not installed; {pinned} is pinned. Delete the environment and run 'python3 build.py setup'.")
    if found.partition("+")[0] != pinned:  # torch 2.13.0+cpu is a build of 2.13.0
        return Finding("problem", name, f"{found} is installed; {pinned} is pinned. Run 'python3 build.py setup'.")
    return Finding("ok", name, f"{found} (pinned {pinned})")


def checks(root: Path) -> Iterator[Finding]:
    """Model files, device, encoder, and each part of a run tried out, one after the other."""
    names = [f.stem for f in sorted(WEIGHTS.glob("*.safetensors")) if f.stem not in _NO_LIFTERS]
    yield _check("MediaPipe bundle", lambda: check_bundle(root / "core" / "detect" / BUNDLE_NAME))
    for name in names:
        yield _check(f"weights {name}", partial(check_weights, name))
    if not names:
        yield Finding("problem", "weights", f"no lifting network in {WEIGHTS}; get it again or run 'python3 build.py train'.")
    yield _check("weights correction", check_correction)
    yield _check("weights contacts", check_contacts)
    yield _check("device", check_device)
    yield _check("video encoder", check_encoder)
    yield _check("self-test, kinematics", check_kinematics)
    yield _check("self-test, detector", partial(apart, check_detector))


def blenders(root: Path) -> list[Finding]:
    """The environments with Blender's module: nothing but Blender files needs them."""
    return [_blender(root, version) for version in environment.BLENDER_VERSIONS]


def _blender(root: Path, version: str) -> Finding:
    name = f"bpy {version}"
    python = environment.blender_python(root, version)
    if python is not None:
        return Finding("ok", name, str(python))
    return Finding("note", name, environment.blender_obstacle() or "not installed yet; commands that need it install it")


def _check(name: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding("ok", name, check())
    except Exception as error:  # whatever it is: a line for the user, and the other checks go on
        return Finding("problem", name, _sentence(error))


def _sentence(error: Exception) -> str:
    text = (str(error).splitlines() or [type(error).__name__])[0]
    if "libEGL" in text or "libGLES" in text:
        return f"MediaPipe needs the system libraries libEGL and libGLESv2 ({text}); on Debian or Ubuntu: apt install libegl1 libgles2"
    return text


def check_bundle(path: Path) -> str:
    """The bundle's hash."""
    if not bundle.is_intact(path):
        raise ValueError(f"{path} is {'damaged' if path.exists() else 'missing'}; run 'python3 build.py setup'")
    return f"{path.name}, {path.stat().st_size / 1e6:.1f} MB, hash as expected"


def check_weights(name: str) -> str:
    """A lifting network loaded and run once on nothing in particular; its answer must be finite and of the promised shape."""
    import numpy as np

    from models.features import SIZE
    from models.registry import load

    from .markers import MARKERS

    loaded = load(name)
    frames = 32
    answer = loaded.run(np.zeros((1, frames, SIZE), np.float32), np.arange(frames)[None] / 30.0, np.ones((1, frames), bool))
    if answer.shape != (1, frames, len(MARKERS), 4) or not np.isfinite(answer).all():
        raise ValueError(f"the network answers {answer.shape} values that are not all finite; get the weights file again")
    return f"{loaded.parameters / 1e6:.1f} million parameters, forward pass works"


def check_correction() -> str:
    """The network that corrects ankles and wrists, loaded and run once on nothing in particular."""
    import torch

    from models.correction import FRAMES, SIZE, load

    network = load().network
    return _answers(network, network(torch.zeros(1, len(FRAMES), SIZE)))


def check_contacts() -> str:
    """The network that tells which feet stand, likewise."""
    import torch

    from models.contacts import SIZE, load

    network = load().network
    return _answers(network, network(torch.zeros(1, 1, SIZE), torch.ones(1, 1, dtype=torch.bool)))


def _answers(network: nn.Module, answer: Tensor) -> str:
    """The size of a network whose answer is finite."""
    import torch

    if not torch.isfinite(answer).all():
        raise ValueError("the network's answer is not finite; get the weights file again")
    return f"{sum(p.numel() for p in network.parameters()) / 1e6:.2g} million parameters, forward pass works"


def check_device() -> str:
    """What torch runs on."""
    import torch

    if torch.cuda.is_available():
        return f"CUDA {torch.version.cuda}, {torch.cuda.get_device_name(0)}"
    return f"CPU, {torch.get_num_threads()} threads ({'no CUDA device found' if torch.version.cuda else 'the CPU build of torch'})"


def check_encoder() -> str:
    """The encoder of overlay.mp4."""
    import av

    return f"{av.codec.Codec('libx264', 'w').long_name}; FFmpeg in PyAV {av.__version__}"


def check_kinematics() -> str:
    """Forward kinematics of the rest pose must be the rest pose."""
    import numpy as np

    from .skeleton import JOINTS, Skeleton

    skeleton = Skeleton.mean()
    rest = np.broadcast_to([1.0, 0.0, 0.0, 0.0], (len(JOINTS), 4))
    positions, _ = skeleton.forward_kinematics(rest, np.zeros(3))
    error = float(np.abs(positions - skeleton.rest_positions()).max())
    if error > 1e-9:
        raise ValueError(f"the rest pose is off by {error:g} m")
    return f"{len(JOINTS)} joints, the rest pose is reproduced"


def apart(check: Callable[[], str]) -> str:
    """The check in a process of its own: where a machine lacks what it needs, MediaPipe ends the process that it is in."""
    code = _CHILD.format(root=str(ROOT), module=check.__module__, name=check.__name__)
    child = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, errors="replace")
    said = child.stdout.partition(_MARK)[2]
    if child.returncode == 0:
        return said
    words = child.stderr.strip().rpartition("\n")[2]
    raise ValueError(said or f"it crashes on this machine (code {child.returncode}{': ' * bool(words)}{words})")


def check_detector(sample: Path = SAMPLE) -> str:
    """MediaPipe on the first frames of the sample video: it must find the person."""
    from itertools import islice

    from .detect.mediapipe_detector import MediaPipeDetector
    from .video import open_source

    with MediaPipeDetector() as detector:
        for frame in islice(open_source(sample).frames(), _SAMPLE_FRAMES):
            people = detector.detect(frame.rgb, frame.time)
            if people:
                return f"a person with {len(people[0].xy)} keypoints in frame {frame.index} of {sample.name}"
    raise ValueError(f"nobody was found in the first {_SAMPLE_FRAMES} frames of {sample.name}")
