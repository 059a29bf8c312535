"""The OpenTelemetry resource of the process, read from its environment.

The names come from the semantic conventions for services and Kubernetes
(opentelemetry.io/docs/specs/semconv/resource). The conventions have no name for the
kind of a workload. A custom attribute must not be in their namespaces, so its name is
``workload.type``.
"""

from __future__ import annotations

from collections.abc import Mapping

from opentelemetry.sdk.resources import OTELResourceDetector, Resource

__all__ = ["describe_process", "make_resource"]

_VARIABLES = {
    "SERVICE_NAME": "service.name",
    "SERVICE_VERSION": "service.version",
    "POD_NAMESPACE": "service.namespace",
    "POD_NAME": "k8s.pod.name",
    "NODE_NAME": "k8s.node.name",
    "WORKLOAD_TYPE": "workload.type",
}


def make_resource(service: str, environ: Mapping[str, str]) -> Resource:
    """Make the resource of this process.

    The precedence is, highest first: ``OTEL_SERVICE_NAME``,
    ``OTEL_RESOURCE_ATTRIBUTES``, the variables of the downward API, ``service``. A
    variable that is not set adds no attribute.
    """
    own = Resource(describe_process(service, environ))
    return Resource.create().merge(own).merge(OTELResourceDetector().detect())


def describe_process(service: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Collect ``service`` and the downward API's variables as attributes."""
    found = {"service.name": service} | {
        name: environ[variable]
        for variable, name in _VARIABLES.items()
        if environ.get(variable)
    }
    namespace, pod = found.get("service.namespace"), found.get("k8s.pod.name")
    if namespace:
        found["k8s.namespace.name"] = namespace
    if pod:
        found["service.instance.id"] = f"{pod}.{namespace}" if namespace else pod
    return found
