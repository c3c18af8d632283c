"""Frames of a folder of numbered images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .errors import InputError
from .images import first_gap, read_image, stored_shape
from .inputs import images_in, videos_in
from .source import DEFAULT_IMAGE_FPS, Frame, Source, SourceInfo, shortened


class ImageSource(Source):
    """A folder of numbered images, at a rate that nothing in it can tell."""

    def __init__(self, path: Path, start: float | None, end: float | None, fps: float | None) -> None:
        super().__init__(path, start, end)
        self.fps, self.untimed = fps or DEFAULT_IMAGE_FPS, fps is None
        self._all = images_in(path)
        if not self._all and (videos := videos_in(path)):
            raise InputError(f"The folder {path} holds videos and no images; give one of them, such as {videos[0].name}.")
        if not self._all:
            raise InputError(f"The folder {path} has neither images nor videos; give a video, or a folder of numbered PNG or JPEG files or "
                             "of OpenPose's JSON.")
        sample, first = next(((p, rgb) for p in self._all if (rgb := read_image(p)) is not None), (path, None))
        if first is None:
            raise InputError(f"None of the {len(self._all)} images in {path} can be read; export them again as PNG or JPEG.")
        self.height, self.width = first.shape[:2]
        self._times = [i / self.fps for i in range(len(self._all))]
        self._chosen = [i for i, t in enumerate(self._times) if self._in_range(t)]
        if not self._chosen:
            raise self._beyond_end(len(self._all) / self.fps)
        self._check_sizes(sample)
        self.expected_frames = len(self._chosen)
        self.shortened = shortened(end, len(self._all) / self.fps, path.name)

    def frames(self) -> Iterator[Frame]:
        self.problem = None
        broken: list[str] = []
        for index, number in enumerate(self._chosen):
            rgb = self._read(number)
            if rgb is None:
                broken.append(self._all[number].name)
                rgb = np.zeros((self.height, self.width, 3), dtype=np.uint8)
            yield Frame(index, self._times[number], rgb)
        if broken:
            self.problem = f"{len(broken)} of the images in {self.path} cannot be read (first: {broken[0]}); they were taken as black."
        elif gap := first_gap([self._all[i] for i in self._chosen]):
            self.problem = f"Images are missing in {self.path} after {gap.name}; those that are there were taken as following each other."

    def frames_before(self, index: int) -> Iterator[Frame]:
        for i in range(min(index, len(self._chosen)) - 1, -1, -1):
            rgb = self._read(self._chosen[i])
            yield Frame(i, self._times[self._chosen[i]], np.zeros((self.height, self.width, 3), np.uint8) if rgb is None else rgb)

    def info(self) -> SourceInfo:
        """What is in the whole folder."""
        return SourceInfo(str(self.path), "images", self.width, self.height, 0, self.fps, False, len(self._all) / self.fps,
                          len(self._all), self._all[0].suffix[1:].lower())

    def _check_sizes(self, sample: Path) -> None:
        """Raises InputError for a chosen image of another size than the `sample`; decodes only those whose headers differ from its."""
        usual = stored_shape(sample)
        for number in self._chosen:
            if stored_shape(self._all[number]) not in (usual, None):
                self._read(number)

    def _read(self, number: int) -> np.ndarray | None:
        rgb = read_image(self._all[number])
        if rgb is not None and rgb.shape[:2] != (self.height, self.width):
            raise InputError(f"The images in {self.path} differ in size: {self._all[number].name} is {rgb.shape[1]}x{rgb.shape[0]}, "
                             f"the first {self.width}x{self.height}; export them all at one size.")
        return rgb
