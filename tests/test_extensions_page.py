"""docs/extensions.md: its code is that of the services under tests/extensions."""

from pathlib import Path

import pytest

from tests.readme import ROOT, Block, read_blocks

PAGE = ROOT / "docs" / "extensions.md"
SERVICES = ROOT / "tests" / "extensions"


def read_sources() -> list[str]:
    """The services and tests that CI runs beside their extensions."""
    return [normalize(file.read_text()) for file in SERVICES.glob("*/*.py")]


def normalize(text: str) -> str:
    """Leave out space and line ends: the page shows parts of functions."""
    return "".join(text.split())


@pytest.mark.parametrize("block", list(read_blocks(PAGE)), ids=str)
def test_code_is_tested(block: Block) -> None:
    """Each block is a part of a file that CI runs beside its extension."""
    code = normalize(block.text)

    assert block.language == "python"
    assert any(code in source for source in read_sources()), f"line {block.line}"


def test_table_names_every_extension() -> None:
    """The page lists what CI tests, with the version of its requirement."""
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]

    for file in sorted(Path(SERVICES).glob("*/requirements.txt")):
        name, _, rest = file.read_text().partition(">=")
        title = "Sentry's SDK" if name == "sentry-sdk" else name.partition("[")[0]
        version = rest.partition(",")[0]
        (row,) = (row for row in rows if f"| {title.lower()} |" in row.lower())
        tested = row.split(" | ")[1]
        assert version.startswith(tested), row
    assert len(rows) == 1 + len(list(SERVICES.glob("*/requirements.txt")))


def test_ci_runs_the_services(pytestconfig: pytest.Config) -> None:
    """CI runs them by their own program, and pytest does not enter their folder."""
    script = (ROOT / ".ci" / "run").read_text()

    assert "\n.venv/bin/python .ci/extensions.py\n" in script
    assert "tests/extensions" in pytestconfig.getini("norecursedirs")
