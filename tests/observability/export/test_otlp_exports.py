"""Metrics and logs over OTLP, by the SDK's own exporters."""

import fcntl
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.sdk.metrics.export import MetricsData, ResourceMetrics, ScopeMetrics
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from modern_flask import Container, create_app
from modern_flask.observability.export.otlp import open_otlp
from modern_flask.observability.export.otlp_metrics import convert
from modern_flask.observability.metrics import multiprocess
from modern_flask.observability.metrics.registry import Metrics
from tests.observability.conftest import Reading, open_resource
from tests.servers.eventually import eventually
from tests.servers.processes import free_port
from tests.servers.rotel import Rotel

METRICS, LOGS = "OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER"


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Chooses OTLP for metrics and logs, to a port."""

    def choose(port: int) -> None:
        monkeypatch.setenv(METRICS, "otlp")
        monkeypatch.setenv(LOGS, "otlp")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("OTEL_EXPORTER", "none")

    return choose


def test_collector(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    endpoint: Callable[[int], None],
    private_server: Callable[..., Rotel],
) -> None:
    """A collector gets what a scrape reads, and each line once, with secrets masked."""
    rotel = private_server(lambda: Rotel("metrics", "logs"))
    endpoint(rotel.port)
    monkeypatch.chdir(tmp_path)
    app = create_app("otlp_shop", Container())
    app.test_client_class = Reading

    @app.get("/over_otlp")
    def sell() -> str:
        logger = logging.getLogger("shop")
        logger.warning("to https://u:hidden1@h/x", extra={"api_key": "hidden2"})
        try:
            raise ValueError("password=hidden3")
        except ValueError:
            logger.exception("not sold")
        return "x"

    with app.running():
        for _ in range(3):
            app.test_client().get("/over_otlp")

    process: Any = rotel.process
    eventually(lambda: "/over_otlp" in process.output)
    printed = process.output
    assert printed.count("Body: Str(not sold)") == 3
    assert printed.count("Body: Str(to https://") == 3
    assert "hidden" not in printed
    eventually(lambda: "process.uptime" in process.output)
    shown = printed.partition("http_request_duration_seconds")[2]
    assert "Count: 3" in shown.partition("/over_otlp")[2][:400]


def test_collector_that_is_down(
    endpoint: Callable[[int], None], caplog: pytest.LogCaptureFixture
) -> None:
    """The end of a service does not wait for a collector, and what is lost is told."""
    endpoint(free_port())
    before = list(logging.getLogger().handlers)

    with open_resource(open_otlp("orders")) as exports:
        exports.start()
        exports.start()
        assert (exports.metrics, exports.logs) == (True, True)
        logging.getLogger("shop").warning("lost")
        begun = monotonic()

    assert monotonic() - begun < 8
    assert "Some metrics are lost" in caplog.text
    assert "Some lines are lost" in caplog.text
    assert logging.getLogger().handlers == before


def test_check_sends_nothing(
    endpoint: Callable[[int], None], caplog: pytest.LogCaptureFixture
) -> None:
    """The check opens the component without a connection, or a wait for one."""
    endpoint(free_port())
    before = list(logging.getLogger().handlers)
    begun = monotonic()

    with open_resource(open_otlp("orders")):
        assert logging.getLogger().handlers == before

    assert monotonic() - begun < 1
    assert caplog.messages == []


@pytest.mark.parametrize("chosen", [None, "", "none", "prometheus", "console,none"])
def test_off(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    chosen: str | None,
) -> None:
    """Nothing is sent unless OTLP is chosen; another exporter stops no service."""
    if chosen is not None:
        monkeypatch.setenv(METRICS, chosen)

    with open_resource(open_otlp("orders")) as exports:
        exports.start()
        assert (exports.metrics, exports.logs) == (False, False)

    other = (chosen or "none").partition(",")[0]
    expected = [f"{METRICS} has {other}, which has no effect here: use otlp."]
    assert caplog.messages == ([] if other == "none" else expected)


def test_disabled(monkeypatch: pytest.MonkeyPatch) -> None:
    """OTEL_SDK_DISABLED ends all exports."""
    monkeypatch.setenv(METRICS, "otlp")
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")

    with open_resource(open_otlp("orders")) as exports:
        assert not exports.metrics


def test_lines_of_another_handler(
    endpoint: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where another handler sends the lines already, each is sent once."""
    endpoint(free_port())
    monkeypatch.setenv(METRICS, "none")
    handler = type("LoggingHandler", (logging.NullHandler,), {})()
    logging.getLogger().addHandler(handler)

    try:
        with open_resource(open_otlp("orders")) as exports:
            exports.start()
            assert not exports.logs
    finally:
        logging.getLogger().removeHandler(handler)


def test_missing_package(tmp_path: Path) -> None:
    """Without the extra, the service starts, and one line says what to install."""
    program = """
import os, sys
sys.modules["opentelemetry.exporter.otlp.proto.http"] = None
os.environ["OTEL_METRICS_EXPORTER"] = os.environ["OTEL_LOGS_EXPORTER"] = "otlp"
import modern_flask
app = modern_flask.create_app("shop", config={})
app.add_url_rule("/", "i", lambda: "hi")
print(app.test_client().get("/").status_code)
"""

    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.stdout == "200\n"
    assert done.stderr.count("pip install 'modern-flask[otlp]'") == 1


def test_data_model() -> None:
    """Counters, gauges and histograms keep their names, labels and numbers."""
    metrics = Metrics()
    for seconds in (0.003, 0.3, 0.3, 99):
        metrics.count_request("GET", "/converted", "200", seconds)
    metrics.count_exception("/converted", "KeyError")

    scope = ScopeMetrics(InstrumentationScope("kit"), list(convert(17)), "")
    data = encode_metrics(MetricsData([ResourceMetrics(Resource({}), [scope], "")]))

    found = {
        metric.name: metric
        for metric in data.resource_metrics[0].scope_metrics[0].metrics
    }
    (point,) = (
        point
        for point in found["http_request_duration_seconds"].histogram.data_points
        if ("handler", "/converted") in read_labels(point)
    )
    assert (point.count, point.start_time_unix_nano) == (4, 17)
    assert point.sum == pytest.approx(99.603)
    assert len(point.bucket_counts) == len(point.explicit_bounds) + 1
    counts = dict(
        zip([*point.explicit_bounds, "more"], point.bucket_counts, strict=True)
    )
    assert (counts[0.005], counts[0.5], counts["more"]) == (1, 2, 1)
    assert not point.HasField("min")
    exceptions = found["http_request_exceptions_total"].sum
    assert exceptions.is_monotonic
    assert exceptions.aggregation_temporality == 2
    assert found["process_resident_memory_bytes"].gauge.data_points[0].as_double > 0
    assert not [name for name in found if name.endswith("_created")]


def read_labels(point: Any) -> set[tuple[str, str]]:
    return {(pair.key, pair.value.string_value) for pair in point.attributes}


def test_one_worker_sends_for_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of several workers, one sends the metrics of all; when it ends, another one."""
    monkeypatch.setattr(multiprocess, "_exporting", None)
    assert multiprocess.may_export()
    monkeypatch.setenv(multiprocess.VARIABLE, str(tmp_path))
    with open(tmp_path / "exporter", "ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert not multiprocess.may_export()

    assert multiprocess.may_export()
    assert multiprocess.may_export()
    held: Any = multiprocess._exporting
    held[1].close()
