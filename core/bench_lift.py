"""How fast the lifting networks are on this machine, side by side, and how far from the machine's limits.

    build.py bench lift [--device auto|cpu|cuda] [--frames N] [--repeat N]

Each network answers for the same batch of frames (random numbers: the time does not depend on them), in float32, in the chunks that
`core.lift` gives it, margins included, and looks at their mirror image as well, as at run time; beside them `tcn` as VideoPose3D has
it for 243 frames (1024 channels, four blocks; untrained: only its speed is asked for), and the default in bfloat16 (what that costs in
accuracy, on people, says `evaluate --lifters`). Limits of the machine, measured in the same run: the rate of a large float32 matrix
product, and of copying a large array.
A network's share of the first is its own multiplications and additions (counted from its layers as they run) over time and rate; its
share of the second is the bytes of its inputs, weights and answers, each moved once, over time and rate: what it would have to move at
least.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from .errors import InputError
from .lift import CHUNK, choose_device
from .markers import MARKERS
from .options import DEVICES

_RATE = 30.0  # frames a second of the batch
_SQUARE = 2048  # side of the matrices whose product is timed
_COPY = 256 << 20  # bytes


def main(argv: list[str]) -> int:
    """The command `bench lift`."""
    import torch

    from models import registry
    from models.symmetric import Symmetric

    parser = argparse.ArgumentParser(prog="build.py bench lift", allow_abbrev=False, description="Times all lifting networks.")
    parser.add_argument("--device", default="auto", choices=DEVICES, help="where (default: cuda where there is one)")
    parser.add_argument("--frames", type=int, default=2048, metavar="N", help="frames at a time (default: 2048)")
    parser.add_argument("--repeat", type=int, default=5, metavar="N", help="repetitions, the best counts (default: 5)")
    args = parser.parse_args(argv)
    if args.frames < 1 or args.repeat < 1:
        raise InputError("--frames and --repeat must be at least 1.")
    device = choose_device(args.device)
    product, copy = _limits(device, args.repeat)
    where = torch.cuda.get_device_name() if device == "cuda" else f"{platform.machine()} CPU, {torch.get_num_threads()} threads"
    print(f"{where}: matrix product {product / 1e9:.0f} GFLOP/s, copy {copy / 1e9:.1f} GB/s; {args.frames} frames at a time\n")
    print("| network | parameters | frames/s | times real time (30 fps) | of the matrix rate | of the copy rate |\n" + "|---" * 6 + "|")
    networks: list[tuple[str, Any]] = [(name, registry.load(name, device).symmetric) for name in (*registry.NETWORKS, *registry.TOGETHER)]
    wide = registry.build("tcn", {"channels": 1024, "blocks": 4, "dropout": 0.25}).to(device).eval()
    networks.append(("tcn, 243 frames (untrained)", Symmetric(wide)))
    for name, network in networks:
        print(_row(name, network, args.frames, args.repeat, device, product, copy), flush=True)
    print(_half_precision(registry.load("default", device).symmetric, args.frames, args.repeat, device))
    return 0


def _row(name: str, network: Any, frames: int, repeat: int, device: str, product: float, copy: float) -> str:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    inputs = _inputs(network, frames, device)
    seconds = _best(lambda: _answer(network, inputs), repeat, device)
    with torch.backends.cudnn.flags(enabled=False), FlopCounterMode(display=False) as counter:  # cuDNN's recurrent layers do not count
        _answer(network, inputs)
    parameters = sum(p.numel() for p in network.parameters())
    answers = inputs[0].shape[0] * inputs[0].shape[1] * len(MARKERS) * 4
    moved = 4 * (parameters + inputs[0].numel() + answers)
    rate = frames / seconds
    of_product, of_copy = counter.get_total_flops() / seconds / product, moved / seconds / copy
    return f"| {name} | {parameters / 1e6:.1f} M | {rate:.0f} | {rate / 30:.0f} | {of_product:.0%} | {of_copy:.1%} |"


def _half_precision(network: Any, frames: int, repeat: int, device: str) -> str:
    """One sentence: the default in bfloat16 against float32."""
    import torch

    inputs = _inputs(network, frames, device)

    def in_half() -> Any:
        with torch.autocast(device, dtype=torch.bfloat16):
            return _answer(network, inputs)

    full, half = (_best(job, repeat, device) for job in (lambda: _answer(network, inputs), in_half))
    return f"\nThe default in bfloat16: {full / half:.2f} times the speed of float32."


def _inputs(network: Any, frames: int, device: str) -> tuple[Any, ...]:
    """Features, seconds and real of chunks that together answer for `frames` frames, each with the network's margin on both sides."""
    import torch

    from models.features import SIZE

    count = max(frames // CHUNK, 1)
    length = -(-frames // count) + 2 * network.margin(_RATE)
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(count, length, SIZE, generator=generator).to(device)
    seconds = (torch.arange(length) / _RATE).expand(count, length).contiguous().to(device)
    return features, seconds, torch.ones(count, length, dtype=torch.bool, device=device)


def _answer(network: Any, inputs: tuple[Any, ...]) -> Any:
    import torch

    with torch.inference_mode():
        return network(*inputs)


def _best(job: Callable[[], Any], repeat: int, device: str) -> float:
    """Seconds of the fastest run, after one that does not count."""
    import torch

    def wait() -> None:
        if device == "cuda":
            torch.cuda.synchronize()

    job()
    wait()
    seconds = []
    for _ in range(repeat):
        begin = time.perf_counter()
        job()
        wait()
        seconds.append(time.perf_counter() - begin)
    return min(seconds)


def _limits(device: str, repeat: int) -> tuple[float, float]:
    """Floating point operations a second of a large float32 product; bytes a second read and written by a large copy."""
    import torch

    a, b = (torch.randn(_SQUARE, _SQUARE, device=device) for _ in range(2))
    source = torch.from_numpy(np.zeros(_COPY // 4, dtype=np.float32)).to(device)
    target = torch.empty_like(source)
    product = _best(lambda: torch.mm(a, b), repeat, device)
    copy = _best(lambda: target.copy_(source), repeat, device)
    return 2 * _SQUARE**3 / product, 2 * _COPY / copy
