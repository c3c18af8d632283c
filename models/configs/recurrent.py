"""The recurrent network with its occlusion-aware loss."""

from . import Config

CONFIG = Config(name="recurrent", arguments={"width": 512, "layers": 2, "dropout": 0.1}, hidden_weight=0.3)
