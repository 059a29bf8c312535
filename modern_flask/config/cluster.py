"""Where the cluster is, and who we are to it: a pod's account, or a kubeconfig."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import NoClusterAccess, UnreadableFile
from .source import KubernetesKey

__all__ = ["SERVICE_ACCOUNT", "Cluster", "find_cluster"]

# Where the kubelet mounts it.
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
KUBECONFIG = "~/.kube/config"


@dataclass(frozen=True)
class Cluster:
    """An API server, our credentials for it, and the namespace we are in."""

    configuration: Any = field(repr=False)
    namespace: str

    @property
    def server(self) -> str:
        return str(self.configuration.host)

    def open_client(self) -> Any:
        """An ``ApiClient``, to be closed, whose requests are tried once."""
        from kubernetes.client import ApiClient

        return ApiClient(self.configuration)


def find_cluster(
    source: KubernetesKey, environ: Mapping[str, str], service_account: Path
) -> Cluster:
    """As a pod, or else as a kubeconfig says.

    Raises:
        NoClusterAccess: Neither is there; the reasons are told.
        UnreadableFile: One is there and can't be used.
    """
    from kubernetes.client import Configuration

    configuration = Configuration()
    # urllib3 would try three times more, and follow redirects.
    configuration.retries = False
    if lack := _in_pod(configuration, environ, service_account):
        place = environ.get("KUBECONFIG") or KUBECONFIG
        if not any(Path(p).expanduser().exists() for p in place.split(":") if p):
            raise NoClusterAccess(str(source), lack, f"{place} does not exist")
        namespace = _by_kubeconfig(configuration, place)
    else:
        place = str(service_account / "token")
        namespace = _read_text(service_account / "namespace")
    # The hooks would read the credentials anew, with their line breaks.
    configuration.refresh_api_key_hook = None
    _check_token(configuration, place)
    return Cluster(configuration, namespace or "default")


def _in_pod(configuration: Any, environ: Mapping[str, str], folder: Path) -> str:
    """Configure from the service account; returns what is lacking, in our words."""
    from kubernetes.config import ConfigException, incluster_config

    untyped: Any = incluster_config
    loader = untyped.InClusterConfigLoader(
        token_filename=str(folder / "token"),
        cert_filename=str(folder / "ca.crt"),
        try_refresh_token=False,
        environ=environ,
    )
    try:
        loader.load_and_set(configuration)
    except ConfigException as error:
        # Five fixed sentences, without a value.
        return str(error).rstrip(".").lower()
    except (OSError, UnicodeDecodeError) as error:
        why = type(error).__name__
    else:
        return ""
    remedy = "let the user of this process read the token and ca.crt"
    raise UnreadableFile(str(folder), why, remedy)


def _by_kubeconfig(configuration: Any, path: str) -> str:
    """Configure from the current context; returns its namespace, if it has one."""
    from kubernetes import config

    untyped: Any = config
    try:
        untyped.load_kube_config(config_file=path, client_configuration=configuration)
        _, active = untyped.list_kube_config_contexts(path)
        return str(active["context"].get("namespace") or "")
    except Exception as error:
        # Not its text: that of a malformed entry, or of a YAML error, holds the token.
        why = f"it is no usable kubeconfig ({type(error).__name__})"
    remedy = f"check it with: kubectl --kubeconfig {path} config view"
    raise UnreadableFile(path, why, remedy)


def _check_token(configuration: Any, place: str) -> None:
    """Take the line break off the end; http.client quotes a header that has one.

    Raises:
        UnreadableFile: A control character is left.
    """
    header = str(configuration.api_key.get("BearerToken", "")).strip()
    if re.search(r"[^\x20-\x7e]", header):
        remedy = "write the token as one line"
        raise UnreadableFile(place, "its token is not one line of ASCII", remedy)
    if header:
        configuration.api_key["BearerToken"] = header


def _read_text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""
