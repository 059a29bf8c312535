"""The names and the buckets of the metrics."""

from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from modern_flask.config.values import Section
from modern_flask.errors import UnknownChoice
from modern_flask.observability.errors import FIX_BUCKETS, BadBuckets
from modern_flask.observability.metrics import options
from modern_flask.observability.metrics.histogram import NotingHistogram
from modern_flask.observability.metrics.options import (
    Names,
    choose_buckets,
    read_buckets,
    read_names,
)
from modern_flask.observability.metrics.registry import Metrics
from tests.observability.shop import scrape

INFINITY = float("inf")
OLD, OTEL = "http_request_duration_seconds", "http_server_request_duration_seconds"


@pytest.mark.parametrize("given", [[0.1, 0.5, 2], (0.1, 0.5, 2), "0.1, 0.5,2"])
def test_buckets(given: object) -> None:
    """Buckets are a list of seconds, or a text with commas."""
    assert read_buckets({"buckets": given}) == (0.1, 0.5, 2.0, INFINITY)


@pytest.mark.parametrize("given", [2, 2.0, "2"])
def test_single_bucket(given: object) -> None:
    """A variable with a single number is read as a number, and no list."""
    assert read_buckets({"buckets": given}) == (2.0, INFINITY)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("", '""'),
        ("1,,2", '"1,,2"'),
        ("fast", '"fast"'),
        ([], '"[]"'),
        ([0, 1], '"[0, 1]"'),
        ([-1, 1], '"[-1, 1]"'),
        ([2, 1], '"[2, 1]"'),
        ([1, 1], '"[1, 1]"'),
        ([1, INFINITY], '"[1, inf]"'),
        ([1, float("nan")], '"[1, nan]"'),
        ([0.5, True], '"[0.5, True]"'),
        (True, '"True"'),
        ({0.5: 1}, '"{0.5: 1}"'),
    ],
)
def test_wrong_buckets(given: object, shown: str) -> None:
    """Buckets that do not rise, or are no seconds, are an error."""
    with pytest.raises(BadBuckets) as caught:
        read_buckets(Section("METRICS_", {"METRICS_BUCKETS": given}))

    assert str(caught.value) == (
        f"METRICS_BUCKETS = {shown} is not a list of increasing positive numbers.\n"
        f"  fix      {FIX_BUCKETS}"
    )


@pytest.fixture
def family(monkeypatch: pytest.MonkeyPatch) -> NotingHistogram:
    """The durations of a process in which no app has started."""
    made = NotingHistogram("test_buckets", "A test's.", ("kind",), registry=None)
    monkeypatch.setattr(options, "DURATIONS", (made,))
    monkeypatch.setattr(options, "_chosen", None)
    return made


def test_buckets_of_all_durations(family: NotingHistogram) -> None:
    """Each series of a duration has the chosen buckets."""
    choose_buckets({"buckets": "0.1, 2"})

    series = family.labels("a")
    series.note(0.05)
    series.observe(1)
    series.note(3)

    assert [sample.value for sample in series._child_samples()][:4] == [1, 2, 3, 3]
    assert series.bounds == [0.1, 2.0, INFINITY]


def test_apps_that_disagree(
    family: NotingHistogram, caplog: pytest.LogCaptureFixture
) -> None:
    """The first app of a process chooses the buckets; another one is told."""
    choose_buckets({"buckets": [0.1, 2]})
    choose_buckets({})
    choose_buckets({"buckets": [0.1, 2]})
    assert caplog.messages == []

    choose_buckets(Section("METRICS_", {"METRICS_BUCKETS": [0.1, 3]}))

    assert caplog.messages == [
        "METRICS_BUCKETS has no effect: the metrics of this process already have the "
        "buckets 0.1, 2, which another app has chosen."
    ]
    assert family.labels("a").bounds == [0.1, 2.0, INFINITY]


def counts(metrics: Metrics, name: str, **wanted: str) -> list[float]:
    return [
        sample.value
        for family in text_string_to_metric_families(scrape(metrics))
        for sample in family.samples
        if sample.name == f"{name}_count" and sample.labels.items() >= wanted.items()
    ]


@pytest.mark.parametrize("names", list(Names))
def test_names(names: Names) -> None:
    """The durations of requests have the old name, OpenTelemetry's, or both."""
    metrics, route = Metrics(names=names), f"/named/{names.value}"

    for _ in range(3):
        metrics.count_request("GET", route, "200", 0.1, 0, None, "https", "")

    old = [3.0] if names is not Names.OTEL else []
    stable = [3.0] if names is not Names.OLD else []
    assert counts(metrics, OLD, handler=route, method="GET", status="200") == old
    assert stable == counts(
        metrics,
        OTEL,
        http_request_method="GET",
        http_route=route,
        http_response_status_code="200",
        url_scheme="https",
        error_type="",
    )


def test_labels_of_opentelemetry() -> None:
    """A failure has its class, an unmatched URL no route, a made-up method no name."""
    metrics = Metrics(names=Names.OTEL)

    metrics.count_request("GET", "/l", "500", 0.1, 0, "a" * 32, "http", "KeyError")
    metrics.count_request("BREW", "/404", "404", 0.1)

    found = counts(metrics, OTEL, http_route="/l", error_type="KeyError")
    assert found == [1.0]
    unmatched = {"http_request_method": "_OTHER", "http_response_status_code": "404"}
    assert counts(metrics, OTEL, http_route="", **unmatched) == [1.0]


def test_default_names() -> None:
    """Without the key, the predecessor's name stays."""
    assert read_names({}) is Names.OLD


@pytest.mark.parametrize("given", ["new", "", True])
def test_unknown_names(given: Any) -> None:
    """Any other value is an error that lists the values."""
    with pytest.raises(UnknownChoice) as caught:
        read_names(Section("METRICS_", {"METRICS_NAMES": given}))

    assert str(caught.value).startswith(f'METRICS_NAMES = "{given}" names no name.')
    assert "old, otel or both" in str(caught.value)
