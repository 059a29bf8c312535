"""Checks that a pod may read the ConfigMap or Secret of its configuration."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...config.cluster import SERVICE_ACCOUNT
from ...config.errors import MalformedSource, UnknownScheme
from ...config.source import KubernetesKey, parse_source
from .containers import Container
from .documents import Document, Finding, Place

__all__ = ["check_access", "is_same_namespace"]

_HINT = "or pass the file that has it"


def check_access(
    container: Container, documents: Sequence[Document]
) -> Iterator[Finding]:
    """Find why a container can't read the source of its configuration."""
    source = _find_source(container)
    if source is None:
        return
    account = container.pod.at("serviceAccountName")
    if not account.text and container.pod.at("serviceAccount").text:
        account = container.pod.at("serviceAccount")
    yield from _check_token(container, documents, account)
    if account.text not in ("", "default") and not _find_all(
        documents, "ServiceAccount", account.text, container.document.namespace
    ):
        yield account.report(
            f"there is no ServiceAccount {account.text}", f"add it, {_HINT}"
        )
    access = _Access(source, container, account)
    yield from access.check(documents)
    yield from _check_object(source, container, documents)


def _find_source(container: Container) -> KubernetesKey | None:
    text = container.variables.literal.get("CONFIG_SOURCE", "").strip()
    try:
        source = parse_source(text) if text else None
    except (MalformedSource, UnknownScheme):
        return None
    return source if isinstance(source, KubernetesKey) else None


def is_same_namespace(first: str, second: str) -> bool:
    """Whether two namespaces may be one; an empty one is decided elsewhere."""
    return not first or not second or first == second


def _find_all(
    documents: Sequence[Document], kind: str, name: str, namespace: str
) -> list[Document]:
    return [
        each
        for each in documents
        if (each.kind, each.name) == (kind, name)
        and is_same_namespace(each.namespace, namespace)
    ]


def _check_token(
    container: Container, documents: Sequence[Document], account: Place
) -> Iterator[Finding]:
    """Report a pod that is given no token for the API server."""
    place = container.pod.at("automountServiceAccountToken")
    for each in _find_all(
        documents,
        "ServiceAccount",
        account.text or "default",
        container.document.namespace,
    ):
        if place.value is None:
            place = each.root.at("automountServiceAccountToken")
    mounts = container.place.at("volumeMounts").items
    is_mounted = any(
        mount.at("mountPath").text.rstrip("/") == str(SERVICE_ACCOUNT)
        for mount in mounts
    )
    if place.value is False and not is_mounted:
        yield place.report(
            "CONFIG_SOURCE is in the cluster, and the pod has no token for it",
            "use true",
        )


class _Access:
    """Whether the account of a pod may read an object.

    Args:
        source: The object.
        container: The container that reads it.
        account: The field with the name of the account.
    """

    def __init__(
        self, source: KubernetesKey, container: Container, account: Place
    ) -> None:
        self._source, self._account = source, account
        self._name = account.text or "default"
        self._pods = container.document.namespace
        self._namespace = source.namespace or self._pods

    def check(self, documents: Sequence[Document]) -> Iterator[Finding]:
        """Find why the object can't be read; nothing if it can."""
        bound = [each for each in documents if self._is_bound(each)]
        findings: list[Finding] = []
        for binding in bound:
            found = self._check_binding(binding, documents)
            if not found:
                return
            findings += found
        yield from findings or self._explain(documents)

    def _is_bound(self, document: Document) -> bool:
        """Whether a binding gives the account rights where the object is."""
        if document.kind == "ClusterRoleBinding":
            is_there = True
        elif document.kind == "RoleBinding":
            is_there = is_same_namespace(document.namespace, self._namespace)
        else:
            return False
        subjects = document.root.at("subjects").items
        return is_there and any(self._is_subject(each) for each in subjects)

    def _is_subject(self, subject: Place) -> bool:
        kind, name = subject.at("kind").text, subject.at("name").text
        namespace = subject.at("namespace").text
        if kind == "ServiceAccount":
            return name == self._name and is_same_namespace(namespace, self._pods)
        groups = {"system:authenticated", "system:serviceaccounts"}
        groups.add(f"system:serviceaccounts:{self._pods or 'default'}")
        user = f"system:serviceaccount:{self._pods or 'default'}:{self._name}"
        return name in groups if kind == "Group" else (kind, name) == ("User", user)

    def _check_binding(
        self, binding: Document, documents: Sequence[Document]
    ) -> list[Finding]:
        """Find why a binding does not suffice; an empty list if it does."""
        reference = binding.root.at("roleRef")
        kind, name = reference.at("kind").text, reference.at("name").text
        where = binding.namespace if kind == "Role" else ""
        roles = _find_all(documents, kind, name, where)
        if not roles:
            # Clusters bring some, and their administrators others.
            if kind == "ClusterRole":
                return []
            field = reference.at("name" if kind == "Role" else "kind")
            return [field.report(f"there is no {kind} {name}", f"add it, {_HINT}")]
        rules = [rule for role in roles for rule in role.root.at("rules").items]
        if any(role.root.at("aggregationRule").value for role in roles):
            return []
        found = [self._check_rule(rule) for rule in rules]
        if None in found:
            return []
        if not found:
            return [roles[0].root.at("rules").report("it allows nothing", self._fix)]
        return [each for each in found if each is not None]

    def _check_rule(self, rule: Place) -> Finding | None:
        """Return why a rule does not allow to read the object; None if it does."""
        source = self._source
        for field, wanted in (
            ("apiGroups", ""),
            ("resources", source.kind),
            ("verbs", "get"),
        ):
            if not {wanted, "*"} & set(rule.at(field).texts):
                what = f'it does not name "{wanted}", which CONFIG_SOURCE needs'
                return rule.at(field).report(what, self._fix)
        names = rule.at("resourceNames")
        if names.texts and source.name not in names.texts:
            what = f"it does not name {source.name}, which CONFIG_SOURCE names"
            return names.report(what, self._fix)
        return None

    @property
    def _fix(self) -> str:
        return f"allow to get {self._source.kind}/{self._source.name}"

    def _explain(self, documents: Sequence[Document]) -> Iterator[Finding]:
        """Say what is missing where no binding names the account."""
        for binding in documents:
            is_near = binding.kind == "RoleBinding" and not self._check_binding(
                binding, documents
            )
            if not is_near:
                continue
            if not is_same_namespace(binding.namespace, self._namespace):
                yield binding.root.at("metadata", "namespace").report(
                    f"CONFIG_SOURCE is in {self._namespace}", f"use {self._namespace}"
                )
            else:
                yield binding.root.at("subjects").report(
                    f"it does not name the ServiceAccount {self._name} of the pods",
                    f"name {self._name}, with the namespace of the pods",
                )
            return
        yield self._account.report(
            f"no RoleBinding lets {self._name} get {self._source}",
            f"add a Role and a RoleBinding, {_HINT}",
        )


def _check_object(
    source: KubernetesKey, container: Container, documents: Sequence[Document]
) -> Iterator[Finding]:
    """Report an object in the files that lacks the key."""
    kind = {"configmaps": "ConfigMap", "secrets": "Secret"}[source.kind]
    where = source.namespace or container.document.namespace
    for document in _find_all(documents, kind, source.name, where):
        keys = {
            str(key)
            for field in ("data", "stringData", "binaryData")
            for key in document.root.at(field).mapping
        }
        if keys and source.key not in keys:
            yield document.root.at("data").report(
                f"it has no key {source.key}, which CONFIG_SOURCE names",
                f"add {source.key}",
            )
