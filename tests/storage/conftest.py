"""The storages under test."""

from tests.servers.object_storages import (
    cos_server,
    direct,
    open_vendor_fixture,
    oss_server,
    pytest_configure,
    remote,
    server,
    storage,
)

__all__ = [
    "cos_server",
    "direct",
    "open_vendor_fixture",
    "oss_server",
    "pytest_configure",
    "remote",
    "server",
    "storage",
]
