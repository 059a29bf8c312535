"""Services whose hooks and hosts would keep a probe from its answer.

Each is mounted under its own name, so that one server has all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

from flask import Flask, Request, abort
from flask.sessions import SecureCookieSessionInterface
from werkzeug.middleware.dispatcher import DispatcherMiddleware

import modern_flask


class Unavailable(Exception):
    """The database of a hook does not answer."""


def fail(*_: Any, **__: Any) -> Any:
    raise Unavailable


class _NoSession(SecureCookieSessionInterface):
    open_session = fail


class _NoRequest(Request):
    __init__ = fail


def _refuse(app: Flask) -> None:
    app.before_request(lambda: abort(401))


def _use_dead_database(app: Flask) -> None:
    app.before_request(fail)


def _fail_after(app: Flask) -> None:
    app.after_request(fail)


def _fail_at_teardown(app: Flask) -> None:
    app.teardown_request(fail)
    app.teardown_appcontext(fail)


def _fail_on_errors(app: Flask) -> None:
    app.before_request(fail)
    app.register_error_handler(Exception, fail)


def _use_dead_sessions(app: Flask) -> None:
    app.session_interface = _NoSession()


def _use_bad_request_class(app: Flask) -> None:
    app.request_class = _NoRequest


def _read_url_values(app: Flask) -> None:
    app.url_value_preprocessor(fail)


def _answer_everything(app: Flask) -> None:
    app.add_url_rule("/<path:path>", "all", lambda path: ("mine", 403))


def _use_no_hook(app: Flask) -> None:
    pass


def _use_any_host(app: Flask) -> None:
    pass


def _trust_one_host(app: Flask) -> None:
    app.config["TRUSTED_HOSTS"] = ["shop.example"]


def _use_subdomains(app: Flask) -> None:
    app.config["SERVER_NAME"] = "shop.example"


HOOKS = (
    _use_no_hook,
    _refuse,
    _use_dead_database,
    _fail_after,
    _fail_at_teardown,
    _fail_on_errors,
    _use_dead_sessions,
    _use_bad_request_class,
    _read_url_values,
    _answer_everything,
)
HOSTS: tuple[tuple[Callable[[Flask], None], dict[str, Any]], ...] = (
    (_use_any_host, {}),
    (_trust_one_host, {}),
    (_use_subdomains, {"subdomain_matching": True}),
    (_use_any_host, {"host_matching": True, "static_host": "static.example"}),
)


def make_services() -> Iterator[tuple[str, Flask]]:
    """Make a service for each pair of a hook and a rule for hosts, by its path."""
    for hook, number in product(HOOKS, range(len(HOSTS))):
        set_host, options = HOSTS[number]
        app = modern_flask.create_app("shop", root_path=".", **options)
        set_host(app)
        hook(app)
        yield f"/{hook.__name__}/{number}", app


def make_server_app() -> Any:
    """Make one WSGI application of all the services."""
    return DispatcherMiddleware(_answer_index, dict(make_services()))


def _answer_index(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Length", "5")])
    return [b"index"]
