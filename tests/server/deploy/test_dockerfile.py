"""The Dockerfile: what is printed, and what the check finds in one."""

from pathlib import Path

import pytest

from modern_flask.server.deploy.dockerfile import find_extras, write_dockerfile
from modern_flask.server.deploy.image import is_dockerfile, read_image
from tests.server.deploy.conftest import Orders, find

SERVE = 'CMD ["serve", "--bind", "0.0.0.0:8000"]'


def instructions(text: str) -> list[str]:
    """The lines without remarks."""
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_dockerfile_is_printed(orders: Orders):
    """Two stages, a numeric user that is not root, and no shell at the start."""
    (orders.folder / "orders").mkdir()

    lines = instructions(write_dockerfile(orders.plan(), orders.values, orders.folder))

    assert [line.split()[0] for line in lines].count("FROM") == 2
    assert "RUN pip install 'modern-flask[kubernetes,celery]'" in lines
    assert "COPY orders orders" in lines
    assert lines[-4:] == [
        "USER 10001:10001",
        "EXPOSE 8000",
        'ENTRYPOINT ["modern-flask", "--app", "orders"]',
        'CMD ["serve", "--bind", "0.0.0.0:8000", "--workers", "1", "--threads", "1"]',
    ]


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("pyproject.toml", ["COPY . .", "RUN pip install modern-flask ."]),
        (
            "requirements.txt",
            [
                "COPY requirements.txt .",
                "RUN pip install modern-flask -r requirements.txt",
            ],
        ),
    ],
)
def test_project_is_installed(make_orders, name: str, lines: list[str]):
    """The files of the project say what is installed beside the kit."""
    orders = make_orders()
    (orders.folder / name).touch()
    plan = orders.plan(source="", has_worker=False)

    text = write_dockerfile(plan, orders.values, orders.folder)

    found = instructions(text)
    begin = found.index(lines[0])
    assert found[begin : begin + 2] == lines


def test_module_is_copied(orders: Orders):
    """A service of one file is copied as one file."""
    (orders.folder / "hello.py").touch()

    text = write_dockerfile(orders.plan(app="hello:app"), orders.values, orders.folder)

    assert "COPY hello.py ." in instructions(text)


def test_extras_are_those_of_the_components(make_orders):
    """A configured component brings the extra that it needs."""
    orders = make_orders(
        DATABASE_ENGINE_URL="postgresql+psycopg://shop@db/shop", STORAGE_VENDOR="oss"
    )
    plan = orders.plan(variables={"OTEL_LOGS_EXPORTER": "otlp"})

    found = find_extras(plan, orders.values)

    assert found == ["kubernetes", "oss", "celery", "postgresql", "otlp"]


def test_printed_dockerfile_fits(orders: Orders):
    """The Dockerfile and the manifests of one service fit, also without a command."""
    text = write_dockerfile(orders.plan(), orders.values, orders.folder)
    documents = orders.documents()
    pod = find(documents, "Deployment/orders")["spec"]["template"]["spec"]
    assert orders.check(documents, dockerfile=text) == []

    del pod["containers"][0]["command"]
    assert orders.check(documents, dockerfile=text) == []
    changed = text.replace("0.0.0.0:8000", "0.0.0.0:9000")

    found = orders.check(documents, dockerfile=changed)

    assert "the service listens at port 9000, not 8000" in found[0]


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (
            "ENTRYPOINT modern-flask --app orders serve",
            "Dockerfile: ENTRYPOINT: line 3: a shell is the process 1, so the service "
            'gets no SIGTERM; use a list: ENTRYPOINT ["modern-flask", "--app", "NAME"]',
        ),
        (
            "# The start\nCMD modern-flask \\\n  --app orders serve",
            "Dockerfile: CMD: line 4: a shell is the process 1",
        ),
        (f"USER root\n{SERVE}", "Dockerfile: USER: line 3: root is not a number of"),
        (f"USER app:app\n{SERVE}", "Dockerfile: USER: line 3: app is not a number of"),
    ],
)
def test_dockerfile_does_not_fit(orders: Orders, lines: str, text: str):
    """A shell at the start and the user root are found, with their lines."""
    found = orders.check(
        orders.documents(), dockerfile=f"FROM python:3.13\nWORKDIR /srv\n{lines}\n"
    )

    assert 1 <= len(found) <= 2
    assert found[0].startswith(text)


@pytest.mark.parametrize(
    "lines",
    [
        "ENTRYPOINT exec modern-flask --app orders serve",
        'ENTRYPOINT ["tini", "--"]\nCMD ["modern-flask", "--app", "orders", "serve"]',
        "USER 1000",
        "USER 1000:app",
        "",
    ],
)
def test_correct_dockerfile_passes(orders: Orders, lines: str):
    """A shell that is replaced, another init, and another user are no mistakes."""
    text = f"FROM python:3.13 AS build\nUSER root\nCMD x\nFROM build\n{lines}\n"

    assert orders.check(orders.documents(), dockerfile=text) == []


@pytest.mark.parametrize(
    ("file", "text", "is_one"),
    [
        ("Dockerfile", "", True),
        ("docker/orders.Dockerfile", "", True),
        ("Dockerfile.prod", "", True),
        ("-", "# x\nARG A=1\nFROM python:3.13\n", True),
        ("dockerfile.yaml", "kind: Pod", False),
        ("pod.yaml", "FROM: 1", False),
        ("-", "kind: Pod", False),
    ],
)
def test_dockerfile_is_recognized(file: str, text: str, is_one: bool):
    """The name of a file or its first instruction says that it is a Dockerfile."""
    assert is_dockerfile(file, text) is is_one


def test_arguments_replace_the_command_of_the_image():
    """Words are put together as Kubernetes does it."""
    image = read_image("Dockerfile", 'FROM x\nENTRYPOINT ["a"]\nCMD ["b"]\n')

    assert image.start([], []) == ["a", "b"]
    assert image.start([], ["c"]) == ["a", "c"]
    assert image.start(["d"], []) == ["d"]
    assert image.start(["d"], ["e"]) == ["d", "e"]


def test_folder_is_not_read(orders: Orders, tmp_path: Path):
    """A folder without the module is copied as a whole."""
    text = write_dockerfile(orders.plan(app="a.b:c"), orders.values, tmp_path / "none")

    assert "COPY . ." in instructions(text)
