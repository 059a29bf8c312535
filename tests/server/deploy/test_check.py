"""The check of manifests: what it finds, and what it lets pass."""

from typing import Any

import pytest

from tests.server.deploy.conftest import Orders, find, set_field

SERVER, WORKER = "Deployment/orders", "Deployment/orders-worker"
POD = "spec/template/spec"
BOX = f"{POD}/containers/0"

FOUND: list[tuple[str, str, str, Any, str]] = [
    (
        "a grace that is not above gunicorn's",
        SERVER,
        f"{POD}/terminationGracePeriodSeconds",
        20,
        "orders.yaml: Deployment/orders: "
        "spec.template.spec.terminationGracePeriodSeconds: the pod is killed 20 s "
        "after SIGTERM and preStop, and gunicorn gives its workers 20 s "
        "(graceful_timeout); use 30",
    ),
    (
        "a hook that takes the time for the drain",
        SERVER,
        f"{BOX}/lifecycle",
        {"preStop": {"exec": {"command": ["sleep", "15"]}}},
        "the pod is killed 15 s after SIGTERM and preStop",
    ),
    (
        "a hook of the kubelet's own",
        SERVER,
        f"{BOX}/lifecycle",
        {"preStop": {"sleep": {"seconds": 10}}},
        "the pod is killed 20 s after SIGTERM",
    ),
    (
        "a delay that leaves no time for requests",
        SERVER,
        f"{BOX}/env/0",
        {"name": "FLASK_SERVER_SHUTDOWN_DELAY", "value": "25"},
        "env[0]: SERVER_SHUTDOWN_DELAY is 25 s, and gunicorn kills a worker 20 s after "
        "SIGTERM; use less than 19",
    ),
    (
        "a setting that is wrong",
        SERVER,
        f"{BOX}/env/0",
        {"name": "FLASK_SERVER_SHUTDOWN_DELAY", "value": "soon"},
        'SERVER_SHUTDOWN_DELAY = "soon" is not a number of 0 or more',
    ),
    (
        "a liveness probe that asks the back ends",
        SERVER,
        f"{BOX}/livenessProbe/httpGet/path",
        "/readyz",
        "/readyz asks the back ends, so an outage of one restarts every pod; "
        "use /livez",
    ),
    (
        "a probe of a page that a variable has moved",
        SERVER,
        f"{BOX}/env/0",
        {"name": "FLASK_HEALTH_READINESS_PATH", "value": "/ready"},
        "readinessProbe.httpGet.path: the service has no page /readyz "
        "(HEALTH_READINESS_PATH); use /ready",
    ),
    (
        "a probe of a page that is left out",
        SERVER,
        f"{BOX}/env/0",
        {"name": "FLASK_HEALTH_LIVENESS_PATH", "value": "None"},
        "the service has no page /livez (HEALTH_LIVENESS_PATH); "
        "set HEALTH_LIVENESS_PATH to a path",
    ),
    (
        "a probe that gives up before the pings do",
        SERVER,
        f"{BOX}/env/0",
        {"name": "FLASK_HEALTH_TIMEOUT", "value": "2.5"},
        "timeoutSeconds: the probe waits 2 s, and a round of checks may take 2.5 s "
        "(HEALTH_TIMEOUT); use 3",
    ),
    (
        "a probe over TLS",
        SERVER,
        f"{BOX}/livenessProbe/httpGet/scheme",
        "HTTPS",
        "the service speaks HTTP; use HTTP",
    ),
    (
        "a probe of another port",
        SERVER,
        f"{BOX}/livenessProbe/httpGet/port",
        8080,
        "the service listens at port 8000, not 8080; use 8000",
    ),
    (
        "a TCP probe of another port",
        SERVER,
        f"{BOX}/livenessProbe",
        {"tcpSocket": {"port": 8080}},
        "livenessProbe.tcpSocket.port: the service listens at port 8000, not 8080",
    ),
    (
        "a probe of a worker",
        WORKER,
        f"{BOX}/livenessProbe",
        {"httpGet": {"path": "/livez", "port": 8000}},
        "livenessProbe.httpGet: a worker answers no requests; remove the probe",
    ),
    (
        "a Service whose pods are not asked whether they are ready",
        SERVER,
        f"{BOX}/readinessProbe",
        ...,
        "it has no readinessProbe",
    ),
    (
        "an address that only the pod reaches",
        SERVER,
        f"{BOX}/command/5",
        "127.0.0.1:8000",
        "it listens at 127.0.0.1, where neither a probe nor a Service reaches it; "
        "use --bind 0.0.0.0:8000",
    ),
    (
        "another port than the probes'",
        SERVER,
        f"{BOX}/command/5",
        "0.0.0.0:9000",
        "ports[0].containerPort: the service listens at port 9000, not 8000",
    ),
    (
        "a shell",
        SERVER,
        f"{BOX}/command",
        ["sh", "-c", "modern-flask --app orders serve --bind 0.0.0.0:8000"],
        "command: a shell is the process 1, so the service gets no SIGTERM; "
        "use a list of words, or exec before the program",
    ),
    (
        "more processes than the CPU can run",
        SERVER,
        f"{BOX}/command/7",
        "9",
        "resources.limits.cpu: 9 processes share 1 CPU; use at most 3 workers",
    ),
    (
        "an option that serve does not have",
        SERVER,
        f"{BOX}/command/6",
        "--worker-count",
        "command: gunicorn can't read its options: unrecognized arguments",
    ),
    (
        "a number of processes that serve refuses",
        SERVER,
        f"{BOX}/command/7",
        "0",
        "0 is not in the range x>=1",
    ),
    (
        "the server for development",
        SERVER,
        f"{BOX}/command",
        ["modern-flask", "--app", "orders", "dev"],
        "dev is a server for development; use serve",
    ),
    (
        "a folder that nobody can write to",
        SERVER,
        f"{POD}/volumes/0",
        {"name": "tmp", "configMap": {"name": "orders"}},
        "volumeMounts[0]: the root is read-only, and nothing can be written in /tmp; "
        "mount an emptyDir at /tmp",
    ),
    (
        "a kind of workload that is another one's",
        SERVER,
        f"{BOX}/env/2/value",
        "statefulset",
        "WORKLOAD_TYPE is statefulset, and the workload is a deployment",
    ),
    (
        "a name that every pod has",
        SERVER,
        f"{BOX}/env/4",
        {"name": "POD_NAME", "value": "orders"},
        "POD_NAME is the same in every pod; use the field metadata.name",
    ),
    (
        "a source that is none",
        SERVER,
        f"{BOX}/env/0/value",
        "kubernetes://secret-orders",
        "env[0]",
    ),
    (
        "a pod without a token for the cluster",
        SERVER,
        f"{POD}/automountServiceAccountToken",
        False,
        "CONFIG_SOURCE is in the cluster, and the pod has no token for it; use true",
    ),
    (
        "an account without a token for the cluster",
        "ServiceAccount/orders",
        "automountServiceAccountToken",
        False,
        "ServiceAccount/orders: automountServiceAccountToken: CONFIG_SOURCE is in the",
    ),
    (
        "a Service that sends requests to workers",
        WORKER,
        "spec/template/metadata/labels",
        {"app": "orders"},
        "it selects the pods of Deployment/orders-worker too, and a worker answers no "
        "requests",
    ),
]


@pytest.mark.parametrize(
    ("name", "path", "value", "text"),
    [row[1:] for row in FOUND],
    ids=[r[0] for r in FOUND],
)
def test_mismatch_is_found(orders: Orders, name: str, path: str, value: Any, text: str):
    """A line says where a document does not fit, with what, and what to do."""
    documents = orders.documents()

    found = orders.check(set_field(documents, name, path, value))

    assert orders.check(documents) == []
    assert any(text in line for line in found), found
    assert not any("\n" in line for line in found)


def test_role_is_missing(orders: Orders):
    """Without Role, binding or account the pod can't read its configuration."""
    for kind, text in {
        "Role": "roleRef.name: there is no Role orders-config; add it, or pass the "
        "file that has it",
        "RoleBinding": "serviceAccountName: no RoleBinding lets orders get "
        "kubernetes://secrets/orders/config.py; add a Role and a RoleBinding",
        "ServiceAccount": "serviceAccountName: there is no ServiceAccount orders",
    }.items():
        documents = [each for each in orders.documents() if each["kind"] != kind]

        found = orders.check(documents)

        assert any(text in line for line in found), found


def test_role_is_in_another_namespace(orders: Orders):
    """The Role must be where the ConfigMap is, and not where the pod is."""
    text = "kubernetes://settings/configmaps/orders/config.py"
    documents = orders.documents(source=text)
    assert orders.check(documents) == []

    for name in ("Role/orders-config", "RoleBinding/orders-config"):
        documents = set_field(documents, name, "metadata/namespace", "shop")

    assert orders.check(documents) == [
        "orders.yaml: RoleBinding/orders-config: metadata.namespace: "
        "CONFIG_SOURCE is in settings; use settings"
    ]


def test_object_lacks_the_key(orders: Orders):
    """If the Secret is in the files, it has the key that the source names."""
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "orders", "namespace": "shop"},
        "stringData": {"config.py": "A = 1"},
    }
    documents = [*orders.documents(), secret]
    assert orders.check(documents) == []

    secret["stringData"] = {"settings.py": "A = 1"}

    (line,) = orders.check(documents)
    assert "Secret/orders: data: it has no key config.py" in line


def test_tasks_are_longer_than_the_grace(make_orders):
    """A worker has the time that its longest task may take."""
    orders = make_orders(CELERY_BROKER_URL="memory://", CELERY_TASK_TIME_LIMIT=120)
    documents = orders.documents()
    path = f"{POD}/terminationGracePeriodSeconds"
    assert (
        find(documents, WORKER)["spec"]["template"]["spec"][
            "terminationGracePeriodSeconds"
        ]
        == 130
    )

    found = orders.check(set_field(documents, WORKER, path, 60))

    assert found == [
        "orders.yaml: Deployment/orders-worker: "
        "spec.template.spec.terminationGracePeriodSeconds: the pod is killed after "
        "60 s, and a task may take 120 s (CELERY_TASK_TIME_LIMIT); use 130"
    ]


def test_tasks_that_return_to_the_queue_may_be_cut(make_orders):
    """A task that is acknowledged late is not lost when the pod is killed."""
    orders = make_orders(
        CELERY_BROKER_URL="memory://",
        CELERY_TASK_TIME_LIMIT=120,
        CELERY_TASK_ACKS_LATE=True,
    )
    path = f"{POD}/terminationGracePeriodSeconds"

    assert orders.check(set_field(orders.documents(), WORKER, path, 60)) == []


@pytest.mark.parametrize(
    ("config", "path", "value", "text"),
    [
        (
            {"METRICS_PATH": "/stats"},
            "path",
            "/metrics",
            "are at /stats (METRICS_PATH)",
        ),
        ({"METRICS_TOKEN": "hunter2"}, "authorization", ..., "need a token"),
        ({"METRICS_PATH": None, "METRICS_PORT": 9100}, "port", "http", "port 9100"),
        ({}, "scheme", "https", "the service speaks HTTP"),
    ],
)
def test_metrics_are_not_scraped(make_orders, config, path, value, text):
    """A ServiceMonitor asks where the metrics are, with a token if they need one."""
    orders = make_orders(CELERY_BROKER_URL="memory://", **config)
    documents = orders.documents()
    assert orders.check(documents) == []
    name = f"spec/endpoints/0/{path}"

    found = orders.check(set_field(documents, "ServiceMonitor/orders", name, value))

    assert any(text in line for line in found), found
    assert "hunter2" not in "".join(found)


def test_metrics_are_inside_the_pod(make_orders):
    """No ServiceMonitor reaches a port that listens on the loopback interface."""
    orders = make_orders(CELERY_BROKER_URL="memory://", METRICS_PORT=9100)
    variable = {"name": "FLASK_METRICS_ADDRESS", "value": "127.0.0.1"}

    found = orders.check(
        set_field(orders.documents(), SERVER, f"{BOX}/env/0", variable)
    )
    inside = make_orders(METRICS_PORT=9100, METRICS_ADDRESS="127.0.0.1").write()

    text = "METRICS_ADDRESS is 127.0.0.1, which only the pod itself reaches"
    assert any(text in line for line in found), found
    assert "9100" not in inside


@pytest.mark.parametrize(("port", "fits"), [("8000", True), ("9000", False)])
def test_annotations_of_prometheus(orders: Orders, port: str, fits: bool):
    """The annotations of a pod name the port and the path of the metrics."""
    notes = {"prometheus.io/scrape": "true", "prometheus.io/port": port}
    documents = set_field(
        orders.documents(), SERVER, "spec/template/metadata/annotations", notes
    )

    found = orders.check(documents)

    assert (found == []) is fits
    assert fits or "port 9000 has no metrics (METRICS_PORT)" in found[0]


def test_nothing_runs_the_service(orders: Orders):
    """A file without the service is not a file that fits."""
    redis = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "redis"},
        "spec": {"template": {"spec": {"containers": [{"name": "redis"}]}}},
    }

    assert orders.check([redis]) == [
        "orders.yaml: -: -: no container runs orders; name the file with the workload, "
        "whose command has --app orders"
    ]


def test_every_kind_of_workload_is_read(orders: Orders):
    """A StatefulSet, a CronJob and a Pod have pods as a Deployment has."""
    documents = orders.documents()
    server = find(documents, SERVER)
    pod = server["spec"]["template"]
    pod["spec"]["terminationGracePeriodSeconds"] = 10
    shapes = {
        "StatefulSet": server["spec"],
        "CronJob": {"jobTemplate": {"spec": {"template": pod}}},
        "Pod": pod["spec"],
    }
    access = [each for each in documents if "Role" in each["kind"]]
    access.append(find(documents, "ServiceAccount/orders"))

    for kind, spec in shapes.items():
        metadata = {"name": "orders", "namespace": "shop", "labels": {"app": "orders"}}
        workload = {"kind": kind, "metadata": metadata, "spec": spec}

        found = orders.check([*access, workload])

        assert any("terminationGracePeriodSeconds: the pod" in line for line in found)


def test_source_is_the_one_that_is_named(orders: Orders):
    """With ``--config-source`` each container has that source."""
    other = "kubernetes://secrets/orders/other.py"

    found = orders.check(orders.documents(), other)

    assert len(found) == 2
    assert all(f"CONFIG_SOURCE is not {other}; use {other}" in line for line in found)
