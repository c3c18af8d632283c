"""Measures the proportions of the rendering tool's people and keeps their spread as data/bodies.json.

    python -m models.fit_bodies RENDER_TOOL_DIR [COUNT]

Where a shoulder or hip joint lies differs between skeletons by centimetres. Errors are measured on the rig of the rendered people
(MakeHuman), whose shoulders lie lower and whose arms are shorter than in the mocap pack, so training bodies are drawn around it. A
person becomes canonical offsets in the T-pose; the trunk's inner joints, which the rig defines otherwise, are placed in the mean
skeleton's proportions between hips and neck. Kept: the mean, and principal directions scaled to one standard deviation.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
from pathlib import Path

import numpy as np

from core.skeleton import END_PARENTS, ENDS, INDEX, JOINTS, Skeleton, mirror_name

from .script import run_script

OUT = Path(__file__).parent / "data" / "bodies.json"
DIRECTIONS = 8


def canonical_offsets(human: dict) -> np.ndarray:
    """(26, 3) T-pose offsets of `JOINTS` and `ENDS` of a person from `build_human`, metres, left and right made equal."""
    heads = dict(zip(human["bones"], np.asarray(human["head"]), strict=True))
    tails = dict(zip(human["bones"], np.asarray(human["tail"]), strict=True))
    skin = next(p for p in human["parts"] if p["name"] == "skin")["v"]
    crown = np.asarray(skin)[human["landmarks"]["head_top"]]
    hips = (heads["thigh_l"] + heads["thigh_r"]) / 2
    mean = Skeleton.mean(human["stature"])
    rest = {n: mean.rest_offsets[INDEX[n]] for n in JOINTS}
    neck = heads["neck_01"] - (hips - rest["LeftUpLeg"] * [0, 1, 1])
    stretch = neck[2] / (rest["Spine"] + rest["Spine1"] + rest["Neck"])[2]

    def length(a: str, b: str) -> float:
        return float(np.linalg.norm(heads[b] - heads[a]))

    foot, ball, toes = heads["foot_l"], heads["ball_l"], tails["ball_l"]
    left = {
        "Hips": np.zeros(3), "LeftUpLeg": np.array([heads["thigh_l"][0] - hips[0], *rest["LeftUpLeg"][1:]]),
        "LeftLeg": np.array([0, 0, -length("thigh_l", "calf_l")]), "LeftFoot": np.array([0, 0, -length("calf_l", "foot_l")]),
        "LeftToe": np.array([0, -np.hypot(*(ball - foot)[:2]), (ball - foot)[2]]),
        "Spine": rest["Spine"] * stretch, "Spine1": rest["Spine1"] * stretch,
        "Neck": neck - (rest["Spine"] + rest["Spine1"]) * stretch, "Head": heads["head"] - heads["neck_01"],
        "LeftForeArm": np.array([length("upperarm_l", "lowerarm_l"), 0, 0]), "LeftHand": np.array([length("lowerarm_l", "hand_l"), 0, 0]),
        "HeadEnd": crown - heads["head"], "LeftHandEnd": np.array([length("hand_l", "middle_01_l"), 0, 0]),
        "LeftToeEnd": np.array([0, -np.hypot(*(toes - ball)[:2]), 0]),
    }
    left["LeftShoulder"] = left["Neck"]
    left["LeftArm"] = heads["upperarm_l"] - heads["neck_01"]
    for name in ("Spine", "Spine1", "Neck", "Head", "HeadEnd", "LeftShoulder"):
        left[name] = left[name] * [0, 1, 1]
    return np.array([left[n] if n in left else left[mirror_name(n)] * [-1, 1, 1] for n in (*JOINTS, *ENDS)])


def main(argv: list[str]) -> int:
    """Builds COUNT people and writes the data file."""
    parser = argparse.ArgumentParser(prog="python -m models.fit_bodies", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tool", type=Path, metavar="RENDER_TOOL_DIR", help="where human.py is")
    parser.add_argument("count", type=int, nargs="?", default=100, metavar="COUNT", help="how many people (100)")
    args = parser.parse_args(argv)
    count = args.count
    spec = importlib.util.spec_from_file_location("human", args.tool / "human.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    people = []
    for seed in range(10_000, 10_000 + count):
        people.append(canonical_offsets(module.build_human(seed)))
    table = np.array(people).reshape(count, -1)
    mean = table.mean(0)
    _, s, vt = np.linalg.svd(table - mean, full_matrices=False)
    spread = s[:DIRECTIONS, None] / np.sqrt(count - 1) * vt[:DIRECTIONS]
    shape = (len(JOINTS) + len(END_PARENTS), 3)
    OUT.write_text(json.dumps({
        "about": f"canonical offsets in metres of {count} MakeHuman people (models/fit_bodies.py)", "names": [*JOINTS, *ENDS],
        "mean": mean.reshape(shape).round(4).tolist(), "directions": spread.reshape(-1, *shape).round(4).tolist()}))
    print(f"{OUT}: kept {100 * (s[:DIRECTIONS] ** 2).sum() / (s**2).sum():.1f} % of the variance")
    return 0


if __name__ == "__main__":
    run_script(main)
