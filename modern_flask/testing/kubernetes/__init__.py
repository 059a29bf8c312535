"""A Kubernetes API server for tests: ConfigMaps and Secrets over TLS, as on the wire.

Real clients are answered as kube-apiserver answers them: bearer tokens, RBAC,
``Status`` bodies in its words, resource versions, field selectors, lists, and watches
with bookmarks and 410. Nothing else of the API is there. It needs ``cryptography``.

    with KubernetesServer() as server:
        server.put_config_map("shop", "orders", {"config.py": "ANSWER = 42"})
        server.kubeconfig(folder / "kubeconfig", namespace="shop")
"""

from .server import KubernetesServer, Rule

__all__ = ["KubernetesServer", "Rule"]
