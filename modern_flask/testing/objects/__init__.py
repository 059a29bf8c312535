"""The object store behind the COS and the OSS test server."""

from .http import Answer, Refused, Request
from .server import ObjectServer

__all__ = ["Answer", "ObjectServer", "Refused", "Request"]
