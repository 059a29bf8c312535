"""Gunicorn's own options, which ``serve`` takes as well."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from gunicorn.config import Config

from .errors import BadOption

__all__ = ["read_options"]


def read_options(words: Sequence[str], environ: Mapping[str, str]) -> dict[str, Any]:
    """Read settings of gunicorn; the words of the command line win.

    Args:
        words: The words of the command line.
        environ: ``GUNICORN_CMD_ARGS`` has further words, as gunicorn reads them
            (docs.gunicorn.org/en/latest/settings.html).

    Raises:
        BadOption: Gunicorn does not know an option, or its value.
    """
    parser = Config().parser()
    found: dict[str, Any] = {}
    for source, given in (
        ("GUNICORN_CMD_ARGS", shlex.split(environ.get("GUNICORN_CMD_ARGS", ""))),
        ("the command line", words),
    ):

        def refuse(message: str, source: str = source) -> NoReturn:
            raise BadOption(message, source)

        parser.error = refuse
        options = vars(parser.parse_args(given))
        if rest := options.pop("args"):
            raise BadOption(f"unrecognized arguments: {' '.join(rest)}", source)
        found |= {name: value for name, value in options.items() if value is not None}
    return found
