"""What the 2D stage makes of detections, whoever detected: sides mended, confidences earned, ankles and wrists where they can be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..events import Reporter
from ..keypoints import Keypoints
from .confidence import inside_picture, steadiness

if TYPE_CHECKING:
    from ..lift import Lifter


def finished(keypoints: Keypoints, reporter: Reporter, judge: Lifter | None = None) -> Keypoints:
    """Detections as the lifting networks take them.

    judge: the network whose body tells left from right; None leaves sides as they are.
    """
    from .correct import correct  # here: it loads torch, for which a mere look into a video need not wait

    if judge is not None:
        from .sides import mended

        keypoints = mended(keypoints, judge, reporter)
    return correct(cleaned(keypoints), reporter)


def cleaned(keypoints: Keypoints) -> Keypoints:
    """Confidences lowered where they are not earned, what is outside the picture missing."""
    steady = steadiness(keypoints.xy, keypoints.times)
    inside = inside_picture(keypoints.xy, keypoints.width, keypoints.height)
    return keypoints.replace(confidence=np.where(inside, keypoints.confidence * steady, 0.0))
