"""``cached`` over the views of an app: no user gets the answer of another one."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import flask
import pytest
from flask import g, request, session

import modern_flask
from modern_flask import cached
from tests.servers.eventually import eventually


def user_of_session() -> Any:
    return session.get("user")


def user_of_cookie() -> Any:
    return request.cookies.get("user")


def user_of_cookie_header() -> Any:
    return request.headers.get("Cookie")


def user_of_all_headers() -> Any:
    return dict(request.headers).get("Cookie")


def user_of_authorization() -> Any:
    return request.authorization and request.authorization.token


def user_of_authorization_header() -> Any:
    return request.headers.get("Authorization")


def user_of_flash() -> Any:
    return flask.render_template_string("{{ session.user or '' }}") or None


def user_of_g() -> Any:
    return g.user


READERS = [
    *(user_of_session, user_of_cookie, user_of_cookie_header, user_of_all_headers),
    *(user_of_authorization, user_of_authorization_header, user_of_flash),
]


PEOPLE = [None, "ann", None, "bob", "ann"]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("people", [PEOPLE, PEOPLE[1:]])
def test_page_reaches_no_other_user(app, as_user, reader, people, caplog) -> None:
    """A view that reads who the user is is computed for each of them."""

    @app.get("/")
    @cached(60, "page")
    def show() -> Any:
        return {"user": str(reader())}

    answers = [as_user(user)["user"] for user in people]

    for user, answer in zip(people, answers, strict=True):
        assert (user or "None") in answer
        assert not any(other in answer for other in {"ann", "bob"} - {user})
    assert "cached keeps no result of" in caplog.text


HOOKS = {
    "session": lambda: session.get("user"),
    "cookie": lambda: request.cookies.get("user"),
    "authorization": lambda: request.authorization and request.authorization.token,
}


@pytest.mark.parametrize("hook", HOOKS)
def test_page_of_a_hooks_user_reaches_no_other(app, as_user, hook) -> None:
    """A hook that reads the user before the view counts as the view itself."""

    @app.before_request
    def load_user() -> None:
        g.user = HOOKS[hook]()

    @app.get("/")
    @cached(60)
    def show() -> Any:
        return {"user": g.user}

    assert [as_user(user)["user"] for user in PEOPLE] == PEOPLE


def test_page_of_a_context_processor_reaches_no_other(app, as_user) -> None:
    """A user that a context processor loads counts, too."""

    @app.context_processor
    def add_user() -> dict[str, Any]:
        return {"user": session.get("user")}

    @app.get("/")
    @cached(60)
    def show() -> Any:
        return {"user": flask.render_template_string("{{ user }}")}

    assert [as_user(user)["user"] for user in PEOPLE] == list(map(str, PEOPLE))


def test_first_request_of_an_unprepared_app_is_safe(redis_url, number) -> None:
    """Without the start, a request before the first look records nothing: not kept."""
    app = modern_flask.create_app(
        "shop", config={"REDIS_URL": redis_url, "SECRET_KEY": "x", "TESTING": True}
    )

    @app.before_request
    def load_user() -> None:
        g.user = request.cookies.get("user")

    @app.get("/")
    @cached(60)
    def show() -> Any:
        return {"user": g.user}

    def get(user: str) -> Any:
        # Without the middleware, as a test of a service may do it.
        with app.test_request_context(headers={"Cookie": f"user={user}"}):
            return app.full_dispatch_request().json

    assert [get("ann"), get("bob"), get("ann")] == [
        {"user": "ann"},
        {"user": "bob"},
        {"user": "ann"},
    ]


def test_page_is_kept_beside_cookies(app, as_user, number) -> None:
    """A request with a cookie gets the page of a view that reads none."""

    @app.get("/")
    @cached(60)
    def show() -> Any:
        return {"call": number()}

    web = app.test_client()
    web.set_cookie("theme", "dark")

    assert web.get("/").json == web.get("/").json == {"call": 1}
    assert as_user(None) == {"call": 1}


def test_request_with_authorization_is_answered_by_the_view(app, web, number):
    """As RFC 9111, section 3.5, says of shared caches."""

    @app.get("/")
    @cached(60)
    def show() -> Any:
        return {"call": number()}

    def get(**headers: str) -> Any:
        return web.get("/", headers=headers).json["call"]

    token = {"Authorization": "Bearer 1"}

    assert [get(**token), get(), get(), get(**token)] == [1, 2, 2, 3]


def test_named_credentials_belong_to_the_key(app, as_user, number) -> None:
    """``vary`` with Cookie and Authorization keeps one answer for each of them."""

    @app.get("/")
    @cached(60, vary=("Cookie", "Authorization"))
    def show() -> Any:
        return {"user": session.get("user"), "call": number()}

    first = [as_user(user) for user in (None, "ann", "bob")]
    second = [as_user(user) for user in (None, "ann", "bob")]

    assert [each["user"] for each in first] == [None, "ann", "bob"]
    assert second == first


def test_answers_may_be_kept_by_user(app, as_user, number) -> None:
    """``by`` says whom an answer belongs to, and stands for session and headers."""

    @app.get("/")
    @cached(60, by=lambda: session.get("user"))
    def show() -> Any:
        return {"user": session.get("user"), "call": number()}

    first = [as_user(user) for user in (None, "ann", "bob")]
    second = [as_user(user) for user in (None, "ann", "bob")]

    assert [each["user"] for each in first] == [None, "ann", "bob"]
    assert second == first


def test_secrets_do_not_stand_in_keys(app, as_user) -> None:
    """Headers, queries and the result of ``by`` are only in the hash of a key."""

    @app.get("/")
    @cached(60, "page", vary=("Cookie", "Authorization"), by=lambda: "4711")
    def show() -> Any:
        return {}

    as_user("ann", "/?token=secret")

    (key,) = app.container.redis().keys()
    assert key.startswith(b"cache.page()?")
    assert not any(word in key for word in (b"ann", b"secret", b"4711", b"token"))


def test_requests_of_a_personal_view_do_not_wait(app, as_user) -> None:
    """After the first, they hold no lock in Redis: they may run at the same time."""
    locks: list[Any] = []

    @app.get("/")
    @cached(60, "page")
    def show() -> Any:
        locks.append(app.container.redis().exists("lock:cache.page()"))
        return {"user": session.get("user")}

    for user in (None, "ann", None):
        as_user(user)

    assert locks == [1, 0, 0]


@pytest.mark.parametrize(
    "read", [*READERS, lambda: request.args.get("user"), lambda: request.query_string]
)
def test_function_that_reads_the_request_is_not_kept(app, as_user, read) -> None:
    """What a function reads from the request must be an argument, or in ``vary``."""

    @cached(60)
    def greet() -> str:
        return str(read())

    @app.get("/")
    def show() -> Any:
        return {"user": greet()}

    answers = [as_user(user, f"/?user={user}")["user"] for user in PEOPLE]

    for user, answer in zip(PEOPLE, answers, strict=True):
        assert str(user) in answer


def test_view_knows_what_its_functions_read(app, as_user) -> None:
    """A cached view over a cached function that reads the session is not kept."""

    @cached(60, by=lambda: session.get("user"))
    def greet() -> str:
        return str(session.get("user"))

    @app.get("/")
    @cached(60)
    def show() -> Any:
        return {"user": greet()}

    assert [as_user(user)["user"] for user in PEOPLE] == list(map(str, PEOPLE))


def test_session_is_still_marked_as_accessed(app, web) -> None:
    """Flask sends ``Vary: Cookie`` for a view that reads the session, as before."""

    @app.get("/")
    @cached(60)
    def show() -> Any:
        session.get("user")
        return "tea"

    assert web.get("/").headers["Vary"] == "Cookie"
    assert web.get("/").headers["Vary"] == "Cookie"


def test_warning_comes_once(app, as_user, caplog) -> None:
    """A view that is never kept logs one warning for each reason."""

    @app.get("/")
    @cached(60)
    def show() -> Any:
        return {"user": session.get("user")}

    for _ in range(3):
        as_user(None)

    assert len(caplog.messages) == 1


@pytest.mark.parametrize("name", ["session", "cookie", "authorization", "Cookie"])
def test_ignored_parameters_are_not_credentials(app, as_user, name) -> None:
    """A parameter may be called as a source of credentials, and may be ignored."""

    @app.get("/")
    @cached(60, ignore=[name])
    def show() -> Any:
        users = (session.get("user"), user_of_cookie(), user_of_authorization())
        return {"user": users[0]}

    assert [as_user(user)["user"] for user in PEOPLE] == PEOPLE


@pytest.mark.parametrize("kind", ["REMOTE_ADDR", "REMOTE_USER"])
def test_clients_address_is_personal(app, kind) -> None:
    """A page that shows the address or the name of the client is not kept."""

    @app.get("/")
    @cached(60)
    def show() -> Any:
        return {"user": getattr(request, kind.lower())}

    def get(user: str) -> Any:
        return app.test_client().get("/", environ_overrides={kind: user}).json["user"]

    assert [get("ann"), get("bob"), get("ann")] == ["ann", "bob", "ann"]


def test_users_of_the_same_moment_get_their_own_pages(app, as_user) -> None:
    """A request that waits for another one's answer never gets a personal one."""
    running, began = threading.Event(), []

    @app.get("/")
    @cached(60)
    def show() -> Any:
        began.append(1)
        running.wait(10)
        return {"user": session.get("user")}

    users = [f"user{number}" for number in range(8)]
    with ThreadPoolExecutor(8) as threads:
        answers = [threads.submit(as_user, user) for user in users]
        eventually(lambda: began)
        running.set()

    assert [answer.result()["user"] for answer in answers] == users
