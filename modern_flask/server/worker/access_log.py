"""Gunicorn's access log, of which only the parts that its format names are made."""

from __future__ import annotations

import os
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from gunicorn.glogging import Logger, SafeAtoms

__all__ = ["AccessLog"]


class AccessLog:
    """Writes the same lines as gunicorn's logger, to the same logger.

    Gunicorn makes about a hundred parts for each request, which costs more than all of
    its telemetry. A logger class with own parts is called as gunicorn calls it.

    Args:
        log: Gunicorn's logger.
        cfg: Gunicorn's settings.
    """

    def __init__(self, log: Any, cfg: Any) -> None:
        self._log, self._format = log, cfg.access_log_format
        kind = type(log)
        self._is_stock = (
            kind.access is Logger.access
            and kind.atoms is Logger.atoms
            and kind.now is Logger.now
            and log.atoms_wrapper_class is SafeAtoms
        )
        self.is_on = bool(log.access_log_enabled)

    def write(
        self,
        environ: dict[str, Any],
        request: Any,
        status: str,
        headers: list[tuple[str, str]],
        sent: int,
        seconds: float,
    ) -> None:
        """Write the line of one request.

        Args:
            environ: That of the request.
            request: Gunicorn's request, or None.
            status: The status line.
            headers: Those of the response.
            sent: Bytes of the body.
            seconds: The duration.
        """
        if self._is_stock:
            atoms = _Atoms(environ, status, headers, sent, seconds, self._log)
            self._log.access_log.info(self._format, atoms)
            return
        response = SimpleNamespace(status=status, headers=headers, sent=sent)
        request = request or SimpleNamespace(headers=_read_fields(environ))
        self._log.access(response, request, environ, timedelta(seconds=seconds))


def _read_fields(environ: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (key.removeprefix("HTTP_").replace("_", "-"), value)
        for key, value in environ.items()
        if key.startswith(("HTTP_", "CONTENT_"))
    ]


class _Atoms(dict[str, Any]):
    """The parts of a line (docs.gunicorn.org, access_log_format), made when read."""

    def __init__(
        self,
        environ: dict[str, Any],
        status: str,
        headers: list[tuple[str, str]],
        sent: int,
        seconds: float,
        log: Any,
    ) -> None:
        # A logging record takes a mapping for its arguments only if it is not empty.
        super().__init__(s=status.partition(" ")[0])
        self._environ, self._headers, self._sent = environ, headers, sent
        self._seconds, self._log = seconds, log

    def __getitem__(self, key: str) -> Any:
        key = key.lower() if key.startswith("{") else key
        if not dict.__contains__(self, key):
            value = self._make(key)
            self[key] = value.replace('"', '\\"') if isinstance(value, str) else value
        return dict.__getitem__(self, key)

    def get(self, key: str, default: Any = None) -> Any:
        return self[key] if key in self else default  # noqa: SIM401

    def __contains__(self, key: object) -> bool:
        if dict.__contains__(self, key):
            return True
        return isinstance(key, str) and self._make(key.lower(), None) is not None

    def _make(self, key: str, missing: Any = "-") -> Any:
        if key.startswith("{"):
            found = self._find(key[1:-2], key[-1:])
            return missing if found is None else found
        environ, microseconds = self._environ, int(self._seconds * 1e6)
        match key:
            case "h":
                return environ.get("REMOTE_ADDR", "-")
            case "u":
                return self._log._get_user(environ) or "-"
            case "t":
                return self._log.now()
            case "r":
                parts = ("REQUEST_METHOD", "RAW_URI", "SERVER_PROTOCOL")
                return " ".join(environ[part] for part in parts)
            case "m":
                return environ["REQUEST_METHOD"]
            case "U":
                return environ["PATH_INFO"]
            case "q":
                return environ["QUERY_STRING"]
            case "H":
                return environ["SERVER_PROTOCOL"]
            case "b":
                return str(self._sent)
            case "B":
                return self._sent
            case "f":
                return environ.get("HTTP_REFERER", "-")
            case "a":
                return environ.get("HTTP_USER_AGENT", "-")
            case "T":
                return microseconds // 1_000_000
            case "D":
                return microseconds
            case "M":
                return microseconds // 1000
            case "L":
                return f"{microseconds // 1_000_000}.{microseconds % 1_000_000:06}"
            case "p":
                return f"<{os.getpid()}>"
        return "-" if key == "l" else missing

    def _find(self, name: str, kind: str) -> Any:
        """Find an environment variable, or a field of the request or the response."""
        if kind == "e":
            environ = self._environ
            for likely in (name, name.upper()):
                if likely in environ:
                    return environ[likely]
            for key, value in environ.items():
                if key.lower() == name:
                    return value
        elif kind == "i":
            key = name.upper().replace("-", "_")
            if key in ("CONTENT_TYPE", "CONTENT_LENGTH"):
                return self._environ.get(key)
            return self._environ.get("HTTP_" + key)
        elif kind == "o":
            for field, value in self._headers:
                if field.lower() == name:
                    return value
        return None
