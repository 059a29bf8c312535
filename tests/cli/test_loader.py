"""Loading the app of a command."""

import pytest
from flask import Flask
from flask.cli import ScriptInfo

import modern_flask
from modern_flask import Fault
from modern_flask.cli.loader import AppLoader, raise_faults
from modern_flask.wiring.errors import CheckFailed


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Flask:
    monkeypatch.delenv("CONFIG_SOURCE", raising=False)
    return modern_flask.create_app(__name__, config={"REDIS_HOTS": "localhost"})


def test_configuration_is_checked(app):
    """load_app() raises a fault of the configuration, load_unchecked() does not."""
    loader = AppLoader(create_app=lambda: app)

    assert loader.load_unchecked() is app
    with pytest.raises(Fault, match="REDIS_HOTS is not a known setting"):
        loader.load_app()


def test_source_is_read_once():
    """A source that failed is not read again: the second load raises its fault."""
    calls: list[int] = []

    def create_app() -> Flask:
        calls.append(1)
        raise Fault("The source did not answer.")

    loader = AppLoader(create_app=create_app)
    for _ in range(2):
        with pytest.raises(Fault, match="The source did not answer"):
            loader.load_unchecked()

    assert len(calls) == 1


def test_loader_of_flask_shares_its_app(app):
    """Under ``flask`` the loader takes the app that Flask has loaded."""
    info = ScriptInfo(app_import_path="shop", create_app=lambda: app)

    loader = AppLoader.from_info(info)

    assert loader.load_unchecked() is app
    assert loader.import_path == "shop"
    assert AppLoader.from_info(loader) is loader


@pytest.mark.parametrize(
    ("files", "found"), [([], "app.py"), (["app.py", "wsgi.py"], "wsgi.py")]
)
def test_import_path_is_what_flask_finds(tmp_path, monkeypatch, files, found):
    """Without ``--app`` and FLASK_APP it is wsgi.py or app.py, as in Flask."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FLASK_APP", raising=False)
    for name in files:
        (tmp_path / name).touch()

    assert AppLoader().import_path == found


def test_faults_are_raised_together():
    """One text is raised as it is, several as one CheckFailed, none not at all."""
    one, other = Fault("One."), Fault("Other.")

    raise_faults([])
    with pytest.raises(Fault, match=r"^One\.$"):
        raise_faults([one, Fault("One.")])
    with pytest.raises(CheckFailed) as raised:
        raise_faults([one, other])

    assert list(raised.value.faults) == [one, other]
