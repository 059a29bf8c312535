"""The floors of the house, as contracts of import-linter."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LINT = "from importlinter.cli import lint_imports_command as lint; lint()"

Lint = Callable[[Path], tuple[bool, str]]


@pytest.fixture
def lint() -> Lint:
    """``lint(contracts)``: whether they are kept, and what import-linter says.

    In a process of its own: it configures logging, and silences others' loggers.
    """

    def lint(contracts: Path) -> tuple[bool, str]:
        done = subprocess.run(
            [sys.executable, "-c", LINT, "--config", contracts, "--no-cache"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode == 0, done.stdout + done.stderr

    return lint


def test_rooms_import_from_floors_below(lint: Lint) -> None:
    """No room imports upwards or sideways, and every room has its floor."""
    kept, said = lint(ROOT / ".importlinter")

    assert kept, said


def test_contracts_can_be_broken(lint: Lint, tmp_path: Path) -> None:
    """The contracts look at this package: turned upside down they do not hold."""
    contracts = (ROOT / ".importlinter").read_text()
    upside_down = contracts.replace(
        "    config\n    deadlines\n    errors |",
        "    deadlines\n    errors\n    config |",
    )
    (tmp_path / "contracts").write_text(upside_down)

    kept, said = lint(tmp_path / "contracts")

    assert upside_down != contracts
    assert not kept
    assert "config is not allowed to import modern_flask.errors" in said
