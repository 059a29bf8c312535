"""Compares what leads to the pods of a service, and watches them, with the service."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .check_access import is_same_namespace
from .check_container import report_loopback
from .check_monitors import (
    check_annotations,
    check_pod_monitor,
    check_service_monitor,
)
from .check_probes import list_other_ports
from .containers import Container, is_name_of
from .documents import Document, Finding, Place
from .selection import find_selected, get_target, selects
from .settings import is_loopback

__all__ = ["check_network"]


def check_network(
    documents: Sequence[Document], containers: Sequence[Container]
) -> Iterator[Finding]:
    """Find Services and the like that do not fit the containers of a service.

    Args:
        documents: All objects.
        containers: The containers of the service.
    """
    running = [each for each in containers if not each.is_initial]
    servers = [each for each in running if each.program.serves]
    for document in documents:
        match document.kind:
            case "Service":
                yield from _check_service(document, running, servers)
            case "HorizontalPodAutoscaler":
                yield from _check_autoscaler(document, documents, running)
            case "PodDisruptionBudget":
                place = document.root.at("spec", "selector", "matchLabels")
                yield from _check_selector(place, running)
            case "ServiceMonitor":
                yield from check_service_monitor(document, documents, servers)
            case "PodMonitor":
                yield from check_pod_monitor(document, running)
    for container in running:
        yield from _check_labels(container)
        yield from check_annotations(container)


def _check_selector(
    selector: Place, containers: Sequence[Container]
) -> Iterator[Finding]:
    """Report an object with the name of a workload that selects none of its pods."""
    document = selector.document
    named = [each for each in containers if each.document.name == document.name]
    if named and selector.mapping and not find_selected(selector, containers):
        labels = ", ".join(f"{k}: {v}" for k, v in named[0].labels.items())
        yield selector.report(
            f"it selects no pod of {named[0].document}", f"the pods have {labels}"
        )


def _check_labels(container: Container) -> Iterator[Finding]:
    """Report a workload that does not select its own pods."""
    selector = container.document.root.at("spec", "selector", "matchLabels")
    if selector.mapping and not selects(selector, container.labels):
        yield selector.report(
            "it does not select the pods of the template", "use the same labels"
        )


def _check_service(
    document: Document,
    containers: Sequence[Container],
    servers: Sequence[Container],
) -> Iterator[Finding]:
    selector = document.root.at("spec", "selector")
    yield from _check_selector(selector, servers)
    found = find_selected(selector, containers)
    workloads = [str(each.document) for each in found if each.program.serves]
    for container in found:
        if container.program.serves:
            for port in document.root.at("spec", "ports").items:
                yield from _check_target(container, port)
            yield from _check_readiness(container)
        elif (
            workloads
            and container.program.verb == "worker"
            and str(container.document) not in workloads
        ):
            yield selector.report(
                f"it selects the pods of {container.document} too, and a worker "
                "answers no requests",
                "give the two workloads different labels",
            )


def _check_target(container: Container, port: Place) -> Iterator[Finding]:
    """Check where a port of a Service leads."""
    program, target = container.program, get_target(port)
    number = container.find_port(target)
    if port.at("protocol").text not in ("", "TCP"):
        return
    if number is None:
        yield target.report(
            f"no port of the pods is called {target.text}",
            f"use one of {', '.join(container.ports) or program.port}",
        )
        return
    metrics = container.settings.metrics_port
    others = list_other_ports(container)
    if program.port is None or number in others:
        return
    if number == program.port:
        if is_loopback(program.host):
            yield report_loopback(container)
    elif number != metrics and container.variables.knows("METRICS_PORT"):
        yield target.report(
            f"the service listens at port {program.port}, not {number}",
            f"use {program.port}",
        )


def _check_readiness(container: Container) -> Iterator[Finding]:
    """Report a server that gets requests before it has started."""
    path = container.settings.readiness
    knows = container.variables.knows("HEALTH_READINESS_PATH")
    if path and knows and container.place.at("readinessProbe").value is None:
        yield container.place.report(
            "it has no readinessProbe, so it gets requests before it listens and "
            "while it stops",
            f"add one with the path {path}",
        )


def _check_autoscaler(
    document: Document,
    documents: Sequence[Document],
    containers: Sequence[Container],
) -> Iterator[Finding]:
    reference = document.root.at("spec", "scaleTargetRef")
    name, kind = reference.at("name").text, reference.at("kind").text
    targets = [
        each
        for each in containers
        if (each.document.name, each.document.kind) == (name, kind)
    ]
    is_named = any(
        each.document.name == document.name or is_name_of(each.service, document.name)
        for each in containers
    )
    exists = any(
        (each.name, each.kind) == (name, kind)
        and is_same_namespace(each.namespace, document.namespace)
        for each in documents
    )
    if is_named and not exists:
        yield reference.report(
            f"there is no {kind} {name} in its namespace", "name a workload"
        )
    versions = reference.at("apiVersion")
    for container in targets:
        actual = container.document.root.at("apiVersion").text
        if versions.text and versions.text != actual:
            yield versions.report(f"the {kind} has {actual}", f"use {actual}")
