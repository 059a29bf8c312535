"""Where spans are sent: every variable of the predecessor and of the specification."""

import base64
import logging
from pathlib import Path
from typing import Any

import pytest

from modern_flask.config.values import Origin, Section
from modern_flask.errors import UnknownChoice
from modern_flask.observability.errors import FIX_FILE, BadEndpoint, UnreadableFile
from modern_flask.observability.export.destination import (
    Destination,
    choose_destinations,
)
from modern_flask.observability.logs.formats import TextFormatter


def choose(**environ: str) -> Destination | None:
    return next(iter(choose_destinations(environ)), None)


def chosen(**environ: str) -> Destination:
    (found,) = choose_destinations(environ)
    return found


def test_nothing_is_chosen_by_nothing() -> None:
    """Without any variable there is no tracing."""
    assert choose() is None


@pytest.mark.parametrize("variable", ["OTEL_EXPORTER", "OTEL_TRACES_EXPORTER"])
@pytest.mark.parametrize(
    ("value", "kind", "encoding", "endpoint"),
    [
        ("zipkin", "zipkin", "zipkin", "http://localhost:9411/api/v2/spans"),
        ("zipkin_json", "zipkin", "zipkin", "http://localhost:9411/api/v2/spans"),
        ("ZIPKIN ", "zipkin", "zipkin", "http://localhost:9411/api/v2/spans"),
        ("otlp", "otlp", "otlp", "http://localhost:4318/v1/traces"),
        ("otlp_proto_http", "otlp", "otlp", "http://localhost:4318/v1/traces"),
        ("jaeger", "jaeger", "otlp", "http://localhost:4318/v1/traces"),
        ("console", "console", "console", ""),
    ],
)
def test_exporter(
    variable: str, value: str, kind: str, encoding: str, endpoint: str
) -> None:
    """Each exporter's name leads to its encoding and its default endpoint."""
    found = chosen(**{variable: value})

    assert (found.kind, found.encoding, found.endpoint) == (kind, encoding, endpoint)


def test_the_kits_variable_wins() -> None:
    """OTEL_EXPORTER beats OTEL_TRACES_EXPORTER, and none switches off."""
    assert chosen(OTEL_EXPORTER="zipkin", OTEL_TRACES_EXPORTER="otlp").kind == "zipkin"
    assert choose(OTEL_EXPORTER="none", OTEL_TRACES_EXPORTER="otlp") is None


@pytest.mark.parametrize(
    ("variable", "kind"),
    [
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "otlp"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "otlp"),
        ("OTEL_EXPORTER_ZIPKIN_ENDPOINT", "zipkin"),
        ("OTEL_EXPORTER_JAEGER_ENDPOINT", "jaeger"),
    ],
)
def test_endpoint_implies_its_exporter(variable: str, kind: str) -> None:
    """With no exporter named, an endpoint's variable names it."""
    assert chosen(**{variable: "http://collector/x"}).kind == kind


def otel(**values: str) -> Section:
    """The ``OTEL_`` section, all of it set in one line."""
    return Section("OTEL_", values, dict.fromkeys(values, Origin("config.py", 7)))


def test_unknown_exporter() -> None:
    """An unknown exporter is a fault that lists the choices."""
    with pytest.raises(UnknownChoice) as caught:
        choose(OTEL_EXPORTER="jager")

    assert str(caught.value) == (
        'OTEL_EXPORTER = "jager" names no exporter.\n'
        "  fix      use console, jaeger, none, otlp or zipkin"
    )


def test_origin_of_an_unknown_exporter() -> None:
    """The fault says where a key was set, unless a variable wins over it."""
    section = otel(OTEL_EXPORTER="jager")

    with pytest.raises(UnknownChoice) as ours:
        choose_destinations({"OTEL_EXPORTER": "jager"}, section)
    with pytest.raises(UnknownChoice) as theirs:
        choose_destinations({"OTEL_EXPORTER": "zipkni"}, section)

    assert str(ours.value) == (
        'OTEL_EXPORTER = "jager" names no exporter.\n'
        "  set in   config.py, line 7\n"
        "  fix      use console, jaeger, none, otlp or zipkin"
    )
    assert str(theirs.value) == (
        'OTEL_EXPORTER = "zipkni" names no exporter.\n'
        "  fix      use console, jaeger, none, otlp or zipkin"
    )


@pytest.mark.parametrize(
    "variable",
    [
        "OTEL_EXPORTER_ZIPKIN_ENDPOINT",
        "OTEL_EXPORTER_JAEGER_ENDPOINT",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    ],
)
def test_origin_of_an_endpoint(variable: str) -> None:
    """An endpoint that is not a URL is reported with where it was set."""
    with pytest.raises(BadEndpoint) as caught:
        choose_destinations({variable: "x"}, otel(**{variable: "x"}))

    assert str(caught.value).splitlines()[:2] == [
        f'{variable} = "x" is not the URL of a collector.',
        "  set in   config.py, line 7",
    ]


@pytest.mark.parametrize(
    "value", ["collector:9411", "ftp://collector/x", "http://", "http://[::1"]
)
def test_endpoint_that_is_no_url(value: str) -> None:
    """An endpoint to which nothing could be sent is a fault at start."""
    with pytest.raises(BadEndpoint) as caught:
        choose(OTEL_EXPORTER_ZIPKIN_ENDPOINT=value)

    assert str(caught.value) == (
        f'OTEL_EXPORTER_ZIPKIN_ENDPOINT = "{value}" is not the URL of a collector.\n'
        "  fix      use a URL with http:// or https://, such as "
        "http://localhost:9411/api/v2/spans"
    )


def test_disabled_sdk() -> None:
    """OTEL_SDK_DISABLED=true turns tracing off, as the specification says."""
    assert choose(OTEL_SDK_DISABLED="True", OTEL_EXPORTER="zipkin") is None
    assert choose(OTEL_SDK_DISABLED="1", OTEL_EXPORTER="zipkin") is not None


def test_jaeger_with_endpoint_speaks_thrift() -> None:
    """The predecessor's endpoint gets jaeger.thrift, with user and password."""
    found = chosen(
        OTEL_EXPORTER="jaeger",
        OTEL_EXPORTER_JAEGER_ENDPOINT="http://jaeger:14268/api/traces",
        OTEL_EXPORTER_JAEGER_USER="ann",
        OTEL_EXPORTER_JAEGER_PASSWORD="s:cret",
        OTEL_EXPORTER_JAEGER_TIMEOUT="4",
    )

    assert (found.encoding, found.endpoint) == (
        "thrift",
        "http://jaeger:14268/api/traces",
    )
    assert found.content_type == "application/x-thrift"
    scheme, _, token = found.headers["Authorization"].partition(" ")
    assert (scheme, base64.b64decode(token)) == ("Basic", b"ann:s:cret")
    assert found.timeout == 4


@pytest.mark.parametrize("variable", ["HOST", "PORT"])
def test_agent_is_gone(variable: str, caplog: pytest.LogCaptureFixture) -> None:
    """A warning names the variable that replaces the agent's variables."""
    name = f"OTEL_EXPORTER_JAEGER_AGENT_{variable}"

    found = chosen(OTEL_EXPORTER="jaeger", **{name: "6831"})

    assert found.endpoint == "http://localhost:4318/v1/traces"
    lines = [TextFormatter("%(message)s").format(record) for record in caplog.records]
    assert lines == [
        f"{name} is set, but Jaeger's agent no longer exists. Set "
        "OTEL_EXPORTER_OTLP_ENDPOINT to the collector, such as "
        "http://jaeger-collector:4318."
    ]


def test_otlp_endpoints() -> None:
    """The signal's endpoint is taken as it is; the common one gains the path."""
    assert chosen(OTEL_EXPORTER_OTLP_ENDPOINT="https://c:4318/base/").endpoint == (
        "https://c:4318/base/v1/traces"
    )
    found = chosen(
        OTEL_EXPORTER_OTLP_ENDPOINT="http://all",
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT="http://traces/t",
    )
    assert found.endpoint == "http://traces/t"


def test_otlp_headers() -> None:
    """Headers are pairs separated by commas, with percent-encoded values."""
    found = chosen(
        OTEL_EXPORTER="otlp",
        OTEL_EXPORTER_OTLP_HEADERS="a=1, authorization = Bearer%20x=y,broken",
    )
    assert found.headers == {"a": "1", "authorization": "Bearer x=y"}

    special = chosen(
        OTEL_EXPORTER="otlp",
        OTEL_EXPORTER_OTLP_HEADERS="a=1",
        OTEL_EXPORTER_OTLP_TRACES_HEADERS="b=2",
    )
    assert special.headers == {"b": "2"}


def test_otlp_compression_and_certificates(tmp_path: Path) -> None:
    """Compression can be turned off; the connection uses the certificate files."""
    ca, me, key = (str(tmp_path / name) for name in ("ca.pem", "me.pem", "me.key"))
    for path in (ca, me, key):
        Path(path).touch()
    found = chosen(
        OTEL_EXPORTER="otlp",
        OTEL_EXPORTER_OTLP_COMPRESSION="none",
        OTEL_EXPORTER_OTLP_CERTIFICATE=ca,
        OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE=me,
        OTEL_EXPORTER_OTLP_CLIENT_KEY=key,
    )

    assert not found.compressed
    assert found.authority == ca
    assert found.certificate == (me, key)
    assert chosen(OTEL_EXPORTER="otlp").compressed


ALL_SIGNALS, TRACES = "OTEL_EXPORTER_OTLP_", "OTEL_EXPORTER_OTLP_TRACES_"


@pytest.mark.parametrize(
    ("name", "all_signals", "traces", "attribute", "expected"),
    [
        ("ENDPOINT", "http://a", "http://t/x", "endpoint", "http://t/x"),
        ("HEADERS", "a=1", "t=1", "headers", {"t": "1"}),
        ("TIMEOUT", "1", "2", "timeout", 2),
        ("COMPRESSION", "gzip", "none", "compressed", False),
        ("COMPRESSION", "none", "gzip", "compressed", True),
        ("CERTIFICATE", "/nowhere", __file__, "authority", __file__),
        ("CLIENT_CERTIFICATE", "/nowhere", __file__, "certificate", __file__),
        ("PROTOCOL", "grpc", "http/protobuf", "encoding", "otlp"),
    ],
)
def test_variable_of_the_signal_wins(
    name: str,
    all_signals: str,
    traces: str,
    attribute: str,
    expected: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Each OTLP variable for traces beats the one for all signals; empty is unset."""
    both = {ALL_SIGNALS + name: all_signals, TRACES + name: traces}
    alone = {ALL_SIGNALS + name: traces, TRACES + name: ""}
    if name == "ENDPOINT":
        alone = {TRACES + name: traces}

    assert getattr(chosen(OTEL_EXPORTER="otlp", **both), attribute) == expected
    assert getattr(chosen(OTEL_EXPORTER="otlp", **alone), attribute) == expected
    assert caplog.messages == []


@pytest.mark.parametrize("name", ["CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY"])
@pytest.mark.parametrize("prefix", [ALL_SIGNALS, TRACES])
def test_file_that_is_none(prefix: str, name: str) -> None:
    """A certificate that can't be read is a fault at start, not a lost span later."""
    variable = prefix + name
    values = {"OTEL_EXPORTER": "otlp", variable: "/nowhere.pem"}

    with pytest.raises(UnreadableFile) as caught:
        choose_destinations(values, otel(**values))

    assert str(caught.value) == (
        f'{variable} = "/nowhere.pem" is not a readable file.\n'
        "  set in   config.py, line 7\n"
        f"  fix      {FIX_FILE}"
    )


def test_compression_that_is_none(caplog: pytest.LogCaptureFixture) -> None:
    """An unknown compression is reported, and gzip is used."""
    assert chosen(OTEL_EXPORTER="otlp", **{TRACES + "COMPRESSION": "zstd"}).compressed

    assert caplog.messages == [
        "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION is neither gzip nor none; gzip is used."
    ]


@pytest.mark.parametrize("pair", ["hunter2", "a b=hunter2", "=hunter2", "a=%0ahunter2"])
def test_header_that_is_none(pair: str, caplog: pytest.LogCaptureFixture) -> None:
    """What is not a valid header is left out and reported, without its text."""
    headers = {"OTEL_EXPORTER_OTLP_HEADERS": f"good=1,{pair}"}

    assert chosen(OTEL_EXPORTER="otlp", **headers).headers == {"good": "1"}
    assert caplog.messages == [
        "OTEL_EXPORTER_OTLP_HEADERS: a part that is not name=value is left out. Write "
        "a comma in a value as %2C."
    ]


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({"OTEL_EXPORTER": "otlp"}, 10),
        ({"OTEL_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_TIMEOUT": "2.5"}, 2.5),
        (
            {
                "OTEL_EXPORTER": "otlp",
                "OTEL_EXPORTER_OTLP_TIMEOUT": "2",
                "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "3",
            },
            3,
        ),
        ({"OTEL_EXPORTER": "zipkin", "OTEL_EXPORTER_ZIPKIN_TIMEOUT": "7"}, 7),
    ],
)
def test_timeouts(environ: dict[str, str], seconds: float) -> None:
    """Each exporter's timeout is in seconds, as in OpenTelemetry for Python."""
    assert chosen(**environ).timeout == seconds


@pytest.mark.parametrize("value", ["soon", "-1", "0", "nan", "inf"])
def test_timeout_that_is_none(value: str, caplog: pytest.LogCaptureFixture) -> None:
    """A timeout that is not a number of seconds is reported; the default holds."""
    found = chosen(OTEL_EXPORTER="zipkin", OTEL_EXPORTER_ZIPKIN_TIMEOUT=value)

    assert found.timeout == 10
    assert caplog.messages == [
        "OTEL_EXPORTER_ZIPKIN_TIMEOUT is not a number of seconds; 10 s is used."
    ]


@pytest.mark.parametrize("protocol", ["grpc", "http/json"])
def test_other_protocols(protocol: str, caplog: pytest.LogCaptureFixture) -> None:
    """An unsupported protocol is reported, with what to do."""
    chosen(OTEL_EXPORTER="otlp", OTEL_EXPORTER_OTLP_PROTOCOL=protocol)

    assert caplog.messages == [
        f"OTEL_EXPORTER_OTLP_PROTOCOL is {protocol}; spans are sent as "
        "http/protobuf. Point OTEL_EXPORTER_OTLP_ENDPOINT at the port for HTTP, which "
        "is 4318 by default."
    ]


@pytest.mark.parametrize(
    "environ",
    [
        {"OTEL_EXPORTER_ZIPKIN_ENDPOINT": "http://ann:pa55@zipkin/api?token=pa55"},
        {
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c",
            "OTEL_EXPORTER_OTLP_HEADERS": "authorization=pa55",
        },
        {
            "OTEL_EXPORTER_JAEGER_ENDPOINT": "http://j/api",
            "OTEL_EXPORTER_JAEGER_USER": "ann",
            "OTEL_EXPORTER_JAEGER_PASSWORD": "pa55",
        },
    ],
)
def test_credentials_are_not_printed(
    environ: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """Neither str nor repr of a destination contains its credentials."""
    caplog.set_level(logging.DEBUG)
    found: Any = chosen(**environ)
    token = base64.b64encode(b"ann:pa55").decode()

    for text in (str(found), repr(found), caplog.text):
        assert "pa55" not in text
        assert token not in text


def kinds(value: str) -> list[str]:
    return [each.kind for each in choose_destinations({"OTEL_TRACES_EXPORTER": value})]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("otlp,console", ["otlp", "console"]),
        (" zipkin , otlp_proto_grpc,", ["zipkin", "otlp"]),
        ("otlp,otlp_proto_http", ["otlp"]),
        ("none", []),
        ("none,console", ["console"]),
        (",", []),
    ],
)
def test_opentelemetrys_list(
    value: str, expected: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """OTEL_TRACES_EXPORTER may name several exporters, as in OpenTelemetry."""
    assert kinds(value) == expected
    assert caplog.messages == []


def test_opentelemetrys_unknown_name(caplog: pytest.LogCaptureFixture) -> None:
    """A name that nothing installed has is logged once, and the others count."""
    for _ in range(2):
        assert kinds("acme_missing,console") == ["console"]

    assert caplog.messages == [
        "OTEL_TRACES_EXPORTER names acme_missing, but no installed package has an "
        "exporter with this name. No traces are sent there. Known names are console, "
        "jaeger, none, otlp and zipkin."
    ]
