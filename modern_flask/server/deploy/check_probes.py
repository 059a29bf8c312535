"""Compares the probes and ports of a container with the pages of its service."""

from __future__ import annotations

from collections.abc import Iterator

from .check_container import report_loopback
from .containers import Container
from .documents import Finding, Place
from .settings import is_loopback

__all__ = ["check_ports", "check_probes", "list_other_ports"]

_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_PORT_NAMES = ("", "http", "web", "http-web", "app")
_TIMEOUT = 1
"""Seconds: the default of ``timeoutSeconds``."""


def check_probes(container: Container) -> Iterator[Finding]:
    """Find probes that do not reach the page that they are for."""
    for name in _PROBES:
        probe = container.place.at(name)
        for way in ("httpGet", "tcpSocket"):
            handler = probe.at(way)
            if handler.value is None:
                continue
            if container.program.serves:
                yield from _check_port(container, handler)
            elif container.program.verb == "worker":
                yield from _check_worker(container, handler)
            is_http = way == "httpGet" and container.program.serves
            if is_http and _is_of_app(container, handler):
                yield from _check_page(container, name, probe)


def _is_of_app(container: Container, handler: Place) -> bool:
    """Whether a probe asks the app's own port, or means to."""
    port = container.find_port(handler.at("port"))
    return port not in list_other_ports(container)


def list_other_ports(container: Container) -> set[int]:
    """List the ports of the other containers of the pod, such as a proxy."""
    return {
        int(port.at("containerPort").number or 0)
        for name in ("containers", "initContainers")
        for each in container.pod.at(name).items
        if each.path != container.place.path
        for port in each.at("ports").items
    }


def _check_port(container: Container, handler: Place) -> Iterator[Finding]:
    program, place = container.program, handler.at("port")
    port = container.find_port(place)
    if port is None and place.value is not None:
        yield place.report(f"no port of the pod is called {place.text}", "name a port")
    if port is None or program.port is None or not _is_of_app(container, handler):
        return
    if port == container.settings.metrics_port != program.port:
        yield place.report(
            f"port {port} has the metrics alone (METRICS_PORT)", f"use {program.port}"
        )
    elif port != program.port:
        yield place.report(
            f"the service listens at port {program.port}, not {port}",
            f"use {program.port}",
        )
    elif is_loopback(program.host):
        yield report_loopback(container)


def _check_worker(container: Container, handler: Place) -> Iterator[Finding]:
    """Report a probe over the network of a worker, which answers no requests."""
    port = container.find_port(handler.at("port"))
    others = {container.settings.metrics_port, *list_other_ports(container)}
    if container.variables.knows("METRICS_PORT") and port not in others:
        yield handler.report("a worker answers no requests", "remove the probe")


def _check_page(container: Container, name: str, probe: Place) -> Iterator[Finding]:
    settings, variables = container.settings, container.variables
    handler = probe.at("httpGet")
    if container.program.verb == "serve" and handler.at("scheme").text == "HTTPS":
        yield handler.at("scheme").report("the service speaks HTTP", "use HTTP")
    keys = ("HEALTH_LIVENESS_PATH", "HEALTH_READINESS_PATH")
    others = ("HEALTH_STARTUP_PATH", "HEALTH_TIMEOUT", "METRICS_PATH", "METRICS_TOKEN")
    if not variables.knows(*keys, *others):
        return
    is_ready = name == "readinessProbe"
    key, wanted = keys[is_ready], settings.readiness if is_ready else settings.liveness
    checking = [path for path in (settings.readiness, settings.startup) if path]
    place = handler.at("path")
    path = (place.text or "/").partition("?")[0]
    fix = f"use {wanted}" if wanted else f"set {key} to a path"
    if name == "livenessProbe" and path in checking:
        yield place.report(
            f"{path} asks the back ends, so an outage of one restarts every pod", fix
        )
    elif path == settings.metrics and settings.has_token:
        yield place.report(f"{path} needs a token (METRICS_TOKEN)", fix)
    elif path not in (
        settings.liveness,
        *checking,
        settings.metrics,
    ) and not container.service.has_route(path):
        yield place.report(f"the service has no page {path} ({key})", fix)
    if path in checking:
        yield from _check_timeout(container, probe)


def _check_timeout(container: Container, probe: Place) -> Iterator[Finding]:
    place = probe.at("timeoutSeconds")
    timeout = _TIMEOUT if place.number is None else place.number
    seconds = container.settings.health_timeout
    if timeout < seconds:
        yield place.report(
            f"the probe waits {timeout:g} s, and a round of checks may take "
            f"{seconds:g} s (HEALTH_TIMEOUT)",
            f"use {int(seconds) + 1}",
        )


def check_ports(container: Container) -> Iterator[Finding]:
    """Find a container that declares the port of its app with another number."""
    ports = container.place.at("ports").items
    numbers = [port.at("containerPort").number for port in ports]
    program, metrics = container.program, container.settings.metrics_port
    if program.port is None or not program.serves or program.port in numbers:
        return
    for port, number in zip(ports, numbers, strict=True):
        if port.at("name").text in _PORT_NAMES and number not in (None, metrics):
            yield port.at("containerPort").report(
                f"the service listens at port {program.port}, not {number:g}",
                f"use {program.port}, or --bind 0.0.0.0:{number:g}",
            )
