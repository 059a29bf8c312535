"""Finds where written manifests and a service disagree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...errors import Fault
from .check_access import check_access
from .check_container import check_container
from .check_network import check_network
from .check_probes import check_ports, check_probes
from .containers import Container, find_containers
from .documents import Document, Finding, read_documents, read_text
from .image import Image, check_image, check_user, is_dockerfile, read_image
from .service import Service

__all__ = ["check_documents", "check_files"]


def check_files(service: Service, files: Sequence[str]) -> list[Finding]:
    """Compare files with a service.

    Only what is known to be wrong is found. What a file does not say, or what is
    decided elsewhere, passes.

    Args:
        service: The service.
        files: Names of files with manifests, or of Dockerfiles; ``-`` is the standard
            input.

    Returns:
        Each mismatch once, in the order of the containers and of the files.

    Raises:
        YamlMissing: PyYAML is not installed.
        FileUnreadable: A file can't be read.
    """
    documents: list[Document] = []
    images: list[Image] = []
    for file in files:
        text = read_text(file)
        if is_dockerfile(file, text):
            images.append(read_image(file, text))
        else:
            documents += read_documents(file, text)
    return check_documents(service, documents, images, len(images) < len(files))


def check_documents(
    service: Service,
    documents: Sequence[Document],
    images: Sequence[Image] = (),
    has_manifests: bool = True,
) -> list[Finding]:
    """Compare objects with a service; see :func:`check_files`.

    Args:
        service: The service.
        documents: The objects.
        images: Dockerfiles.
        has_manifests: Whether one of the objects must run the service.
    """
    found = _check(service, documents, images, has_manifests)
    return list(dict.fromkeys(found))


def _check(
    service: Service,
    documents: Sequence[Document],
    images: Sequence[Image],
    has_manifests: bool,
) -> Iterator[Finding]:
    for image in images:
        yield from check_image(image)
    # With several images nobody knows which one a container has.
    known = images[0] if len(images) == 1 else None
    containers = find_containers(documents, service, known)
    if not containers and has_manifests:
        yield Finding(
            ", ".join(dict.fromkeys(each.file for each in documents)) or "-",
            "-",
            "-",
            f"no container runs {service.name}",
            f"name the file with the workload, whose command has --app {service.app}",
        )
    running: list[Container] = []
    for container in containers:
        if fault := _find_fault(container):
            yield container.place.at("env").report(
                fault.what.rstrip("."), "correct the variable"
            )
        else:
            running.append(container)
    for container in running:
        yield from check_container(container, service.source, running)
        if known is not None:
            yield from check_user(known, container.place, container.pod)
        yield from check_access(container, documents)
        if not container.is_initial:
            yield from check_probes(container)
            yield from check_ports(container)
    yield from check_network(documents, running)


def _find_fault(container: Container) -> Fault | None:
    """Return the fault of the configuration that the container's variables make."""
    try:
        _ = container.settings
    except Fault as fault:
        return fault
    return None
