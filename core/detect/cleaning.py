"""What the 2D stage makes of detections, whoever detected: sides mended, confidences earned, ankles and wrists where they can be."""

from __future__ import annotations

import numpy as np

from ..events import Reporter
from ..flips import mend_flips
from ..keypoints import Keypoints
from .confidence import inside_picture, steadiness


def finished(keypoints: Keypoints, reporter: Reporter) -> Keypoints:
    """Detections as the lifting networks take them. Training calls it as well."""
    from .correct import correct  # here: it loads torch, for which a mere look into a video need not wait

    return correct(cleaned(keypoints, reporter), reporter)


def cleaned(keypoints: Keypoints, reporter: Reporter) -> Keypoints:
    """Sides mended, confidences lowered where they are not earned, what is outside the picture missing."""
    mended, changed = mend_flips(keypoints)
    if changed.any():
        reporter.log(f"The detector had left and right exchanged in {int(changed.sum())} of {len(keypoints)} frames; they were mended.")
    steady = steadiness(mended.xy, mended.times)
    inside = inside_picture(mended.xy, mended.width, mended.height)
    return mended.replace(confidence=np.where(inside, mended.confidence * steady, 0.0))
