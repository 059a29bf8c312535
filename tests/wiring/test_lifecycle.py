"""Opening in order and closing in reverse, whatever fails."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from dependency_injector import containers, providers

from modern_flask.config.values import Values
from modern_flask.wiring import Choice, Lifecycle, Once, Opened, section
from tests.servers.eventually import eventually


@pytest.fixture
def opener(journal: Any) -> Callable[..., Any]:
    """``opener("a")`` records its opening and closing; one of them may fail."""

    def make(name: str, fail: str = "") -> Callable[..., Iterator[str]]:
        def open_(*_: Any) -> Iterator[str]:
            journal(f"open {name}")
            if fail == "open":
                raise OSError(name)
            yield name
            journal(f"close {name}")
            if fail == "close":
                raise OSError(name)

        return open_

    return make


def test_order(opener: Any, journal: Any) -> None:
    """Dependencies open first and close last; others follow the declaration."""

    class Container(containers.DeclarativeContainer):
        one = Opened(opener("one"))
        engine = Opened(opener("engine"))
        repository = providers.Singleton(list, providers.List(engine))
        user = Opened(opener("user"), repository)
        two = Opened(opener("two"))

    with Lifecycle(Container()).running():
        pass

    assert journal.lines == [
        "open one",
        "open engine",
        "open user",
        "open two",
        "close two",
        "close user",
        "close engine",
        "close one",
    ]


def test_order_of_late_openings(opener: Any, journal: Any) -> None:
    """The order of closing is the reverse of the order of opening, whoever opened."""

    class Container(containers.DeclarativeContainer):
        first = Opened(opener("first"))
        second = Opened(opener("second"))

    container = Container()
    container.second()
    container.first()
    Lifecycle(container).close()

    assert journal.lines[2:] == ["close first", "close second"]


def test_library_resources(opener: Any, journal: Any) -> None:
    """The library's own resources are opened and closed in order, too."""

    class Container(containers.DeclarativeContainer):
        engine = providers.Resource(opener("engine"))
        repository = providers.Singleton(list, providers.List(engine))
        user = providers.Resource(opener("user"), repository)
        late = Opened(opener("late"), user)

    with Lifecycle(Container()).running():
        pass

    assert journal.lines[-3:] == ["close late", "close user", "close engine"]


def test_container_in_a_container(opener: Any, journal: Any) -> None:
    """The resources of a container inside another one are opened and closed with it."""

    class Inner(containers.DeclarativeContainer):
        given = providers.Dependency()
        user = Opened(opener("user"), given)
        last = Opened(opener("last"))

    class Container(containers.DeclarativeContainer):
        engine = Opened(opener("engine"))
        inner = providers.Container(Inner, given=engine)
        after = Opened(opener("after"))

    with Lifecycle(Container()).running():
        assert journal.lines == ["open engine", "open user", "open last", "open after"]

    assert journal.lines[4:] == [
        "close after",
        "close last",
        "close user",
        "close engine",
    ]


def test_only_what_is_configured(opener: Any, journal: Any) -> None:
    """Only components that are configured open, and one branch of a choice."""

    class Container(containers.DeclarativeContainer):
        config = providers.Configuration()
        mail = Opened(opener("mail"), section(config, "MAIL_", "HOST"))
        storage = Choice(
            config.VENDOR, a=Opened(opener("a")), b=Opened(opener("b"), mail)
        )

    container = Container()
    container.config.override(Values({"VENDOR": "a"}))
    with Lifecycle(container).running():
        pass

    assert journal.lines == ["open a", "close a"]


def test_every_closer_runs(opener: Any, journal: Any) -> None:
    """A closer that fails does not stop the others, and all failures are raised."""

    class Container(containers.DeclarativeContainer):
        one = Opened(opener("one", "close"))
        two = Opened(opener("two"))
        three = Opened(opener("three", "close"))

    lifecycle = Lifecycle(Container())
    lifecycle.open()
    with pytest.raises(ExceptionGroup) as failures:
        lifecycle.close()

    assert journal.lines[3:] == ["close three", "close two", "close one"]
    assert failures.value.message == "Closing the container's resources failed."
    assert [str(e) for e in failures.value.exceptions] == ["three", "one"]


def test_failed_start_is_undone(opener: Any, journal: Any) -> None:
    """A start that fails closes everything that it opened, and raises the failure."""

    class Container(containers.DeclarativeContainer):
        one = Opened(opener("one", "close"))
        two = Opened(opener("two"))
        three = Opened(opener("three", "open"))
        four = Opened(opener("four"))

    with pytest.raises(OSError, match="three"):
        Lifecycle(Container()).open()

    assert journal.lines == [
        "open one",
        "open two",
        "open three",
        "close two",
        "close one",
    ]


def test_closer_that_hangs(journal: Any) -> None:
    """A closer that hangs is left at its deadline, and the others still run."""
    release = threading.Event()

    def hang() -> Iterator[str]:
        yield "hanging"
        release.wait(60)
        journal("released")

    def quick() -> Iterator[str]:
        yield "quick"
        journal("close quick")

    class Container(containers.DeclarativeContainer):
        first = Opened(quick)
        second = Opened(hang)

    lifecycle = Lifecycle(Container(), deadline=1)
    lifecycle.open()
    with pytest.raises(ExceptionGroup) as failures:
        lifecycle.close()

    assert [str(e) for e in failures.value.exceptions] == [
        "hang was not closed within 1 s; it was abandoned."
    ]
    assert journal.lines == ["close quick"]
    release.set()
    eventually(lambda: "released" in journal.lines)


def test_no_thread_can_be_started(
    opener: Any, journal: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the interpreter exits, all closers run, and their failures are raised."""

    class Container(containers.DeclarativeContainer):
        first = Opened(opener("first"))
        second = Opened(opener("second", "close"))

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    lifecycle = Lifecycle(Container())
    lifecycle.open()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(ExceptionGroup) as failures:
            lifecycle.close()

    assert journal.lines[2:] == ["close second", "close first"]
    assert [str(e) for e in failures.value.exceptions] == ["second"]


def test_closer_that_exits(journal: Any) -> None:
    """A closer that raises SystemExit does not end the process."""

    def leave() -> Iterator[str]:
        yield "leaving"
        raise SystemExit(3)

    class Container(containers.DeclarativeContainer):
        first = Opened(leave)

    lifecycle = Lifecycle(Container())
    lifecycle.open()
    with pytest.raises(ExceptionGroup) as failures:
        lifecycle.close()

    assert [str(e) for e in failures.value.exceptions] == [
        "The closer of leave raised SystemExit(3)."
    ]


def test_idempotent(opener: Any, journal: Any) -> None:
    """Opening or closing a second time does nothing."""

    class Container(containers.DeclarativeContainer):
        one = Opened(opener("one"))

    lifecycle = Lifecycle(Container())
    for do in (lifecycle.open, lifecycle.open, lifecycle.close, lifecycle.close):
        do()

    assert journal.lines == ["open one", "close one"]


def test_nested_running(opener: Any, journal: Any) -> None:
    """A ``running()`` inside another one opens nothing and closes nothing."""

    class Container(containers.DeclarativeContainer):
        one = Opened(opener("one"))

    lifecycle = Lifecycle(Container())
    with lifecycle.running():
        with lifecycle.running():
            pass
        assert journal.lines == ["open one"]

    assert journal.lines == ["open one", "close one"]


def test_two_threads(opener: Any, journal: Any) -> None:
    """Threads that open or close at the same time do it once."""

    class Container(containers.DeclarativeContainer):
        one = Opened(opener("one"))
        two = Opened(opener("two"), one)

    lifecycle = Lifecycle(Container())
    for do in (lifecycle.open, lifecycle.close):
        threads = [threading.Thread(target=do) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert journal.lines == ["open one", "open two", "close two", "close one"]


def test_singletons_are_dropped(opener: Any) -> None:
    """A singleton that was made from a closed resource is made again."""

    class Container(containers.DeclarativeContainer):
        engine = Opened(opener("engine"))
        repository = providers.Singleton(list, providers.List(engine))
        names = Once(list, providers.List(repository))

    container = Container()
    lifecycle = Lifecycle(container)
    first, names = container.repository(), container.names()
    lifecycle.close()

    assert container.repository() is not first
    assert container.names() is not names


def test_overridden_resource_is_closed(opener: Any, journal: Any) -> None:
    """A resource that was opened before its override is closed, and the override."""

    class Container(containers.DeclarativeContainer):
        engine = Opened(opener("engine"))

    container = Container()
    container.engine()
    with container.engine.override(Opened(opener("double"))):
        container.engine()
        Lifecycle(container).close()

    assert sorted(journal.lines[2:]) == ["close double", "close engine"]


def test_library_resource_that_is_overridden(opener: Any, journal: Any) -> None:
    """An overridden resource closes before its dependency, which has no name."""

    class Container(containers.DeclarativeContainer):
        user = providers.Resource(opener("user"), providers.Resource(opener("engine")))

    container = Container()
    lifecycle = Lifecycle(container)
    lifecycle.open()
    with container.user.override("double"):
        lifecycle.close()

    assert journal.lines == ["open engine", "open user", "close user", "close engine"]


@pytest.mark.parametrize("kind", [providers.Selector, Choice])
def test_branch_that_is_not_chosen_any_more(
    opener: Any, journal: Any, kind: Any
) -> None:
    """A branch that was opened is closed, even if another one is chosen now."""

    class Container(containers.DeclarativeContainer):
        config = providers.Configuration()
        storage = kind(
            config.VENDOR,
            a=providers.Resource(opener("a"), providers.Resource(opener("engine"))),
            b=providers.Resource(opener("b")),
        )

    container = Container()
    container.config.override(Values({"VENDOR": "a"}))
    container.storage()
    container.config.override(Values({"VENDOR": "b"}))
    Lifecycle(container).close()

    assert journal.lines == ["open engine", "open a", "close a", "close engine"]
