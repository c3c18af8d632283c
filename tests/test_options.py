"""RunOptions: one place for all options, and the command line derived from it."""

from __future__ import annotations

import dataclasses

import pytest

from core import cli
from core.errors import InputError
from core.options import LIFTERS, RunOptions


def test_json_round_trip() -> None:
    options = RunOptions(start=1.5, end=3.0, person="2", formats=("bvh",), overlay=True, fps=24.0)
    assert RunOptions.from_json(options.to_json()) == options


def test_the_lifters_are_those_of_the_registry() -> None:
    registry = pytest.importorskip("models.registry")
    assert set(LIFTERS) == {*registry.TOGETHER, *registry.NETWORKS}


@pytest.mark.parametrize("values", [
    {"start": -1.0}, {"start": float("nan")}, {"end": float("inf")}, {"start": 2.0, "end": 2.0}, {"end": 0.0},
    {"person": "tallest"}, {"person": "²"}, {"person": "0"}, {"device": "tpu"}, {"fps": 0.0},
    {"focal": 1.0}, {"height": 17.0}, {"formats": ("npz", "doc")}, {"formats": ()}, {"nonsense": 1},
    {"smooth": "very"}, {"camera_pitch": 90.0}, {"camera_height": 0.0}, {"camera_height": 1.5, "height": 1.8},
])
def test_what_cannot_be_meant_is_refused_in_one_sentence(values: dict) -> None:
    with pytest.raises(InputError) as error:
        RunOptions.from_json(values)
    assert str(error.value).endswith(".") and "\n" not in str(error.value)


def test_every_option_is_a_flag_and_its_default_is_the_dataclass_default() -> None:
    args = cli.run_parser().parse_args(["video.mp4"])
    assert cli.run_options(args) == RunOptions()
    flags = {a.dest for a in cli.run_parser()._actions}
    assert {f.name for f in dataclasses.fields(RunOptions)} <= flags


def test_flags_reach_the_options() -> None:
    args = cli.run_parser().parse_args(["v.mp4", "--start", "1", "--end", "2.5", "--formats", "npz, fbx", "--overlay", "--person", "3"])
    assert cli.run_options(args) == RunOptions(start=1.0, end=2.5, formats=("npz", "fbx"), overlay=True, person="3")


def test_flags_of_the_solver() -> None:
    args = cli.run_parser().parse_args(["v.mp4", "--smooth", "strong", "--no-contacts", "--no-ground", "--camera-pitch", "-5",
                                        "--camera-height", "1.5"])
    assert cli.run_options(args) == RunOptions(smooth="strong", no_contacts=True, no_ground=True, camera_pitch=-5.0, camera_height=1.5)


def test_the_solver_knows_every_smoothing() -> None:
    from core.options import SMOOTH
    from core.solve.choices import SMOOTHING

    assert tuple(SMOOTHING) == SMOOTH
