"""The drawing of a container as a graph."""

import re
import subprocess
import sys
from typing import Annotated, Any

import pytest
from dependency_injector import containers, providers
from dependency_injector.wiring import Provide, Provider
from flask import Blueprint, Flask

import modern_flask
from modern_flask.config.values import Values
from modern_flask.wiring import (
    Choice,
    Once,
    Opened,
    Scoped,
    bind,
    get_bound,
    inject,
    section,
)
from modern_flask.wiring.draw import draw, make_picture


class Container(containers.DeclarativeContainer):
    """A provider of each lifetime, a choice, and a component without a key."""

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


def draw_lines(app: Flask, language: str) -> list[str]:
    lines = draw(make_picture(app, get_bound(app), {}), language).splitlines()
    return [line.strip() for line in lines if "classDef" not in line]


def test_mermaid(app: Flask) -> None:
    """The graph shows kinds, lifetimes, keys, the chosen branch and the functions."""
    assert draw_lines(app, "mermaid") == [
        "flowchart LR",
        'n0(["View view"])',
        'n1["engine<br>Opened<br>DATABASE_*"]:::process',
        'n2["session<br>Scoped"]:::request',
        'n3["orders<br>Factory"]:::call',
        'n4["storage<br>Choice<br>VENDOR"]:::call',
        'n5["mail<br>Once<br>MAIL_*<br>MAIL_FROM"]:::unused',
        'n6["storage.memory<br>Once"]:::process',
        'n7["storage.disk<br>Opened"]:::process',
        "n2 --> n1",
        "n3 --> n2",
        'n4 -->|"memory"| n6',
        'n4 -.->|"disk"| n7',
        "n0 --> n3",
    ]


def test_dot(app: Flask) -> None:
    """The graph has the same content in Graphviz's language."""
    lines = draw_lines(app, "dot")

    assert lines[0] == "digraph container {"
    assert 'n0 [label="View view", shape=oval];' in lines
    filled = 'style="filled", fillcolor="#dbeafe"'
    assert f'n1 [label="engine\\nOpened\\nDATABASE_*", {filled}];' in lines
    assert 'n4 -> n7 [label="disk", style=dashed];' in lines
    assert lines[-1] == "}"


def test_names_are_escaped() -> None:
    """A name with characters of the language is escaped."""
    app = Flask("shop")
    container = containers.DynamicContainer()
    container.thing = providers.Factory(dict)
    bind(app, container)
    app.add_url_rule("/", 'a "quoted" <name>', inject(_view))

    assert 'n0(["View a &quot;quoted&quot; &lt;name>"])' in draw_lines(app, "mermaid")
    assert 'n0 [label="View a \\"quoted\\" <name>", shape=oval];' in draw_lines(
        app, "dot"
    )


def _view(thing: Annotated[Any, Provide["thing"]]) -> str: ...


class Anonymous(containers.DeclarativeContainer):
    """Providers of the same kind and target, without a name; one is for each thread."""

    config = providers.Configuration()
    engine = Once(dict)
    mailer = Once(dict)
    orders = providers.Factory(list, providers.List(engine))
    letters = providers.Factory(list, providers.List(mailer))
    cache = providers.ThreadLocalSingleton(dict)
    place = Choice(config.PLACE, here=providers.Object("."), there=cache)


def shapes(lines: list[str], language: str) -> tuple[dict[str, str], list[Any]]:
    """The declared nodes, by id, and the ends of each arrow.

    The test fails for any line that is neither.
    """
    text = r'"(?:[^"\\]|\\.)*"'
    if language == "mermaid":
        node = rf"(n\d+)(?:\(\[({text})\]\)|\[({text})\]:::\w+)"
        arrow, frame = rf"(n\d+) (?:-->|-\.->)(?:\|{text}\|)? (n\d+)", r"flowchart LR"
    else:
        word = rf"\w+=(?:{text}|\w+)"
        node = rf"(n\d+) \[label=({text})(?:, {word})*\];()"
        arrow = rf"(n\d+) -> (n\d+)(?: \[{word}(?:, {word})*\])?;"
        frame = r"digraph container {|}|rankdir=LR;|node \[.*\];"
    nodes: dict[str, str] = {}
    arrows: list[Any] = []
    for line in lines:
        if found := re.fullmatch(node, line):
            assert found[1] not in nodes
            nodes[found[1]] = found[2] or found[3]
        elif found := re.fullmatch(arrow, line):
            arrows.append(found.groups())
        else:
            assert re.fullmatch(frame, line), line
    return nodes, arrows


def bind_app(container: Any) -> Flask:
    app = Flask("shop")
    bind(app, container)
    return app


@pytest.mark.parametrize("language", ["mermaid", "dot"])
@pytest.mark.parametrize("container", [None, Anonymous, modern_flask.Container])
def test_every_arrow_has_ends(app: Flask, container: Any, language: str) -> None:
    """Each line is a node or an arrow, and both ends of an arrow are declared once."""
    lines = draw_lines(app if container is None else bind_app(container()), language)

    nodes, arrows = shapes(lines, language)

    assert len(arrows) >= 4
    assert {end for ends in arrows for end in ends} <= nodes.keys()


@pytest.mark.parametrize("language", ["mermaid", "dot"])
def test_without_names(language: str) -> None:
    """Two providers without a name are two nodes, even if they look alike."""
    nodes, arrows = shapes(draw_lines(bind_app(Anonymous()), language), language)

    lists = [number for number, text in nodes.items() if text.startswith('"List')]
    ways = {
        start: {end for begin, end in arrows if begin == start} for start, _ in arrows
    }
    assert len(lists) == 2
    assert [len(ways[number]) for number in lists] == [1, 1]
    assert ways[lists[0]].isdisjoint(ways[lists[1]])


@pytest.mark.parametrize("language", ["mermaid", "dot"])
def test_functions_of_one_name(language: str) -> None:
    """Two hooks of the same name are two nodes."""
    app = bind_app(Anonymous())
    for name in ("one", "two"):
        blueprint = Blueprint(name, __name__)

        @blueprint.before_request
        @inject
        def note(engine: Annotated[Any, Provide["engine"]]) -> None: ...

        app.register_blueprint(blueprint)

    nodes, _ = shapes(draw_lines(app, language), language)

    assert list(nodes.values()).count('"Hook before_request note"') == 2


def test_attributes_and_providers_of_markers() -> None:
    """An arrow leads to each provider that a marker reaches into or passes on."""
    app = bind_app(Anonymous())

    @app.get("/")
    @inject
    def view(
        keys: Annotated[Any, Provide[Anonymous.engine.provided.keys.call()]],
        make: Annotated[Any, Provider["orders"]],
    ) -> str: ...

    nodes, arrows = shapes(draw_lines(app, "mermaid"), "mermaid")
    targets = {nodes[end] for start, end in arrows if "View" in nodes[start]}

    assert targets == {'"engine<br>Once"', '"orders<br>Factory"'}


def test_marker_of_a_target() -> None:
    """A marker in a function that a provider calls is drawn as an arrow."""

    @inject
    def make(engine: Annotated[Any, Provide["engine"]]) -> str: ...

    class Marked(Anonymous):
        thing = providers.Factory(make)

    nodes, arrows = shapes(draw_lines(bind_app(Marked()), "mermaid"), "mermaid")

    assert ('"thing<br>Factory"', '"engine<br>Once"') in {
        (nodes[start], nodes[end]) for start, end in arrows
    }


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
