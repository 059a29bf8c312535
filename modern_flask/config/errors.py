"""What can be wrong with a source of configuration.

A ``source`` is always the redacted name of one; no fault holds a secret, and the
network readers chain no cause: the libraries' texts hold whole URLs and tokens.
"""

from collections.abc import Sequence

from ..errors import ConfigurationError, listed

__all__ = [
    "FailedToRun",
    "ForeignSyntax",
    "HostNotAllowed",
    "KubernetesForbidden",
    "KubernetesKeyMissing",
    "KubernetesMissing",
    "KubernetesUnauthorized",
    "MalformedAnswer",
    "MalformedSource",
    "MissingFile",
    "NestedUnderValue",
    "NoClusterAccess",
    "SourceRefused",
    "SourceUnreachable",
    "TLSFailed",
    "TooLarge",
    "UnknownScheme",
    "UnreadableFile",
    "UnsafeRedirect",
    "WrongDigest",
    "WrongEncoding",
]


def _at(source: str, line: int | None) -> str:
    return source if line is None else f"{source}, line {line}"


class UnknownScheme(ConfigurationError):
    """``CONFIG_SOURCE`` begins with a scheme that nothing here reads."""

    def __init__(self, source: str, scheme: str) -> None:
        self.source, self.scheme = source, scheme
        super().__init__(
            f'CONFIG_SOURCE = "{source}": {scheme}:// is no scheme that is known here.',
            ("choose", "a path, kubernetes://, https:// or http://"),
        )


class MalformedSource(ConfigurationError):
    """``CONFIG_SOURCE`` has a known scheme and does not follow its form."""

    def __init__(self, source: str, why: str, form: str) -> None:
        self.source, self.why, self.form = source, why, form
        super().__init__(f'CONFIG_SOURCE = "{source}": {why}.', ("write", form))


class MissingFile(ConfigurationError):
    """The file that ``CONFIG_SOURCE`` names is nowhere."""

    def __init__(self, source: str, tried: Sequence[str]) -> None:
        self.source, self.tried = source, tuple(tried)
        super().__init__(
            f'CONFIG_SOURCE = "{source}" names a file that does not exist.',
            ("tried", listed(self.tried)),
            ("mend", "create the file, or unset CONFIG_SOURCE to use config.py"),
        )


class UnreadableFile(ConfigurationError):
    """A file of configuration is there, and can't be read."""

    def __init__(self, source: str, why: str, remedy: str) -> None:
        self.source, self.why, self.remedy = source, why, remedy
        super().__init__(f"{source} can't be read: {why}.", ("mend", remedy))


class WrongEncoding(ConfigurationError):
    """The bytes of a source are not text in the encoding that it declares."""

    def __init__(self, source: str, encoding: str, line: int | None) -> None:
        self.source, self.encoding, self.line = source, encoding, line
        super().__init__(
            f"The configuration is not encoded in {encoding}.",
            ("in", _at(source, line)),
            ("mend", "save it as UTF-8, or declare its encoding in line 1 (PEP 263)"),
        )


class ForeignSyntax(ConfigurationError):
    """A source is not Python: a syntax error, or a web page in the place of a file."""

    def __init__(
        self, source: str, why: str, line: int | None = None, remedy: str = ""
    ) -> None:
        self.source, self.why, self.line = source, why, line
        super().__init__(
            f"The configuration is not valid Python: {why}.",
            ("in", _at(source, line)),
            ("mend", remedy),
        )


class FailedToRun(ConfigurationError):
    """The configuration raised while it ran; the exception is the cause.

    Args:
        source: Its name.
        kind: The exception's class.
        message: The exception's text; empty if it may hold a secret.
        line: The last line of the configuration that was running.
    """

    def __init__(self, source: str, kind: str, message: str, line: int | None) -> None:
        self.source, self.kind, self.message, self.line = source, kind, message, line
        super().__init__(
            f"The configuration failed while it ran: "
            f"{kind}{': ' if message else ''}{message}.",
            ("in", _at(source, line)),
            (
                "note",
                "" if message else "its message may hold a secret and is left out",
            ),
        )


class NestedUnderValue(ConfigurationError):
    """``FLASK_A__b`` is set while ``A`` is no mapping."""

    def __init__(self, variable: str, key: str, origin: object) -> None:
        self.variable, self.key, self.origin = variable, key, origin
        super().__init__(
            f"{variable} sets an item of {key}, which is not a mapping.",
            (key, f"set in {origin}" if origin else ""),
            ("mend", f"make {key} a mapping, or unset {variable}"),
        )


class SourceUnreachable(ConfigurationError):
    """No answer, or only answers that say to come again, until patience ran out."""

    def __init__(self, source: str, why: str, attempts: int) -> None:
        self.source, self.why, self.attempts = source, why, attempts
        tries = "1 attempt" if attempts == 1 else f"{attempts} attempts"
        super().__init__(
            f"{source} can't be reached: {why}.",
            ("tried", tries),
            ("check", "address, network and proxy, and that the server is up"),
        )


class SourceRefused(ConfigurationError):
    """The server answered with a status that is no success and won't become one."""

    def __init__(self, source: str, status: int, remedy: str) -> None:
        self.source, self.status, self.remedy = source, status, remedy
        super().__init__(
            f"{source} was answered with status {status}.", ("mend", remedy)
        )


class TLSFailed(ConfigurationError):
    """There is no trusted connection to the server; the reason is OpenSSL's."""

    def __init__(self, source: str, why: str, remedy: str) -> None:
        self.source, self.why, self.remedy = source, why, remedy
        super().__init__(
            f"The TLS connection for {source} failed: {why}.", ("mend", remedy)
        )


class HostNotAllowed(ConfigurationError):
    """``CONFIG_SOURCE_ALLOWED_HOSTS`` is set and lacks the host of the source."""

    def __init__(self, source: str, host: str) -> None:
        self.source, self.host = source, host
        super().__init__(
            f"{source} is on a host that is not allowed.",
            ("mend", f"add {host} to CONFIG_SOURCE_ALLOWED_HOSTS"),
        )


class UnsafeRedirect(ConfigurationError):
    """The server sends the reader on to where it must not go."""

    def __init__(self, source: str, target: str, why: str, remedy: str) -> None:
        self.source, self.target, self.why = source, target, why
        super().__init__(f"{source} redirects {why}.", ("to", target), ("mend", remedy))


class TooLarge(ConfigurationError):
    """It is longer than any configuration is."""

    def __init__(self, source: str, limit: int) -> None:
        self.source, self.limit = source, limit
        super().__init__(
            f"{source} is larger than {limit:,} bytes.",
            ("mend", "check that it is the configuration"),
        )


class WrongDigest(ConfigurationError):
    """What was fetched is not what ``#sha256=`` pins."""

    def __init__(self, source: str, expected: str, found: str) -> None:
        self.source, self.expected, self.found = source, expected, found
        super().__init__(
            f"{source} is not the file that CONFIG_SOURCE pins.",
            ("pinned", f"sha256={expected}"),
            ("found", f"sha256={found}"),
            ("mend", "if the change is yours, pin the new digest"),
        )


class MalformedAnswer(ConfigurationError):
    """The server answered with success, and with something that can't be used."""

    def __init__(self, source: str, why: str, remedy: str) -> None:
        self.source, self.why, self.remedy = source, why, remedy
        super().__init__(f"{source}: {why}.", ("mend", remedy))


class NoClusterAccess(ConfigurationError):
    """Neither a service account nor a kubeconfig leads to a cluster."""

    def __init__(self, source: str, in_cluster: str, kubeconfig: str) -> None:
        self.source, self.in_cluster, self.kubeconfig = source, in_cluster, kubeconfig
        super().__init__(
            f"{source} needs a cluster, and no access to one was found.",
            ("pod", in_cluster),
            ("file", kubeconfig),
            ("mend", "mount a service account token, or set KUBECONFIG"),
        )


class KubernetesUnauthorized(ConfigurationError):
    """401: the cluster does not know the token or the client certificate."""

    def __init__(self, source: str, server: str) -> None:
        self.source, self.server = source, server
        super().__init__(
            f"The cluster does not accept the credentials for {source}.",
            ("server", server),
            ("mend", "renew the token; it may be expired or of another cluster"),
        )


class KubernetesForbidden(ConfigurationError):
    """403: RBAC does not allow the account to read the object."""

    def __init__(
        self, source: str, kind: str, name: str, namespace: str, user: str
    ) -> None:
        self.source, self.kind, self.name = source, kind, name
        self.namespace, self.user = namespace, user
        super().__init__(
            f"The cluster does not allow reading {source}.",
            ("user", user),
            ("allow", f'get on {kind} "{name}" in namespace "{namespace}" (RBAC Role)'),
        )


class KubernetesMissing(ConfigurationError):
    """404: the namespace has no such ConfigMap or Secret."""

    def __init__(self, source: str, kind: str, name: str, namespace: str) -> None:
        self.source, self.kind, self.name = source, kind, name
        self.namespace = namespace
        super().__init__(
            f'There is no "{name}" among the {kind} of namespace "{namespace}".',
            ("source", source),
            ("list", f"kubectl get {kind} --namespace {namespace}"),
        )


class KubernetesKeyMissing(ConfigurationError):
    """The ConfigMap or Secret is there, and lacks the key."""

    def __init__(self, source: str, key: str, keys: Sequence[str]) -> None:
        self.source, self.key, self.keys = source, key, tuple(keys)
        super().__init__(
            f'{source}: there is no key "{key}".',
            ("keys", listed(self.keys) or "none, it is empty"),
            ("mend", "add the key, or name one that is there in CONFIG_SOURCE"),
        )
