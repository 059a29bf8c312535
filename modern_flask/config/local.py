"""A configuration on this machine's disk."""

from collections.abc import Iterator
from pathlib import Path

from .content import Content
from .errors import MissingFile, TooLarge, UnreadableFile
from .source import LocalFile

__all__ = ["find_local", "places", "read_local"]

_LARGEST = 8 * 1024**2  # bytes


def places(path: str, root: Path) -> Iterator[Path]:
    """Where ``path`` is looked up: in the root, then in the working folder."""
    first, second = (root / path).absolute(), Path(path).absolute()
    yield first
    if second != first:
        yield second


def find_local(source: LocalFile, root: Path) -> Path | None:
    """The first of the places at which there is something, if any."""
    return next((place for place in places(source.path, root) if exists(place)), None)


def read_local(source: LocalFile, root: Path) -> Content:
    """The file's bytes.

    Raises:
        MissingFile: There is no such file; every path that was tried is named.
        UnreadableFile: It is a folder, or the process may not read it.
        TooLarge: It is longer than any configuration is.
    """
    place = find_local(source, root)
    if place is None:
        tried = [str(place) for place in places(source.path, root)]
        raise MissingFile(str(source), tried)
    name = _shown(place)
    try:
        if place.is_dir():
            raise UnreadableFile(name, "it is a folder", "name a file in it")
        with place.open("rb") as file:
            # A pipe or a device may have no end.
            body = file.read(_LARGEST + 1)
    except OSError as error:
        why = (error.strerror or type(error).__name__).lower()
    else:
        if len(body) > _LARGEST:
            raise TooLarge(name, _LARGEST)
        return Content(body, name, str(place))
    raise UnreadableFile(name, why, "let the user of this process read it")


def _shown(place: Path) -> str:
    """As short as it is clear: relative to the working folder where it is inside."""
    here = Path.cwd()
    return str(place.relative_to(here) if place.is_relative_to(here) else place)


def exists(place: Path) -> bool:
    try:
        return place.exists()
    except OSError:
        # A folder on the way that may not be entered; reading then says so.
        return True
