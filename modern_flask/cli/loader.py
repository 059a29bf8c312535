"""Loads the app of a command, with the errors in its configuration and wiring."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from flask import Flask
from flask.cli import ScriptInfo

from ..errors import Fault
from ..startup import faults
from ..wiring import get_bound
from ..wiring.checks.opening import check_opening, is_kit_component
from ..wiring.errors import CheckFailed

__all__ = ["AppLoader", "raise_faults"]


class AppLoader(ScriptInfo):
    """Loads the app once, and raises all errors of its configuration together."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._checked = False
        self._fault: Fault | None = None

    @classmethod
    def from_info(cls, info: ScriptInfo) -> AppLoader:
        """Return a loader for the app of ``info``, which may be Flask's own loader."""
        if isinstance(info, cls):
            return info
        return cls(
            app_import_path=info.app_import_path,
            create_app=info.load_app,
            set_debug_flag=info.set_debug_flag,
        )

    @property
    def import_path(self) -> str:
        """The value of ``--app`` or ``FLASK_APP``, else the file that Flask finds."""
        found = next((p for p in ("wsgi.py", "app.py") if Path(p).is_file()), "app.py")
        return self.app_import_path or os.environ.get("FLASK_APP") or found

    def load_app(self) -> Flask:
        """Load the app and check its configuration, without running the app's openers.

        Raises:
            Fault: The configuration can't be read, or a component of the kit can't be
                opened.
        """
        app = self.load_unchecked()
        if not self._checked and "modern_flask" in app.extensions:
            self._checked = True
            container = get_bound(app).container
            raise_faults(list(check_opening(container, is_kit_component)))
        return app

    def load_unchecked(self) -> Flask:
        """Load the app without a check.

        Raises:
            Fault: The configuration can't be read.
        """
        # The fault is kept, so a command waits only once for a source without answer.
        if self._fault is not None:
            raise self._fault
        try:
            return super().load_app()
        except Fault as fault:
            self._fault = fault
            raise

    def load_checked(self) -> Flask:
        """Load the app and check its configuration and its wiring.

        Raises:
            Fault: The app can't start. ``CheckFailed`` contains several faults.
        """
        app = self.load_unchecked()
        get_bound(app)
        raise_faults(faults(app))
        self._checked = True
        return app


def raise_faults(found: list[Exception]) -> None:
    """Raise a single fault as it is, and several faults in one error.

    Each text counts once, because a component raises the fault of its dependency.

    Raises:
        CheckFailed: There are several faults.
    """
    distinct = list({str(fault): fault for fault in found}.values())
    if len(distinct) == 1:
        raise distinct[0]
    if distinct:
        raise CheckFailed(distinct)
