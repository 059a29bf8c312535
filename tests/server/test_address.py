"""Where a server is to listen, tried before anything is started."""

import socket
from types import SimpleNamespace

import pytest

from modern_flask.server.address import AddressUnusable, free_address
from modern_flask.server.embedded import free_port


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])
def test_port_0_is_any(host):
    """Port 0 comes back as one that can be listened at."""
    found, _, port = free_address(f"{host}:0").rpartition(":")

    assert found == host
    socket.create_server(("127.0.0.1", int(port))).close()


def test_free_address_stays():
    """A free address comes back as it is."""
    bind = f"127.0.0.1:{free_port()}"

    assert free_address(bind) == bind


@pytest.mark.parametrize("bind", ["unix:/run/shop.sock", "fd://3"])
def test_other_forms_stay(bind):
    """What is no HOST:PORT is gunicorn's to try."""
    assert free_address(bind) == bind


def test_name_that_nobody_knows(monkeypatch):
    """A name is looked up; what the resolver has against it is told."""

    class Lost(socket.socket):
        def bind(self, address):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    # Without a resolver in reach the real answer is another one, and late.
    lost = SimpleNamespace(**{**vars(socket), "socket": Lost})
    monkeypatch.setattr("modern_flask.server.address.socket", lost)

    with pytest.raises(AddressUnusable, match="nohost:80: name or service not known"):
        free_address("nohost:80")


@pytest.mark.parametrize(
    ("bind", "why"),
    [
        ("192.0.2.1:8000", "cannot assign requested address"),
        ("127.0.0.1:http", "that is no HOST:PORT"),
        ("127.0.0.1:99999", "a port is a number from 0 to 65535"),
    ],
)
def test_address_that_can_not_be_used(bind, why):
    """What is wrong with an address is told in the system's words."""
    with pytest.raises(AddressUnusable) as raised:
        free_address(bind)

    assert str(raised.value) == (
        f"The server can't listen at {bind}: {why}.\n"
        "  set by   --bind\n"
        "  do       end what listens there, or name another HOST:PORT; port 0 is any"
    )
