"""Manifests that work, however they are written, pass the check."""

import copy
from typing import Any

import pytest

from tests.server.deploy.conftest import Orders, find

SERVER = "Deployment/orders"


def put(container: dict[str, Any], **fields: Any) -> None:
    container.update({k: v for k, v in fields.items() if v is not ...})
    for name in [name for name, value in fields.items() if value is ...]:
        container.pop(name, None)


def run_by_gunicorn(pod: dict[str, Any], documents: list[Any]) -> None:
    """Gunicorn itself, with the kit's settings."""
    words = ["gunicorn", "-c", "python:modern_flask.server.settings", "-b"]
    put(pod["containers"][0], command=[*words, "0.0.0.0:8000", "orders:create_app()"])


def run_by_own_settings(pod: dict[str, Any], documents: list[Any]) -> None:
    """Gunicorn with a file that may set everything."""
    words = ["gunicorn", "-c", "/etc/gunicorn.py", "orders:create_app()"]
    put(pod["containers"][0], command=words)


def give_arguments(pod: dict[str, Any], documents: list[Any]) -> None:
    """Arguments for the entry point of the image."""
    put(pod["containers"][0], command=..., args=["serve", "--bind", "0.0.0.0:8000"])


def leave_it_to_the_image(pod: dict[str, Any], documents: list[Any]) -> None:
    """No command at all."""
    put(pod["containers"][0], command=...)


def run_by_init(pod: dict[str, Any], documents: list[Any]) -> None:
    """A program before the service that passes signals on."""
    box = pod["containers"][0]
    put(box, command=["/usr/bin/tini", "--", *box["command"]])


def run_by_exec(pod: dict[str, Any], documents: list[Any]) -> None:
    """A shell that the service replaces."""
    text = "ulimit -n 4096; exec modern-flask --app orders serve --bind 0.0.0.0:8000"
    text += " 2>&1"
    put(pod["containers"][0], command=["sh", "-c", text])


def run_a_script(pod: dict[str, Any], documents: list[Any]) -> None:
    """A script, in which anything may stand."""
    put(pod["containers"][0], command=["./start.sh"])
    notes = {"prometheus.io/scrape": "true", "prometheus.io/port": "9000"}
    template = find(documents, SERVER)["spec"]["template"]
    template["metadata"]["annotations"] = notes


def run_another_server(pod: dict[str, Any], documents: list[Any]) -> None:
    """A server that the kit does not know."""
    put(pod["containers"][0], command=["waitress-serve", "--call", "orders:create_app"])


def run_by_launcher(pod: dict[str, Any], documents: list[Any]) -> None:
    """A program that prepares the service's own."""
    box = pod["containers"][0]
    put(box, command=["uv", "run", "--no-sync", *box["command"]])


def run_by_module(pod: dict[str, Any], documents: list[Any]) -> None:
    """The module of the command."""
    box = pod["containers"][0]
    words = ["python", "-X", "dev", "-m", "modern_flask.cli"]
    put(box, command=[*words, *box["command"][1:]])


def expand_the_port(pod: dict[str, Any], documents: list[Any]) -> None:
    """A port that a variable has, and one that nobody knows."""
    box = pod["containers"][0]
    box["env"] += [{"name": "PORT", "value": "8000"}]
    box["command"][5] = "0.0.0.0:$(PORT)"
    box["command"][7] = "$(WEB_CONCURRENCY)"


def use_numbers(pod: dict[str, Any], documents: list[Any]) -> None:
    """Numbers of ports instead of names, and no port that is declared."""
    box = pod["containers"][0]
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        box[name]["httpGet"]["port"] = 8000
    find(documents, "Service/orders")["spec"]["ports"][0]["targetPort"] = 8000
    put(box, ports=...)


def use_own_page(pod: dict[str, Any], documents: list[Any]) -> None:
    """A page of health that the service itself has."""
    pod["containers"][0]["livenessProbe"]["httpGet"]["path"] = "/alive"


def use_programs(pod: dict[str, Any], documents: list[Any]) -> None:
    """Probes by programs."""
    probe = {"exec": {"command": ["true"]}}
    put(pod["containers"][0], livenessProbe=probe, readinessProbe=probe)


def add_proxy(pod: dict[str, Any], documents: list[Any]) -> None:
    """A proxy in the pod that alone is reached from outside."""
    box = pod["containers"][0]
    box["command"][5] = "127.0.0.1:8000"
    put(box, ports=..., startupProbe=..., livenessProbe=...)
    box["readinessProbe"]["httpGet"]["port"] = 8443
    ports = [{"name": "https", "containerPort": 8443}]
    pod["containers"].append({"name": "proxy", "image": "nginx:1", "ports": ports})
    service = find(documents, "Service/orders")
    service["spec"]["ports"] = [{"name": "https", "port": 443, "targetPort": "https"}]
    documents[:] = [each for each in documents if each["kind"] != "ServiceMonitor"]


def hide_variables(pod: dict[str, Any], documents: list[Any]) -> None:
    """Variables that are somewhere else may be all that is needed."""
    box = pod["containers"][0]
    put(box, env=..., envFrom=[{"configMapRef": {"name": "common"}}])
    box["livenessProbe"]["httpGet"]["path"] = "/up"


def show_variables(pod: dict[str, Any], documents: list[Any]) -> None:
    """Variables of a ConfigMap that is in the files."""
    box = pod["containers"][0]
    data = {
        "FLASK_HEALTH_LIVENESS_PATH": "/up",
        "NODE_NAME": "$(NODE)",
        **{each["name"]: each.get("value", "x") for each in box["env"]},
    }
    put(box, env=..., envFrom=[{"configMapRef": {"name": "common"}}])
    metadata = {"name": "common"}
    documents.append({"kind": "ConfigMap", "metadata": metadata, "data": data})
    for name in ("livenessProbe", "startupProbe"):
        box[name]["httpGet"]["path"] = "/up"


def move_page_in_secret(pod: dict[str, Any], documents: list[Any]) -> None:
    """The key of a page has a value that a Secret hides."""
    source = {"secretKeyRef": {"name": "paths", "key": "live"}}
    box = pod["containers"][0]
    box["env"].append({"name": "FLASK_HEALTH_LIVENESS_PATH", "valueFrom": source})
    box["livenessProbe"]["httpGet"]["path"] = "/up"


def bind_cluster_role(pod: dict[str, Any], documents: list[Any]) -> None:
    """A ClusterRole that the cluster has, for all accounts of the namespace."""
    binding = find(documents, "RoleBinding/orders-config")
    binding["roleRef"]["kind"] = "ClusterRole"
    binding["roleRef"]["name"] = "edit"
    group = "system:serviceaccounts:shop"
    binding["subjects"] = [{"kind": "Group", "name": group}]


def allow_more(pod: dict[str, Any], documents: list[Any]) -> None:
    """A Role that allows more than is needed, in several rules."""
    rules = find(documents, "Role/orders-config")["rules"]
    rules[0] = {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["list"]}
    rules.append({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]})


def write_elsewhere(pod: dict[str, Any], documents: list[Any]) -> None:
    """Another folder for temporary files."""
    box = pod["containers"][0]
    box["env"].append({"name": "TMPDIR", "value": "/var/scratch/tmp"})
    box["volumeMounts"] = [{"name": "tmp", "mountPath": "/var/scratch"}]


def sleep_first(pod: dict[str, Any], documents: list[Any]) -> None:
    """A hook for which there is time."""
    pod["terminationGracePeriodSeconds"] = 45
    hook = {"preStop": {"exec": {"command": ["sleep", "10"]}}}
    put(pod["containers"][0], lifecycle=hook)


def prepare(pod: dict[str, Any], documents: list[Any]) -> None:
    """A container before the others, which needs nothing but its configuration."""
    box = pod["containers"][0]
    words = ["modern-flask", "--app", "orders", "create-tables"]
    first = {"name": "tables", "image": box["image"], "command": words}
    pod["initContainers"] = [{**first, "env": box["env"][:1]}]


def add_job(pod: dict[str, Any], documents: list[Any]) -> None:
    """A command of the service that ends."""
    box = pod["containers"][0]
    words = ["modern-flask", "--app", "orders", "create-tables"]
    only = {"name": "x", "image": "x", "command": words, "env": box["env"][:1]}
    spec = {"containers": [only], "serviceAccountName": "orders"}
    metadata = {"name": "orders-tables", "namespace": "shop"}
    documents.append(
        {"kind": "Job", "metadata": metadata, "spec": {"template": {"spec": spec}}}
    )


def add_strangers(pod: dict[str, Any], documents: list[Any]) -> None:
    """Objects of others, with fields that are not what they should be."""
    strange = {"template": {"spec": {"containers": [{"name": "x", "env": 3}]}}}
    documents += [
        {"kind": "Deployment", "metadata": {"name": "other"}, "spec": strange},
        {"kind": "Service", "metadata": {"name": "other"}, "spec": None},
        {"kind": "Deployment", "metadata": None, "spec": []},
        {"kind": "Certificate", "metadata": {"name": "orders"}, "spec": {}},
    ]


def decorate(pod: dict[str, Any], documents: list[Any]) -> None:
    """Labels and annotations of tools."""
    labels = {"app.kubernetes.io/managed-by": "Helm", "helm.sh/chart": "orders-1"}
    for document in documents:
        document["metadata"]["labels"] = {
            **document["metadata"].get("labels", {}),
            **labels,
        }
    server = find(documents, SERVER)
    server["spec"]["template"]["metadata"]["labels"] |= labels
    server["spec"]["replicas"] = 7
    pod |= {"nodeSelector": {"disk": "ssd"}, "tolerations": [], "hostNetwork": False}


def forget_namespaces(pod: dict[str, Any], documents: list[Any]) -> None:
    """The namespace is that of `kubectl -n`, or of a kustomization."""
    for document in documents:
        document["metadata"].pop("namespace", None)


def name_two_replicas(pod: dict[str, Any], documents: list[Any]) -> None:
    """Three processes for one CPU, which is gunicorn's rule, and several threads."""
    pod["containers"][0]["command"][7:10] = ["3", "--threads", "8"]


PASSES = [
    run_by_gunicorn,
    run_by_own_settings,
    give_arguments,
    leave_it_to_the_image,
    run_by_init,
    run_by_exec,
    run_a_script,
    run_another_server,
    run_by_launcher,
    run_by_module,
    expand_the_port,
    use_numbers,
    use_own_page,
    use_programs,
    add_proxy,
    hide_variables,
    show_variables,
    move_page_in_secret,
    bind_cluster_role,
    allow_more,
    write_elsewhere,
    sleep_first,
    prepare,
    add_job,
    add_strangers,
    decorate,
    forget_namespaces,
    name_two_replicas,
]


@pytest.mark.parametrize("change", PASSES, ids=lambda each: each.__name__)
def test_correct_manifests_pass(orders: Orders, change: Any):
    """Nothing is said about manifests that work, however they are written."""
    documents = copy.deepcopy(orders.documents())

    change(find(documents, SERVER)["spec"]["template"]["spec"], documents)

    assert orders.check(documents) == []
