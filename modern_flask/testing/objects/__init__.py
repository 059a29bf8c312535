"""The object store behind the COS and the OSS test server."""

from modern_flask.testing.objects.http import Answer, Refused, Request
from modern_flask.testing.objects.server import ObjectServer

__all__ = ["Answer", "ObjectServer", "Refused", "Request"]
