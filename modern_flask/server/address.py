"""Checks the address of a server before anything is started."""

from __future__ import annotations

import random
import socket
from contextlib import suppress

from gunicorn.util import is_ipv6, parse_address

from .errors import AddressUnusable, describe_os_error

__all__ = ["check_address", "find_free_address", "free_port"]

_LAST_PORT = 65535

# Below the ephemeral ports of Linux (32768) and macOS (49152). So while the server is
# down, no outgoing connection takes its port, and no reconnecting client can connect to
# itself.
_PORTS = range(15000, 32000)


def check_address(bind: str) -> tuple[str, int] | None:
    """Return the host and port of ``bind``; None for other forms that gunicorn knows.

    Raises:
        AddressUnusable: ``bind`` is not an address.
    """
    try:
        found = parse_address(bind)
    except RuntimeError:
        raise AddressUnusable(bind, "it is not HOST:PORT") from None
    if not isinstance(found, tuple):
        return None
    host, port = found
    if not 0 <= port <= _LAST_PORT:
        raise AddressUnusable(bind, f"a port is a number from 0 to {_LAST_PORT}")
    return host, port


def find_free_address(bind: str) -> str:
    """Return ``bind`` with a port number, after trying to listen there.

    Args:
        bind: ``HOST:PORT``; port 0 takes any free port. Other forms that gunicorn
            knows, such as ``unix:PATH``, are returned unchanged.

    Raises:
        AddressUnusable: The address is in use, does not belong to this machine, is
            not allowed, or is not an address.
    """
    address = check_address(bind)
    if address is None:
        return bind
    host, _ = address
    family = socket.AF_INET6 if is_ipv6(host) else socket.AF_INET
    with socket.socket(family) as probe:
        # Like gunicorn, ignore connections of a server that has just ended.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            raise AddressUnusable(bind, describe_os_error(error)) from None
        port = probe.getsockname()[1]
    return f"[{host}]:{port}" if family == socket.AF_INET6 else f"{host}:{port}"


def free_port() -> int:
    """Find a free port on 127.0.0.1 outside the ephemeral range.

    Another process may take the port before its use. If binding fails, try another.

    Raises:
        OSError: All of 100 random ports are in use.
    """
    for port in random.sample(_PORTS, 100):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError("None of 100 ports on 127.0.0.1 is free.")
