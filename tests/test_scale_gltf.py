"""A scaled glTF file: all that its scenes show hangs below a node of that scale, and the rest of the file is as it was."""

import json
import struct
from pathlib import Path

import pytest

from core.export.scale_gltf import scale_gltf

TREE = {"asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0, 2]}, {"name": "empty"}],
        "nodes": [{"name": "Ärmel", "children": [1]}, {"name": "b"}, {"name": "c"}]}
BUFFER = struct.pack("<II", 8, 0x004E4942) + bytes(range(8))


@pytest.mark.parametrize("suffix", [".glb", ".gltf"])
def test_everything_hangs_below_a_node_of_that_scale(tmp_path: Path, suffix: str) -> None:
    path, text = tmp_path / f"a{suffix}", json.dumps(TREE).encode()
    text += b" " * (-len(text) % 4)
    head = struct.pack("<4sIIII", b"glTF", 2, 20 + len(text) + len(BUFFER), len(text), 0x4E4F534A)
    head, tail = (head, BUFFER) if suffix == ".glb" else (b"", b"")
    path.write_bytes(head + text + tail)
    scale_gltf(path, 0.01)
    data = path.read_bytes()
    if suffix == ".glb":
        magic, version, whole, length, kind = struct.unpack_from("<4sIIII", data)
        assert (magic, version, whole, length % 4, kind) == (b"glTF", 2, len(data), 0, 0x4E4F534A) and data[20 + length:] == BUFFER
        data = data[20:20 + length]
    tree = json.loads(data)
    assert tree["scenes"] == [{"nodes": [3]}, {"name": "empty"}]
    assert tree["nodes"][3]["children"] == [0, 2] and tree["nodes"][3]["scale"] == [0.01] * 3
    assert tree["nodes"][:3] == TREE["nodes"] and tree["asset"] == TREE["asset"]
