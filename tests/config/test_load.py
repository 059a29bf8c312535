"""Each source overrides the one before it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import modern_flask.config
from modern_flask.config import Origin, Values, load_values
from modern_flask.config.errors import MissingFile
from modern_flask.errors import ConfigurationError, NotConfigured, set_key


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root beside the working folder."""
    for name in ("root", "work"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "root"


def test_rank(root):
    """Defaults < source < FLASK_ variables < overrides, each with its origin."""
    (root / "config.py").write_text("B = C = D = 'source'\n")

    values = load_values(
        None,
        root=root,
        defaults=dict.fromkeys("ABCD", "default"),
        environ={"FLASK_C": "variable", "FLASK_D": "variable", "A": "bare"},
        overrides={"D": "override"},
    )

    assert values == {"A": "default", "B": "source", "C": "variable", "D": "override"}
    assert values.origins == {
        "A": Origin("defaults"),
        "B": Origin(str(root / "config.py"), 1),
        "C": Origin("environment variable FLASK_C"),
        "D": Origin("create_app(config=...)"),
    }
    assert values.searched == [
        str(root / "config.py"),
        "environment variables FLASK_*",
        "create_app(config=...)",
    ]


@pytest.mark.parametrize("source", [None, "", " \n"])
def test_default_file_may_be_absent(root, source):
    """Without CONFIG_SOURCE and config.py only the defaults count."""
    values = load_values(source, root=root, defaults={"A": 1}, environ={})

    assert values == {"A": 1}
    assert values.searched == [
        f"{root}/config.py (not there)",
        f"{Path.cwd()}/config.py (not there)",
        "environment variables FLASK_*",
    ]


def test_searched_fits_into_a_fault(tmp_path, monkeypatch):
    """The searched sources are part of the error about a missing key."""
    monkeypatch.chdir(tmp_path)
    values = load_values(None, root=tmp_path, environ={})

    assert str(NotConfigured("redis", "REDIS_*", values.searched)) == (
        "redis is not configured: REDIS_* is not set.\n"
        f"  looked in  {tmp_path}/config.py (not there) and "
        "environment variables FLASK_*\n"
        f"  fix      {set_key('REDIS_*')}"
    )


def test_default_file_in_the_working_folder(root):
    """The config.py of the working folder is read if the root has none."""
    Path("config.py").write_text("A = 1\n")

    values = load_values(None, root=root, environ={})

    assert values == {"A": 1}
    assert values.origin("A") == Origin("config.py", 1)


def test_named_source_must_be_there(root):
    """A source that is named must exist: otherwise loading fails."""
    Path("config.py").write_text("A = 1\n")

    with pytest.raises(MissingFile):
        load_values("production.py", root=root, environ={})


def test_source_text_may_have_a_line_break(root):
    """A variable that was read from a file may end with a line break."""
    (root / "production.py").write_text("A = 1\n")

    assert load_values("production.py\n", root=root, environ={}) == {"A": 1}


def test_nested_variable_over_the_source(root):
    """A nested variable changes one item of the source's mapping."""
    (root / "config.py").write_text("ARGS = {'a': 1, 'b': 2}\n")

    values = load_values(None, root=root, environ={"FLASK_ARGS__b": "3"})

    assert values == {"ARGS": {"a": 1, "b": 3}}


def test_remote_source(web, reply, root):
    """A URL is fetched and run; its name is redacted wherever it appears."""
    web.on("/x.py", reply(b"A = __file__\n"))

    values = load_values(web.url("/x.py?token=hunter2"), root=root, environ={})

    shown = web.url("/x.py?token=******")
    assert values == {"A": shown}
    assert values.origin("A") == Origin(shown, 1)
    assert values.searched[0] == shown


def test_kubernetes_source(cluster, tmp_path, root):
    """A key of a ConfigMap is fetched and run."""
    cluster.put_config_map("shop", "orders", {"config.py": "\nA = __file__\n"})
    kubeconfig = cluster.kubeconfig(tmp_path / "kubeconfig", namespace="shop")

    values = load_values(
        "kubernetes://configmaps/orders/config.py",
        root=root,
        environ={"KUBECONFIG": str(kubeconfig)},
    )

    name = "kubernetes://shop/configmaps/orders/config.py"
    assert values == {"A": name}
    assert values.origin("A") == Origin(name, 2)
    assert values.searched[0] == name


def test_defaults_are_not_changed(root):
    """Loading does not change the mappings of its arguments."""
    defaults = {"ARGS": {"a": 1}}

    load_values(None, root=root, defaults=defaults, environ={"FLASK_ARGS__a": "2"})

    assert defaults == {"ARGS": {"a": 1}}


def test_environment_of_the_process_is_the_default(root, monkeypatch):
    """By default the variables of the process are read."""
    monkeypatch.setenv("FLASK_ORDERS", "5")

    assert load_values(None, root=root)["ORDERS"] == 5


def test_faults_are_configuration_errors(root):
    """Every error of a source is a ConfigurationError."""
    for source in ("nosuch.py", "ftp://x/y", "kubernetes://x", "https://"):
        with pytest.raises(ConfigurationError):
            load_values(source, root=root, environ={})


def test_import_is_light():
    """Importing the room, and reading a file, imports no client library."""
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from modern_flask.config import load_values\n"
        "load_values(None, root=Path('/nosuch'), environ={})\n"
        "heavy = {'kubernetes', 'requests', 'urllib3', 'flask'} & set(sys.modules)\n"
        "sys.exit(', '.join(sorted(heavy)) or 0)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd="/",
        env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_public_names():
    """The package exports these names and no others."""
    assert set(modern_flask.config.__all__) == {
        "Origin",
        "Section",
        "Values",
        "export_otel",
        "find_key",
        "load_values",
        "mask_value",
        "find_origin",
        "redact",
        "list_values",
    }
    assert all(
        hasattr(modern_flask.config, name) for name in modern_flask.config.__all__
    )
    assert issubclass(Values, dict)
