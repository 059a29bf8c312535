"""Views: functions, objects and classes."""

from functools import partial

from flask import Blueprint, Flask
from flask.views import MethodView, View

from tests.wiring.checks.places.place import (
    Form,
    Logged,
    Places,
    TypoDep,
    with_wraps,
    without_wraps,
)
from tests.wiring.shop import NameDep

# An annotation that is text names one of these.
ANNOTATIONS = (NameDep, TypoDep)

VIEWS = Places()


@VIEWS.add("View view", returns_function=True, has_url=True)
def view(app: Flask, form: Form) -> None:
    @form.above
    @app.get(form.url)
    @form.below
    def view(name: NameDep) -> str: ...


@VIEWS.add("View view", returns_function=True, has_url=True)
def async_view(app: Flask, form: Form) -> None:
    @form.above
    @app.get(form.url)
    @form.below
    async def view(name: NameDep) -> str: ...


@VIEWS.add("View orders.view", returns_function=True, has_url=True)
def view_of_a_blueprint(app: Flask, form: Form) -> None:
    blueprint = Blueprint("orders", __name__)

    @form.above
    @blueprint.get(form.url)
    @form.below
    def view(name: NameDep) -> str: ...

    app.register_blueprint(blueprint)


@VIEWS.add("View view", returns_function=True, has_url=True)
def view_under_a_decorator_with_wraps(app: Flask, form: Form) -> None:
    @form.above
    @app.get(form.url)
    @with_wraps
    @form.below
    def view(name: NameDep) -> str: ...


# Above the route, @inject finds no parameter with a marker and changes nothing: that
# is the missing @inject. The same is true of a decorator that is a class.
@VIEWS.add("View view", has_url=True)
def view_under_a_decorator_without_wraps(app: Flask, form: Form) -> None:
    @app.get(form.url, endpoint="view")
    @without_wraps
    @form.below
    def view(name: NameDep) -> str: ...


@VIEWS.add("View view", has_url=True)
def view_under_a_decorator_that_is_a_class(app: Flask, form: Form) -> None:
    @form.below
    def view(name: NameDep) -> str: ...

    app.add_url_rule(form.url, "view", Logged(view))


# What follows is registered by a call, and @inject refuses a partial, an object and a
# class-based view itself (tests/wiring/test_markers.py).
@VIEWS.add("View view", has_url=True)
def view_under_a_partial(app: Flask, form: Form) -> None:
    @form.below
    def view(number: int, name: NameDep) -> str: ...

    app.add_url_rule(form.url, "view", partial(view, 7))


@VIEWS.add("View view", has_url=True)
def view_that_is_an_object(app: Flask, form: Form) -> None:
    class Page:
        @form.below
        def __call__(self, name: NameDep) -> str: ...

    app.add_url_rule(form.url, "view", Page())


@VIEWS.add("View page (Page.get)", has_url=True)
def method_of_a_view(app: Flask, form: Form) -> None:
    class Page(MethodView):
        @form.below
        def get(self, name: NameDep) -> str: ...

    app.add_url_rule(form.url, view_func=Page.as_view("page"))


@VIEWS.add("View page (Page.dispatch_request)", has_url=True)
def dispatching_method_of_a_view(app: Flask, form: Form) -> None:
    class Page(View):
        @form.below
        def dispatch_request(self, name: NameDep) -> str: ...

    app.add_url_rule(form.url, view_func=Page.as_view("page"))


# Flask passes the arguments of as_view to it, never those of the URL.
@VIEWS.add("View page (Page.__init__)")
def initializer_of_a_view(app: Flask, form: Form) -> None:
    class Page(MethodView):
        @form.below
        def __init__(self, name: NameDep) -> None: ...

        def get(self) -> str: ...

    app.add_url_rule(form.url, view_func=Page.as_view("page"))
