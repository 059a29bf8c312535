"""Print where this machine has each Python that pyproject.toml names, one to a line.

A line is ``3.12 /path/to/python3.12``, or ``3.12 -`` where no interpreter was found.
The folders of PATH are searched first, then pyenv's versions: pyenv puts only those
that its user has selected on PATH, and its shims of the others fail.
"""

import os
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

CLASSIFIER = re.compile(r"Programming Language :: Python :: (\d+\.\d+)")

# Without the package python3-venv Debian's Python has no ensurepip: `-m venv` fails.
PROBE = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"


def supported_versions() -> list[str]:
    """The versions that the classifiers of pyproject.toml name."""
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    matches = map(CLASSIFIER.fullmatch, project["classifiers"])
    return [match[1] for match in matches if match]


def find_candidates(version: str) -> Iterator[Path]:
    """Every place where an interpreter of ``version`` may be, the best one first."""
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        yield Path(folder, f"python{version}")
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found = pyenv.glob(f"versions/{version}.*/bin/python")
    yield from sorted(found, key=patch_number, reverse=True)


def patch_number(python: Path) -> int:
    """7 for ``versions/3.11.7/bin/python``; -1 for a name without a number."""
    last = python.parents[1].name.rpartition(".")[2]
    return int(last) if last.isdecimal() else -1


def is_usable(python: Path, version: str) -> bool:
    """Whether ``python`` runs, is of ``version`` and can make an environment."""
    try:
        done = subprocess.run(
            [python, "-c", PROBE], capture_output=True, text=True, timeout=60
        )
    except OSError:
        return False
    return done.returncode == 0 and done.stdout.strip() == version


for wanted in supported_versions():
    usable = (p for p in find_candidates(wanted) if is_usable(p, wanted))
    print(wanted, next(usable, "-"))  # noqa: T201
