"""The object store that the COS and the OSS test server share."""

from .http import Answer, Refused, Request
from .server import ObjectServer

__all__ = ["Answer", "ObjectServer", "Refused", "Request"]
