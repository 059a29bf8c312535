"""Reads FLASK_ variables and writes OTEL_ variables."""

import logging
import os

import pytest
from flask import Config

from modern_flask.config import Origin, Values, environment, export_otel
from modern_flask.config.environment import read_environment
from modern_flask.config.errors import NestedUnderValue


@pytest.fixture(autouse=True)
def _nothing_exported(monkeypatch):
    monkeypatch.setattr(environment, "_exported", {})


def read(environ, below=None):
    return read_environment(environ, Values(below or {}))[0]


def test_values_are_json_or_text():
    """A value is JSON, or one of Python's constants, and text otherwise."""
    environ = {
        "FLASK_PORT": "6379",
        "FLASK_TTL": "0.5",
        "FLASK_ON": "true",
        "FLASK_NONE": "null",
        "FLASK_LIST": '["a"]',
        "FLASK_TEXT": "redis://cache",
        "FLASK_YES": "True",
        "FLASK_NO": "False",
        "FLASK_NOTHING": "None",
        "FLASK_EMPTY": "",
    }

    assert read(environ) == {
        "PORT": 6379,
        "TTL": 0.5,
        "ON": True,
        "NONE": None,
        "LIST": ["a"],
        "TEXT": "redis://cache",
        "YES": True,
        "NO": False,
        "NOTHING": None,
        "EMPTY": "",
    }


def test_values_are_those_of_flask(monkeypatch):
    """For upper-case keys the result is the same as from Flask's from_prefixed_env."""
    environ = {
        "FLASK_A": "1",
        "FLASK_B__c": '"x"',
        "FLASK_B__d__E": "[1]",
        "FLASK_F__0": "zero",
        "FLASK_G": "{not json",
    }
    for name in [name for name in os.environ if name.startswith("FLASK_")]:
        monkeypatch.delenv(name)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    config = Config(".")
    config.from_prefixed_env()

    assert read(environ) == config


@pytest.mark.parametrize(
    "text", ["1e10", "true", "True", "null", "None", "007", "[1]", "12345", '{"a": 1}']
)
@pytest.mark.parametrize(
    "variable",
    ["FLASK_REDIS_PASSWORD", "FLASK_API_KEY", "FLASK_GITHUB_PAT"],
)
def test_secret_stays_text(variable, text):
    """A password may look like a number, a flag or a list."""
    assert list(read({variable: text}).values()) == [text]


def test_nested_secret_stays_text():
    """The last name of a nested variable decides."""
    environ = {"FLASK_ARGS__password": "1e10", "FLASK_ARGS__port": "1"}

    assert read(environ) == {"ARGS": {"password": "1e10", "port": 1}}


def test_quoted_secret_loses_its_quotes():
    """A secret in JSON's quotes is the text between them, as before."""
    assert read({"FLASK_SECRET_KEY": '"1234"'}) == {"SECRET_KEY": "1234"}


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("FLASK_SESSION_COOKIE_SECURE", "true", True),
        ("FLASK_JWT_ACCESS_TOKEN_EXPIRES", "3600", 3600),
        ("FLASK_SECRET_KEY_FALLBACKS", '["a"]', ["a"]),
        ("FLASK_OTEL_EXPORTER_OTLP_HEADERS", '{"x": "y"}', {"x": "y"}),
    ],
)
def test_key_that_only_concerns_a_secret_is_parsed(variable, text, value):
    """The value of such a key may be a flag, a number, a list or a mapping."""
    assert list(read({variable: text}).values()) == [value]


def test_bare_variables_are_no_keys():
    """The variables that a Service named redis adds to a pod are never keys."""
    environ = {
        "REDIS_PORT": "tcp://10.0.0.1:6379",
        "SECRET_KEY": "x",
        "MY_FLASK_A": "1",
    }

    assert read(environ) == {}


def test_variables_of_the_command_line_are_no_keys():
    """The variables of Flask's command line are not keys."""
    environ = {
        "FLASK_APP": "orders",
        "FLASK_ENV": "production",
        "FLASK_SKIP_DOTENV": "1",
        "FLASK_RUN_PORT": "80",
        "FLASK_RUN_HOST": "::",
        "FLASK_lower": "1",
        "FLASK_": "1",
        "FLASK_APP_NAME": "orders",
    }

    assert read(environ) == {"APP_NAME": "orders"}


@pytest.mark.parametrize(
    ("text", "debug"),
    [("1", True), ("true", True), ("x", True)]
    + [(text, False) for text in ("0", "false", "False", "no", "")],
)
def test_debug_is_a_flag(text, debug):
    """FLASK_DEBUG has the same meaning as in Flask: the text False is not true."""
    assert read({"FLASK_DEBUG": text}) == {"DEBUG": debug}


def test_nested_variables_change_copies():
    """A nested variable changes a copy of the mapping below it."""
    below = {"ARGS": {"timeout": 3, "ssl": {"ca": "x"}}}
    environ = {"FLASK_ARGS__ssl__cert": "y", "FLASK_ARGS__timeout": "5"}

    assert read(environ, below) == {
        "ARGS": {"timeout": 5, "ssl": {"ca": "x", "cert": "y"}}
    }
    assert below == {"ARGS": {"timeout": 3, "ssl": {"ca": "x"}}}


def test_whole_value_and_nested_ones():
    """A variable for the whole mapping is read before those for its items."""
    environ = {"FLASK_ARGS": '{"a": 1, "b": 2}', "FLASK_ARGS__b": "3"}

    assert read(environ, {"ARGS": {"c": 4}}) == {"ARGS": {"a": 1, "b": 3}}


def test_origin_names_the_variable():
    """The origin of a key is the variable that set it last."""
    values = read_environment(
        {"FLASK_A": "1", "FLASK_B__x": "1", "FLASK_B__y": "1"}, Values()
    )

    assert values[1] == {
        "A": Origin("environment variable FLASK_A"),
        "B": Origin("environment variable FLASK_B__y"),
    }


def test_item_of_what_is_no_mapping():
    """The error about an item of a text has both places and no value."""
    below = Values({"URL": "hunter2"}, {"URL": Origin("config.py", 3)})

    with pytest.raises(NestedUnderValue) as caught:
        read_environment({"FLASK_URL__password": "hunter2"}, below)

    assert str(caught.value) == (
        "FLASK_URL__password sets an item of URL, which is not a mapping.\n"
        "  set in   config.py, line 3\n"
        "  fix      make URL a mapping, or unset FLASK_URL__password"
    )


def test_otel_keys_are_exported():
    """Every OTEL_ key becomes a variable in the form that OpenTelemetry parses."""
    environ: dict[str, str] = {}
    values = {
        "OTEL_SERVICE_NAME": "orders",
        "OTEL_SDK_DISABLED": False,
        "OTEL_PYTHON_X": True,
        "OTEL_BSP_SCHEDULE_DELAY": 5000,
        "OTEL_TRACES_SAMPLER_ARG": 0.25,
        "OTEL_PROPAGATORS": ["tracecontext", "b3"],
        "OTEL_SETS": {"b", "a"},
        "OTEL_EXPORTER_OTLP_HEADERS": {"authorization": "Bearer a,b=c/é", "x": True},
        "OTEL_NOTHING": None,
        "SERVICE": "x",
    }

    written = export_otel(values, environ)

    assert environ == {
        "OTEL_SERVICE_NAME": "orders",
        "OTEL_SDK_DISABLED": "false",
        "OTEL_PYTHON_X": "true",
        "OTEL_BSP_SCHEDULE_DELAY": "5000",
        "OTEL_TRACES_SAMPLER_ARG": "0.25",
        "OTEL_PROPAGATORS": "tracecontext,b3",
        "OTEL_SETS": "a,b",
        "OTEL_EXPORTER_OTLP_HEADERS": (
            "authorization=Bearer%20a%2Cb%3Dc%2F%C3%A9,x=true"
        ),
    }
    assert written == list(environ)


def test_exported_headers_are_parsed_by_opentelemetry():
    """OpenTelemetry reads the exported mapping back unchanged."""
    from opentelemetry.util.re import parse_env_headers

    environ: dict[str, str] = {}
    headers = {"authorization": "Bearer a,b=c/é", "x-team": "shop"}

    export_otel({"OTEL_EXPORTER_OTLP_HEADERS": headers}, environ)

    text = environ["OTEL_EXPORTER_OTLP_HEADERS"]
    assert parse_env_headers(text, liberal=True) == headers


def test_variable_wins():
    """A variable that is set does not change; an empty one counts as unset."""
    environ = {"OTEL_SERVICE_NAME": "given", "OTEL_PROPAGATORS": ""}

    written = export_otel({"OTEL_SERVICE_NAME": "x", "OTEL_PROPAGATORS": "b3"}, environ)

    assert environ == {"OTEL_SERVICE_NAME": "given", "OTEL_PROPAGATORS": "b3"}
    assert written == ["OTEL_PROPAGATORS"]


def test_export_twice(caplog):
    """Exporting the same configuration again changes and reports nothing."""
    environ: dict[str, str] = {}

    export_otel({"OTEL_SERVICE_NAME": "orders"}, environ)

    assert export_otel({"OTEL_SERVICE_NAME": "orders"}, environ) == []
    assert caplog.records == []


def test_second_app_does_not_override(caplog):
    """Another value of a second app is not written; the warning does not show it."""
    environ: dict[str, str] = {}
    export_otel({"OTEL_EXPORTER_OTLP_HEADERS": "a=hunter1"}, environ)

    written = export_otel({"OTEL_EXPORTER_OTLP_HEADERS": "a=hunter2"}, environ)

    assert written == []
    assert environ == {"OTEL_EXPORTER_OTLP_HEADERS": "a=hunter1"}
    assert caplog.record_tuples == [
        (
            "modern_flask.config.environment",
            logging.WARNING,
            "OTEL_EXPORTER_OTLP_HEADERS differs from the value that another app of "
            "this process has set: OpenTelemetry is configured once, and the first "
            "value stays",
        )
    ]


def test_given_variable_is_not_reported(caplog):
    """A variable of the operator wins without a warning."""
    export_otel({"OTEL_SERVICE_NAME": "x"}, {"OTEL_SERVICE_NAME": "given"})

    assert caplog.records == []
