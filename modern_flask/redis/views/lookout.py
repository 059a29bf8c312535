"""What the current request of Flask means for a call of a cached function."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from flask import current_app, has_request_context, request
from flask.globals import app_ctx, request_ctx

from ..payload import NotStored
from ..surroundings import RequestOptions, WebFramework
from .answers import NOT_OK, AnswerCodec, find_obstacle
from .recording import QUERY, SESSION, find_session, has_read_cookies, record

__all__ = ["FLASK"]

logger = logging.getLogger(__name__)

_CREDENTIALS = frozenset({"cookie", "authorization"})


class _Lookout:
    """Finds out whether a call of one function is the view of the current request."""

    def __init__(self, function: Callable[..., Any], options: RequestOptions) -> None:
        self.name = f"{function.__module__}.{function.__qualname__}"
        self.plain = options.plain
        self.vary = tuple(name.lower() for name in options.vary)
        # A parameter may be called cookie or session: ignore never means credentials.
        ignored = {name.lower() for name in options.ignore} - _CREDENTIALS
        self.covered = {*self.vary, *ignored}
        self.by_owner = options.by_owner
        if options.by_owner:
            self.covered |= _CREDENTIALS
        if "cookie" in self.covered:
            self.covered.add(SESSION)
        self._function = _unwrap(function)
        self._views: WeakKeyDictionary[Any, bool] = WeakKeyDictionary()
        self._warned: set[str] = set()

    def look(self) -> _Request | None:
        if not has_request_context():
            return None
        view = current_app.view_functions.get(request.endpoint or "")
        return _Request(self, view is not None and self._is_behind(view))

    def look_elsewhere(self) -> _Request | None:
        if not has_request_context():
            return None
        views = current_app.view_functions.values()
        answers = any(self._is_behind(view) for view in views)
        return _Request(self, is_view=False, is_answer=answers)

    def _is_behind(self, view: Any) -> bool:
        found = self._views.get(view)
        if found is None:
            found = self._function in map(_unwrap, _list_functions(view))
            self._views[view] = found
        return found

    def warn(self, reason: str) -> None:
        """Log once why the cache is not used."""
        if reason not in self._warned:
            self._warned.add(reason)
            logger.warning("cached keeps no result of %s: %s.", self.name, reason)


class _Request:
    """The current request, around one call of a cached function.

    Args:
        is_view: Whether the call is the view of the request.
        is_answer: Whether the call computes the answer of a view.
    """

    def __init__(
        self, lookout: _Lookout, is_view: bool, is_answer: bool | None = None
    ) -> None:
        self._lookout, self._is_view = lookout, is_view
        self._is_answer = is_view if is_answer is None else is_answer
        self.query = _read_query() if is_view else ""
        self.headers: Mapping[str, str | None] = {
            name: request.headers.get(name) for name in lookout.vary
        }
        self.shared = not is_view or self._is_shared()

    def _is_shared(self) -> bool:
        rule: Any = request.url_rule
        if request.method != "GET":
            if "GET" not in (rule.methods or ()):
                self._lookout.warn(f"it answers {request.method}, not GET")
            return False
        reads: set[str] = set()
        if find_session().accessed:
            reads.add(SESSION)
        if has_read_cookies():
            reads.add("cookie")
        if "HTTP_AUTHORIZATION" in request.environ:
            reads.add("authorization")
        if not self._lookout.by_owner:
            # A hook for URL values took them, for ``g`` perhaps.
            taken = rule.arguments - (request.view_args or {}).keys()
            reads |= {f"{name} in the URL" for name in taken}
        return self._allows(reads)

    def _allows(self, reads: set[str]) -> bool:
        """Whether the key has all that was read; the query string only of a view."""
        missing = reads - self._lookout.covered
        if self._is_view and not self._lookout.plain:
            missing.discard(QUERY)
        if missing:
            names = ", ".join(sorted(missing))
            self._lookout.warn(
                f"the key does not have what was read from the request ({names}); "
                "name it with vary= or by=, or pass it as an argument"
            )
        return not missing

    def run(self, create: Callable[[], Any]) -> Any:
        hooks = _count_hooks()
        with record() as reads:
            value = create()
        if not self._allows(reads):
            return NotStored(value)
        if self._is_answer:
            reason = self._find_obstacle(value)
            if _count_hooks() != hooks:
                reason = "it calls after_this_request"
            elif SESSION in reads and find_session().modified:
                reason = "it changes the session"
            if reason and reason != NOT_OK:
                self._lookout.warn(reason)
            if reason:
                return NotStored(value)
        return value

    def _find_obstacle(self, value: Any) -> str:
        reason = find_obstacle(value, self._lookout.covered)
        if self._lookout.plain and not isinstance(value, dict | list | str):
            return reason or "by_arguments=False keeps text, dictionaries and lists"
        return reason


def _read_query() -> str:
    # Not by the request's own attribute, which would be recorded. WSGI has the bytes of
    # the query string as Latin-1 (PEP 3333).
    text: str = request.environ.get("QUERY_STRING", "")
    return text.encode("latin-1", "replace").decode("utf-8", "surrogateescape")


def _count_hooks() -> int:
    """Count the functions of ``after_this_request``: a kept answer would lose them."""
    context: Any = app_ctx if hasattr(app_ctx, "_session") else request_ctx
    return len(getattr(context, "_after_request_functions", ()))


def _list_functions(view: Any) -> Iterator[Any]:
    """List the function of a view, or the methods of a class-based view."""
    yield view
    kind = getattr(view, "view_class", None)
    if kind is not None:
        methods = getattr(kind, "methods", None) or ()
        for name in ("dispatch_request", *(method.lower() for method in methods)):
            yield getattr(kind, name, None)


def _unwrap(function: Any) -> Any:
    """Return the innermost function that decorators and methods wrap."""
    while True:
        found = inspect.unwrap(function)
        if isinstance(found, partial):
            found = found.func
        found = getattr(found, "__func__", found)
        if found is function:
            return found
        function = found


FLASK = WebFramework(_Lookout, AnswerCodec())
