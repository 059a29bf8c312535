"""What a Dockerfile says about the start of a container."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePath

from .documents import Finding, Place

__all__ = ["Image", "check_image", "check_user", "is_dockerfile", "read_image"]

_ENTRY = 'use a list: ENTRYPOINT ["modern-flask", "--app", "NAME"]'


@dataclass
class Image:
    """The last stage of a Dockerfile.

    Args:
        file: The name of the file.

    Attributes:
        words: The instructions that start the program, by name: their words.
        in_shell: The instructions of these that are in the form for a shell.
        lines: The lines of the instructions, by name.
        user: The user; empty for root.
    """

    file: str
    words: dict[str, list[str]] = field(default_factory=dict)
    in_shell: set[str] = field(default_factory=set)
    lines: dict[str, int] = field(default_factory=dict)
    user: str = ""

    def start(self, command: list[str], arguments: list[str]) -> list[str]:
        """Return the words that a container with these fields runs.

        A ``command`` replaces the entry point and its arguments, ``args`` replace the
        arguments (kubernetes.io, "Define a Command and Arguments for a Container").
        """
        if command:
            return [*command, *arguments]
        entry = self.words.get("ENTRYPOINT", [])
        if "ENTRYPOINT" in self.in_shell:
            return entry
        return [*entry, *(arguments or self.words.get("CMD", []))]

    def report(self, name: str, what: str, fix: str) -> Finding:
        line = f"line {self.lines[name]}" if name in self.lines else "-"
        return Finding(self.file, name, line, what, fix)


def is_dockerfile(file: str, text: str) -> bool:
    """Whether a file is a Dockerfile: by its name, or by its first instruction."""
    name = PurePath(file).name
    if name.endswith((".yaml", ".yml", ".json")):
        return False
    by_name = re.fullmatch(r"(.+\.)?(Docker|Container)file(\..+)?", name)
    return bool(by_name or re.match(r"(\s|#.*\n|ARG .*\n)*FROM \S", text))


def read_image(file: str, text: str) -> Image:
    """Read the last stage of a Dockerfile."""
    image = Image(file)
    for line, name, rest in _read_instructions(text):
        if name == "FROM":
            image = Image(file)
        elif name == "USER":
            image.user, image.lines[name] = rest, line
        elif name in ("ENTRYPOINT", "CMD"):
            image.lines[name] = line
            image.in_shell.discard(name)
            listed = _read_list(rest)
            image.words[name] = [] if listed is None else listed
            if listed is None and rest:
                image.in_shell.add(name)
                image.words[name] = ["/bin/sh", "-c", rest]
    return image


def _read_instructions(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield the line, the name and the rest of each instruction."""
    parts: list[str] = []
    begun = 0
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("#") or (not parts and not line.strip()):
            continue
        begun = begun if parts else number
        parts.append(line.rstrip().removesuffix("\\"))
        if not line.rstrip().endswith("\\"):
            name, _, rest = " ".join(parts).strip().partition(" ")
            yield begun, name.upper(), rest.strip()
            parts = []


def _read_list(text: str) -> list[str] | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    is_list = isinstance(found, list) and all(isinstance(each, str) for each in found)
    return found if is_list else None


def check_image(image: Image) -> Iterator[Finding]:
    """Find what does not fit in the start of a container."""
    for name in sorted(image.in_shell):
        try:
            words = shlex.split(image.words[name][2])
        except ValueError:
            continue
        # With an entry point that is a list, CMD becomes words of it.
        if words[:1] != ["exec"]:
            yield image.report(
                name, "a shell is the process 1, so the service gets no SIGTERM", _ENTRY
            )


def check_user(image: Image, container: Place, pod: Place) -> Iterator[Finding]:
    """Report a user with whom the kubelet does not start a container.

    With ``runAsNonRoot`` it must know that the user is not root, and it can't look a
    name up in the image.
    """
    user = image.user.partition(":")[0]
    fields = [place.at("securityContext") for place in (container, pod)]
    wanted = [field.at("runAsNonRoot").value for field in fields]
    is_given = any(field.at("runAsUser").number is not None for field in fields)
    is_wanted = next((value for value in wanted if value is not None), False)
    if is_wanted and user and not is_given and (user == "0" or not user.isdigit()):
        yield image.report(
            "USER",
            f"{user} is not a number of a user other than root, so runAsNonRoot keeps "
            f"{container.document} from starting",
            "use USER 10001",
        )
