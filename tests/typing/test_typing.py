"""Type checkers on what a service writes."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PATHS = [HERE / "service.py", HERE / "wrong.py", ROOT / "example_service"]
CHECKERS = {
    "mypy": ["mypy", "--strict", *map(str, PATHS)],
    # A build of pyright that needs no download at its first run.
    # It looks for packages in the Python on PATH, if no other one is named.
    "pyright": [
        *("basedpyright", "--level", "error", "-p", f"{HERE}/pyrightconfig.json"),
        *("--pythonpath", sys.executable),
    ],
}
TOLD = re.compile(r"(\w+)\.py:(\d+)(?::\d+ -|:) error")


@pytest.mark.parametrize("checker", CHECKERS)
def test_checker(checker: str) -> None:
    """A service is right, and each mistake is told on its line; nothing else is."""
    lines = (HERE / "wrong.py").read_text().splitlines()
    wrong = {n for n, line in enumerate(lines, 1) if line.endswith("# wrong")}

    done = subprocess.run(
        [sys.executable, "-m", *CHECKERS[checker]],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )

    told = {(name, int(line)) for name, line in TOLD.findall(done.stdout)}
    assert told == {("wrong", line) for line in wrong}, done.stdout + done.stderr
