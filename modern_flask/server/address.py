"""Where a server is to listen: tried before anything is started."""

from __future__ import annotations

import socket

from gunicorn.util import is_ipv6, parse_address

from ..errors import Fault

__all__ = ["AddressUnusable", "check_address", "free_address"]

_LAST_PORT = 65535


class AddressUnusable(Fault):
    """Nothing can listen there.

    Args:
        address: As ``--bind`` has it.
        why: The system's words.
    """

    def __init__(self, address: str, why: str) -> None:
        self.address, self.why = address, why
        super().__init__(
            f"The server can't listen at {address}: {why}.",
            ("set by", "--bind"),
            ("do", "end what listens there, or name another HOST:PORT; port 0 is any"),
        )


def check_address(bind: str) -> tuple[str, int] | None:
    """Host and port of ``bind``; None for other forms that gunicorn knows.

    Raises:
        AddressUnusable: It is no address.
    """
    try:
        found = parse_address(bind)
    except RuntimeError:
        raise AddressUnusable(bind, "that is no HOST:PORT") from None
    if not isinstance(found, tuple):
        return None
    host, port = found
    if not 0 <= port <= _LAST_PORT:
        raise AddressUnusable(bind, f"a port is a number from 0 to {_LAST_PORT}")
    return host, port


def free_address(bind: str) -> str:
    """``bind`` with the port that it has, once listening there was tried.

    Args:
        bind: ``HOST:PORT``; 0 takes a port that is free. Other forms that gunicorn
            knows, such as ``unix:PATH``, come back as they are.

    Raises:
        AddressUnusable: It is taken, not of this machine, not allowed, or no address.
    """
    address = check_address(bind)
    if address is None:
        return bind
    host, _ = address
    family = socket.AF_INET6 if is_ipv6(host) else socket.AF_INET
    with socket.socket(family) as probe:
        # As gunicorn does: connections of a server that has just left don't count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            why = (error.strerror or type(error).__name__).lower()
            raise AddressUnusable(bind, why) from None
        port = probe.getsockname()[1]
    return f"[{host}]:{port}" if family == socket.AF_INET6 else f"{host}:{port}"
