"""README.md: its command lines, its manifests and what they name."""

import re
import shlex
import subprocess
import tomllib
from importlib.util import find_spec

import pytest
import yaml

from modern_flask.cli import cli
from tests.readme import README, ROOT, blocks_of, run_python


def test_manifests_fit_together():
    """Each document is a manifest; names, ports and permissions are the same in all."""
    text = "\n---\n".join(block.text for block in blocks_of("manifests"))
    manifests = {found["kind"]: found for found in yaml.safe_load_all(text)}
    role, binding = manifests["Role"], manifests["RoleBinding"]
    pod = manifests["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    (port,) = (found["containerPort"] for found in container["ports"])
    values = {entry["name"]: entry.get("value") for entry in container["env"]}
    kind, name, _ = values["CONFIG_SOURCE"].removeprefix("kubernetes://").split("/")

    assert all(
        {"apiVersion", "kind", "metadata"} <= found.keys()
        for found in manifests.values()
    )
    assert role["rules"][0]["resources"] == [kind]
    assert role["rules"][0]["resourceNames"] == [name]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert binding["subjects"][0]["name"] == pod["serviceAccountName"]
    assert container["command"][5] == f"0.0.0.0:{port}"
    for probe, path in {"livenessProbe": "/livez", "readinessProbe": "/readyz"}.items():
        assert container[probe]["httpGet"] == {"path": path, "port": port}


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
        for words in re.findall(r"command: \[(modern-flask[^]]*)\]", README.read_text())
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
    named = re.findall(r"(?:'\.|modern-flask)\[([\w,]+)\]", README.read_text())

    extras = {extra for names in named for extra in names.split(",")}

    assert extras
    assert extras <= project["optional-dependencies"].keys()


def test_programs_exist():
    """Each program ``python -m tests...`` that the README names is there."""
    programs = set(re.findall(r"python -m (tests\.[\w.]+)", README.read_text()))

    assert programs
    assert not [name for name in programs if find_spec(name) is None]


def test_commands_exist():
    """Each command of the README's table is one of the command line's, and all are."""
    table = README.read_text().partition("| command |")[2].partition("\n\n")[0]
    named = set(re.findall(r"^\| `([\w-]+)", table, re.MULTILINE))

    assert named == {name for name in cli.commands if name not in FLASKS}


FLASKS = {"run", "routes", "shell"}
"""Commands that Flask brings."""
