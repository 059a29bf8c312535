"""The errors of a configuration source.

``source`` is always the redacted name of the source. No error holds a secret, and the
readers of network sources chain no cause: the exceptions of HTTP libraries hold whole
URLs and tokens.
"""

from collections.abc import Sequence

from ..errors import ConfigurationError, join_names

__all__ = [
    "CHECK_ADDRESS",
    "CHECK_SIZE",
    "CONFIG_FORMS",
    "SAVE_AS_UTF8",
    "FailedToRun",
    "ForeignSyntax",
    "HostNotAllowed",
    "KubernetesForbidden",
    "KubernetesKeyMissing",
    "KubernetesMissing",
    "KubernetesUnauthorized",
    "LoginFailed",
    "MalformedAnswer",
    "MalformedSource",
    "MissingFile",
    "NestedUnderValue",
    "NoClusterAccess",
    "SourceRefused",
    "SourceUnreachable",
    "TLSFailed",
    "TemporaryFailure",
    "TooLarge",
    "UnknownScheme",
    "UnreadableFile",
    "UnsafeRedirect",
    "WrongDigest",
    "WrongEncoding",
]

CHECK_ADDRESS = "check the address, the network and the proxy, and start the server"
CHECK_SIZE = "check that CONFIG_SOURCE names the configuration and not another file"
CONFIG_FORMS = "use a path, or a URL with kubernetes://, https:// or http://"
SAVE_AS_UTF8 = "save it as UTF-8, or declare its encoding in line 1 (PEP 263)"


def _locate(source: str, line: int | None) -> str:
    return source if line is None else f"{source}, line {line}"


class UnknownScheme(ConfigurationError):
    """``CONFIG_SOURCE`` is a URL with a scheme that the kit can't read."""

    def __init__(self, source: str, scheme: str) -> None:
        self.source, self.scheme = source, scheme
        super().__init__(
            f'CONFIG_SOURCE = "{source}": {scheme}:// is not a known scheme.',
            ("fix", CONFIG_FORMS),
        )


class MalformedSource(ConfigurationError):
    """``CONFIG_SOURCE`` has a known scheme, but does not follow its form."""

    def __init__(self, source: str, reason: str, form: str) -> None:
        self.source, self.reason, self.form = source, reason, form
        super().__init__(
            f'CONFIG_SOURCE = "{source}": {reason}.', ("fix", f"use {form}")
        )


class MissingFile(ConfigurationError):
    """``CONFIG_SOURCE`` names a file that does not exist."""

    def __init__(self, source: str, tried: Sequence[str]) -> None:
        self.source, self.tried = source, tuple(tried)
        super().__init__(
            f'CONFIG_SOURCE = "{source}" names a file that does not exist.',
            ("looked in", join_names(self.tried)),
            ("fix", "create the file, or unset CONFIG_SOURCE to use config.py"),
        )


class UnreadableFile(ConfigurationError):
    """A configuration file exists, but can't be read."""

    def __init__(self, source: str, reason: str, remedy: str) -> None:
        self.source, self.reason, self.remedy = source, reason, remedy
        super().__init__(f"{source} can't be read: {reason}.", ("fix", remedy))


class WrongEncoding(ConfigurationError):
    """The bytes of a source are not text in the encoding that it declares."""

    def __init__(self, source: str, encoding: str, line: int | None) -> None:
        self.source, self.encoding, self.line = source, encoding, line
        super().__init__(
            f"The configuration is not encoded in {encoding}.",
            ("in", _locate(source, line)),
            ("fix", SAVE_AS_UTF8),
        )


class ForeignSyntax(ConfigurationError):
    """A source is not Python: it has a syntax error, or it is a web page."""

    def __init__(
        self, source: str, reason: str, line: int | None = None, remedy: str = ""
    ) -> None:
        self.source, self.reason, self.line = source, reason, line
        super().__init__(
            f"The configuration is not valid Python: {reason}.",
            ("in", _locate(source, line)),
            ("fix", remedy),
        )


class FailedToRun(ConfigurationError):
    """The configuration raised an exception.

    The exception is neither kept nor chained: its text and its frames may hold a
    secret.

    Args:
        source: The redacted name of the source.
        kind: The class of the exception.
        line: The last line of the configuration that was running.
        raised_in: The file and line of an imported module of the service that raised
            the exception; empty if the configuration itself did.
    """

    def __init__(
        self, source: str, kind: str, line: int | None, raised_in: str = ""
    ) -> None:
        self.source, self.kind, self.line = source, kind, line
        self.raised_in = raised_in
        place = _locate(source, line)
        super().__init__(
            f"The configuration raised {kind} (its message may hold a secret).",
            ("in", place),
            ("path", f"{place} -> {raised_in}" if raised_in else ""),
        )


class NestedUnderValue(ConfigurationError):
    """``FLASK_A__b`` is set, but ``A`` is not a mapping."""

    def __init__(self, variable: str, key: str, origin: object) -> None:
        self.variable, self.key, self.origin = variable, key, origin
        super().__init__(
            f"{variable} sets an item of {key}, which is not a mapping.",
            ("set in", origin or ""),
            ("fix", f"make {key} a mapping, or unset {variable}"),
        )


class TemporaryFailure(Exception):
    """One attempt to read a source failed, and another attempt may succeed.

    The readers of network sources catch it; it never reaches a user. Its text holds no
    secret.
    """


class SourceUnreachable(ConfigurationError):
    """Every attempt to read the source failed, or the time for them ran out."""

    def __init__(self, source: str, reason: str, attempts: int) -> None:
        self.source, self.reason, self.attempts = source, reason, attempts
        count = "1 attempt" if attempts == 1 else f"{attempts} attempts"
        super().__init__(
            f"{source} can't be reached: {reason} ({count}).", ("fix", CHECK_ADDRESS)
        )


class SourceRefused(ConfigurationError):
    """The server returned an error status, and another attempt would not change it."""

    def __init__(self, source: str, status: int, remedy: str) -> None:
        self.source, self.status, self.remedy = source, status, remedy
        super().__init__(f"{source} returned status {status}.", ("fix", remedy))


class TLSFailed(ConfigurationError):
    """The TLS connection to the server failed; the reason is in OpenSSL's words."""

    def __init__(self, source: str, reason: str, remedy: str) -> None:
        self.source, self.reason, self.remedy = source, reason, remedy
        super().__init__(
            f"The TLS connection for {source} failed: {reason}.", ("fix", remedy)
        )


class HostNotAllowed(ConfigurationError):
    """``CONFIG_SOURCE_ALLOWED_HOSTS`` is set and lacks the host of the source."""

    def __init__(self, source: str, host: str) -> None:
        self.source, self.host = source, host
        super().__init__(
            f"{source} is on a host that is not allowed.",
            ("fix", f"add {host} to CONFIG_SOURCE_ALLOWED_HOSTS"),
        )


class UnsafeRedirect(ConfigurationError):
    """The server redirects to an address that the kit does not follow."""

    def __init__(self, source: str, target: str, reason: str, remedy: str) -> None:
        self.source, self.target, self.reason = source, target, reason
        super().__init__(
            f"{source} redirects to {target}, which is not followed: {reason}.",
            ("fix", remedy),
        )


class TooLarge(ConfigurationError):
    """The source exceeds the size limit for a configuration."""

    def __init__(self, source: str, limit: int) -> None:
        self.source, self.limit = source, limit
        super().__init__(
            f"{source} is larger than {limit:,} bytes.", ("fix", CHECK_SIZE)
        )


class WrongDigest(ConfigurationError):
    """The content of the source does not have the digest that ``#sha256=`` pins."""

    def __init__(self, source: str, expected: str, found: str) -> None:
        self.source, self.expected, self.found = source, expected, found
        super().__init__(
            f"{source} does not have the digest that CONFIG_SOURCE pins.",
            ("pinned", f"sha256={expected}"),
            ("found", f"sha256={found}"),
            ("fix", "if the change is yours, pin the new digest"),
        )


class MalformedAnswer(ConfigurationError):
    """The server answered with success, but the kit can't use the answer."""

    def __init__(self, source: str, reason: str, remedy: str) -> None:
        self.source, self.reason, self.remedy = source, reason, remedy
        super().__init__(f"{source}: {reason}.", ("fix", remedy))


class NoClusterAccess(ConfigurationError):
    """There is neither a service account nor a kubeconfig for access to a cluster."""

    def __init__(self, source: str, in_cluster: str, kubeconfig: str) -> None:
        self.source, self.in_cluster, self.kubeconfig = source, in_cluster, kubeconfig
        super().__init__(
            f"{source} needs a cluster, but no access to one was found.",
            ("looked in", f"the pod ({in_cluster}) and the kubeconfig ({kubeconfig})"),
            ("fix", "mount a service account token, or set KUBECONFIG"),
        )


class LoginFailed(ConfigurationError):
    """The kubeconfig names a way to log in, but it gives no credentials.

    Without credentials, the cluster would answer that ``system:anonymous`` lacks the
    permission to read the source.

    Args:
        kubeconfig: The path of the kubeconfig.
        way: The way to log in, such as ``the login command aws``.
        reason: Why it failed, without its output, which may hold a token.
    """

    def __init__(self, kubeconfig: str, way: str, reason: str) -> None:
        self.kubeconfig, self.way, self.reason = kubeconfig, way, reason
        super().__init__(
            f"{way[:1].upper()}{way[1:]} gives no credentials for the cluster: "
            f"{reason}.",
            ("in", kubeconfig),
            ("fix", f"let kubectl --kubeconfig {kubeconfig} auth whoami succeed"),
        )


class KubernetesUnauthorized(ConfigurationError):
    """401: the cluster does not accept the token or the client certificate."""

    def __init__(self, source: str, server: str) -> None:
        self.source, self.server = source, server
        super().__init__(
            f"The cluster {server} does not accept the credentials for {source}.",
            ("fix", "renew the token: it has expired, or is for another cluster"),
        )


class KubernetesForbidden(ConfigurationError):
    """403: RBAC does not allow the account to read the object.

    Args:
        user: The account's name in the cluster; empty if the answer does not name it.
    """

    def __init__(
        self, source: str, kind: str, name: str, namespace: str, user: str
    ) -> None:
        self.source, self.kind, self.name = source, kind, name
        self.namespace, self.user = namespace, user
        super().__init__(
            f"The cluster does not allow {user or 'this account'} to read {source}.",
            (
                "fix",
                f'allow get on {kind} "{name}" in namespace "{namespace}" (RBAC Role)',
            ),
        )


class KubernetesMissing(ConfigurationError):
    """404: the namespace has no such ConfigMap or Secret."""

    def __init__(self, source: str, kind: str, name: str, namespace: str) -> None:
        self.source, self.kind, self.name = source, kind, name
        self.namespace = namespace
        command = f"kubectl get {kind} --namespace {namespace}"
        super().__init__(
            f'There is no "{name}" among the {kind} of namespace "{namespace}".',
            ("in", source),
            ("fix", f"create it, or use one of the names that {command} prints"),
        )


class KubernetesKeyMissing(ConfigurationError):
    """The ConfigMap or Secret exists, but lacks the key.

    Args:
        keys: The keys that the object has.
    """

    def __init__(self, source: str, key: str, keys: Sequence[str]) -> None:
        self.source, self.key, self.keys = source, key, tuple(keys)
        others = join_names(self.keys, "or")
        instead = f", or name {others} in CONFIG_SOURCE" if others else ""
        super().__init__(
            f'{source}: there is no key "{key}".', ("fix", f"add the key{instead}")
        )
