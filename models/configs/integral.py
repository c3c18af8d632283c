"""Soft-argmax over heat maps in space, on the body of the residual baseline and trained as that is."""

from . import Config

CONFIG = Config(name="integral", arguments={"width": 1024, "blocks": 2, "cells": 48, "channels": 32, "dropout": 0.1}, window=8, batch=112,
                real_batch=80, velocity_weight=0.0)
