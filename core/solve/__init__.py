"""From lifted markers and the picture to a motion: one skeleton with constant bones, joint rotations, a path in the world, contacts.

`solve` is the stage; the parts: `sides` (left and right as in the whole take), `bones` (the skeleton), `start` (a first pose), `fit`
(everything at once), `world` (up, ground, camera), `contacts`, `footing`, `gaps`; what the user may decide: `choices`.
Before it, `lens` tells the focal length where somebody walks towards the camera.
"""

from .choices import Choices
from .solver import solve

__all__ = ["Choices", "solve"]
