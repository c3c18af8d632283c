"""2D keypoint detection: the Detector protocol, and MediaPipe behind it as the default.

`extract_keypoints` and `list_people` are found here but imported on first use, so that importing this package stays cheap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .detector import Detection, Detector
    from .extract import PersonSummary, extract_keypoints, list_people

__all__ = ["Detection", "Detector", "PersonSummary", "extract_keypoints", "list_people"]


def __getattr__(name: str) -> Any:
    if name in ("Detection", "Detector"):
        from . import detector

        return getattr(detector, name)
    if name in __all__:
        from . import extract

        return getattr(extract, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
