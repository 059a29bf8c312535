"""One connection of a client, and its present state."""

from __future__ import annotations

import socket
from enum import IntEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .bodies import ChunkedBody, CountedBody
    from .listeners import Listener
    from .outgoing import Outgoing

__all__ = ["Connection", "State"]


class State(IntEnum):
    """What a connection waits for."""

    IDLE = 0
    """The first byte of a request."""
    HEAD = 1
    """The rest of a head."""
    BODY = 2
    """The rest of a body."""
    APP = 3
    """The app: the request waits for its turn, or the app answers it."""
    WRITE = 4
    """The client, which has not taken the whole response."""
    LINGER = 5
    """The client, which has not closed its side yet."""


class Connection:
    """One connection. Only the loop's thread uses it, but in ``APP`` the app's thread.

    Attributes:
        deadline: When the client must have done what the connection waits for.
        environ: That of the request, once its head is there.
        request: Gunicorn's request, if its parser has read the head.
        keep: Whether the connection stays open after the response.
        active: When the app's call began, or when it last gave a part of a response.
        arrived: When the request was complete.
        begun: When the body began.
        idle_since: When the last request was answered, or the connection was made.
        has_begun: Whether bytes of the response were sent.
        is_streamed: The app reads the body itself, so some of it may be unread.
        is_broken: The client is gone, or the stream of bytes makes no sense anymore.
    """

    __slots__ = (
        "active",
        "address",
        "arrived",
        "begun",
        "body",
        "buffer",
        "deadline",
        "environ",
        "fd",
        "has_begun",
        "idle_since",
        "interest",
        "is_broken",
        "is_streamed",
        "keep",
        "listener",
        "outgoing",
        "request",
        "sock",
        "state",
    )

    def __init__(
        self, sock: socket.socket, address: Any, listener: Listener, now: float
    ) -> None:
        self.sock, self.fd = sock, sock.fileno()
        self.address, self.listener = address, listener
        self.idle_since = self.deadline = now
        self.buffer = b""
        self.state = State.IDLE
        self.interest = 0
        self.keep = self.is_broken = self.has_begun = self.is_streamed = False
        self.active = self.arrived = self.begun = 0.0
        self.environ: dict[str, Any] | None = None
        self.request: Any = None
        self.body: CountedBody | ChunkedBody | None = None
        self.outgoing: Outgoing | None = None

    def forget_request(self) -> None:
        """Drop everything of a request that has its response."""
        if self.body is not None:
            self.body.close()
        self.environ = self.request = self.body = None
        self.has_begun = False
