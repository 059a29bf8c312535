"""Ports: two processes never choose the same one."""

import socket

import pytest

from tests.servers import ports
from tests.servers.ports import free_port
from tests.servers.processes import Process, python

CLAIM = """
import signal
from tests.servers import ports
ports.PORTS = range({port}, {port} + 2)
print(f"claimed {{ports.free_port()}}", flush=True)
signal.pause()
"""


@pytest.fixture
def two(monkeypatch):
    """A range of two ports that are free."""
    first = free_port()
    while first + 1 not in ports.PORTS or not ports._claim(first + 1):
        first = free_port()
    # The claims of this process are kept in a list: the last two are given up.
    ports._claims.pop().close()
    ports._claims.pop().close()
    monkeypatch.setattr(ports, "PORTS", range(first, first + 2))
    return first


def test_claimed_port_is_not_given_again(two, tmp_path, request):
    """A port of another process is not free before that process has ended."""
    command = python("-c", CLAIM.format(port=two))
    root = request.config.rootpath
    with Process(*command, log=tmp_path / "log", cwd=root) as other:
        theirs = int(other.wait_for_line(r"^claimed (\d+)$")[1])

        ours = free_port()
        with pytest.raises(
            OSError, match=r"No port from \d+ to \d+ on 127\.0\.0\.1 is"
        ):
            free_port()

    assert {ours, theirs} == {two, two + 1}
    assert free_port() == theirs


def test_port_in_use_is_not_free(two):
    """A port on which a program listens, that has not claimed it, is left alone."""
    with socket.create_server(("127.0.0.1", two)):
        assert free_port() == two + 1
        with pytest.raises(OSError, match="is free"):
            free_port()
