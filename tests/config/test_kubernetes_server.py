"""The test server answers as kube-apiserver does; the real client judges it."""

import json
import subprocess
import sys
import threading

import pytest
import urllib3
from kubernetes.client import ApiClient, ApiException, Configuration, CoreV1Api
from kubernetes.watch import Watch

from modern_flask.testing.kubernetes import Rule


@pytest.fixture
def connect(cluster):
    """A typed client for a token."""
    clients = []

    def open_client(token=""):
        configuration = Configuration(host=cluster.url, retries=False)
        configuration.ssl_ca_cert = str(cluster.ca_path)
        if token is not None:
            header = f"Bearer {token or cluster.admin_token}"
            configuration.api_key["BearerToken"] = header
        clients.append(ApiClient(configuration))
        return CoreV1Api(clients[-1])

    yield open_client
    for client in clients:
        client.close()


def refused(call, *args, **keywords):
    with pytest.raises(ApiException) as caught:
        call(*args, **keywords)
    return caught.value.status, json.loads(caught.value.body)


def status(code, reason, message, **details):
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    }
    return code, {**body, **({"details": details} if details else {})}


def test_typed_client_reads_objects(cluster, connect):
    """The models of the library accept the objects."""
    cluster.put_config_map("shop", "orders", {"a": "é"}, {"b": b"\xff"})
    cluster.put_secret("shop", "orders", {"a": b"\xff"})

    found = connect().read_namespaced_config_map("orders", "shop")
    secret = connect().read_namespaced_secret("orders", "shop")

    assert found.data == {"a": "é"}
    assert found.binary_data == {"b": "/w=="}
    assert found.metadata.resource_version == "2"
    assert found.metadata.creation_timestamp.tzinfo is not None
    assert secret.data == {"a": "/w=="}
    assert secret.type == "Opaque"


def test_change_keeps_identity_and_raises_the_version(cluster, connect):
    """A change keeps the uid and the creation time, and increases the version."""
    cluster.put_config_map("shop", "orders", {"a": "1"})
    before = connect().read_namespaced_config_map("orders", "shop").metadata
    cluster.put_config_map("shop", "orders", {"a": "2"})
    after = connect().read_namespaced_config_map("orders", "shop").metadata

    assert after.uid == before.uid
    assert after.creation_timestamp == before.creation_timestamp
    assert int(after.resource_version) == int(before.resource_version) + 1


def test_not_found(connect):
    """The body of a 404 is that of the API server."""
    assert refused(connect().read_namespaced_secret, "orders", "shop") == status(
        404, "NotFound", 'secrets "orders" not found', name="orders", kind="secrets"
    )


def test_unauthorized(connect):
    """An unknown token is answered with 401."""
    assert refused(
        connect("unknown").read_namespaced_secret, "orders", "shop"
    ) == status(401, "Unauthorized", "Unauthorized")


def test_anonymous_is_forbidden(connect):
    """A request without a token has the anonymous user, who is allowed nothing."""
    assert refused(connect(None).read_namespaced_secret, "orders", "shop") == status(
        403,
        "Forbidden",
        'secrets "orders" is forbidden: User "system:anonymous" cannot get resource '
        '"secrets" in API group "" in the namespace "shop"',
        name="orders",
        kind="secrets",
    )


def test_names_in_a_rule(cluster, connect):
    """A rule with names allows get, and list only by the field selector."""
    rule = Rule("configmaps", namespace="shop", names=("orders",))
    api = connect(cluster.user("jane", rule))
    cluster.put_config_map("shop", "orders", {})
    cluster.put_config_map("shop", "stock", {})

    found = api.list_namespaced_config_map(
        "shop", field_selector="metadata.name=orders"
    )

    assert [item.metadata.name for item in found.items] == ["orders"]
    assert refused(api.list_namespaced_config_map, "shop") == status(
        403,
        "Forbidden",
        'configmaps is forbidden: User "jane" cannot list resource "configmaps" '
        'in API group "" in the namespace "shop"',
        kind="configmaps",
    )
    assert refused(api.list_config_map_for_all_namespaces)[1]["message"].endswith(
        "at the cluster scope"
    )
    assert refused(api.read_namespaced_config_map, "stock", "shop")[0] == 403
    assert refused(api.read_namespaced_config_map, "orders", "other")[0] == 403


def test_list(cluster, connect):
    """A list has the version of the store, and its items have no kind."""
    cluster.put_config_map("b", "x", {})
    cluster.put_config_map("a", "y", {})
    cluster.put_secret("a", "z", {})

    every = connect().list_config_map_for_all_namespaces()
    one = connect().list_config_map_for_all_namespaces(
        field_selector="metadata.namespace==b"
    )

    assert [item.metadata.name for item in every.items] == ["y", "x"]
    assert [item.metadata.name for item in one.items] == ["x"]
    assert every.metadata.resource_version == "4"
    assert every.items[0].kind is None


def test_unknown_field_selector(connect):
    """A selector for another field is a bad request."""
    assert refused(
        connect().list_namespaced_config_map, "shop", field_selector="spec.x=1"
    ) == status(
        400,
        "BadRequest",
        '"spec.x" is not a known field selector: '
        'only "metadata.name", "metadata.namespace"',
    )


def watched(api, **options):
    stream = Watch().stream(
        api.list_namespaced_config_map, "shop", timeout_seconds=120, **options
    )
    for event in stream:
        item = event["raw_object"]
        yield event["type"], item["metadata"].get("name"), item.get("data")


def test_watch(cluster, connect):
    """A watch sends the existing objects, then each change in order."""
    cluster.put_config_map("shop", "orders", {"a": "1"})
    events = watched(connect(), field_selector="metadata.name=orders")

    assert next(events) == ("ADDED", "orders", {"a": "1"})
    cluster.put_config_map("shop", "stock", {"a": "1"})
    cluster.put_config_map("other", "orders", {"a": "1"})
    cluster.put_config_map("shop", "orders", {"a": "2"})
    assert next(events) == ("MODIFIED", "orders", {"a": "2"})
    cluster.delete("configmaps", "shop", "orders")
    assert next(events) == ("DELETED", "orders", {"a": "2"})
    events.close()


def test_watch_from_a_version(cluster, connect):
    """A watch from a version sends only later changes, and bookmarks on request."""
    cluster.put_config_map("shop", "orders", {"a": "1"})
    version = connect().list_namespaced_config_map("shop").metadata.resource_version
    cluster.put_config_map("shop", "orders", {"a": "2"})
    cluster.bookmark("configmaps")
    events = watched(connect(), resource_version=version, allow_watch_bookmarks=True)

    assert next(events) == ("MODIFIED", "orders", {"a": "2"})
    assert next(events) == ("BOOKMARK", None, None)
    events.close()


def test_watch_from_a_forgotten_version(cluster, connect):
    """A version that was compacted is 410 in the stream, as in a cluster."""
    cluster.put_config_map("shop", "orders", {"a": "1"})
    cluster.put_config_map("shop", "orders", {"a": "2"})
    cluster.compact()

    events = watched(connect(), resource_version="2")
    with pytest.raises(ApiException) as caught:
        next(events)

    assert caught.value.status == 410
    assert caught.value.reason == "Expired: too old resource version: 2 (3)"


def test_watch_ends_in_time(cluster):
    """A watch ends after timeoutSeconds."""
    with urllib3.PoolManager(ca_certs=str(cluster.ca_path)) as http:
        answer = http.request(
            "GET",
            f"{cluster.url}/api/v1/namespaces/shop/secrets?watch=1&timeoutSeconds=0.05",
            headers={"Authorization": f"Bearer {cluster.admin_token}"},
            timeout=60.0,
        )

    assert (answer.status, answer.data) == (200, b"")


def test_unknown_path(cluster):
    """An unknown path is answered with a plain 404."""
    with urllib3.PoolManager(ca_certs=str(cluster.ca_path)) as http:
        answer = http.request(
            "GET",
            f"{cluster.url}/apis/apps/v1",
            headers={"Authorization": f"Bearer {cluster.admin_token}"},
        )

    assert (answer.status, answer.data) == (404, b"404 page not found\n")


def test_end_frees_watches_and_threads(cluster, connect):
    """Stopping the server ends the open watches."""
    events = watched(connect())
    cluster.put_config_map("shop", "orders", {"a": "1"})
    next(events)

    cluster.__exit__(None, None, None)

    assert cluster._thread not in threading.enumerate()
    cluster.__enter__()
    events.close()


def test_import_needs_no_cryptography():
    """The module can be imported where cryptography is not installed."""
    script = (
        "import sys\n"
        "import modern_flask.testing.kubernetes\n"
        "sys.exit('cryptography' in sys.modules)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": ":".join(sys.path)},
        check=False,
    )

    assert done.returncode == 0
