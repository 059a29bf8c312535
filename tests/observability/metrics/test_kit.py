"""The kit's metrics give way to a service's metrics of the same names."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from prometheus_client import REGISTRY, Counter, Gauge, Metric, generate_latest
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.registry import Collector
from werkzeug.test import Client

from modern_flask.observability.metrics import kit
from modern_flask.observability.metrics.registry import Metrics
from tests.observability.shop import scrape


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A module of a service; what it registers is removed after the test."""
    monkeypatch.setattr(kit, "_warned", set())
    module = ModuleType("shop_metrics")
    module.__file__ = "/srv/shop_metrics.py"
    monkeypatch.setitem(sys.modules, module.__name__, module)
    yield module
    for value in vars(module).values():
        if isinstance(value, MetricWrapperBase):
            REGISTRY.unregister(value)


def test_service_keeps_its_metric(own: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A service may take a name at any time: its metric stays, ours is left out."""
    metrics = Metrics()
    metrics.count_exception("/a", "KeyError")
    own.MINE = Counter("http_request_exceptions", "The service's.", ("reason",))
    own.MINE.labels("full").inc(3)

    text = scrape(metrics)
    scrape(metrics)

    assert 'http_request_exceptions_total{reason="full"} 3.0' in text
    assert "KeyError" not in text
    assert caplog.messages == [
        "The kit's metric http_request_exceptions is left out, because the service has "
        "a metric of that name: the Counter shop_metrics.MINE, /srv/shop_metrics.py. "
        "Rename the service's metric to have both."
    ]


def test_one_sample_is_enough(own: Any) -> None:
    """A metric clashes by the name of any of its samples."""
    metrics = Metrics()
    metrics.count_request("GET", "/a", "200", 0.1)
    own.MINE = Gauge("http_request_duration_seconds_count", "The service's.")

    text = scrape(metrics)

    assert "http_request_duration_seconds_count 0.0" in text
    assert "http_request_duration_seconds_bucket" not in text


def test_collector_without_a_variable(
    own: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A collector that no module holds is described by its class."""

    class Stock(Collector):
        def collect(self) -> Iterator[Metric]:
            yield Gauge("telemetry_spans_total", "Mine.", registry=None)._get_metric()

    hidden = Stock()
    REGISTRY.register(hidden)
    try:
        kit.warn_of_clashes()
    finally:
        REGISTRY.unregister(hidden)

    assert "telemetry_spans is left out" in caplog.text
    assert "a Stock, <" in caplog.text


def test_default_registry_has_the_kit() -> None:
    """Others who read the process's registry, such as a push, see the kit's metrics."""
    Metrics().count_request("GET", "/pushed", "200", 0.1)

    text = generate_latest(REGISTRY).decode()

    assert 'handler="/pushed"' in text


def test_selected_names() -> None:
    """A scraper may select metrics of the kit by the name of a sample."""
    metrics = Metrics()
    metrics.count_request("GET", "/selected", "200", 0.1)

    query = "name[]=http_request_duration_seconds_sum&name[]=python_info"
    text = Client(metrics.answer).get(f"/metrics?{query}").text

    names = {line.split("{")[0] for line in text.splitlines() if line[0] != "#"}
    assert names == {"http_request_duration_seconds_sum", "python_info"}


def test_metric_before_the_kit(tmp_path: Path) -> None:
    """A service that registers one of our names before it imports the kit starts."""
    program = """
import prometheus_client as pc
MINE = pc.Counter("http_request_exceptions", "mine")
import modern_flask
app = modern_flask.create_app("clash", config={})
app.add_url_rule("/", "i", lambda: "hi")
client = app.test_client()
print(client.get("/").status_code, client.get("/livez").status_code)
print(client.get("/metrics").text)
"""
    (tmp_path / "clash.py").write_text(program)

    done = subprocess.run(
        [sys.executable, "clash.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.stdout.startswith("200 200\n")
    assert "# HELP http_request_exceptions_total mine" in done.stdout
    assert "the Counter __main__.MINE" in done.stderr
    assert done.stderr.count("is left out") == 1
