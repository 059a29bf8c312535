"""What a container runs: the words of its command line, and what they mean."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import PurePosixPath
from typing import Any, NoReturn

import click
from gunicorn.config import Config

from ...errors import find_nearest, join_names
from .. import settings
from ..address import check_address
from ..errors import AddressUnusable, BadOption
from ..gunicorn_options import read_options
from .service import Service, find_module

__all__ = ["Program", "names_service", "read_program"]

_SHELLS = frozenset({"sh", "bash", "ash", "dash"})

_FLAGS = frozenset({"--verbose", "--debug", "--no-debug", "--version", "--help"})

_PROGRAMS = frozenset(
    {"modern-flask", "modern_flask.cli", "flask", "gunicorn", "gunicorn.app.wsgiapp"}
)
_LAUNCHERS = 6
"""The words among which the program may be: after `tini --` or `python -m`, say."""


@dataclass
class Program:
    """A command line of the service, or of something else.

    Args:
        words: The words, with the shell removed.
        by_shell: Whether a shell stands between the kubelet and the program.

    Attributes:
        verb: ``serve``, ``gunicorn``, ``worker``, another command of the service, or
            empty for another program.
        app: The app that it names; empty if it names none.
        host: The host where it listens; empty if that is not known.
        port: The port where it listens; None if that is not known.
        workers: The number of processes that serve.
        is_kit: Whether it is the kit's command line.
        by_kit: Whether gunicorn has the kit's settings.
        graceful: Gunicorn's graceful timeout in seconds; None if it is not known.
        problem: Why the command line is wrong; empty if it is not known to be.
        fix: What to do about it.
    """

    words: list[str]
    by_shell: bool = False
    verb: str = ""
    app: str = ""
    host: str = ""
    port: int | None = None
    workers: int = 1
    is_kit: bool = False
    by_kit: bool = False
    graceful: float | None = None
    problem: str = ""
    fix: str = ""

    @property
    def serves(self) -> bool:
        """Whether it answers requests."""
        return self.verb in ("serve", "gunicorn")


def read_program(words: Sequence[str], service: Service, options: str = "") -> Program:
    """Read a command line.

    Args:
        words: The words of the container, entry point first.
        service: The service.
        options: The value of ``GUNICORN_CMD_ARGS``.
    """
    inner, by_shell = _remove_shell(list(words))
    program = Program(inner, by_shell)
    names = [PurePosixPath(word).name for word in inner[:_LAUNCHERS]]
    found = next((n for n, name in enumerate(names) if name in _PROGRAMS), 0)
    name, inner = names[found] if names else "", inner[found:]
    if name in ("modern-flask", "modern_flask.cli", "flask"):
        _read_kit(program, inner[1:], service, options)
    elif name in ("gunicorn", "gunicorn.app.wsgiapp"):
        _read_gunicorn(program, inner[1:], options)
    elif get_close_matches(name, ["modern-flask"], 1, 0.9):
        program.problem, program.fix = f"{name} is no program", "use modern-flask"
    return program


def _remove_shell(words: list[str]) -> tuple[list[str], bool]:
    """Return the words of ``sh -c "exec PROGRAM"``, and whether the shell stays."""
    is_shell = bool(words) and PurePosixPath(words[0]).name in _SHELLS
    flags = words[1] if len(words) > 2 else ""
    if not is_shell or not flags.startswith("-") or not flags.endswith("c"):
        return words, False
    try:
        inner = _split_line(words[2])
    except ValueError:
        return words, False
    if inner[:1] == ["exec"]:
        return inner[1:], False
    return inner, True


def _split_line(text: str) -> list[str]:
    """Return the words of the last command of a line for a shell.

    Raises:
        ValueError: A quote has no end.
    """
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    is_over = False
    for word in lexer:
        if word in ("&&", ";", "||"):
            words, is_over = [], False
        elif set(word) <= set("()<>|&"):
            # What follows is a file, or another program that reads the output.
            is_over = True
            if words and words[-1].isdigit():
                words.pop()
        elif not is_over:
            words.append(word)
    return words


def _read_kit(
    program: Program, words: list[str], service: Service, options: str
) -> None:
    """Read the words after ``modern-flask``."""
    program.is_kit = True
    while words and words[0].startswith("-"):
        name, found, value = words[0].partition("=")
        if name in ("--app", "-A"):
            if not found:
                value, words = (words[1] if len(words) > 1 else ""), words[1:]
            program.app = value
        elif name in ("-e", "--env-file") and not found:
            words = words[1:]
        elif name not in (*_FLAGS, "-e", "--env-file"):
            program.problem = f"modern-flask has no option {name}"
            program.fix = "write --app NAME, a command, and then its options"
            return
        words = words[1:]
    if not words:
        return
    program.verb = words[0]
    command = service.commands.get(program.verb)
    if command is None and find_module(program.verb) == find_module(service.app):
        program.problem = f"{program.verb} is not a command"
        program.fix = f"write --app {program.verb}"
    elif command is None:
        near = find_nearest(program.verb, service.commands)
        if near:
            program.problem = f"{program.verb} is not a command"
            program.fix = f"did you mean {join_names(near, 'or')}?"
    elif program.verb == "serve":
        _read_serve(program, words[1:], command, options)
    elif program.verb == "worker":
        with suppress(ImportError):
            from celery.bin.worker import worker

            _read_options(program, words[1:], worker)


def _read_serve(
    program: Program, words: list[str], command: click.Command, options: str
) -> None:
    """Read the words after ``modern-flask serve`` as the command itself does."""
    given = _read_options(program, words, command)
    if given is None:
        return
    # Without such words, the parser of click gives a value of its own.
    further = given.get("options")
    further = list(further) if isinstance(further, list | tuple) else []
    asked = {key: value for key, value in given.items() if key != "options"}
    defaults = {
        each.name: each.default
        for each in command.params
        if isinstance(each, click.Option)
    }
    found: dict[str, Any] = {"graceful_timeout": settings.graceful_timeout}
    if command.context_settings.get("ignore_unknown_options"):
        # Then the options of gunicorn are those of the command, too.
        try:
            found |= read_options(further, {"GUNICORN_CMD_ARGS": options})
        except (BadOption, ValueError) as error:
            program.problem = f"gunicorn can't read its options: {error.args[0]}"
            if isinstance(error, BadOption):
                program.problem = error.what.rstrip(".")
            program.fix = "use what `modern-flask serve --help` and gunicorn's list"
            return
    _apply(program, {**defaults, **found, **asked})


def _read_options(
    program: Program, words: list[str], command: click.Command
) -> dict[str, Any] | None:
    """Read options as a command of click does; None if it would refuse them.

    The command itself is not called, and neither are the callbacks of its options.
    """
    context = click.Context(command, **command.context_settings)
    try:
        given, rest, _ = command.make_parser(context).parse_args(list(words))
        if rest and not any(isinstance(p, click.Argument) for p in command.params):
            context.fail(f"Got unexpected arguments: {' '.join(rest)}")
        # The types of Celery's options need its app.
        is_known = program.verb != "worker" and not any("$(" in w for w in words)
        for each in command.params:
            if each.name in given and is_known and isinstance(each, click.Option):
                given[each.name] = each.type_cast_value(context, given[each.name])
    except click.UsageError as error:
        program.problem = error.format_message().rstrip(".")
        program.fix = f"use what `modern-flask {program.verb} --help` lists"
        return None
    return dict(given)


def _read_gunicorn(program: Program, words: list[str], options: str) -> None:
    """Read the words after ``gunicorn``. A file may set what they do not."""
    program.verb = "gunicorn"
    try:
        found, unknown = _parse_gunicorn([*shlex.split(options), *words])
    except ValueError as error:
        program.problem, program.fix = str(error), "use what `gunicorn --help` lists"
        return
    program.app = next((word for word in reversed(unknown) if word[:1] != "-"), "")
    program.by_kit = found.get("config") == f"python:{settings.__name__}"
    if program.by_kit:
        found = {"graceful_timeout": settings.graceful_timeout, **found}
    _apply(program, found)


def _parse_gunicorn(words: list[str]) -> tuple[dict[str, Any], list[str]]:
    """Parse options as gunicorn does; return the settings, and all other words.

    Raises:
        ValueError: A value is wrong, or a quote has no end.
    """
    parser = Config().parser()

    def refuse(message: str) -> NoReturn:
        raise ValueError(message)

    parser.error = refuse
    shown = ("-h", "--help", "-v", "--version")
    found, unknown = parser.parse_known_args([w for w in words if w not in shown])
    given = {key: value for key, value in vars(found).items() if value is not None}
    return given, [*given.pop("args", ()), *unknown]


def _apply(program: Program, found: Mapping[str, Any]) -> None:
    """Take over the settings by which a program serves."""
    bind = found.get("bind")
    binds = bind if isinstance(bind, list) else [bind] if bind else []
    if len(binds) == 1:
        _set_address(program, str(binds[0]))
    with suppress(TypeError, ValueError):
        program.workers = int(found.get("workers", 1))
    with suppress(KeyError, TypeError, ValueError):
        program.graceful = float(found["graceful_timeout"])


def _set_address(program: Program, bind: str) -> None:
    if "$" in bind:
        return
    try:
        address = check_address(bind)
    except AddressUnusable as fault:
        program.problem, program.fix = fault.what.rstrip("."), "use 0.0.0.0:PORT"
        return
    if address is not None:
        program.host, program.port = address


def names_service(program: Program, service: Service) -> bool:
    """Whether the command line names the service by its module."""
    return find_module(program.app) == find_module(service.app) != ""
