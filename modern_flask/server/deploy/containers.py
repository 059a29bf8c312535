"""The containers in manifests that run a service, and what each is given."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from ...config.values import Values
from .documents import Document, Place
from .image import Image
from .program import Program, names_service, read_program
from .service import Service, find_module
from .settings import PodSettings, read_settings

__all__ = ["Container", "Variables", "find_containers", "find_pod", "is_name_of"]

_TEMPLATES = {
    "Pod": ("spec",),
    "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
    **dict.fromkeys(
        ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "Rollout"),
        ("spec", "template", "spec"),
    ),
}
"""The path of the pod in each kind of object."""


@dataclass
class Variables:
    """The environment of a container, as far as the manifests show it.

    Attributes:
        literal: The variables whose values are known.
        places: The fields of the variables that are listed one by one.
        hidden: The names of the variables whose values are elsewhere.
        is_open: Whether there are variables whose names are elsewhere.
    """

    literal: dict[str, str] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    is_open: bool = False

    def has(self, name: str) -> bool:
        """Whether a variable is there, or may be."""
        return self.is_open or name in self.literal or name in self.hidden

    def knows(self, *keys: str) -> bool:
        """Whether no hidden variable can change a key of the configuration."""
        return not self.is_open and not any(
            name.removeprefix("FLASK_").partition("__")[0] in keys
            for name in self.hidden
        )


@dataclass
class Container:
    """A container that runs the service.

    Args:
        place: The container.
        pod: The specification of its pod.
        document: The workload.
        program: What it runs.
        variables: Its environment.
        service: The service.
        is_initial: Whether it ends before the others begin.
    """

    place: Place
    pod: Place
    document: Document
    program: Program
    variables: Variables
    service: Service
    is_initial: bool = False

    @cached_property
    def values(self) -> Values:
        """The configuration, as the variables of the container change it."""
        return self.service.configure(self.variables.literal)

    @cached_property
    def settings(self) -> PodSettings:
        return read_settings(self.values)

    @property
    def labels(self) -> Mapping[str, object]:
        """The labels of the pod."""
        if self.document.kind == "Pod":
            return self.document.root.at("metadata", "labels").mapping
        names = _TEMPLATES[self.document.kind][:-1]
        return self.document.root.at(*names, "metadata", "labels").mapping

    @property
    def ports(self) -> dict[str, int]:
        """The numbers of the ports of all containers of the pod, by name."""
        return {
            port.at("name").text: int(port.at("containerPort").number or 0)
            for container in self.pod.at("containers").items
            for port in container.at("ports").items
            if port.at("name").text
        }

    def find_port(self, port: Place) -> int | None:
        """Return the number of a port that is given by number or name."""
        if port.number is not None:
            return int(port.number)
        return int(port.text) if port.text.isdigit() else self.ports.get(port.text)


def find_pod(document: Document) -> Place | None:
    """Return the specification of the pod of a workload."""
    names = _TEMPLATES.get(document.kind)
    return document.root.at(*names) if names else None


def find_containers(
    documents: Sequence[Document], service: Service, image: Image | None
) -> list[Container]:
    """Find the containers that run ``service``.

    Args:
        documents: All objects.
        service: The service.
        image: Its image; if it is not known, only containers with a command count.
    """
    found: list[Container] = []
    for document in documents:
        pod = find_pod(document)
        if pod is None:
            continue
        for name in ("initContainers", "containers"):
            for place in pod.at(name).items:
                # A sidecar is an initial container that does not end.
                is_initial = name[0] == "i" and place.at("restartPolicy").value is None
                each = _read(place, pod, documents, service, image, is_initial)
                if each is not None:
                    found.append(each)
    return found


def _read(
    place: Place,
    pod: Place,
    documents: Sequence[Document],
    service: Service,
    image: Image | None,
    is_initial: bool,
) -> Container | None:
    """Read a container; None if it does not run the service."""
    variables = _read_variables(place, documents)
    words = _read_words(place, variables, service, image)
    options = variables.literal.get("GUNICORN_CMD_ARGS", "")
    program = read_program(words, service, options)
    program.app = program.app or variables.literal.get("FLASK_APP", "")
    is_named = _is_called(place, variables, service)
    if is_named and place.at("command").texts and words[0].startswith("-"):
        program.problem = f"{words[0]} is an option, and not a program"
        program.fix = "begin the command with modern-flask"
    if program.by_kit and not program.host:
        program.host, program.port = _read_gunicorn_bind(variables)
    # A container with the service's own name may run a script.
    is_script = is_name_of(service, place.at("name").text)
    is_kit = program.is_kit or program.verb or program.problem or is_script or not words
    is_ours = is_named or names_service(program, service)
    if not is_kit or not is_ours:
        return None
    document = place.document
    return Container(place, pod, document, program, variables, service, is_initial)


def _is_called(place: Place, variables: Variables, service: Service) -> bool:
    """Whether a container or its variables have the name of the service."""
    given = (place.at("name").text, variables.literal.get("SERVICE_NAME", ""))
    return any(is_name_of(service, name) for name in given)


def is_name_of(service: Service, name: str) -> bool:
    """Whether an object with this name belongs to the service."""
    names = {_simplify(service.name), _simplify(find_module(service.app))}
    return _simplify(name) in names


def _simplify(name: str) -> str:
    return re.sub("[^a-z0-9]+", "-", name.lower()).removesuffix("-worker")


def _read_gunicorn_bind(variables: Variables) -> tuple[str, int | None]:
    """Return the address by the kit's settings for gunicorn."""
    bind = variables.literal.get("GUNICORN_BIND", "127.0.0.1:8000")
    host, _, port = bind.rpartition(":")
    is_known = variables.knows("GUNICORN_BIND") and port.isdigit()
    return (host, int(port)) if is_known else ("", None)


def _read_words(
    place: Place, variables: Variables, service: Service, image: Image | None
) -> list[str]:
    """Return the words that a container runs; none if only the image knows them."""
    is_called = _is_called(place, variables, service)
    command, arguments = place.at("command").texts, place.at("args").texts
    words = [*command, *arguments]
    if not command and is_called:
        words = _complete(arguments, service, image)

    def expand(match: re.Match[str]) -> str:
        return variables.literal.get(match[1], match[0])

    return [re.sub(r"\$\(([\w.-]+)\)", expand, word) for word in words]


def _complete(arguments: list[str], service: Service, image: Image | None) -> list[str]:
    """Put the entry point of the image before the arguments of a container."""
    if image is not None:
        return image.start([], arguments)
    first = arguments[0] if arguments else ""
    if first in service.commands:
        return ["modern-flask", "--app", service.app, *arguments]
    return ["modern-flask", *arguments] if first in ("--app", "-A") else []


def _read_variables(place: Place, documents: Sequence[Document]) -> Variables:
    found = Variables()
    for source in place.at("envFrom").items:
        prefix = source.at("prefix").text
        data = _find_data(source, documents, "configMapRef", "secretRef")
        if data is None:
            found.is_open = True
            continue
        found.literal |= {prefix + name: text for name, text in data.items()}
    for variable in place.at("env").items:
        name = variable.at("name").text
        found.places[name] = variable
        found.literal.pop(name, None)
        found.hidden.discard(name)
        source = variable.at("valueFrom")
        if source.value is None:
            found.literal[name] = _expand(variable.at("value").text, found.literal)
            continue
        data = _find_data(source, documents, "configMapKeyRef", "secretKeyRef")
        key = next((source.at(each, "key").text for each in source.mapping), "")
        if data is not None and key in data:
            found.literal[name] = data[key]
        else:
            found.hidden.add(name)
    return found


def _expand(text: str, known: Mapping[str, str]) -> str:
    return re.sub(r"\$\(([\w.-]+)\)", lambda m: known.get(m[1], m[0]), text)


def _find_data(
    source: Place, documents: Sequence[Document], config_map: str, secret: str
) -> dict[str, str] | None:
    """Return the data of a ConfigMap or Secret; None if no file has it."""
    kinds = {config_map: "ConfigMap", secret: "Secret"}
    for reference, kind in kinds.items():
        name = source.at(reference, "name").text
        for document in documents:
            if name and (document.kind, document.name) == (kind, name):
                return dict(_list_data(document))
    return None


def _list_data(document: Document) -> Iterator[tuple[str, str]]:
    for name, value in document.root.at("data").mapping.items():
        if document.kind == "ConfigMap":
            yield str(name), str(value)
            continue
        try:
            yield str(name), base64.b64decode(str(value)).decode()
        except (binascii.Error, ValueError):
            continue
    for name, value in document.root.at("stringData").mapping.items():
        yield str(name), str(value)
