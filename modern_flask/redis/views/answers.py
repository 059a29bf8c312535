"""Keeps the responses of Flask, and tells which answers of views must not be kept."""

from __future__ import annotations

import base64
from collections.abc import Collection
from typing import Any

from flask import Response, current_app
from werkzeug.datastructures import Headers
from werkzeug.wrappers import Response as WerkzeugResponse

from ..payload import Codec

__all__ = ["NOT_OK", "AnswerCodec", "find_obstacle"]

NOT_OK = "its status is not 200"

_HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization"}
    | {"proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)
"""Headers of one connection (RFC 9110, section 7.6.1); they are not kept."""


class AnswerCodec(Codec):
    """Turns responses and headers into bytes and back, too."""

    def pack(self, value: Any) -> dict[str, Any]:
        if isinstance(value, WerkzeugResponse):
            return {"response": _pack_response(value)}
        if isinstance(value, Headers):
            return {"headers": list(value)}
        return super().pack(value)

    def unpack(self, packed: dict[str, Any]) -> Any:
        ((kind, content),) = packed.items()
        if kind == "response":
            status, headers, body = content
            make: type[Response] = current_app.response_class
            response = make(base64.b64decode(body), status)
            # Not as an argument: Flask would add a missing Content-Type.
            response.headers = Headers(headers)
            return response
        if kind == "headers":
            return Headers(content)
        return super().unpack(packed)


def _pack_response(response: WerkzeugResponse) -> list[Any]:
    if response.is_streamed or response.direct_passthrough:
        raise TypeError("the body of the response is streamed")
    body = base64.b64encode(response.get_data()).decode()
    headers = [
        (name, value)
        for name, value in response.headers
        if name.lower() not in _HOP_BY_HOP
    ]
    # Nobody sends this object: the callers get a new one.
    response.close()
    return [response.status, headers, body]


def find_obstacle(value: Any, covered: Collection[str]) -> str:
    """Return why the answer of a view must not be kept; empty if it may be.

    Args:
        value: What the view has returned.
        covered: The headers in lower case that may make a difference to the answer.
    """
    try:
        response = current_app.make_response(value)
    except TypeError:
        # A decorator over the function, such as Flask-RESTful's, makes a response of
        # what Flask can't.
        return ""
    if response.status_code != 200:
        return NOT_OK
    if "Set-Cookie" in response.headers:
        return "it sets a cookie"
    if response.cache_control.no_store or response.cache_control.private:
        return "Cache-Control forbids it"
    if {name.lower() for name in response.vary} - set(covered):
        return "its Vary names a header that the key does not have"
    if response.is_streamed or response.direct_passthrough:
        return "its body is streamed"
    return ""
