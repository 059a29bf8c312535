"""Sends the metrics over OTLP, by the exporter of OpenTelemetry's SDK.

What a scrape would read is converted to OpenTelemetry's data model and sent with the
metrics of OpenTelemetry's own instruments, under the same names. The mapping follows
opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics.

The package of the exporter comes with an extra, so this module is imported only when
the exporter is chosen.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from time import monotonic, time_ns
from typing import Any

import requests
from opentelemetry import metrics
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
    PeriodicExportingMetricReader,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from prometheus_client import Metric as Family

from ..metrics import multiprocess
from ..metrics.exposition import make_registry

__all__ = ["convert", "make_provider"]

_SCOPE = "modern_flask"
_CUMULATIVE = AggregationTemporality.CUMULATIVE


def make_provider(
    resource: Resource, session: requests.Session, seconds: float | None = None
) -> MeterProvider:
    """Make a provider that sends the metrics of its instruments and of the kit.

    Unless another one is set, it becomes the provider of the process.

    Args:
        resource: Describes this process.
        session: The session for the requests of the exporter.
        seconds: The pause between two exports; by default
            ``OTEL_METRIC_EXPORT_INTERVAL``, or 60 s.
    """
    exporter = _Exporter(resource, session)
    pause = None if seconds is None else seconds * 1000
    reader = PeriodicExportingMetricReader(exporter, pause)
    provider = MeterProvider([reader], resource, shutdown_on_exit=False)
    begun = monotonic()

    def read_uptime(options: CallbackOptions) -> Iterator[Observation]:
        yield Observation(monotonic() - begun)

    # A reader without any instrument exports nothing, and so not the kit's metrics.
    meter = provider.get_meter(_SCOPE)
    meter.create_observable_gauge(
        "process.uptime", [read_uptime], "s", "The time the process has been running."
    )
    if not isinstance(metrics.get_meter_provider(), MeterProvider):
        metrics.set_meter_provider(provider)
    return provider


class _Exporter(OTLPMetricExporter):
    def __init__(self, resource: Resource, session: requests.Session) -> None:
        super().__init__(session=session)
        self._kit_resource, self._begun = resource, time_ns()
        self._opener = os.getpid()

    def export(
        self,
        metrics_data: MetricsData,
        timeout_millis: float | None = 10_000,
        **rest: Any,
    ) -> MetricExportResult:
        # The encoder keeps one entry for each resource.
        scopes = [
            scope
            for part in metrics_data.resource_metrics
            for scope in part.scope_metrics
        ]
        # Several workers have the same metrics: one of them sends all. A child of a
        # task pool has a copy of its parent's.
        if os.getpid() == self._opener and multiprocess.may_export():
            scope = InstrumentationScope(f"{_SCOPE}.metrics")
            scopes.append(ScopeMetrics(scope, list(convert(self._begun)), ""))
        parts = [ResourceMetrics(self._kit_resource, scopes, "")]
        return super().export(MetricsData(parts), timeout_millis, **rest)


def convert(begun: int) -> Iterator[Metric]:
    """Convert everything that a scrape would read.

    Args:
        begun: The time from which the counters count, in nanoseconds since the epoch.
    """
    now = time_ns()
    for family in make_registry().collect():
        if not family.samples:
            continue
        if family.type == "histogram":
            yield _convert_histogram(family, begun, now)
            continue
        counts = family.type == "counter"
        points: dict[str, list[NumberDataPoint]] = {}
        for name, labels, value, *_ in family.samples:
            if not name.endswith("_created"):
                point = NumberDataPoint(labels, begun if counts else 0, now, value)
                points.setdefault(name, []).append(point)
        for name, found in points.items():
            data = Sum(found, _CUMULATIVE, True) if counts else Gauge(found)
            yield Metric(name, family.documentation, "", data)


def _convert_histogram(family: Family, begun: int, now: int) -> Metric:
    buckets: dict[tuple[tuple[str, str], ...], list[tuple[float, float]]] = {}
    sums: dict[tuple[tuple[str, str], ...], float] = {}
    for name, labels, value, *_ in family.samples:
        if name.endswith("_bucket"):
            key = tuple(pair for pair in labels.items() if pair[0] != "le")
            buckets.setdefault(key, []).append((float(labels["le"]), value))
        elif name.endswith("_sum"):
            sums[tuple(labels.items())] = value
    points = []
    for key, found in buckets.items():
        found.sort()
        totals = [int(total) for _, total in found]
        points.append(
            HistogramDataPoint(
                attributes=dict(key),
                start_time_unix_nano=begun,
                time_unix_nano=now,
                count=totals[-1],
                sum=sums.get(key, 0.0),
                bucket_counts=[
                    high - low for low, high in zip([0, *totals], totals, strict=False)
                ],
                explicit_bounds=[bound for bound, _ in found[:-1]],
                # A scrape knows neither. Without a value, OTLP leaves the field out.
                min=None,  # type: ignore[arg-type]
                max=None,  # type: ignore[arg-type]
            )
        )
    data = Histogram(points, _CUMULATIVE)
    return Metric(family.name, family.documentation, "", data)
