"""What ``cached`` asks a web framework about the request around a call."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple, Protocol

from .payload import Codec

__all__ = ["Lookout", "RequestOptions", "Surroundings", "WebFramework"]


class Surroundings(Protocol):
    """What the current request means for one call of a cached function."""

    shared: bool
    """Whether the cache may answer, and keep the answer."""

    query: str
    """The query string, if the function is the view of the request."""

    headers: Mapping[str, str | None]
    """The declared headers, by their names in lower case."""

    def run(self, create: Callable[[], Any]) -> Any:
        """Return the result of ``create``, as a ``NotStored`` if it must not be kept.

        That is so if it depends on a part of the request that is not in the key.
        """


class Lookout(Protocol):
    """Finds the surroundings of the calls of one function."""

    def look(self) -> Surroundings | None:
        """Return those of a call; None outside of a request."""

    def look_elsewhere(self) -> Surroundings | None:
        """The same for a call that computes an answer outside of its own request."""


class RequestOptions(NamedTuple):
    """The options of ``cached`` that are about requests.

    Args:
        vary: The headers that belong to the key.
        ignore: The headers that make no difference, among names of parameters.
        by_owner: Whether ``by`` says whom a result belongs to.
        plain: Whether results are stored as plain JSON.
    """

    vary: Collection[str]
    ignore: Collection[str]
    by_owner: bool
    plain: bool


class WebFramework(NamedTuple):
    """What ``cached`` knows of requests and responses.

    Args:
        make_lookout: Makes the lookout of a function.
        codec: Turns the answers of views into bytes and back.
    """

    make_lookout: Callable[[Callable[..., Any], RequestOptions], Lookout]
    codec: Codec
