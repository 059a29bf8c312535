"""Every task runs in the app's context, whatever its class and however it is called."""

from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from celery import Celery, Task, chain, chord, group, shared_task
from celery.exceptions import Ignore, Reject
from flask import current_app
from sqlalchemy import text

import modern_flask
from modern_flask import Container, Provide, Scoped, SessionDep, inject, transactional
from modern_flask.database.errors import COMMIT_WRITES, UncommittedWrites
from tests.closing import closing_apps

KEYS = {
    "CELERY_BROKER_URL": "memory://",
    "CELERY_RESULT_BACKEND": "cache+memory://",
    "CELERY_TASK_ALWAYS_EAGER": True,
    "DATABASE_ENGINE_URL": "sqlite://",
}

seen: list[Any] = []


def open_thing() -> Iterator[str]:
    try:
        yield "thing"
    except Exception as error:
        seen.append(f"close: {type(error).__name__}")
        raise
    else:
        seen.append("close")


class Service(Container):
    thing = Scoped(open_thing)


ThingDep = Annotated[str, Provide["thing"]]


@inject
def use(word: str, thing: ThingDep) -> str:
    seen.append(f"{word} with {thing} in {current_app.name}")
    return word


class Audited(Task):  # type: ignore[misc]
    """A base class with every hook that Celery calls around a task."""

    def before_start(self, *_: Any) -> None:
        use("before")

    def on_success(self, *_: Any) -> None:
        use("success")

    def on_failure(self, *_: Any) -> None:
        use("failure")

    def on_retry(self, *_: Any) -> None:
        use("retry")

    def after_return(self, *_: Any) -> None:
        use("after")


class Calling(Task):  # type: ignore[misc]
    """A base class that wraps the call of the task."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        use("call")
        return self.run(*args, **kwargs)


class ByClass(Task):  # type: ignore[misc]
    """A task that is a class."""

    name = "by_class"

    def run(self, word: str) -> str:
        return use(word)


@shared_task(base=Audited)
def audited(word: str) -> str:
    return use(word)


@shared_task(base=Audited)
def failing() -> None:
    use("run")
    raise LookupError


@shared_task(bind=True, base=Audited, max_retries=1)
def retried(self: Any) -> str:
    if not self.request.retries:
        use("first")
        raise self.retry(countdown=0)
    return use("second")


@shared_task(base=Audited, autoretry_for=(LookupError,), retry_backoff=0, max_retries=1)
def autoretried() -> None:
    use("run")
    raise LookupError


@shared_task(base=Calling)
def called(word: str) -> str:
    return use(word)


@shared_task
def plain(word: str) -> str:
    return use(word)


@shared_task
def gather(words: list[str]) -> str:
    return use("+".join(words))


@shared_task
def on_error(request: Any, error: Any, traceback: Any) -> None:
    use("errback")


@pytest.fixture(autouse=True)
def apps_are_closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing is seen yet, and the apps of a test are closed after it."""
    seen.clear()
    yield from closing_apps(monkeypatch)


def make_app(**config: Any) -> modern_flask.App:
    app = modern_flask.create_app("svc", Service(), config={**KEYS, **config})
    with app.container.engine().begin() as connection:
        connection.execute(text("create table notes (word text)"))
    return app


def lines(*words: str) -> list[str]:
    """What each word's own scope leaves."""
    return [line for word in words for line in (f"{word} with thing in svc", "close")]


def test_base_class() -> None:
    """A task with a base class is injected, and so is each of its hooks."""
    app = make_app()

    with app.app_context():
        audited.delay("run")

    assert seen == lines("before", "run", "success", "after")


def test_failure() -> None:
    """The scope of a failed task closes with its error before the hooks run."""
    app = make_app()

    with app.app_context():
        failing.delay()

    before, failure = lines("before"), lines("failure", "after")
    assert seen == [*before, "run with thing in svc", "close: LookupError", *failure]


@pytest.mark.parametrize("outcome", [Ignore, Reject])
def test_ignored_and_rejected(outcome: type[Exception]) -> None:
    """An ignored or rejected task rolls back, and its scope hears what was raised."""
    app = make_app()

    @app.container.celery().task(shared=False)
    def give_up() -> None:
        use("run")
        raise outcome

    give_up.delay()

    assert seen == ["run with thing in svc", f"close: {outcome.__name__}"]


def test_retry() -> None:
    """A task sees its request, and each attempt has its own scope."""
    app = make_app()

    with app.app_context():
        assert retried.delay().result == "second"

    runs = [line.split()[0] for line in seen if line.startswith(("first", "second"))]
    assert runs == ["first", "second"]
    assert seen.count("close: Retry") == 1


def test_autoretry() -> None:
    """``autoretry_for`` retries a task with a base class, always in the context."""
    app = make_app()

    with app.app_context():
        autoretried.delay()

    assert seen.count("run with thing in svc") == 2
    assert seen.count("close: Retry") == seen.count("retry with thing in svc") == 1
    assert "failure with thing in svc" in seen


def test_own_call() -> None:
    """A base class may wrap the call; it runs in the context, too."""
    app = make_app()

    with app.app_context():
        assert called.delay("run").result == "run"
        assert seen == ["call with thing in svc", "run with thing in svc", "close"]


@pytest.mark.parametrize("way", ["app", "class", "registry"])
def test_task_that_is_a_class(way: str) -> None:
    """A task that is a class runs in the context, however it is registered."""
    app = make_app()
    celery = app.container.celery()
    if way == "app":
        kind = type("OverApp", (ByClass, celery.Task), {})
        celery.register_task(kind())
    elif way == "class":
        celery.register_task(ByClass)
    else:
        celery.tasks.register(ByClass())

    celery.tasks["by_class"].apply(("run",))

    assert seen == lines("run")


def test_one_object_in_two_apps() -> None:
    """A task that is registered with a second app runs in the second one's context."""
    task = ByClass()
    first, second = make_app(), make_app()
    second.name = "second"
    first.container.celery().register_task(task)
    second.container.celery().register_task(task)

    task.apply(("run",))

    assert seen == ["run with thing in second", "close"]


def test_base_is_the_class_of_a_task() -> None:
    """A task whose base is the class of another task runs in one context, not two."""
    app = make_app()
    celery = app.container.celery()
    base = type(celery.register_task(ByClass()))

    @celery.task(base=base, name="derived", shared=False)
    def derived(word: str) -> str:
        return use(word)

    derived.delay("run")

    assert seen == lines("run")


def test_annotations() -> None:
    """A hook from ``CELERY_TASK_ANNOTATIONS`` runs in the context."""

    def note(self: Any, *_: Any) -> None:
        use(f"annotated {self.name}")

    app = make_app(CELERY_TASK_ANNOTATIONS={"plain": {"on_success": note}})

    @app.container.celery().task(name="plain", shared=False)
    def own(word: str) -> str:
        return use(word)

    own.delay("run")

    assert seen == lines("run", "annotated plain")


def test_task_cls() -> None:
    """``CELERY_TASK_CLS`` names the class of all tasks without a base of their own."""
    app = make_app(CELERY_TASK_CLS=f"{__name__}:Calling")

    with app.app_context():
        plain.delay("run")
        audited.delay("other")

    assert seen == [
        *("call with thing in svc", "run with thing in svc", "close"),
        *lines("before", "other", "success", "after"),
    ]


def test_workflows() -> None:
    """Chains, groups, chords, links and ``link_error`` run in the context."""
    app = make_app()
    with app.app_context():
        chain(plain.s("a"), audited.s()).apply()
        group(plain.s("b"), plain.s("c")).apply()
        chord([plain.s("d"), audited.s("e")], gather.s()).apply()
        plain.apply_async(("f",), link=plain.s())
        failing.apply_async(link_error=on_error.s())

    before, failed, after = seen[:-8], seen[-8:-6], seen[-6:]
    assert before == lines(
        *("a", "before", "a", "success", "after"),
        *("b", "c"),
        *("d", "before", "e", "success", "after", "d+e"),
        *("f", "f", "before"),
    )
    assert failed == ["run with thing in svc", "close: LookupError"]
    assert after == lines("errback", "failure", "after")


def test_direct_call_in_a_request() -> None:
    """A task that a view calls as a function leaves the view's scope open."""
    app = make_app()

    @app.get("/")
    @transactional
    @inject
    def view(session: SessionDep, thing: ThingDep) -> str:
        session.execute(text("insert into notes values ('view')"))
        audited("task")
        assert session.scalar(text("select count(*) from notes")) == 1
        session.rollback()
        return thing

    assert app.test_client().get("/").text == "thing"
    assert seen == [*lines("task"), "close"]


def test_task_that_does_not_commit(caplog: pytest.LogCaptureFixture) -> None:
    """A warning names the task that wrote and did not commit."""
    app = make_app()

    @app.container.celery().task(name="notes.write", base=Audited, shared=False)
    @inject
    def write(session: SessionDep) -> None:
        session.execute(text("insert into notes values ('a')"))

    with app.test_request_context("/"):
        write.delay()

    found = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert found == [
        "Task notes.write changed the database and did not commit, so its changes were "
        f"rolled back. To keep them, {COMMIT_WRITES}."
    ]


@pytest.mark.parametrize("reaction", ["warn", "error"])
def test_writes_of_a_retry(caplog: pytest.LogCaptureFixture, reaction: str) -> None:
    """The writes of an attempt that ends with a retry are rolled back in silence."""
    app = make_app(DATABASE_SESSION_UNCOMMITTED_WRITES=reaction)

    @app.container.celery().task(bind=True, max_retries=1, shared=False)
    @inject
    def write(self: Any, session: SessionDep) -> Any:
        assert session.scalar(text("select count(*) from notes")) == 0
        if not self.request.retries:
            session.execute(text("insert into notes values ('a')"))
            raise Ignore
        return "done"

    assert write.delay().state == "IGNORED"
    assert not [r for r in caplog.records if "did not commit" in r.getMessage()]
    with app.container.engine().connect() as connection:
        assert connection.scalar(text("select count(*) from notes")) == 0


def test_error_instead_of_the_warning() -> None:
    """With "error", the task fails."""
    app = make_app(DATABASE_SESSION_UNCOMMITTED_WRITES="error")

    @app.container.celery().task(shared=False)
    @inject
    def write(session: SessionDep) -> None:
        session.execute(text("insert into notes values ('a')"))

    assert isinstance(write.delay().result, UncommittedWrites)


def test_task_of_a_library() -> None:
    """Celery's own tasks, and those of libraries, run in the context as well."""
    app = make_app()
    celery: Celery = app.container.celery()

    celery.tasks["celery.map"].apply((plain.s().set(app=celery), ["a"]))

    assert seen == lines("a")
