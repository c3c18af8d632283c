"""What a user may decide about the solver; everything else it decides itself."""

from __future__ import annotations

from dataclasses import dataclass

SMOOTHING = {"none": 30.0, "light": 1.0, "strong": 0.1}
"""Name -> how much more (than people in motion capture do) the motion may change its velocity."""


@dataclass(frozen=True)
class Choices:
    """smooth: one of `SMOOTHING`. contacts: planted feet are held. ground: feet stand on the floor and stay out of it.

    camera_pitch: radians that the camera looks down, camera_height: metres above the floor; None: estimated. A camera's height sets the
    overall size, so it cannot stand beside a known stature. stature_is_a_guess: the stature given is the population's mean, which the
    person's jumps may correct (`gravity`).
    """

    smooth: str = "light"
    contacts: bool = True
    ground: bool = True
    camera_pitch: float | None = None
    camera_height: float | None = None
    stature_is_a_guess: bool = False

    def __post_init__(self) -> None:
        if self.smooth not in SMOOTHING:
            raise ValueError(f"smooth must be one of {', '.join(SMOOTHING)}, got {self.smooth!r}")

    @property
    def restlessness(self) -> float:
        """What `SMOOTHING` says."""
        return SMOOTHING[self.smooth]
