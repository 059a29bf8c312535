"""The address at which a server listens, checked before anything is started."""

import socket
from types import SimpleNamespace

import pytest

from modern_flask.server.address import find_free_address, free_port
from modern_flask.server.errors import CHOOSE_ADDRESS, AddressUnusable


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])
def test_port_0_takes_any_port(host):
    """Port 0 is replaced by a port at which a server can listen."""
    found, _, port = find_free_address(f"{host}:0").rpartition(":")

    assert found == host
    socket.create_server(("127.0.0.1", int(port))).close()


def test_free_address_stays():
    """A free address is returned unchanged."""
    bind = f"127.0.0.1:{free_port()}"

    assert find_free_address(bind) == bind


@pytest.mark.parametrize("bind", ["unix:/run/shop.sock", "fd://3"])
def test_other_forms_stay(bind):
    """Only gunicorn can try an address that is not HOST:PORT."""
    assert find_free_address(bind) == bind


def test_unknown_host_name(monkeypatch):
    """A host name is resolved; the error contains the resolver's words."""

    class Unresolved(socket.socket):
        def bind(self, address):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    # A real resolver may be out of reach: it then answers late, and in other words.
    module = SimpleNamespace(**{**vars(socket), "socket": Unresolved})
    monkeypatch.setattr("modern_flask.server.address.socket", module)

    with pytest.raises(AddressUnusable, match="nohost:80: name or service not known"):
        find_free_address("nohost:80")


@pytest.mark.parametrize(
    ("bind", "reason"),
    [
        ("192.0.2.1:8000", "cannot assign requested address"),
        ("127.0.0.1:http", "it is not HOST:PORT"),
        ("127.0.0.1:99999", "a port is a number from 0 to 65535"),
    ],
)
def test_unusable_address(bind, reason):
    """The error says why the address can't be used, in the system's words."""
    with pytest.raises(AddressUnusable) as raised:
        find_free_address(bind)

    assert str(raised.value) == (
        f"The server can't listen at {bind}: {reason}.\n"
        "  set in   --bind\n"
        f"  fix      {CHOOSE_ADDRESS}"
    )
