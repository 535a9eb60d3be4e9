"""Pictures of several folders as one source, each broken one with its own error."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from live_gradcam.archive.files import SourceFile
from live_gradcam.capture.source import Source
from live_gradcam.errors import SourceError
from live_gradcam.images.parts import Roi, require_parts
from live_gradcam.images.read import LoadedImage, load_image
from live_gradcam.values import Frame, SourceInfo


class PicturesSource(Source):
    """Pictures, one frame each, under their names; each is by itself, at time 0.

    Args:
        files: The pictures.
        on_notice: Told each sentence about a picture that the user should know.
        load: Reads one; those of this machine if not given.
        rois: Parts that every picture must have.

    Attributes:
        errors: What was wrong with each picture that could not be read, by its name.
    """

    def __init__(
        self,
        files: Sequence[SourceFile],
        on_notice: Callable[[str], None],
        *,
        load: Callable[[SourceFile], LoadedImage] | None = None,
        rois: Sequence[Roi] = (),
    ) -> None:
        self.errors: dict[str, SourceError] = {}
        self._files = files
        self._on_notice = on_notice
        self._load = load or _load
        self._rois = rois
        self._next = 0
        name = files[0].name if len(files) == 1 else f"{files[0].name} and {len(files) - 1} more"
        self._info = SourceInfo(name, "pictures", False, 0, 0, frame_count=len(files))

    @property
    def info(self) -> SourceInfo:
        """Properties of the source; pictures have sizes of their own."""
        return self._info

    @property
    def skipped(self) -> int:
        """Number of pictures that could not be read so far."""
        return len(self.errors)

    def __iter__(self) -> Iterator[Frame]:
        """Yield the picture of every file that can be read."""
        while self._next < len(self._files):
            file = self._files[self._next]
            self._next += 1
            try:
                loaded = self._load(file)
                require_parts(self._rois, loaded.image, file.name)
            except SourceError as error:
                self.errors[file.name] = error
                continue
            for note in loaded.notes:
                self._on_notice(f"{file.name}: {note}")
            yield Frame(loaded.image, 0, 0.0, source=file.name)

    def close(self) -> None:
        """Yield nothing more."""
        self._next = len(self._files)


def _load(file: SourceFile) -> LoadedImage:
    return load_image(file.path)
