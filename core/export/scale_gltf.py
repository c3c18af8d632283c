"""A glTF file of any make, scaled: for programs that write other units than metres.

Method: a node of that scale above all others; skins and animations stay as they are. Limits: glTF 2. Standard library only.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path

_MAGIC, _JSON = b"glTF", 0x4E4F534A
_HEAD = 20  # bytes of a .glb before its JSON, whose length stands at 12


def scale_gltf(path: Path, scale: float) -> None:
    """Rewrites the .glb or .gltf so that everything in it is `scale` times as large."""
    data = path.read_bytes()
    binary = data.startswith(_MAGIC)
    start = _HEAD if binary else 0
    end = start + struct.unpack_from("<I", data, 12)[0] if binary else len(data)
    tree = json.loads(data[start:end])
    for scene in (s for s in tree["scenes"] if s.get("nodes")):
        tree["nodes"].append({"name": "Unit", "scale": [scale] * 3, "children": scene["nodes"]})
        scene["nodes"] = [len(tree["nodes"]) - 1]
    text = json.dumps(tree, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)  # chunks begin at multiples of 4
    rest = data[end:]
    head = struct.pack("<4sIIII", _MAGIC, 2, _HEAD + len(text) + len(rest), len(text), _JSON) if binary else b""
    path.write_bytes(head + text + rest)
