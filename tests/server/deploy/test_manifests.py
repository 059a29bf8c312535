"""The text of the manifests: valid, complete, and as the settings imply."""

import copy
import os
from typing import Any

import kubernetes_validate
import pytest
import yaml

from modern_flask.config.errors import MalformedSource
from modern_flask.server import settings as gunicorn_settings
from modern_flask.server.deploy.manifests import PARTS, write_manifests
from modern_flask.server.deploy.plan import make_name, quote
from modern_flask.server.deploy.settings import HOST, read_settings
from modern_flask.server.errors import DelayTooLong
from modern_flask.server.worker.limits import read_limits
from tests.server.deploy.conftest import Orders, find, set_field

VERSION = "1.37"
CUSTOM = ("ServiceMonitor",)


def validate(document: Any) -> None:
    kubernetes_validate.validate(document, VERSION, strict=True)


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"METRICS_PORT": 9100, "METRICS_TOKEN": "hunter2"},
        {"HEALTH_LIVENESS_PATH": None, "HEALTH_READINESS_PATH": None},
    ],
)
@pytest.mark.parametrize("source", ["", "kubernetes://x/configmaps/orders/config.py"])
def test_documents_are_valid(make_orders, config, source):
    """Each kind that Kubernetes itself has is accepted by its strict schema."""
    documents = make_orders(**config).documents(source=source)

    built_in = [each for each in documents if each["kind"] not in CUSTOM]
    for document in built_in:
        validate(document)

    assert len(documents) - len(built_in) == 1


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("Deployment/orders", "spec/template/spec/gracePeriod", 30),
        ("Deployment/orders", "spec/template/spec/containers/0/ports/0", "http"),
        ("HorizontalPodAutoscaler/orders", "spec/maxReplicas", "10"),
        ("Role/orders-config", "rules/0/verbs", "get"),
        ("Service/orders", "spec/ports", {}),
    ],
)
def test_broken_document_is_refused(orders: Orders, name, path, value):
    """The schemas refuse what a cluster would refuse."""
    documents = set_field(orders.documents(), name, path, value)

    with pytest.raises(kubernetes_validate.ValidationError):
        validate(find(documents, name))


def test_parts_are_what_the_settings_imply(make_orders):
    """There is a worker for tasks, and a Role for a source in the cluster."""
    orders = make_orders()

    everything = [each["kind"] for each in orders.documents()]
    least = [each["kind"] for each in orders.documents(source="", has_worker=False)]

    assert everything == [
        "ServiceAccount",
        "Role",
        "RoleBinding",
        "Deployment",
        "Deployment",
        "Service",
        "HorizontalPodAutoscaler",
        "PodDisruptionBudget",
        "ServiceMonitor",
    ]
    assert least == [
        "Deployment",
        "Service",
        "HorizontalPodAutoscaler",
        "PodDisruptionBudget",
        "ServiceMonitor",
    ]


def test_times_fit_each_other(make_orders):
    """Delay < graceful timeout < grace, and the pings end before their probe."""
    orders = make_orders(HEALTH_TIMEOUT=2.5, SERVER_SHUTDOWN_DELAY=8)

    pod = find(orders.documents(), "Deployment/orders")["spec"]["template"]["spec"]

    (container,) = pod["containers"]
    assert "serves on for 8 s (SERVER_SHUTDOWN_DELAY)" in orders.write()
    assert pod["terminationGracePeriodSeconds"] > gunicorn_settings.graceful_timeout > 8
    assert container["readinessProbe"]["timeoutSeconds"] == 4


def test_delay_in_a_pod_is_that_of_the_worker(make_orders, monkeypatch):
    """Without a key, the manifests have the delay that the worker has in a pod."""
    monkeypatch.setitem(os.environ, HOST, "10.0.0.1")
    in_pod = read_limits({}).shutdown_delay
    monkeypatch.delitem(os.environ, HOST)

    assert read_settings(make_orders().values).shutdown_delay == in_pod > 0


def test_delay_without_an_end_is_refused(make_orders):
    """No grace fits a delay in which gunicorn kills the worker."""
    orders = make_orders(SERVER_SHUTDOWN_DELAY=19)

    with pytest.raises(DelayTooLong) as caught:
        orders.plan()

    assert str(caught.value) == (
        "SERVER_SHUTDOWN_DELAY = 19 leaves no time for the requests under way: "
        "gunicorn kills a worker 20 s after SIGTERM.\n"
        "  fix      set it to less than 19, such as 5"
    )


def test_source_is_parsed(orders: Orders):
    """A source that no pod could read is an error, and not a manifest."""
    with pytest.raises(MalformedSource):
        orders.plan(source="kubernetes://secrets/orders")


def test_scaler_sets_the_replicas(orders: Orders):
    """A Deployment names its replicas only where nothing else sets them."""
    plan = orders.plan(replicas=3)

    scaled = find(orders.documents(replicas=3), "Deployment/orders")
    fixed = yaml.safe_load(write_manifests(plan, ["deployment"]))
    scaler = yaml.safe_load(write_manifests(plan, ["hpa"]))

    assert "replicas" not in scaled["spec"]
    assert fixed["spec"]["replicas"] == 3
    assert (scaler["spec"]["minReplicas"], scaler["spec"]["maxReplicas"]) == (3, 10)


def test_pod_is_locked_down(orders: Orders):
    """No root, no write but to /tmp, no privilege, and no token without a use."""
    for name in ("Deployment/orders", "Deployment/orders-worker"):
        documents = orders.documents(source="")
        pod = find(documents, name)["spec"]["template"]["spec"]
        (container,) = pod["containers"]

        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"] == {
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["volumeMounts"] == [{"name": "tmp", "mountPath": "/tmp"}]


def test_token_is_not_printed(make_orders):
    """The token for the metrics comes from a Secret, and is not in the text."""
    text = make_orders(METRICS_TOKEN="hunter2").write()

    assert "hunter2" not in text
    assert (
        "authorization: { credentials: { name: orders-metrics, key: token } }" in text
    )


def test_variables_are_added(orders: Orders):
    """A further variable stands in each pod, and wins over those of the kit."""
    given = {"OTEL_EXPORTER": "otlp", "NODE_NAME": "a: b", "WORKLOAD_TYPE": "web"}
    documents = orders.documents(variables=given)

    for name in ("Deployment/orders", "Deployment/orders-worker"):
        (box,) = find(documents, name)["spec"]["template"]["spec"]["containers"]
        values = {each["name"]: each.get("value") for each in box["env"]}
        assert given.items() <= values.items()
        assert len(values) == len(box["env"])


@pytest.mark.parametrize(
    "text",
    [
        *("a", "no", "1", "1e3", "0x1f", "12:30", "0.0.0.0:8000", "", "~", "=", "<<"),
        *(
            "a: b",
            "a #b",
            "- a",
            "--bind",
            "*a",
            "&a",
            "!a",
            "[a]",
            "{a}",
            "a, b",
            "a:",
        ),
        *("r.example:5000/a/b:1@sha256:0f", "https://x/y?z#sha256=0", "a=b", "a/b:1.2"),
        *("é\n", "\x7f", "\x85", "\u2028", "\U0001f600", "'", '"', "\\", "\t", " a"),
    ],
)
def test_text_is_quoted(text: str):
    """A value is read as the same text, in a list and in a mapping too."""
    for line in (
        f"a: {quote(text)}",
        f"a: [{quote(text)}, 1]",
        f"{{ a: {quote(text)} }}",
    ):
        found = yaml.safe_load(line)["a"]

        assert (found[0] if isinstance(found, list) else found) == text


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("orders", "orders"),
        ("example_service", "example-service"),
        ("Shop.Orders", "shop-orders"),
        ("1st", "app-1st"),
        ("on", "app-on"),
        ("x" * 80, "x" * 52),
        ("订单", "app"),
    ],
)
def test_name_is_valid(text: str, name: str):
    """The name of a service becomes a name of objects, with room for `-worker`."""
    assert make_name(text) == name


def test_manifests_of_every_plan_fit(make_orders):
    """What is printed passes the check, for each source and each setting."""
    for config in ({}, {"METRICS_PORT": 9100}, {"METRICS_PATH": None}):
        for source in ("", "/etc/orders/config.py", "kubernetes://a/secrets/b/c"):
            orders = make_orders(CELERY_BROKER_URL="memory://", **config)

            documents = copy.deepcopy(orders.documents(source=source))

            assert orders.check(documents, source) == [], (config, source)


def test_each_part_is_written_alone(orders: Orders):
    """The text of all parts consists of the texts of each."""
    plan = orders.plan()
    fixed = [part for part in PARTS if part not in ("deployment", "hpa")]

    texts = [write_manifests(plan, [part]) for part in fixed]

    assert "\n---\n".join(texts) == write_manifests(plan, fixed)
