"""Options of gunicorn on the command line and in its variable."""

import pytest

from modern_flask.server.errors import BadOption
from modern_flask.server.gunicorn_options import read_options


def test_command_line_wins() -> None:
    """The variable ranks below the command line; what is not given is not there."""
    environ = {"GUNICORN_CMD_ARGS": "--timeout 9 --forwarded-allow-ips='10.0.0.1'"}

    found = read_options(["--timeout", "7", "-k", "gthread"], environ)

    assert found == {
        "timeout": 7,
        "worker_class": "gthread",
        "forwarded_allow_ips": "10.0.0.1",
    }


@pytest.mark.parametrize(
    ("words", "variable", "message", "source"),
    [
        (
            ["--tiemout", "7"],
            "",
            "unrecognized arguments: --tiemout",
            "the command line",
        ),
        ([], "--timeout soon", "argument -t/--timeout", "GUNICORN_CMD_ARGS"),
        (["shop:app"], "", "unrecognized arguments: shop:app", "the command line"),
    ],
)
def test_bad_option(words: list[str], variable: str, message: str, source: str) -> None:
    """A mistake names the option and its place, and says where the options are."""
    with pytest.raises(BadOption) as raised:
        read_options(words, {"GUNICORN_CMD_ARGS": variable})

    lines = str(raised.value).splitlines()
    assert message in lines[0]
    assert lines[1:] == [
        f"  set in   {source}",
        "  fix      see `gunicorn --help`; the app is named by --app",
    ]
