"""The points of the body that are lifted: what the networks of `models` answer with and the solver starts from."""

from __future__ import annotations

from .keypoints import ATTACHMENTS, CANONICAL, LIMB_KEYPOINTS
from .skeleton import JOINTS

_ON_JOINTS = LIMB_KEYPOINTS + ("l_eye", "r_eye")
MARKERS: tuple[str, ...] = JOINTS + ("HeadEnd",) + tuple(n for n in CANONICAL if n not in _ON_JOINTS)
"""The skeleton's joints, the crown, and the canonical keypoints that are not joints (but not the eyes): 35."""

LIMB_MARKERS: list[int] = [MARKERS.index(ATTACHMENTS[n][0]) for n in LIMB_KEYPOINTS]
"""The markers that the `LIMB_KEYPOINTS` are, in their order: errors are measured on these."""
