"""The manifests of a service, as YAML with remarks on their numbers.

They are written from templates, because a library for YAML would lose the remarks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from .plan import PORT, Plan, quote, write_command
from .templates import (
    ACCOUNT,
    AUTOSCALER,
    BINDING,
    BUDGET,
    DRAIN,
    MONITOR,
    ROLE,
    SERVER,
    SERVICE,
    WORKER,
)

__all__ = ["PARTS", "write_manifests"]


def write_manifests(plan: Plan, parts: Iterable[str]) -> str:
    """Write the ``parts`` that ``plan`` needs, as documents of one YAML stream.

    Args:
        plan: The service.
        parts: Names of :data:`PARTS`.
    """
    chosen = set(parts)
    texts = [
        text.strip("\n")
        for part, write in PARTS.items()
        if part in chosen and (text := write(plan, chosen))
    ]
    return "\n---\n".join(texts)


_Write = Callable[[Plan, set[str]], str]


def _write_account(plan: Plan, parts: set[str]) -> str:
    if plan.key is None:
        return ""
    texts = [ACCOUNT, ROLE, BINDING]
    return "\n---\n".join(
        text.format(
            name=plan.name,
            namespace=quote(plan.namespace),
            source_namespace=quote(plan.source_namespace),
            kind=plan.key.kind,
            object=quote(plan.key.name),
            source=plan.source,
        ).strip("\n")
        for text in texts
    )


def _write_server(plan: Plan, parts: set[str]) -> str:
    replicas = f"  replicas: {plan.replicas}\n"
    if "hpa" in parts:
        replicas = "  # No replicas: the HorizontalPodAutoscaler sets them.\n"
    words = ["modern-flask", "--app", plan.app, "serve", "--bind", f"0.0.0.0:{PORT}"]
    words += ["--workers", "1", "--threads", "1"]
    return SERVER.format(
        name=plan.name,
        namespace=quote(plan.namespace),
        replicas=replicas,
        account=_write_account_name(plan),
        grace=plan.grace,
        drain=DRAIN.format(
            delay=plan.settings.shutdown_delay, graceful=plan.graceful_timeout
        ),
        image=quote(plan.image),
        command=write_command(words),
        env=_write_env(plan),
        ports=_write_ports(plan),
        probes=_write_probes(plan),
    )


def _write_account_name(plan: Plan) -> str:
    if plan.key is None:
        return (
            "      # Nothing in the pod talks to the API server.\n"
            "      automountServiceAccountToken: false\n"
        )
    return f"      serviceAccountName: {plan.name}   # may `get` {plan.source}\n"


def _write_env(plan: Plan) -> str:
    given = {"CONFIG_SOURCE": plan.source} if plan.source else {}
    given |= {"SERVICE_NAME": plan.service, "WORKLOAD_TYPE": "deployment"}
    given |= plan.variables
    rows = [
        f"            - {{ name: {name}, value: {quote(value)} }}\n"
        for name, value in given.items()
    ]
    fields = {
        "NODE_NAME": "spec.nodeName",
        "POD_NAME": "metadata.name",
        "POD_NAMESPACE": "metadata.namespace",
    }
    rows += [
        f"            - {{ name: {name}, valueFrom: "
        f"{{ fieldRef: {{ fieldPath: {path} }} }} }}\n"
        for name, path in fields.items()
        if name not in given
    ]
    return "".join(rows)


def _write_ports(plan: Plan) -> str:
    rows = [f"            - {{ name: http, containerPort: {PORT} }}\n"]
    if plan.settings.open_port:
        rows.append(_METRICS_PORT.format(port=plan.settings.open_port))
    return "".join(rows)


_METRICS_PORT = "            - {{ name: metrics, containerPort: {port} }}\n"

_LIVENESS = """\
          # The page answers for the process alone, whatever the app does.
          livenessProbe:
            httpGet: {{ path: {path}, port: http }}
            periodSeconds: 10
            timeoutSeconds: 2
            failureThreshold: 3
          # 60 s for the start, which needs no back end; no other probe runs before.
          startupProbe:
            httpGet: {{ path: {path}, port: http }}
            periodSeconds: 2
            timeoutSeconds: 2
            failureThreshold: 30
"""

_READINESS = """\
          readinessProbe:
            httpGet: {{ path: {path}, port: http }}
            periodSeconds: 5
            timeoutSeconds: {timeout}   # above HEALTH_TIMEOUT, which is {health:g} s
            failureThreshold: 2
"""


def _write_probes(plan: Plan) -> str:
    settings, text = plan.settings, ""
    if settings.liveness:
        text += _LIVENESS.format(path=quote(settings.liveness))
    if settings.readiness:
        text += _READINESS.format(
            path=quote(settings.readiness),
            timeout=plan.readiness_timeout,
            health=settings.health_timeout,
        )
    return text


def _write_service(plan: Plan, parts: set[str]) -> str:
    text = SERVICE.format(name=plan.name, namespace=quote(plan.namespace))
    if plan.settings.open_port:
        number = plan.settings.open_port
        text += f"    - {{ name: metrics, port: {number}, targetPort: metrics }}\n"
    return text


def _write_autoscaler(plan: Plan, parts: set[str]) -> str:
    return AUTOSCALER.format(
        name=plan.name,
        namespace=quote(plan.namespace),
        least=plan.replicas,
        most=max(10, 2 * plan.replicas),
    )


def _write_budget(plan: Plan, parts: set[str]) -> str:
    return BUDGET.format(name=plan.name, namespace=quote(plan.namespace))


def _write_worker(plan: Plan, parts: set[str]) -> str:
    if not plan.has_worker:
        return ""
    words = ["modern-flask", "--app", plan.app, "worker", "--concurrency", "1"]
    port = plan.settings.open_port
    why = "CELERY_TASK_TIME_LIMIT ends the longest task"
    if plan.settings.task_time_limit is None:
        why = "CELERY_TASK_TIME_LIMIT is not set: a longer task would be lost"
    return WORKER.format(
        name=plan.name,
        namespace=quote(plan.namespace),
        account=_write_account_name(plan),
        longest=plan.longest_task,
        why=why,
        grace=plan.worker_grace,
        image=quote(plan.image),
        command=write_command(words),
        env=_write_env(plan),
        ports=f"          ports:\n{_METRICS_PORT.format(port=port)}" if port else "",
    )


def _write_monitor(plan: Plan, parts: set[str]) -> str:
    settings = plan.settings
    if not settings.metrics and not settings.open_port:
        return ""
    # On a port of its own every path is the metrics; else METRICS_PATH is.
    port = "metrics" if settings.open_port else "http"
    path = settings.metrics or "/metrics"
    token = ""
    if settings.has_token:
        token = (
            f"      # kubectl -n {plan.namespace} create secret generic "
            f"{plan.name}-metrics --from-literal=token=...\n"
            "      # with the value of METRICS_TOKEN.\n"
            "      authorization: { credentials: "
            f"{{ name: {plan.name}-metrics, key: token }} }}\n"
        )
    return MONITOR.format(
        name=plan.name,
        namespace=quote(plan.namespace),
        port=port,
        path=quote(path),
        token=token,
    )


PARTS: dict[str, _Write] = {
    "rbac": _write_account,
    "deployment": _write_server,
    "worker": _write_worker,
    "service": _write_service,
    "hpa": _write_autoscaler,
    "pdb": _write_budget,
    "service-monitor": _write_monitor,
}
"""The parts by their names, in the order in which they are applied."""
