"""The object servers under test, and storages that speak to them."""

from tests.servers.object_storages import (
    cos_server,
    direct,
    open_vendor_fixture,
    oss_server,
    pytest_configure,
    remote,
    server,
)

__all__ = [
    "cos_server",
    "direct",
    "open_vendor_fixture",
    "oss_server",
    "pytest_configure",
    "remote",
    "server",
]
