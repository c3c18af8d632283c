"""The default network."""

from . import Config

CONFIG = Config(name="temporal", arguments={"width": 320, "layers": 4, "heads": 8, "hidden": 832}, steps=5_000)
