"""What the manifests of a service are made from."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil

from ...config.source import KubernetesKey, parse_source
from .. import settings as gunicorn_settings
from ..errors import DelayTooLong
from .settings import PodSettings

__all__ = ["DRAIN_MARGIN", "PORT", "Plan", "make_name", "quote", "write_command"]

PORT = 8000
"""The port of the app in its container."""

DRAIN_MARGIN = 1.0
"""Seconds of gunicorn's graceful timeout that a worker keeps for closing."""

_EXIT = 10
"""Seconds between the end of the last worker or task and the kill of the pod."""

_LONGEST_TASK = 50
"""Seconds for the tasks in hand where no time limit is set."""

_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})


@dataclass(frozen=True)
class Plan:
    """A service, and how it is deployed.

    Args:
        service: The service's name, for spans.
        app: The value of ``--app``.
        image: The image of the containers.
        namespace: The namespace of the pods.
        replicas: The number of pods that serve.
        settings: What the configuration says.
        source: The value of ``CONFIG_SOURCE`` in the pods; empty if it is not set.
        variables: Further environment variables.
        has_worker: Whether the service has tasks.

    Raises:
        DelayTooLong: No grace of a pod fits the delay at SIGTERM.
        UnknownScheme, MalformedSource: ``source`` names no source.
    """

    service: str
    app: str
    image: str
    namespace: str
    replicas: int
    settings: PodSettings
    source: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    has_worker: bool = False

    def __post_init__(self) -> None:
        delay = self.settings.shutdown_delay
        if delay >= self.graceful_timeout - DRAIN_MARGIN:
            raise DelayTooLong(delay, self.graceful_timeout)
        _ = self.key  # raises an error if the source is malformed

    @property
    def name(self) -> str:
        """The name of the objects."""
        return make_name(self.service)

    @property
    def key(self) -> KubernetesKey | None:
        """The source of the configuration, if it is a ConfigMap or a Secret."""
        source = parse_source(self.source) if self.source else None
        return source if isinstance(source, KubernetesKey) else None

    @property
    def source_namespace(self) -> str:
        """The namespace of the source of the configuration."""
        return (self.key and self.key.namespace) or self.namespace

    @property
    def graceful_timeout(self) -> int:
        """Seconds from SIGTERM until gunicorn kills a worker."""
        return gunicorn_settings.graceful_timeout

    @property
    def grace(self) -> int:
        """Seconds from SIGTERM until the kubelet kills the pod."""
        return self.graceful_timeout + _EXIT

    @property
    def longest_task(self) -> int:
        """Seconds for the tasks in hand."""
        return ceil(self.settings.task_time_limit or _LONGEST_TASK)

    @property
    def worker_grace(self) -> int:
        """Seconds from SIGTERM until the kubelet kills the pod of a worker."""
        return self.longest_task + _EXIT

    @property
    def readiness_timeout(self) -> int:
        """Seconds of the probe, which must be more than those of the pings."""
        return ceil(self.settings.health_timeout) + 1


def make_name(text: str) -> str:
    """Make a name for objects of Kubernetes from a service's name (RFC 1123)."""
    name = re.sub("[^a-z0-9]+", "-", text.lower())[:52].strip("-")
    is_free = name[:1].isalpha() and name not in _WORDS
    return name if is_free else f"app-{name}".rstrip("-")


def quote(text: str) -> str:
    """Write ``text`` as a scalar of YAML, with quotes only where it needs them."""
    plain = re.fullmatch(r"[A-Za-z/][\w./@+=-]*(?::[\w./@+=-]+)*", text)
    option = re.fullmatch("--[a-z][a-z-]*", text)
    if (plain and text.lower() not in _WORDS) or option:
        return text
    # YAML has one escape for what JSON writes as two.
    shown = [
        json.dumps(each)[1:-1] if each < "\U00010000" else f"\\U{ord(each):08x}"
        for each in text
    ]
    return f'"{"".join(shown)}"'


def write_command(words: list[str]) -> str:
    """Write a command line as a list of YAML."""
    return f"[{', '.join(quote(word) for word in words)}]"
