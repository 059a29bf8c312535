"""Hooks, handlers, receivers of signals, and what templates call."""

from typing import Any

from flask import Blueprint, Flask, request_started

from tests.wiring.checks.places.place import Form, Places, TypoDep
from tests.wiring.shop import NameDep

# An annotation that is text names one of these.
ANNOTATIONS = (NameDep, TypoDep)

HOOKS = Places()


# Hooks and handlers.


@HOOKS.add("Hook before_request before", returns_function=True)
def hook_before_a_request(app: Flask, form: Form) -> None:
    @form.above
    @app.before_request
    @form.below
    def before(name: NameDep) -> None: ...


@HOOKS.add("Hook after_request after", returns_function=True)
def hook_after_a_request(app: Flask, form: Form) -> None:
    @form.above
    @app.after_request
    @form.below
    def after(response: Any, name: NameDep) -> Any: ...


@HOOKS.add("Hook after_request after", returns_function=True)
def hook_of_a_blueprint(app: Flask, form: Form) -> None:
    blueprint = Blueprint("orders", __name__)

    @form.above
    @blueprint.after_request
    @form.below
    def after(response: Any, name: NameDep) -> Any: ...

    app.register_blueprint(blueprint)


@HOOKS.add("Hook before_request before", returns_function=True)
def hook_of_a_blueprint_for_the_app(app: Flask, form: Form) -> None:
    blueprint = Blueprint("orders", __name__)

    @form.above
    @blueprint.before_app_request
    @form.below
    def before(name: NameDep) -> None: ...

    app.register_blueprint(blueprint)


@HOOKS.add("Hook teardown_request end", returns_function=True)
def teardown_of_a_request(app: Flask, form: Form) -> None:
    @form.above
    @app.teardown_request
    @form.below
    def end(error: BaseException | None, name: NameDep) -> None: ...


@HOOKS.add("Hook teardown_appcontext end", returns_function=True)
def teardown_of_the_app_context(app: Flask, form: Form) -> None:
    @form.above
    @app.teardown_appcontext
    @form.below
    def end(error: BaseException | None, name: NameDep) -> None: ...


@HOOKS.add("Error handler missing", returns_function=True)
def error_handler(app: Flask, form: Form) -> None:
    @form.above
    @app.errorhandler(404)
    @form.below
    def missing(error: Exception, name: NameDep) -> str: ...


@HOOKS.add("Error handler refuse", returns_function=True)
def error_handler_of_a_blueprint(app: Flask, form: Form) -> None:
    blueprint = Blueprint("orders", __name__)

    @form.above
    @blueprint.errorhandler(ValueError)
    @form.below
    def refuse(error: ValueError, name: NameDep) -> str: ...

    app.register_blueprint(blueprint)


@HOOKS.add("Context processor words", returns_function=True)
def context_processor(app: Flask, form: Form) -> None:
    @form.above
    @app.context_processor
    @form.below
    def words(name: NameDep) -> dict[str, Any]: ...


@HOOKS.add("Shell context processor names", returns_function=True)
def shell_context_processor(app: Flask, form: Form) -> None:
    @form.above
    @app.shell_context_processor
    @form.below
    def names(name: NameDep) -> dict[str, Any]: ...


@HOOKS.add("URL defaults add", returns_function=True)
def url_defaults(app: Flask, form: Form) -> None:
    @form.above
    @app.url_defaults
    @form.below
    def add(endpoint: str, values: Any, name: NameDep) -> None: ...


@HOOKS.add("URL value preprocessor take", returns_function=True)
def url_value_preprocessor(app: Flask, form: Form) -> None:
    @form.above
    @app.url_value_preprocessor
    @form.below
    def take(endpoint: str | None, values: Any, name: NameDep) -> None: ...


@HOOKS.add("URL build error handler guess")
def url_build_error_handler(app: Flask, form: Form) -> None:
    @form.below
    def guess(error: Exception, endpoint: str, values: Any, name: NameDep) -> str: ...

    app.url_build_error_handlers.append(guess)


@HOOKS.add("Signal request-started started", returns_function=True)
def receiver_of_a_signal(app: Flask, form: Form) -> None:
    @form.above
    @request_started.connect_via(app)
    @form.below
    def started(sender: Flask, name: NameDep) -> None: ...


# Templates.


@HOOKS.add("Template filter loud", returns_function=True)
def template_filter(app: Flask, form: Form) -> None:
    @form.above
    @app.template_filter()
    @form.below
    def loud(word: str, name: NameDep) -> str: ...


@HOOKS.add("Template global greet", returns_function=True)
def template_global(app: Flask, form: Form) -> None:
    @form.above
    @app.template_global()
    @form.below
    def greet(name: NameDep) -> str: ...


@HOOKS.add("Template test own", returns_function=True)
def template_test(app: Flask, form: Form) -> None:
    @form.above
    @app.template_test()
    @form.below
    def own(word: str, name: NameDep) -> bool: ...
