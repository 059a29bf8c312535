"""A Kubernetes API server on a local port, and the files that clients read."""

import base64
import json
import shutil
import tempfile
import threading
from pathlib import Path
from typing import Self

from .certificates import write_certificates
from .cluster import Cluster
from .listener import Listener

__all__ = ["KubernetesServer"]


class KubernetesServer(Cluster):
    """A cluster whose API is served on a free port of 127.0.0.1 within ``with``."""

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="kubernetes-"))
        self._http = Listener(self, write_certificates(self._folder))
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        with self.changed:
            self.changed.notify_all()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()
        shutil.rmtree(self._folder)

    @property
    def port(self) -> int:
        return int(self._http.server_address[1])

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def ca_path(self) -> Path:
        return self._folder / "ca.crt"

    @property
    def environ(self) -> dict[str, str]:
        """The environment variables with which a pod finds the server."""
        host, port = "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"
        return {host: "127.0.0.1", port: str(self.port)}

    def kubeconfig(self, path: Path, *, token: str = "", namespace: str = "") -> Path:
        """Write a kubeconfig, by default with the administrator's token."""
        ca = base64.b64encode(self.ca_path.read_bytes()).decode()
        cluster = {"server": self.url, "certificate-authority-data": ca}
        user = {"token": token or self.admin_token}
        context = {"cluster": "test", "user": "test"}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": "test", "user": user}],
            "contexts": [
                {
                    "name": "test",
                    "context": context
                    | ({"namespace": namespace} if namespace else {}),
                }
            ],
            "current-context": "test",
        }
        # JSON is valid YAML.
        path.write_text(json.dumps(config, indent=2))
        return path

    def service_account(
        self, folder: Path, *, namespace: str = "default", token: str = ""
    ) -> Path:
        """Write token, ca.crt and namespace as the kubelet mounts them into a pod."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "token").write_text(token or self.admin_token)
        (folder / "namespace").write_text(namespace)
        shutil.copyfile(self.ca_path, folder / "ca.crt")
        return folder
