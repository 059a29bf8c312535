"""Compares a container with the service that it runs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from difflib import get_close_matches
from math import ceil
from pathlib import PurePosixPath

from ...config.errors import MalformedSource, UnknownScheme
from ...config.source import parse_source
from .containers import Container
from .documents import Finding, Place
from .plan import DRAIN_MARGIN

__all__ = ["check_container", "report_loopback"]

_FIELDS = {
    "NODE_NAME": "spec.nodeName",
    "POD_NAME": "metadata.name",
    "POD_NAMESPACE": "metadata.namespace",
}
"""The variables that describe the pod, and the fields of the downward API."""

_KINDS = ("deployment", "statefulset", "daemonset", "job", "cronjob")

_GRACE = 30
"""Seconds: the default of ``terminationGracePeriodSeconds``."""

_READ_ONLY = frozenset({"configMap", "secret", "downwardAPI", "projected", "image"})
"""The volumes that no process can write to."""


def check_container(
    container: Container, source: str, others: Sequence[Container]
) -> Iterator[Finding]:
    """Find what does not fit between a container and its service.

    Args:
        container: The container.
        source: The value that ``CONFIG_SOURCE`` must have; empty if any will do.
        others: All containers of the service.
    """
    yield from _check_program(container)
    yield from _check_source(container, source, others)
    if container.is_initial:
        return
    yield from _check_variables(container)
    yield from _check_grace(container)
    yield from _check_folder(container)
    yield from _check_cpu(container)


def _check_program(container: Container) -> Iterator[Finding]:
    program, service = container.program, container.service
    place = _find_command(container)
    if program.problem:
        yield place.report(program.problem, program.fix)
    if program.app and not service.is_same(program.app):
        yield place.report(
            f"{program.app} is not a module here; the service is {service.app}",
            f"use --app {service.app}",
        )
    if program.by_shell and place.value is not None:
        yield place.report(
            "a shell is the process 1, so the service gets no SIGTERM",
            "use a list of words, or exec before the program",
        )
    if program.verb == "dev":
        yield place.report("dev is a server for development", "use serve")


def _find_command(container: Container) -> Place:
    command = container.place.at("command")
    return command if command.value is not None else container.place.at("args")


def _check_source(
    container: Container, source: str, others: Sequence[Container]
) -> Iterator[Finding]:
    """Check ``CONFIG_SOURCE``."""
    variables, name = container.variables, "CONFIG_SOURCE"
    env = container.place.at("env")
    given = variables.literal.get(name, "").strip()
    if given:
        place = variables.places.get(name, env)
        if "$(" in given:
            return
        try:
            parse_source(given)
        except (MalformedSource, UnknownScheme) as fault:
            yield place.report(fault.what.rstrip("."), "use a source that exists")
            return
        if source and given != source:
            yield place.report(f"{name} is not {source}", f"use {source}")
    elif not variables.has(name) or name in variables.literal:
        near = get_close_matches(name, variables.places, 1, 0.9)
        set_elsewhere = [
            other.variables.literal[name]
            for other in others
            if other.variables.literal.get(name)
        ]
        if source or near or set_elsewhere:
            wanted = source or next(iter(set_elsewhere), "")
            fix = f"did you mean {name}?" if near else f"set it to {wanted}"
            yield env.report(f"{name} is not set", fix)


def _check_variables(container: Container) -> Iterator[Finding]:
    """Check the variables that describe the process in each span."""
    if container.program.verb not in ("", "serve", "gunicorn", "worker"):
        return  # a command that ends
    variables, env = container.variables, container.place.at("env")
    for name, path in _FIELDS.items():
        place = variables.places.get(name)
        if not variables.has(name):
            yield env.report(f"{name} is not set", f"take it from the field {path}")
        elif place is not None:
            yield from _check_field(place, name, path)
    for name in ("SERVICE_NAME", "WORKLOAD_TYPE"):
        if not variables.has(name) or variables.literal.get(name) == "":
            value = container.service.name
            if name == "WORKLOAD_TYPE":
                value = container.document.kind.lower()
            yield env.report(f"{name} is not set", f"set it to {value}")
    kind = variables.literal.get("WORKLOAD_TYPE", "")
    actual = container.document.kind.lower()
    if kind in _KINDS and actual in _KINDS and kind != actual:
        yield variables.places.get("WORKLOAD_TYPE", env).report(
            f"WORKLOAD_TYPE is {kind}, and the workload is a {actual}", f"use {actual}"
        )


def _check_field(place: Place, name: str, path: str) -> Iterator[Finding]:
    """Check a variable that a field of the pod gives."""
    reference = place.at("valueFrom", "fieldRef")
    field = reference.at("fieldPath")
    if reference.value is not None and field.text != path:
        yield field.report(f"{name} is {field.text or 'no field'}", f"use {path}")
    # A namespace may be written out. The name of a pod or a node is never the same.
    literal = place.at("value").text
    is_fixed = name != "POD_NAMESPACE" and "$(" not in literal
    if place.at("valueFrom").value is None and (not literal or is_fixed):
        yield place.report(f"{name} is the same in every pod", f"use the field {path}")


def _find_grace(container: Container) -> tuple[Place, float]:
    """Return the seconds between SIGTERM and SIGKILL, without a ``preStop`` hook."""
    place = container.pod.at("terminationGracePeriodSeconds")
    grace = _GRACE if place.number is None else place.number
    return place, grace - _find_pre_stop(container.place.at("lifecycle", "preStop"))


def _find_pre_stop(hook: Place) -> float:
    """Return the seconds that a hook sleeps; 0 if that is not known."""
    seconds = hook.at("sleep", "seconds").number
    words = " ".join(hook.at("exec", "command").texts)
    match = re.search(r"(?:^|[\s/])sleep\s+(\d+(?:\.\d+)?)", words)
    return seconds or (float(match[1]) if match else 0.0)


def _check_grace(container: Container) -> Iterator[Finding]:
    """Check that the kubelet kills no process that still finishes its work."""
    program, settings = container.program, container.settings
    place, grace = _find_grace(container)
    graceful, limit = program.graceful, settings.task_time_limit
    if program.serves and graceful is not None:
        if grace <= graceful:
            before = _GRACE if place.number is None else place.number
            yield place.report(
                f"the pod is killed {grace:g} s after SIGTERM and preStop, and "
                f"gunicorn gives its workers {graceful:g} s (graceful_timeout)",
                f"use {ceil(graceful + before - grace) + 10}",
            )
        delay = settings.shutdown_delay
        knows = container.variables.knows("SERVER_SHUTDOWN_DELAY")
        if knows and delay >= graceful - DRAIN_MARGIN:
            variables = container.variables.places
            env = variables.get("FLASK_SERVER_SHUTDOWN_DELAY", _find_command(container))
            yield env.report(
                f"SERVER_SHUTDOWN_DELAY is {delay:g} s, and gunicorn kills a worker "
                f"{graceful:g} s after SIGTERM",
                f"use less than {graceful - DRAIN_MARGIN:g}",
            )
    is_lost = limit and not settings.requeues and grace <= limit
    keys = ("CELERY_TASK_TIME_LIMIT", "CELERY_TASK_ACKS_LATE")
    if program.verb == "worker" and is_lost and container.variables.knows(*keys):
        yield place.report(
            f"the pod is killed after {grace:g} s, and a task may take {limit:g} s "
            "(CELERY_TASK_TIME_LIMIT)",
            f"use {ceil(limit or 0) + 10}",
        )


def _check_folder(container: Container) -> Iterator[Finding]:
    """Check that a read-only root leaves a folder for temporary files."""
    security = container.place.at("securityContext", "readOnlyRootFilesystem")
    if security.value is not True:
        return
    folder = container.variables.literal.get("TMPDIR") or "/tmp"
    mounts = container.place.at("volumeMounts")
    for mount in mounts.items:
        path = PurePosixPath(mount.at("mountPath").text)
        if path.is_absolute() and PurePosixPath(folder).is_relative_to(path):
            if _is_writable(container.pod, mount):
                return
            mounts = mount
    yield mounts.report(
        f"the root is read-only, and nothing can be written in {folder}",
        f"mount an emptyDir at {folder}",
    )


def _is_writable(pod: Place, mount: Place) -> bool:
    for volume in pod.at("volumes").items:
        if volume.at("name").text == mount.at("name").text:
            return not (
                _READ_ONLY & volume.mapping.keys() or mount.at("readOnly").value
            )
    # A StatefulSet makes volumes from claims.
    claims = mount.document.root.at("spec", "volumeClaimTemplates").items
    return any(
        claim.at("metadata", "name").text == mount.at("name").text for claim in claims
    )


def _check_cpu(container: Container) -> Iterator[Finding]:
    """Report more processes than gunicorn's rule allows: 2 for each CPU, and 1."""
    place, workers = container.place.at("resources"), container.program.workers
    for name in ("limits", "requests"):
        cpu = _read_cpu(place.at(name, "cpu"))
        if cpu is None:
            continue
        most = 2 * ceil(cpu) + 1
        if container.program.serves and workers > most:
            yield place.at(name, "cpu").report(
                f"{workers} processes share {cpu:g} CPU",
                f"use at most {most} workers, or a pod for each CPU",
            )
        return


def _read_cpu(place: Place) -> float | None:
    text = place.text
    with suppress(ValueError):
        return float(text[:-1]) / 1000 if text.endswith("m") else float(text)
    return None


def report_loopback(container: Container) -> Finding:
    """Report a server that nothing outside its pod can reach."""
    program = container.program
    return _find_command(container).report(
        f"it listens at {program.host}, where neither a probe nor a Service reaches it",
        f"use --bind 0.0.0.0:{program.port}",
    )
