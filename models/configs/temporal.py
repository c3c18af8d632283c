"""The first network of the default; trained beyond the others' budget."""

from . import Config

CONFIG = Config(name="temporal", arguments={"width": 320, "layers": 4, "heads": 8, "hidden": 832, "dropout": 0.0}, steps=11_000,
                weight_decay=0.05, optimiser="muon")
