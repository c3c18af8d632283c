"""Graph attention alternating with dilated convolutions, 27 frames."""

from . import Config

CONFIG = Config(name="gast", arguments={"channels": 48, "heads": 4, "blocks": 3, "width": 512, "dropout": 0.0})
