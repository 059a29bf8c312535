"""Gunicorn's access log: a line for people, an object for machines."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.glogging import Logger

from modern_flask.observability.logs.formats import TEXT, JsonFormatter, TextFormatter
from modern_flask.observability.logs.gunicorn import ACCESS_FORMAT, format_gunicorn
from modern_flask.observability.requests.environ_keys import RULE, TRACE_ID

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
FORMATTERS = {"text": lambda: TextFormatter(TEXT), "json": JsonFormatter}

Serve = Callable[..., list[str]]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """``serve("json", "/orders/7?code=x")``: what gunicorn's own logger writes."""
    loggers = [logging.getLogger(f"gunicorn.{name}") for name in ("access", "error")]
    before = [(each, each.handlers[:], each.propagate) for each in loggers]

    def write(
        form: str, uri: str, traced: bool = True, settings: Any = None, **environ: str
    ) -> list[str]:
        stream = io.StringIO()
        monkeypatch.setattr("sys.stdout", stream)
        cfg = Config()
        for name, value in {"accesslog": "-", **(settings or {})}.items():
            cfg.set(name, value)
        logger = Logger(cfg)
        with format_gunicorn(FORMATTERS[form]()):
            answer(logger, uri, traced, environ)
        return stream.getvalue().splitlines()

    yield write
    for logger, handlers, propagate in before:
        logger.handlers[:], logger.propagate = handlers, propagate


def answer(logger: Any, uri: str, traced: bool, more: dict[str, str]) -> None:
    environ = {
        "REMOTE_ADDR": "10.0.0.9",
        "REQUEST_METHOD": "GET",
        "RAW_URI": uri,
        "PATH_INFO": "/decoded\nby gunicorn",
        "QUERY_STRING": uri.partition("?")[2],
        "SERVER_PROTOCOL": "HTTP/1.1",
        **more,
    }
    headers = []
    if traced:
        environ[TRACE_ID] = TRACE
        environ[RULE] = "/<path:name>"
        headers = [("traceresponse", f"00-{TRACE}-{SPAN}-01")]
    response = SimpleNamespace(status="404 NOT FOUND", headers=headers, sent=142)
    request = SimpleNamespace(headers=[])
    logger.access(response, request, environ, timedelta(seconds=1, microseconds=500))


def test_json(serve: Serve) -> None:
    """With LOGGING_FORMAT=json a request is one object, without its query."""
    (line,) = serve("json", '/no%0Aw"here?token=hunter2')

    found = json.loads(line)
    found.pop("service", None)
    assert found.pop("time").endswith("+00:00")
    assert found == {
        "level": "INFO",
        "logger": "gunicorn.access",
        "message": 'GET /no%0Aw"here 404',
        "client": "10.0.0.9",
        "method": "GET",
        "path": '/no%0Aw"here',
        "status": 404,
        "duration": 1.0005,
        "size": 142,
        "route": "/<path:name>",
        "trace_id": TRACE,
        "span_id": SPAN,
    }


@pytest.mark.parametrize("settings", [{}, {"access_log_format": ACCESS_FORMAT}])
def test_json_has_one_form(serve: Serve, settings: Any) -> None:
    """The object is the same whatever format gunicorn is configured with."""
    (line,) = serve("json", "/x", settings=settings)

    assert json.loads(line)["path"] == "/x"


def test_json_without_a_trace(serve: Serve) -> None:
    """An untraced request has no ids, whatever headers it has."""
    (line,) = serve("json", "/livez", traced=False)

    assert {"trace_id", "span_id"}.isdisjoint(json.loads(line))


def test_kits_format(serve: Serve) -> None:
    """In the kit's format a line ends with both ids."""
    (line,) = serve("text", "/x?a=b", settings={"access_log_format": ACCESS_FORMAT})

    assert line == (
        f'10.0.0.9 "GET /x HTTP/1.1" 404 142 1000ms trace_id={TRACE} span_id={SPAN}'
    )


def test_gunicorns_format(serve: Serve) -> None:
    """In gunicorn's own format the query is masked, and the ids follow."""
    (line,) = serve(
        "text",
        "/x?a=hunter2",
        HTTP_REFERER="https://h/y?code=hunter2",
        HTTP_USER_AGENT="curl",
    )

    head, _, tail = line.partition("] ")
    assert head.startswith("10.0.0.9 - - [")
    assert tail == (
        '"GET /x?****** HTTP/1.1" 404 142 "https://h/y?code=******" "curl" '
        f"trace_id={TRACE} span_id={SPAN}"
    )


def test_other_formats(serve: Serve) -> None:
    """A configured format stays, with secrets masked."""
    (line,) = serve(
        "text", "/x?a=hunter2", settings={"access_log_format": "%(U)s %(q)s"}
    )

    assert line == "/x ******"


def test_untraced_line(serve: Serve) -> None:
    """A line without a trace has dashes for ids."""
    settings = {"access_log_format": ACCESS_FORMAT}

    (line,) = serve("text", "http://u:hunter2@h/x", traced=False, settings=settings)

    assert line.endswith(" trace_id=- span_id=-")
    assert "hunter2" not in line


@pytest.mark.parametrize("form", ["text", "json"])
def test_gunicorns_errors(serve: Serve, form: str, capsys: Any) -> None:
    """Gunicorn's error lines have the format of all others."""
    logger = Logger(Config())

    with format_gunicorn(FORMATTERS[form]()):
        logger.error("Error handling request %s %s", "GET", "/x?code=hunter2")
    logger.error("closed")

    line, last = capsys.readouterr().err.splitlines()
    assert "gunicorn.error" in line
    assert "Error handling request GET /x?******" in line
    assert "hunter2" not in line
    assert last.endswith("[ERROR] closed")
    assert serve("text", "/x")


def test_handlers_of_others(serve: Serve) -> None:
    """A handler that is not gunicorn's keeps its format; secrets are masked."""
    stream = io.StringIO()
    mine = logging.StreamHandler(stream)
    mine.setFormatter(logging.Formatter("mine: %(message)s"))
    logging.getLogger("gunicorn.access").addHandler(mine)

    serve("json", "/x?token=hunter2")

    assert stream.getvalue().startswith("mine: 10.0.0.9 ")
    assert "hunter2" not in stream.getvalue()
