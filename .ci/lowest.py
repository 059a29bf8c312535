"""Print the lowest version that each bound of pyproject.toml allows, as constraints."""

import re
import sys
import tomllib
from pathlib import Path

BOUND = re.compile(r"([\w.-]+)(?:\[[^]]*])?\s*(?:>=|~=|==)\s*([^,;\s]+)")

project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
extras = project["optional-dependencies"]
# The tools of tests and linters are not what a service is installed with.
groups = [project["dependencies"], *(v for k, v in extras.items() if k in sys.argv[1:])]
for requirement in (line for group in groups for line in group):
    if found := BOUND.match(requirement):
        print(f"{found[1]}=={found[2]}")  # noqa: T201
