"""The residual baseline. Its frames are independent, so windows are short and many."""

from . import Config

CONFIG = Config(name="residual", arguments={"width": 1024, "blocks": 2, "dropout": 0.1}, window=8, batch=112, real_batch=80,
                velocity_weight=0.0)
