"""Keys that may be missing: the parameter's default is their one spelling."""

from typing import Annotated, Any

import modern_flask
from modern_flask import Provide, inject


def serve(tmp_path: Any, monkeypatch: Any, **config: Any) -> Any:
    monkeypatch.chdir(tmp_path)
    app = modern_flask.create_app("optional", config=config)

    @app.get("/")
    @inject
    def view(limit: Annotated[int, Provide["config.LIMIT"]] = 5) -> dict[str, Any]:
        return {"limit": limit}

    return app.test_client().get("/").json


def test_default_stands_for_a_key_that_is_not_set(
    tmp_path: Any, monkeypatch: Any
) -> None:
    """Without the key the parameter keeps its default."""
    assert serve(tmp_path, monkeypatch) == {"limit": 5}


def test_key_wins_over_the_default(tmp_path: Any, monkeypatch: Any) -> None:
    """A key that is set wins, also with a value that is false."""
    assert serve(tmp_path, monkeypatch, LIMIT=7) == {"limit": 7}
    assert serve(tmp_path, monkeypatch, LIMIT=0) == {"limit": 0}
