"""Dilated temporal convolutions that see 27 frames; as many parameters as the default."""

from . import Config

CONFIG = Config(name="tcn", arguments={"channels": 768, "blocks": 2, "dropout": 0.1})
