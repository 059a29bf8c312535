"""README.md: its command lines, its manifests and what they name."""

import re
import shlex
import subprocess
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

from modern_flask.cli import cli
from tests.readme import README, ROOT, blocks_of, run_python

TEXT = README.read_text()


def test_manifests_are_the_output_of_the_command(tmp_path: Path):
    """The command that the README names prints its manifests, which fit the service."""
    for block in blocks_of("service"):
        file = tmp_path / block.file
        file.parent.mkdir(exist_ok=True)
        file.write_text(block.text + "\n")
    (line,) = re.findall(r"`(modern-flask [^`]+ manifests --only [^`]+)`", TEXT)
    _, *words = shlex.split(line)
    (block,) = blocks_of("manifests")

    printed = run_python("-m", "modern_flask.cli", *words, cwd=tmp_path)
    (tmp_path / "orders.yaml").write_text(block.text)
    checked = run_python(
        *("-m", "modern_flask.cli", *words[:3], "--check", "orders.yaml"), cwd=tmp_path
    )

    assert (printed.stdout, printed.stderr) == (f"{block.text}\n", "")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def commands() -> list[list[str]]:
    """Every command line ``modern-flask ...`` of shell blocks and manifests."""
    shell = [
        shlex.split(part)
        for block in blocks_of("shell")
        for part in block.text.split("&&")
        if part.split()[:1] == ["modern-flask"]
    ]
    listed = [
        re.split(", *", words.replace('"', ""))
        for words in re.findall(r"command: \[(modern-flask[^]]*)\]", TEXT)
    ]
    return shell + listed


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_command_line_is_accepted(words: list[str]):
    """The command knows each option that it is given."""
    assert words[1] == "--app"
    command = ["--app", "example_service", *words[3:], "--help"]

    done = run_python("-m", "modern_flask.cli", *command, cwd=ROOT)

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"Usage: modern-flask {words[3]} ")


def test_test_command_is_run_by_ci():
    """``.ci/run`` finds the command that the README names for the tests, whole."""
    script = (ROOT / ".ci" / "run").read_text()
    (search,) = re.findall(r"sed -n '(.+)' README\.md", script)

    found = subprocess.check_output(["sed", "-n", search, README], text=True)

    tests = [block.text for block in blocks_of("shell") if "pytest" in block.text]
    assert [found] == [f"{text}\n" for text in tests]


def test_shell_makes_an_environment_first():
    """Every shell block works from nothing, and ends with what it is for."""
    for block in blocks_of("shell"):
        words = "python3 -m venv .venv && . .venv/bin/activate && pip install -e "
        assert block.text.startswith(words), block


def test_extras_exist():
    """Each extra that the README names is one of pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = re.findall(r"(?:'\.|modern-flask)\[([\w,]+)\]", TEXT)

    extras = {extra for names in named for extra in names.split(",")}

    assert extras
    assert extras <= project["optional-dependencies"].keys()


def test_programs_exist():
    """Each program ``python -m tests...`` that the README names is there."""
    programs = set(re.findall(r"python -m (tests\.[\w.]+)", TEXT))

    assert programs
    assert not [name for name in programs if find_spec(name) is None]


def test_commands_exist():
    """Each command of the README's table is one of the command line's, and all are."""
    table = TEXT.partition("| command |")[2].partition("\n\n")[0]
    named = set(re.findall(r"^\| `([\w-]+)", table, re.MULTILINE))

    assert named == {name for name in cli.commands if name not in FLASKS}


FLASKS = {"run", "routes", "shell"}
"""Commands that Flask brings."""
