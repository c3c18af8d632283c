"""The second member of the default: the same network from other random numbers, whose errors differ from the first one's by chance."""

import dataclasses

from .temporal import CONFIG as FIRST

CONFIG = dataclasses.replace(FIRST, name="temporal2", steps=7_000, seed=2)
