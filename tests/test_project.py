"""The project's own files: they agree with each other, and what they name exists."""

import os
import re
import stat
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.readme import read_blocks

ROOT = Path(__file__).parents[1]
CI = (ROOT / ".ci" / "run").read_text()
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]

# Those of `bench` run beside the kit in benchmarks, which CI does not run.
TESTED = {k: v for k, v in PROJECT["optional-dependencies"].items() if k != "bench"}


def test_every_marker_is_declared(pytestconfig: pytest.Config):
    """A test has no marker that ``pytest --markers`` does not explain."""
    lines = pytestconfig.getini("markers")
    declared = {re.split(r"\W", line, maxsplit=1)[0] for line in lines}
    texts = [path.read_text() for path in (ROOT / "tests").rglob("*.py")]

    used = {name for text in texts for name in re.findall(r"pytest\.mark\.(\w+)", text)}

    assert "proof" in used
    assert used <= declared
    assert "--strict-markers" in PYPROJECT["tool"]["pytest"]["ini_options"]["addopts"]


def test_script_of_ci_is_a_program():
    """Bash can read ``.ci/run``, and a user can start it."""
    script = ROOT / ".ci" / "run"

    done = subprocess.run(["bash", "-n", script], capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (0, "")
    assert script.stat().st_mode & stat.S_IXUSR


def contributing() -> list[str]:
    """The command lines that CONTRIBUTING.md lists, without their remarks."""
    (block,) = read_blocks(ROOT / "CONTRIBUTING.md")
    lines = [line.partition("#")[0] for line in block.text.splitlines()]
    return [part.strip() for line in lines for part in line.split("&&")]


def test_linters_of_contributors_are_run_by_ci():
    """CI runs each linter that CONTRIBUTING.md lists, with the same words."""
    linters = [
        line for line in contributing() if not line.startswith(("pytest", ".ci"))
    ]

    assert len(linters) == 4
    for line in linters:
        assert re.search(rf"^\.venv/bin/{re.escape(line)}$", CI, re.MULTILINE), line


def test_hooks_are_linters_of_ci():
    """Hooks before a commit download nothing, and run the linters that CI runs."""
    text = (ROOT / ".pre-commit-config.yaml").read_text()

    (local,) = yaml.safe_load(text)["repos"]

    assert local["repo"] == "local"
    for hook in local["hooks"]:
        command = hook["entry"].removesuffix(" --force-exclude")
        assert hook["language"] == "system", hook
        assert f"\n.venv/bin/{command}" in CI, hook
        assert Path(sys.executable).with_name(command.split()[0]).exists(), hook


def pinned() -> dict[str, str]:
    """Name and version of each line of constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text().split()
    pins = (line.partition("==") for line in lines)
    return {canonicalize_name(name): version for name, _, version in pins}


def test_constraints_are_within_the_bounds():
    """constraints.txt pins each dependency to a version that pyproject.toml allows."""
    pins = pinned()
    groups = [PROJECT["dependencies"], *TESTED.values()]
    bounds = [Requirement(text) for group in groups for text in group]

    needed = {canonicalize_name(b.name): b for b in bounds if not b.marker}
    del needed["modern-flask"]

    assert not needed.keys() - pins.keys()
    wrong = [
        f"{bound} and {pins[name]}"
        for name, bound in needed.items()
        if not bound.specifier.contains(pins[name], prereleases=True)
    ]
    assert not wrong


def test_addresses_are_of_one_repository():
    """Every URL of the project is in its repository, and a file of it exists here."""
    urls: dict[str, str] = PROJECT["urls"]

    assert urls.keys() == {"Documentation", "Changelog", "Issues", "Source"}
    for url in urls.values():
        assert url.startswith(urls["Source"])
        blob, _, name = url.partition("/blob/main/")
        assert not name or (ROOT / name).is_file(), blob


def test_sources_of_a_release_exist():
    """Each file that a source distribution lists is in the repository."""
    listed = PYPROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]

    assert not [name for name in listed if not (ROOT / name.lstrip("/")).exists()]
    assert "/SECURITY.md" in listed


def test_security_policy_is_of_this_version():
    """SECURITY.md says where to report, and names the release line that gets fixes."""
    policy = (ROOT / "SECURITY.md").read_text()
    line = PROJECT["version"].partition(".")[0]

    assert f"<{PROJECT['urls']['Issues']}>" in policy
    assert f"`{line}` | yes |" in policy


def test_public_modules_list_their_names():
    """Each module that CONTRIBUTING.md calls public has ``__all__``."""
    text = (ROOT / "CONTRIBUTING.md").read_text().partition("## Compatibility")[2]
    named = set(re.findall(r"`(modern_flask(?:\.\w+)*)`", text))

    assert "modern_flask.storage" in named
    for name in named:
        assert import_module(name).__all__, name


@pytest.fixture
def machine(tmp_path: Path) -> Any:
    """``machine("bin/python3.11", "3.11")``: a program that prints a text."""

    def place(name: str, printed: str, code: int = 0) -> str:
        program = tmp_path / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(f"#!/bin/sh\necho {printed}\nexit {code}\n")
        program.chmod(0o755)
        return str(program)

    return place


def test_interpreters_are_found(machine: Any, tmp_path: Path):
    """Those of PATH come first, then pyenv's newest; a shim that fails is none."""
    machine("shims/python3.11", "pyenv: python3.11: command not found", 127)
    first = machine("bin/python3.11", "3.11")
    machine("pyenv/versions/3.11.99/bin/python", "3.11")
    machine("shims/python3.12", "pyenv: python3.12: command not found", 127)
    machine("pyenv/versions/3.12.9/bin/python", "3.12")
    newest = machine("pyenv/versions/3.12.10/bin/python", "3.12")
    machine("bin/python3.13", "3.12")
    environ = {
        "PATH": os.pathsep.join([f"{tmp_path}/shims", f"{tmp_path}/bin", "/bin"]),
        "PYENV_ROOT": f"{tmp_path}/pyenv",
    }

    found = subprocess.check_output(
        [sys.executable, ".ci/interpreters.py"], text=True, cwd=ROOT, env=environ
    )

    assert found.splitlines() == [f"3.11 {first}", f"3.12 {newest}", "3.13 -"]
