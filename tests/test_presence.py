"""Takes in which the person is away."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import InputError
from core.events import Reporter
from core.keypoints import Keypoints
from core.presence import check_identity, check_one_shot, check_presence


def take(seen: np.ndarray) -> Keypoints:
    frames = len(seen)
    return Keypoints(("nose",), np.full((frames, 1, 2), 50.0), seen[:, None].astype(float), np.arange(frames) / 30, 100, 100, 30.0)


def test_nobody_and_five_of_300_frames_are_refused() -> None:
    seen = np.zeros(300, bool)
    with pytest.raises(InputError, match="No person"):
        check_presence(take(seen), "a.mp4", Reporter())
    seen[90:95] = True
    with pytest.raises(InputError, match=r"5 of the 300 frames of a\.mp4, between 3\.00 s and 3\.13 s; choose that part"):
        check_presence(take(seen), "a.mp4", Reporter())
    with pytest.raises(InputError, match="leave more of the markers on"):  # whoever corrects keypoints has no start and end to choose
        check_presence(take(seen).replace(by_hand=np.ones((300, 1), bool)), "a.mp4", Reporter())


def test_a_person_who_is_away_for_a_third_is_told() -> None:
    seen = np.ones(300, bool)
    seen[100:200] = False
    reporter = Reporter()
    check_presence(take(seen), "a.mp4", reporter)
    (warning,) = reporter.warnings
    assert "not seen in 100 of the 300 frames (3.3 s to 6.7 s);" in warning


def test_a_blink_is_not_worth_a_word() -> None:
    seen = np.ones(300, bool)
    seen[100:110] = False
    reporter = Reporter()
    check_presence(take(seen), "a.mp4", reporter)
    assert not reporter.warnings


def test_cuts_in_the_persons_part_are_told() -> None:
    seen = np.ones(300, bool)
    seen[:60] = False
    reporter = Reporter()
    check_one_shot(take(seen), [30, 60], reporter)
    assert not reporter.warnings  # before the person is there, and with them
    check_one_shot(take(seen), [30, 90, 120, 150, 180, 299], reporter)
    (warning,) = reporter.warnings
    assert "cut at 3.00 s, 4.00 s, 5.00 s (and 2 times more)" in warning and "start and end" in warning


def walk(where: np.ndarray) -> Keypoints:
    """Somebody 100 pixels tall at x = where (T,), NaN where not seen."""
    xy = np.stack([np.stack([where, where * 0 + y], axis=-1) for y in (50.0, 100.0, 150.0)], axis=1)
    return Keypoints(("nose", "l_hip", "l_ankle"), xy, np.isfinite(xy[..., 0]) * 0.9, np.arange(len(where)) / 30, 900, 200, 30.0)


def told(where: np.ndarray, changed: np.ndarray | None = None) -> list[str]:
    reporter = Reporter()
    check_identity(walk(where), reporter, changed)
    return reporter.warnings


def test_one_who_is_found_again_far_away_may_be_somebody_else() -> None:
    where = np.where(np.arange(120) < 60, 100.0, 400.0)
    where[30:75] = np.nan
    (warning,) = told(where)
    assert "lost at 1.0 s and found again at 2.5 s 3.0 body heights away; if it is somebody else" in warning
    many = np.repeat(np.tile([100.0, 400.0], 5), 20)
    many[19::20] = np.nan
    (warning,) = told(many)
    assert warning.count("lost at") == 3 and "(and 6 times more)" in warning


def test_one_who_walks_on_behind_a_tree_is_the_same() -> None:
    where = 100 + 80 * np.arange(120) / 30  # 0.8 body heights a second
    where[30:60] = np.nan
    assert not told(where)
    longer = 100 + 80 * np.arange(180) / 30
    longer[30:120] = np.nan  # 2.4 body heights away, and in 3 s that is not far
    assert not told(longer)
    assert not told(np.linspace(100, 800, 60))  # who runs is not lost


def test_other_colours_are_told() -> None:
    where = np.full(120, 100.0)
    where[30:60] = where[80:83] = np.nan
    changed = np.zeros(120, bool)
    assert not told(where, changed)
    changed[[60, 105]] = True
    (warning,) = told(where, changed)
    assert "lost at 1.0 s and found again at 2.0 s in other colours, in other colours from 3.5 s on; if it is" in warning


def test_positions_as_shares_of_the_picture_are_no_pixels() -> None:
    xy = np.random.default_rng(0).uniform(0.2, 0.8, (30, 2, 2))
    keypoints = Keypoints(("nose", "l_hip"), xy, np.ones((30, 2)), np.arange(30) / 30, 640, 480, 30.0)
    with pytest.raises(InputError, match=r"pixels large in a\.json; give positions in pixels"):
        check_presence(keypoints, "a.json", Reporter())
    check_presence(keypoints.replace(xy=640 * xy), "a.json", Reporter())
    check_presence(keypoints.replace(confidence=np.array([[1.0, 0.0]] * 30)), "a.json", Reporter())  # a nose says nothing of size
