"""Compares what scrapes the metrics of a service with its settings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .check_access import is_same_namespace
from .check_probes import list_other_ports
from .containers import Container, find_pod
from .documents import Document, Finding, Place
from .selection import find_selected, get_target, selects
from .settings import METRICS_PATH, is_loopback

__all__ = ["check_annotations", "check_pod_monitor", "check_service_monitor"]

_MONITOR_SECRETS = (
    "authorization",
    "bearerTokenSecret",
    "bearerTokenFile",
    "basicAuth",
    "oauth2",
)


def check_service_monitor(
    document: Document,
    documents: Sequence[Document],
    servers: Sequence[Container],
) -> Iterator[Finding]:
    """Check a ServiceMonitor of Prometheus's operator."""
    selector = document.root.at("spec", "selector", "matchLabels")
    services = [each for each in documents if each.kind == "Service"]
    ours = [
        each
        for each in services
        if find_selected(each.root.at("spec", "selector"), servers)
    ]
    selected = [each for each in ours if _finds(selector, each)]
    if not selected and any(each.name == document.name for each in ours):
        yield selector.report(
            f"it does not select the Service {document.name}",
            "use labels of the Service",
        )
    for service in selected:
        for endpoint in document.root.at("spec", "endpoints").items:
            yield from _check_endpoint(endpoint, service, servers)


def _finds(selector: Place, service: Document) -> bool:
    """Whether the selector of a ServiceMonitor finds a Service."""
    monitor = selector.document
    is_near = is_same_namespace(monitor.namespace, service.namespace)
    labels = service.root.at("metadata", "labels").mapping
    is_far = monitor.root.at("spec", "namespaceSelector").value is not None
    # An empty selector finds every Service.
    return (is_near or is_far) and (not selector.mapping or selects(selector, labels))


def _check_endpoint(
    endpoint: Place, service: Document, servers: Sequence[Container]
) -> Iterator[Finding]:
    ports = {
        port.at("name").text: port for port in service.root.at("spec", "ports").items
    }
    place = endpoint.at("port")
    if place.value is not None and place.text not in ports:
        yield place.report(
            f"{service} has no port {place.text}", f"use {' or '.join(ports)}"
        )
        return
    for container in find_selected(service.root.at("spec", "selector"), servers):
        target = endpoint.at("targetPort")
        if target.value is None and place.text in ports:
            target = get_target(ports[place.text])
        yield from _check_scrape(container, endpoint, container.find_port(target))


def check_pod_monitor(
    document: Document, containers: Sequence[Container]
) -> Iterator[Finding]:
    """Check a PodMonitor of Prometheus's operator."""
    selector = document.root.at("spec", "selector", "matchLabels")
    for container in find_selected(selector, containers):
        for endpoint in document.root.at("spec", "podMetricsEndpoints").items:
            place = endpoint.at("port")
            number = container.find_port(place)
            if place.value is not None and number is None:
                yield place.report(
                    f"no port of the pods is called {place.text}",
                    f"use {' or '.join(container.ports)}",
                )
            yield from _check_scrape(container, endpoint, number)


def _check_scrape(
    container: Container, endpoint: Place, number: int | None
) -> Iterator[Finding]:
    """Check the port, the path and the token that a scraper uses."""
    settings, place = container.settings, endpoint.at("port")
    keys = ("METRICS_PATH", "METRICS_PORT", "METRICS_TOKEN", "METRICS_ADDRESS")
    others = list_other_ports(container)
    if number is None or number in others or not container.variables.knows(*keys):
        return
    if number == settings.metrics_port:
        if is_loopback(settings.metrics_address):
            yield place.report(
                f"METRICS_ADDRESS is {settings.metrics_address}, which only the pod "
                "itself reaches",
                "remove METRICS_ADDRESS",
            )
    elif container.program.serves and number == container.program.port:
        yield from _check_path(container, endpoint)
    elif container.program.port is not None or container.program.verb == "worker":
        yield place.report(
            f"port {number} has no metrics (METRICS_PORT)",
            f"use {settings.metrics_port or container.program.port}",
        )
    if endpoint.at("scheme").text.lower() == "https":
        yield endpoint.at("scheme").report("the service speaks HTTP", "use http")
    given = {name for name in _MONITOR_SECRETS if endpoint.at(name).value}
    if settings.has_token and not given:
        yield endpoint.report(
            "the metrics need a token (METRICS_TOKEN)",
            "name the Secret that has it in authorization.credentials",
        )


def _check_path(container: Container, endpoint: Place) -> Iterator[Finding]:
    """Check the path of a scraper that asks the port of the app."""
    settings = container.settings
    path = endpoint.at("path").text or METRICS_PATH
    if settings.metrics is None:
        port = settings.metrics_port
        yield endpoint.at("port").report(
            "METRICS_PATH is None, so this port has no metrics",
            f"use the port {port}" if port else "set METRICS_PATH or METRICS_PORT",
        )
    elif path != settings.metrics and not container.service.has_route(path):
        yield endpoint.at("path").report(
            f"the metrics are at {settings.metrics} (METRICS_PATH), not at {path}",
            f"use {settings.metrics}",
        )


def check_annotations(container: Container) -> Iterator[Finding]:
    """Check the annotations by which a Prometheus finds pods."""
    pod = find_pod(container.document)
    if pod is None or container.document.kind == "Pod":
        return
    path = pod.path.removesuffix(".spec").split(".")
    place = container.document.root.at(*path, "metadata", "annotations")
    given = place.mapping
    port = str(given.get("prometheus.io/port", ""))
    if str(given.get("prometheus.io/scrape", "")).lower() != "true" or not port:
        return
    body = {
        "port": given["prometheus.io/port"],
        "path": given.get("prometheus.io/path"),
        "scheme": given.get("prometheus.io/scheme"),
        # Whether this Prometheus sends a token is not written here.
        "authorization": True,
    }
    endpoint = Place(place.document, body, place.path)
    number = int(port) if port.isdigit() else None
    yield from _check_scrape(container, endpoint, number)
