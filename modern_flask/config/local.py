"""A configuration in a local file."""

from collections.abc import Iterator
from pathlib import Path

from .content import Content
from .errors import MissingFile, TooLarge, UnreadableFile
from .source import LocalFile

__all__ = ["find_local", "list_places", "read_local"]

_LARGEST = 8 * 1024**2  # bytes


def list_places(path: str, root: Path) -> Iterator[Path]:
    """Yield the paths to try: in the root, then in the working folder."""
    first, second = (root / path).absolute(), Path(path).absolute()
    yield first
    if second != first:
        yield second


def find_local(source: LocalFile, root: Path) -> Path | None:
    """Return the first of these paths that exists, or None."""
    places = list_places(source.path, root)
    return next((place for place in places if _may_exist(place)), None)


def read_local(source: LocalFile, root: Path) -> Content:
    """Read the bytes of the file.

    Raises:
        MissingFile: There is no such file; the error lists every path.
        UnreadableFile: It is a folder, or the process is not allowed to read it.
        TooLarge: It exceeds the size limit for a configuration.
    """
    place = find_local(source, root)
    if place is None:
        tried = [str(place) for place in list_places(source.path, root)]
        raise MissingFile(str(source), tried)
    name = _shorten(place)
    try:
        if place.is_dir():
            raise UnreadableFile(name, "it is a folder", "use the path of a file in it")
        with place.open("rb") as file:
            # A pipe or a device may never end.
            body = file.read(_LARGEST + 1)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
    else:
        if len(body) > _LARGEST:
            raise TooLarge(name, _LARGEST)
        return Content(body, name, str(place))
    raise UnreadableFile(name, reason, "let the user of this process read it")


def _shorten(place: Path) -> str:
    """Return the path, relative to the working folder if it is inside that folder."""
    here = Path.cwd()
    return str(place.relative_to(here) if place.is_relative_to(here) else place)


def _may_exist(place: Path) -> bool:
    try:
        return place.exists()
    except OSError:
        # The process can't enter a folder of the path: reading then raises an error.
        return True
