"""Finds a cluster's API server and the credentials for it, in a pod or elsewhere."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ..failures import reason_of
from ..waiting import DeadlinePassed
from . import login
from .errors import LoginFailed, NoClusterAccess, UnreadableFile
from .login import describe_way, find_user, log_in
from .source import KubernetesKey

__all__ = ["SERVICE_ACCOUNT", "Cluster", "find_cluster"]

# The kubelet mounts the account of a pod here.
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_KUBECONFIG = "~/.kube/config"


@dataclass(frozen=True)
class Cluster:
    """An API server, the credentials for it, and the namespace of this process.

    Attributes:
        configuration: The configuration of the client library.
        namespace: The namespace of this process.
        no_login: Why there are no credentials; None if there are. A server may answer
            without them, as ``kubectl proxy`` does.
    """

    configuration: Any = field(repr=False)
    namespace: str
    no_login: LoginFailed | None = None

    @property
    def server(self) -> str:
        return str(self.configuration.host)

    def open_client(self) -> Any:
        """Open an ``ApiClient`` that sends each request once. Close it after use."""
        from kubernetes.client import ApiClient

        return ApiClient(self.configuration)


def find_cluster(
    source: KubernetesKey, environ: Mapping[str, str], service_account: Path
) -> Cluster:
    """Find the cluster by the service account of the pod, or else by a kubeconfig.

    Raises:
        NoClusterAccess: Neither of them exists; the error says why.
        UnreadableFile: The service account or the kubeconfig can't be used.
    """
    from kubernetes.client import Configuration

    configuration = Configuration()
    # By default urllib3 sends a request up to three times more and follows redirects.
    configuration.retries = False
    if lack := _load_service_account(configuration, environ, service_account):
        place = environ.get("KUBECONFIG") or _KUBECONFIG
        if not any(Path(p).expanduser().exists() for p in place.split(":") if p):
            raise NoClusterAccess(str(source), lack, f"{place} does not exist")
        namespace, no_login = _load_kubeconfig(configuration, place)
    else:
        no_login = None
        place = str(service_account / "token")
        namespace = _read_text(service_account / "namespace")
    # The hooks would read the credentials again, with their line breaks.
    configuration.refresh_api_key_hook = None
    _check_token(configuration, place)
    return Cluster(configuration, namespace or "default", no_login)


def _load_service_account(
    configuration: Any, environ: Mapping[str, str], folder: Path
) -> str:
    """Configure the client by the service account.

    Returns:
        The client library's message about a missing part; empty if nothing is missing.
    """
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
        # The library raises one of five fixed messages here. None contains a value.
        return str(error).rstrip(".").lower()
    except (OSError, UnicodeDecodeError) as error:
        reason = reason_of(error) or type(error).__name__
    else:
        return ""
    remedy = "let the user of this process read the token and ca.crt"
    raise UnreadableFile(str(folder), reason, remedy)


def _load_kubeconfig(configuration: Any, path: str) -> tuple[str, LoginFailed | None]:
    """Configure the client by the kubeconfig's current context.

    Returns:
        The namespace of the context, empty if it has none; and why there are no
        credentials, None if there are.
    """
    from kubernetes import config

    untyped: Any = config
    try:
        _, active = untyped.list_kube_config_contexts(path)
        user = find_user(path, active)
        failure = log_in(
            partial(
                untyped.load_kube_config,
                config_file=path,
                client_configuration=configuration,
            ),
            configuration,
            user,
        )
        namespace = str(active["context"].get("namespace") or "")
    except DeadlinePassed:
        late = f"no answer within {login.DEADLINE:g} s"
        raise LoginFailed(path, describe_way(user), late) from None
    except Exception as error:
        # The text of the error is left out: the texts about a malformed entry and
        # about wrong YAML hold the token.
        reason = f"it is not a usable kubeconfig ({type(error).__name__})"
    else:
        return namespace, LoginFailed(path, *failure) if failure is not None else None
    remedy = f"correct what kubectl --kubeconfig {path} config view reports"
    raise UnreadableFile(path, reason, remedy)


def _check_token(configuration: Any, place: str) -> None:
    """Strip the token, because http.client quotes a header with a line break.

    Raises:
        UnreadableFile: The token has a control character inside.
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
