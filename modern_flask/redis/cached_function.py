"""What ``cached`` makes of a function."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ParamSpec, Protocol, TypeVar

__all__ = ["CachedEntry", "CachedFunction"]

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)


class CachedEntry(Protocol):
    """The results of a cached function for requests that ``select`` has described."""

    def key(self, *args: Any, **kwargs: Any) -> str:
        """Return the key in Redis of a call with these arguments."""

    def invalidate(self, *args: Any, **kwargs: Any) -> None:
        """Delete the result for these arguments.

        Raises:
            redis.exceptions.RedisError: The result may stay until it expires.
        """


class CachedFunction(CachedEntry, Protocol[P, R_co]):
    """A function whose results are cached. Injected arguments may be left out.

    ``key`` and ``invalidate`` mean the result for a request without a query string and
    without the declared headers, and with the present result of ``by``.
    """

    __name__: str

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...

    def refresh(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Compute the result for these arguments now, store it and return it.

        A result that a call would not store is returned, and not stored.
        """

    def select(
        self,
        *,
        query: Mapping[str, object] | str = "",
        headers: Mapping[str, str] = MappingProxyType({}),
        by: object = None,
    ) -> CachedEntry:
        """Select the results of a view for a certain request.

        ``show.select(query={"page": 2}).invalidate(order_id=7)`` deletes what
        ``GET /orders/7?page=2`` is answered with.

        Args:
            query: The query string, or its parameters; a list is several values.
            headers: The values of the declared headers; one that is left out was not
                sent.
            by: A result of ``by``; the present one by default.

        Raises:
            NotInKey: A part that is given does not belong to the key.
        """
