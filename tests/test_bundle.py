"""The MediaPipe bundle: intact means byte for byte, and a wrong wheel is refused without leaving anything."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from core.detect import bundle

BUNDLE = Path(bundle.__file__).with_name(bundle.BUNDLE_NAME)


def test_missing_and_damaged_are_not_intact(tmp_path: Path) -> None:
    path = tmp_path / bundle.BUNDLE_NAME
    assert not bundle.is_intact(path)
    path.write_bytes(b"PK")
    assert not bundle.is_intact(path)


def test_a_wrong_wheel_is_refused(tmp_path: Path) -> None:
    wheel = tmp_path / "mediapipe-0.10.21.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for member in bundle._NETWORKS:
            archive.writestr(member, b"not a network")
    target = tmp_path / bundle.BUNDLE_NAME
    with pytest.raises(ValueError, match="not the file that"):
        bundle.build(wheel, target)
    assert not target.exists()


@pytest.mark.skipif(not BUNDLE.exists(), reason="the bundle is made by set-up")
def test_the_bundle_holds_both_networks_uncompressed_and_one_flipped_byte_shows(tmp_path: Path) -> None:
    assert bundle.is_intact(BUNDLE)
    with zipfile.ZipFile(BUNDLE) as archive:
        members = archive.infolist()
    assert [m.filename for m in members] == ["pose_detector.tflite", "pose_landmarks_detector.tflite"]
    assert all(m.compress_type == zipfile.ZIP_STORED for m in members)
    data = bytearray(BUNDLE.read_bytes())
    data[len(data) // 2] ^= 1
    damaged = tmp_path / bundle.BUNDLE_NAME
    damaged.write_bytes(data)
    assert not bundle.is_intact(damaged)
