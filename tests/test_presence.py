"""Takes in which the person is away."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import InputError
from core.events import Reporter
from core.keypoints import Keypoints
from core.presence import check_presence


def take(seen: np.ndarray) -> Keypoints:
    frames = len(seen)
    return Keypoints(("nose",), np.full((frames, 1, 2), 50.0), seen[:, None].astype(float), np.arange(frames) / 30, 100, 100, 30.0)


def test_nobody_and_five_of_300_frames_are_refused() -> None:
    seen = np.zeros(300, bool)
    with pytest.raises(InputError, match="No person"):
        check_presence(take(seen), "a.mp4", Reporter())
    seen[90:95] = True
    with pytest.raises(InputError, match=r"5 of the 300 frames of a\.mp4, between 3\.00 s and 3\.13 s"):
        check_presence(take(seen), "a.mp4", Reporter())


def test_a_person_who_is_away_for_a_third_is_told() -> None:
    seen = np.ones(300, bool)
    seen[100:200] = False
    reporter = Reporter()
    check_presence(take(seen), "a.mp4", reporter)
    (warning,) = reporter.warnings
    assert "200 of the 300 frames (0.0 s to 3.3 s, 6.7 s to 10.0 s)" in warning


def test_a_blink_is_not_worth_a_word() -> None:
    seen = np.ones(300, bool)
    seen[100:110] = False
    reporter = Reporter()
    check_presence(take(seen), "a.mp4", reporter)
    assert not reporter.warnings
