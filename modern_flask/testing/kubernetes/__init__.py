"""A Kubernetes API server for tests: ConfigMaps and Secrets over TLS, as on the wire.

It answers real clients as kube-apiserver does, with bearer tokens, RBAC, ``Status``
bodies and their texts, resource versions, field selectors, lists, and watches with
bookmarks and 410. The rest of the API is missing. It needs ``cryptography``.

    with KubernetesServer() as server:
        server.put_config_map("shop", "orders", {"config.py": "ANSWER = 42"})
        server.kubeconfig(folder / "kubeconfig", namespace="shop")
"""

from .cluster import Rule
from .server import KubernetesServer

__all__ = ["KubernetesServer", "Rule"]
