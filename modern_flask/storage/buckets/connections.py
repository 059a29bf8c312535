"""Connections to a vendor over HTTP: their pool, and the body of an answer.

requests and urllib3 are imported when a vendor is opened: the local folder and the
memory need neither.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, cast

from .exchange import find_exchange

if TYPE_CHECKING:
    from requests import PreparedRequest, Response
    from requests.adapters import HTTPAdapter
    from urllib3 import HTTPResponse, ProxyManager

__all__ = ["POOL_SIZE", "AnswerBody", "make_pool"]

POOL_SIZE = 32  # connections: one for each thread that a worker is likely to have


class AnswerBody:
    """The undecoded bytes of an answer: the checksum is over the stored bytes.

    Args:
        raw: The answer of urllib3.
        translate_errors: Makes the context in which the SDK's errors become ours.
    """

    def __init__(
        self,
        raw: "HTTPResponse",
        translate_errors: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._raw, self._translate_errors = raw, translate_errors

    def read(self, size: int, /) -> bytes:
        with self._translate_errors():
            return self._raw.read(size, decode_content=False)

    def close(self) -> None:
        self._raw.close()
        self._raw.release_conn()


def make_pool(hosts: int, size: int) -> "HTTPAdapter":
    """Connections for one client: ``size`` to each of ``hosts`` hosts.

    They judge the answers to our own requests, and leave those of ``raw`` alone. A
    redirect is not a right answer, so it is never followed in our own requests.
    """
    from requests.adapters import HTTPAdapter
    from urllib3.connection import HTTPConnection

    class Pool(HTTPAdapter):
        def proxy_manager_for(self, proxy: str, **options: Any) -> "ProxyManager":
            # urllib3 leaves Nagle's algorithm on through proxies: 40 ms a small put.
            options.setdefault("socket_options", HTTPConnection.default_socket_options)
            return cast("ProxyManager", super().proxy_manager_for(proxy, **options))

        def send(
            self,
            request: "PreparedRequest",
            stream: bool = False,
            timeout: Any = None,
            *arguments: Any,
            **options: Any,
        ) -> "Response":
            def transmit(timeout: Any) -> "Response":
                return send(request, stream, timeout, *arguments, **options)

            send, exchange = super().send, find_exchange()
            if exchange is None:
                return transmit(timeout)
            return exchange.send(request, timeout, transmit)

    return Pool(pool_connections=hosts, pool_maxsize=size)
