"""The code blocks of README.md, each with the heading that it stands under."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

__all__ = [
    "BLOCKS",
    "CONTAINER",
    "ERROR",
    "KINDS",
    "README",
    "ROOT",
    "Block",
    "blocks_of",
    "read_blocks",
    "run_python",
]

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"

CONTAINER = "modern_flask/container.py"
"""The comment that makes a block a copy of this file's class."""

ERROR = 'STORAGE_VENDOR = "s3" names no storage.'

HEADING = re.compile(r"#+ (.+)")
FILE = re.compile(r"# ([\w/]+\.py)\b")


class Block(NamedTuple):
    """One block of code.

    A block that is indented by four spaces has the language ``shell``, one between
    fences that name no language has none.
    """

    heading: str
    language: str
    text: str
    line: int

    @property
    def first(self) -> str:
        """The first line."""
        return self.text.partition("\n")[0]

    @property
    def file(self) -> str:
        """The file that the comment of the first line names, or nothing."""
        match = FILE.match(self.first)
        return match[1] if match else ""

    def __str__(self) -> str:
        return f'line {self.line}, under "{self.heading}": {self.first}'


def read_blocks(path: Path) -> Iterator[Block]:
    """Find fenced and indented blocks, in their order."""
    lines = path.read_text().splitlines()
    heading, number = "", 0
    while number < len(lines):
        line = lines[number]
        begin = number + 1
        if line.startswith("```"):
            end = lines.index("```", begin)
            yield Block(heading, line[3:], "\n".join(lines[begin:end]), begin)
            number = end
        elif line.startswith("    ") and not lines[number - 1].strip():
            end = begin
            while end < len(lines) and lines[end].startswith("    "):
                end += 1
            text = "\n".join(code[4:] for code in lines[number:end])
            yield Block(heading, "shell", text, begin)
            number = end - 1
        elif match := HEADING.match(line):
            heading = match[1]
        number += 1


BLOCKS = list(read_blocks(README))

KINDS: dict[str, Callable[[Block], bool]] = {
    "container": lambda block: (
        "(containers.DeclarativeContainer):" in block.text or block.file == CONTAINER
    ),
    "hello": lambda block: block.file == "hello.py",
    "service": lambda block: block.file.startswith("orders/"),
    "test": lambda block: block.language == "python" and "\ndef test_" in block.text,
    "shell": lambda block: block.language in ("shell", "sh", "bash"),
    "error": lambda block: block.first == ERROR,
    "manifests": lambda block: block.language == "yaml",
}
"""How the tests find their blocks. A block of no kind fails a test."""


def blocks_of(kind: str) -> list[Block]:
    """The blocks of a kind; there is at least one."""
    found = [block for block in BLOCKS if KINDS[kind](block)]
    assert found, f"README.md has no block of the kind {kind!r} any more."
    return found


def run_python(*words: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run Python in a folder whose modules it can import, without our configuration."""
    environ = {k: v for k, v in os.environ.items() if k != "CONFIG_SOURCE"}
    return subprocess.run(
        [sys.executable, *words],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**environ, "PYTHONPATH": os.pathsep.join([str(cwd), str(ROOT)])},
        timeout=120,
    )
