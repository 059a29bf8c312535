"""docs/telemetry.md: its code is that of the tests with other logging libraries."""

import pytest

from tests.readme import ROOT, Block, read_blocks

PAGE = ROOT / "docs" / "telemetry.md"
TESTS = ROOT / "tests" / "observability" / "logs" / "test_other_libraries.py"
BLOCKS = [block for block in read_blocks(PAGE) if block.language == "python"]


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_code_is_tested(block: Block) -> None:
    """Each block is a part of the tests with structlog and loguru."""
    code, tests = ("".join(text.split()) for text in (block.text, TESTS.read_text()))

    assert code in tests


def test_page_has_both_libraries() -> None:
    """There is a block for each library."""
    assert [block.heading for block in BLOCKS] == ["structlog", "loguru"]
