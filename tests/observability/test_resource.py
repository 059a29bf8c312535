"""The resource of the process, and which variable wins."""

import pytest
from opentelemetry.sdk.version import __version__

from modern_flask.observability.resource import describe_process, make_resource

POD = {
    "SERVICE_NAME": "orders",
    "SERVICE_VERSION": "1.2",
    "POD_NAME": "orders-7",
    "POD_NAMESPACE": "shop",
    "NODE_NAME": "node-1",
    "WORKLOAD_TYPE": "Deployment",
}


def test_nothing_set_leaves_nothing() -> None:
    """Absent and empty variables leave no attribute, such as unknown_service."""
    assert describe_process("app", {}) == {"service.name": "app"}
    assert describe_process("app", dict.fromkeys(POD, "")) == {"service.name": "app"}
    found = dict(make_resource("app", {}).attributes)
    # The SDK's own: random, one for each process.
    assert len(str(found.pop("service.instance.id"))) == 36
    assert found == {
        "service.name": "app",
        "telemetry.sdk.language": "python",
        "telemetry.sdk.name": "opentelemetry",
        "telemetry.sdk.version": __version__,
    }


def test_downward_api() -> None:
    """The variables of Kubernetes' downward API become attributes."""
    assert describe_process("app", POD) == {
        "service.name": "orders",
        "service.namespace": "shop",
        "service.version": "1.2",
        "service.instance.id": "orders-7.shop",
        "k8s.pod.name": "orders-7",
        "k8s.namespace.name": "shop",
        "k8s.node.name": "node-1",
        "workload.type": "Deployment",
    }


def test_instance_without_namespace() -> None:
    """Without a namespace the pod's name identifies the instance."""
    found = describe_process("app", {"POD_NAME": "orders-7"})

    assert found["service.instance.id"] == "orders-7"
    assert "k8s.namespace.name" not in found


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({}, "app"),
        ({"SERVICE_NAME": "variable"}, "variable"),
        (
            {
                "SERVICE_NAME": "variable",
                "OTEL_RESOURCE_ATTRIBUTES": "service.name=attribute",
            },
            "attribute",
        ),
        (
            {
                "SERVICE_NAME": "variable",
                "OTEL_RESOURCE_ATTRIBUTES": "service.name=attribute",
                "OTEL_SERVICE_NAME": "otel",
            },
            "otel",
        ),
    ],
)
def test_rank_of_names(
    environ: dict[str, str], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OTEL_SERVICE_NAME > OTEL_RESOURCE_ATTRIBUTES > SERVICE_NAME > the app's."""
    for variable, value in environ.items():
        monkeypatch.setenv(variable, value)

    assert make_resource("app", environ).attributes["service.name"] == name


def test_resource_attributes_win(monkeypatch: pytest.MonkeyPatch) -> None:
    """OTEL_RESOURCE_ATTRIBUTES beats the downward API, and adds its own."""
    attributes = "k8s.pod.name=mine,team=a%20b"
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", attributes)

    found = make_resource("app", POD).attributes

    assert found["k8s.pod.name"] == "mine"
    assert found["team"] == "a b"
    assert found["k8s.node.name"] == "node-1"
