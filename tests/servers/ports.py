"""Ports that no other process of a test run takes at the same time."""

import fcntl
import os
import random
import socket
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO

__all__ = ["free_port"]

PORTS = range(10000, 15000)
"""Below the ports of ``modern-flask dev`` (from 15000) and the ephemeral ports."""

_claims: list[IO[bytes]] = []
"""A locked file for each claimed port. A lock ends when its file is closed."""


def free_port() -> int:
    """Claim a port on 127.0.0.1 for as long as this process lives.

    A port that is free now may be in use when a server binds it. A lock on a file keeps
    it for this process, so that two workers of pytest-xdist, or two test runs on one
    machine, never choose the same port, even while its server is stopped.

    Raises:
        OSError: Every port is in use.
    """
    for port in random.sample(PORTS, len(PORTS)):
        if _claim(port):
            return port
    raise OSError(f"No port from {PORTS[0]} to {PORTS[-1]} on 127.0.0.1 is free.")


def _claim(port: int) -> bool:
    # One folder for each user: another user can't open our files.
    folder = Path(tempfile.gettempdir(), f"modern-flask-ports-{os.getuid()}")
    folder.mkdir(exist_ok=True)
    file = (folder / str(port)).open("wb")
    with suppress(OSError), socket.socket() as probe:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        probe.bind(("127.0.0.1", port))
        _claims.append(file)
        return True
    file.close()
    return False
