"""Every field of a valid set of manifests, changed and removed."""

import itertools
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.server.deploy.conftest import SOURCE, Orders, set_field

FOUND, PASSES = True, False

POD = "spec/template/spec/"
BOX = f"{POD}containers/0/"

FIELDS: list[tuple[str, bool, bool]] = [
    # Only Kubernetes knows this one.
    ("RoleBinding/.*roleRef/apiGroup", PASSES, PASSES),
    # Who may read the source of the configuration.
    ("ServiceAccount/orders metadata/name", FOUND, FOUND),
    ("ServiceAccount/orders metadata/namespace", FOUND, PASSES),
    ("Role/orders-config metadata/name", FOUND, FOUND),
    ("Role/orders-config metadata/namespace", FOUND, PASSES),
    ("Role/orders-config rules/0/(apiGroups|resources|verbs)/0", FOUND, FOUND),
    # A rule without names allows every object.
    ("Role/orders-config rules/0/resourceNames/0", FOUND, PASSES),
    ("RoleBinding/orders-config metadata/name", PASSES, PASSES),
    ("RoleBinding/orders-config metadata/namespace", FOUND, PASSES),
    ("RoleBinding/orders-config roleRef/(kind|name)", FOUND, FOUND),
    ("RoleBinding/orders-config subjects/0/(kind|name)", FOUND, FOUND),
    ("RoleBinding/orders-config subjects/0/namespace", FOUND, PASSES),
    # The workloads.
    ("Deployment/orders metadata/name", FOUND, FOUND),
    ("Deployment/orders-worker metadata/name", PASSES, PASSES),
    ("Deployment/.* metadata/namespace", FOUND, PASSES),
    ("Deployment/.* metadata/labels/app", PASSES, PASSES),
    ("Deployment/.* spec/selector/matchLabels/app", FOUND, PASSES),
    ("Deployment/.* spec/(strategy/.*|replicas)", PASSES, PASSES),
    ("Deployment/.* spec/template/metadata/labels/app", FOUND, FOUND),
    (f"Deployment/.* {POD}serviceAccountName", FOUND, FOUND),
    (f"Deployment/.* {POD}terminationGracePeriodSeconds", PASSES, PASSES),
    (f"Deployment/.* {POD}securityContext/.*", PASSES, PASSES),
    (f"Deployment/.* {BOX}(name|image)", PASSES, PASSES),
    (f"Deployment/orders {BOX}command/\\d+", FOUND, FOUND),
    # Celery itself knows the values of its options.
    (f"Deployment/orders-worker {BOX}command/5", PASSES, FOUND),
    (f"Deployment/orders-worker {BOX}command/\\d+", FOUND, FOUND),
    (f"Deployment/.* {BOX}env/\\d+/name", FOUND, FOUND),
    (f"Deployment/.* {BOX}env/0/value", FOUND, FOUND),
    # The name of the service in spans is free, and so is another kind of a workload.
    (f"Deployment/.* {BOX}env/\\d+/value", PASSES, FOUND),
    (f"Deployment/.* {BOX}env/\\d+/valueFrom/fieldRef/fieldPath", FOUND, FOUND),
    (f"Deployment/.* {BOX}resources/.*", PASSES, PASSES),
    (f"Deployment/orders {BOX}ports/\\d+/(name|containerPort)", FOUND, FOUND),
    (f"Deployment/orders-worker {BOX}ports/.*", PASSES, PASSES),
    (f"Deployment/.* {BOX}\\w+Probe/httpGet/path", FOUND, FOUND),
    (f"Deployment/.* {BOX}\\w+Probe/httpGet/port", FOUND, PASSES),
    (f"Deployment/.* {BOX}\\w+Probe/\\w+", PASSES, PASSES),
    (f"Deployment/.* {BOX}securityContext/.*", PASSES, PASSES),
    (f"Deployment/.* {BOX}volumeMounts/0/(name|mountPath)", FOUND, FOUND),
    (f"Deployment/.* {POD}volumes/0/name", FOUND, FOUND),
    (f"Deployment/.* {POD}volumes/0/emptyDir/sizeLimit", PASSES, PASSES),
    # What leads to the pods, and watches them.
    ("Service/orders metadata/name", PASSES, PASSES),
    ("Service/orders metadata/namespace", FOUND, PASSES),
    ("Service/orders metadata/labels/app", FOUND, FOUND),
    # A Service without a selector has endpoints that someone else writes.
    ("Service/orders spec/selector/app", FOUND, PASSES),
    ("Service/orders spec/ports/\\d+/port", PASSES, PASSES),
    ("HorizontalPodAutoscaler/orders metadata/name", PASSES, PASSES),
    ("HorizontalPodAutoscaler/orders metadata/namespace", FOUND, PASSES),
    ("HorizontalPodAutoscaler/orders spec/scaleTargetRef/apiVersion", FOUND, PASSES),
    ("HorizontalPodAutoscaler/orders spec/scaleTargetRef/(kind|name)", FOUND, FOUND),
    ("HorizontalPodAutoscaler/orders spec/(min|max)Replicas", PASSES, PASSES),
    ("HorizontalPodAutoscaler/orders .*", PASSES, PASSES),
    ("PodDisruptionBudget/orders metadata/name", PASSES, PASSES),
    ("PodDisruptionBudget/orders metadata/namespace", FOUND, PASSES),
    ("PodDisruptionBudget/orders spec/maxUnavailable", PASSES, PASSES),
    # A budget without labels is for all pods of its namespace.
    ("PodDisruptionBudget/orders spec/selector/matchLabels/app", FOUND, PASSES),
    ("ServiceMonitor/orders metadata/name", PASSES, PASSES),
    ("ServiceMonitor/orders metadata/namespace", FOUND, PASSES),
    ("ServiceMonitor/orders spec/selector/matchLabels/app", FOUND, PASSES),
    ("ServiceMonitor/orders spec/endpoints/0/port", FOUND, PASSES),
    (
        "ServiceMonitor/orders spec/endpoints/0/(interval|authorization/.*)",
        PASSES,
        PASSES,
    ),
]
"""Fields, and whether a change and a removal are found; the first match counts."""

Rules = list[tuple[str, bool, bool]]

ON_PORT: Rules = [
    ("Service/orders spec/ports/0/name", PASSES, PASSES),
    ("Service/orders spec/ports/0/targetPort", FOUND, FOUND),
    ("Service/orders spec/ports/1/name", FOUND, FOUND),
    # Without it the port leads to the port of the same number.
    ("Service/orders spec/ports/1/targetPort", FOUND, PASSES),
    # On a port of its own every path is the page of the metrics.
    ("ServiceMonitor/orders spec/endpoints/0/path", PASSES, PASSES),
]
ON_PATH: Rules = [
    ("Service/orders spec/ports/0/(name|targetPort)", FOUND, FOUND),
    ("ServiceMonitor/orders spec/endpoints/0/path", FOUND, FOUND),
]


def list_fields(value: Any, path: str = "") -> Iterator[str]:
    """The path of every scalar."""
    pairs: Any = ()
    if isinstance(value, dict):
        pairs = value.items()
    elif isinstance(value, list):
        pairs = enumerate(value)
    else:
        yield path
    for name, inner in pairs:
        yield from list_fields(inner, f"{path}/{name}" if path else str(name))


def list_nodes(value: Any, path: str = "") -> Iterator[str]:
    """The path of every mapping, list and scalar."""
    if path:
        yield path
    pairs: Any = value.items() if isinstance(value, dict) else ()
    for name, inner in enumerate(value) if isinstance(value, list) else pairs:
        yield from list_nodes(inner, f"{path}/{name}" if path else str(name))


def get_field(document: Any, path: str) -> Any:
    for part in path.split("/"):
        document = document[int(part) if part.isdigit() else part]
    return document


def change(value: Any) -> Any:
    """Another value of the same type."""
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int) else f"{value}x"


@pytest.mark.parametrize(
    ("config", "rules"),
    [
        ({"METRICS_PORT": 9100, "METRICS_TOKEN": "hunter2"}, ON_PORT),
        ({"METRICS_PATH": "/stats", "HEALTH_LIVENESS_PATH": "/up"}, ON_PATH),
    ],
    ids=["port", "path"],
)
def test_every_field(make_orders, config: dict[str, Any], rules: Rules):
    """What no longer fits the service is found, and every other change passes."""
    orders: Orders = make_orders(CELERY_BROKER_URL="memory://", **config)
    documents = orders.documents()
    assert orders.check(documents, SOURCE) == []

    wrong, used = [], set()
    for document in documents:
        name = f"{document['kind']}/{document['metadata']['name']}"
        for path in list_fields(document):
            if path in ("apiVersion", "kind"):
                continue  # the schemas of Kubernetes answer for them
            field = f"{name} {path}"
            rule = next(
                (rule for rule in [*rules, *FIELDS] if re.fullmatch(rule[0], field)),
                None,
            )
            assert rule is not None, f"no rule says whether {field} matters"
            used.add(rule)
            for value, is_found in zip(
                (change(get_field(document, path)), ...), rule[1:], strict=True
            ):
                found = orders.check(set_field(documents, name, path, value), SOURCE)
                if bool(found) != is_found:
                    wrong.append(f"{field} = {value}: {found}")

    assert not wrong, "\n".join(wrong)
    assert used >= set(rules)


JUNK: list[Any] = [None, [], {}, 3, True, "x", [None], [[1]], {"a": []}, {"a": {}}]


def test_no_field_breaks_the_check(orders: Orders):
    """Whatever a field holds, the check ends with lines, and not with an error."""
    documents = orders.documents()
    junk = itertools.cycle(JUNK)

    for number, document in enumerate(documents):
        for path in list_nodes(document):
            name = f"{document['kind']}/{document['metadata']['name']}"
            changed = set_field(documents, name, path, next(junk))
            assert isinstance(orders.check(changed, SOURCE), list), (number, path)
