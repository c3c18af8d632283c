"""A BVH of any make, turned: for programs that write one in other axes than importers expect.

Method: offsets and places are turned; a joint's rotation, about axes that all joints share at rest, is turned likewise and written again
in its own order of channels. Joints' names lose their spaces, at which most readers split a line. Limits: numbers are written with six
decimals. numpy only.
"""

from __future__ import annotations

import numpy as np

from .. import rotations


def turned(bvh: str, turn: np.ndarray) -> str:
    """The text of a BVH file after the rotation `turn` (3, 3)."""
    lines = bvh.splitlines()
    data = next(i for i, line in enumerate(lines) if line.startswith("Frame Time:")) + 1
    values = np.array([line.split() for line in lines[data:] if line.strip()], dtype=np.float64)
    column, names = 0, set[str]()
    for i, line in enumerate(lines[:data]):
        words = line.split()
        if words[:1] in (["ROOT"], ["JOINT"]):
            name = _unused("_".join(words[1:]), names)
            lines[i] = line.replace(line.strip(), f"{words[0]} {name}")
            names.add(name)
        elif words[:1] == ["OFFSET"]:
            lines[i] = line.replace(" ".join(words), f"OFFSET {_text(turn @ np.array(words[1:], dtype=np.float64))}")
        elif words[:1] == ["CHANNELS"]:
            _turn_joint(values[:, column:], words[2:], turn)
            column += len(words) - 2
    return "\n".join([*lines[:data], *map(_text, values)]) + "\n"


def _unused(name: str, others: set[str]) -> str:
    """The name, with as many more marks as make it another than the others."""
    while name in others:
        name += "_"
    return name


def _turn_joint(values: np.ndarray, channels: list[str], turn: np.ndarray) -> None:
    """Turns what stands in the first columns of values (T, ...), which are these channels; in place."""
    columns = {kind: [i for i, name in enumerate(channels) if name.endswith(kind)] for kind in ("position", "rotation")}
    if columns["position"]:
        axes = ["XYZ".index(channels[i][0]) for i in columns["position"]]
        places = np.zeros((len(values), 3))
        places[:, axes] = values[:, columns["position"]]
        values[:, columns["position"]] = (places @ turn.T)[:, axes]
    if columns["rotation"]:
        order = "".join(channels[i][0] for i in columns["rotation"])
        whole = rotations.from_matrix(turn)
        local = rotations.from_euler(np.radians(values[:, columns["rotation"]]), order)
        there = rotations.multiply(rotations.multiply(whole, local), rotations.inverse(whole))
        values[:, columns["rotation"]] = np.degrees(rotations.to_euler(there, order))


def _text(numbers: np.ndarray) -> str:
    return " ".join(f"{number:.6f}" for number in numbers)
