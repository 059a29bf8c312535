"""The container, drawn."""

import subprocess
import sys
from typing import Annotated, Any

import pytest
from dependency_injector import containers, providers
from dependency_injector.wiring import Provide
from flask import Flask

from modern_flask.config.values import Values
from modern_flask.wiring import Choice, Once, Opened, Scoped, bind, inject, section
from modern_flask.wiring.draw import draw, picture_of


class Container(containers.DeclarativeContainer):
    """One provider of each lifetime, a choice, and what is not configured."""

    config = providers.Configuration()
    engine = Opened(dict, section(config, "DATABASE_", "URL"))
    session = Scoped(dict, engine)
    orders = providers.Factory(dict, session.provided.items)
    storage = Choice(config.VENDOR, memory=Once(dict), disk=Opened(dict))
    mail = Once(dict, section(config, "MAIL_", "HOST"), config.MAIL_FROM)


@pytest.fixture
def app() -> Flask:
    container = Container()
    container.config.override(Values({"DATABASE_URL": "x", "VENDOR": "memory"}))
    app = Flask("shop")
    bind(app, container)

    @app.get("/")
    @inject
    def view(orders: Annotated[Any, Provide["orders"]]) -> str: ...

    return app


def drawn(app: Flask, language: str) -> list[str]:
    from modern_flask.wiring import get_bound

    lines = draw(picture_of(app, get_bound(app), {}), language).splitlines()
    return [line.strip() for line in lines if "classDef" not in line]


def test_mermaid(app: Flask) -> None:
    """Kinds, lifetimes, keys, the branch that is chosen, and who asks."""
    assert drawn(app, "mermaid") == [
        "flowchart LR",
        'n0(["View view"])',
        'n1["engine<br>Opened<br>DATABASE_*"]:::process',
        'n2["session<br>Scoped"]:::request',
        'n3["orders<br>Factory"]:::call',
        'n4["storage<br>Choice<br>VENDOR"]:::call',
        'n5["mail<br>Once<br>MAIL_*<br>MAIL_FROM"]:::idle',
        'n6["storage.memory<br>Once"]:::process',
        'n7["storage.disk<br>Opened"]:::process',
        "n2 --> n1",
        "n3 --> n2",
        "n4 -->|memory| n6",
        "n4 -.->|disk| n7",
        "n0 --> n3",
    ]


def test_dot(app: Flask) -> None:
    """The same in the language of Graphviz."""
    lines = drawn(app, "dot")

    assert lines[0] == "digraph container {"
    assert 'n0 [label="View view", shape=oval];' in lines
    filled = 'style="filled", fillcolor="#dbeafe"'
    assert f'n1 [label="engine\\nOpened\\nDATABASE_*", {filled}];' in lines
    assert 'n4 -> n7 [label="disk", style=dashed];' in lines
    assert lines[-1] == "}"


def test_names_are_escaped() -> None:
    """A name that the language would read is written as text."""
    app = Flask("shop")
    container = containers.DynamicContainer()
    container.thing = providers.Factory(dict)
    bind(app, container)
    app.add_url_rule("/", 'a "quoted" <name>', inject(_view))

    assert 'n0(["View a &quot;quoted&quot; &lt;name>"])' in drawn(app, "mermaid")
    assert 'n0 [label="View a \\"quoted\\" <name>", shape=oval];' in drawn(app, "dot")


def _view(thing: Annotated[Any, Provide["thing"]]) -> str: ...


def test_every_arrow_has_ends(app: Flask) -> None:
    """Each arrow begins and ends at a node that is drawn."""
    lines = drawn(app, "dot")
    nodes = {line.partition(" ")[0] for line in lines if line.startswith("n")}
    arrows = [line.rstrip(";").split() for line in lines if " -> " in line]

    assert all({start, end} <= nodes for start, _, end, *_ in arrows)


def test_command(tmp_path: Any) -> None:
    """``modern-flask graph`` prints the drawing of a service."""
    program = [sys.executable, "-m", "modern_flask.cli"]
    (tmp_path / "shop.py").write_text(
        "import modern_flask\napp = modern_flask.create_app('shop')\n"
    )
    done = subprocess.run(
        [*program, "--app", "shop", "graph", "--format", "dot"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("digraph container {")
    assert "readonly_session" in done.stdout
