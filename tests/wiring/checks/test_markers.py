"""Markers that nothing fills, or that are wrong, at every place that Flask can call.

The table is the product of the places (``places``) and of the forms below: how the
function is written there. Each combination is one test.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from dependency_injector import containers
from dependency_injector.wiring import (
    Closing,
    Provide,
    Provider,
    required,
)
from dependency_injector.wiring import inject as library_inject
from typing_extensions import TypeAliasType

from modern_flask.database.transactional import transactional
from modern_flask.wiring import Opened, inject
from modern_flask.wiring.checks.markers import (
    FIX_INSIDE,
    FIX_ORDER,
    LostDecorator,
    Shadowed,
    UnfilledMarker,
    UnresolvedAnnotation,
)
from modern_flask.wiring.checks.types import Contradiction
from modern_flask.wiring.errors import ClosingMarker, UnknownProvider
from modern_flask.wiring.markers import OVER, note_lookup
from tests.wiring.checks.places.commands import COMMANDS
from tests.wiring.checks.places.hooks import HOOKS
from tests.wiring.checks.places.place import (
    Form,
    Place,
    TypoDep,
    keep,
    library_inject_without_markers,
    use_annotation,
    with_argument,
    with_the_name_only,
    with_wraps,
)
from tests.wiring.checks.places.views import VIEWS
from tests.wiring.fault_table import find_faults, read_text, write
from tests.wiring.shop import Mailer, NameDep, Session, shop

SERVICE = "tests.wiring.checks.places.place"
PLACES = {**VIEWS, **HOOKS, **COMMANDS}
# Every provider of the shop is configured: only the marker can be wrong.
VALUES = {"VENDOR": "memory", "MAIL_HOST": "mx"}
# As `type Named = ...` makes it from Python 3.12 on.
Named = TypeAliasType("Named", NameDep)
Numbered = TypeAliasType("Numbered", Annotated[int, Provide["name"]])


class Other(containers.DeclarativeContainer):
    """A container that the app does not have."""

    engine = Opened("nowhere.engine")


CORRECT = {
    "inject": Form(inject),
    "inject twice": Form(lambda function: inject(inject(function))),
    "inject over a decorator with wraps": Form(lambda f: inject(with_wraps(f))),
    "inject under a decorator with wraps": Form(lambda f: with_wraps(inject(f))),
    "inject under a decorator without wraps": Form(
        lambda f: with_the_name_only(inject(f))
    ),
    "annotation that is text": Form(use_annotation("NameDep")),
    "annotation that is an alias": Form(use_annotation(Named)),
    "marker as the default": Form(use_annotation(Any, inject, Provide["name"])),
    "provider itself": Form(use_annotation(Annotated[Any, Provider["session"]])),
    "required key": Form(
        use_annotation(Annotated[str, Provide["config.VENDOR", required()]])
    ),
    "the library's inject": Form(library_inject),
    "argument of a decorator": Form(with_argument),
    "no marker": Form(use_annotation(str, keep, "own")),
}


@dataclass(frozen=True)
class Mistake:
    """A form that is wrong, and what the check reports for it.

    Args:
        kind: The fault's class.
        text: The fault's text, with TITLE for the function and FILE for its file.
        fits: Whether the mistake can be made at a place.
    """

    form: Form
    kind: type[Exception]
    text: str
    fits: Callable[[Place], bool]


MISTAKES: dict[str, Mistake] = {}


def mistake(
    name: str,
    form: Form,
    kind: type[Exception],
    text: str,
    fits: Callable[[Place], bool] = lambda place: True,
) -> None:
    MISTAKES[name] = Mistake(form, kind, read_text(text), fits)


def returns_function(place: Place) -> bool:
    """A decorator above the registration needs a function there."""
    return place.returns_function


def has_url(place: Place) -> bool:
    """Only the functions of a URL get its arguments."""
    return place.has_url


MISSING = f"""
        TITLE has a marker that nothing fills: @inject is missing.
          in       FILE:N, parameter `name`
          fix      {OVER}
        """
for name, form in {
    "inject is missing": Form(),
    "inject is missing, marker as the default": Form(
        use_annotation(Any, keep, Provide["name"])
    ),
    "inject is missing, marker in an alias": Form(use_annotation(Named, keep)),
    "inject is missing, annotation is text": Form(use_annotation("NameDep", keep)),
    # The library does not read text, and leaves the function as it is.
    "library's inject over text": Form(
        use_annotation("NameDep", library_inject_without_markers)
    ),
    "inject is missing under a decorator with wraps": Form(with_wraps),
    "inject is missing under a decorator without wraps": Form(with_the_name_only),
    "inject is over a decorator without wraps": Form(
        lambda function: inject(with_the_name_only(function))
    ),
}.items():
    mistake(name, form, UnfilledMarker, MISSING)

mistake(
    "inject is above the registration",
    Form(above=inject),
    UnfilledMarker,
    f"""
        TITLE has a marker that nothing fills: @inject is above the \\
            decorator that registers the function.
          in       FILE:N, parameter `name`
          fix      {OVER}
        """,
    returns_function,
)
mistake(
    "another decorator is above the registration",
    Form(inject, above=transactional),
    LostDecorator,
    f"""
        TITLE was registered before a decorator above it was applied.
          in       FILE:N
          fix      {FIX_ORDER}
        """,
    returns_function,
)

INSIDE = f"""
        TITLE has a marker that nothing fills: it is inside another annotation.
          in       FILE:N, parameter `name`
          fix      {FIX_INSIDE}
        """
for name, annotation in {
    "marker is in a union": NameDep | None,
    "marker is in a list": list[NameDep],
}.items():
    mistake(
        name, Form(use_annotation(annotation, inject, None)), UnfilledMarker, INSIDE
    )

mistake(
    "annotation is not defined",
    Form(use_annotation("NowhereDep")),
    UnresolvedAnnotation,
    """
        TITLE can't be injected: NowhereDep is not defined.
          in       FILE:N, parameter `name`
          fix      import it at run time, not under `if TYPE_CHECKING:`
        """,
    # The caller of any other function may pass an argument for the parameter.
    has_url,
)

TYPO_TEXT = """
        TITLE asks for "nmae", which Shop does not provide.
          in       FILE:N, parameter `name`
          did you mean  name or mailer
        """
for name, form in {
    "provider has another name": Form(use_annotation(TypoDep)),
    "provider has another name, marker as the default": Form(
        use_annotation(Any, inject, Provide["nmae"])
    ),
    "provider has another name, annotation is text": Form(use_annotation("TypoDep")),
    "provider has another name under a decorator without wraps": Form(
        lambda function: with_the_name_only(use_annotation(TypoDep)(function))
    ),
    "provider has another name under the library's inject": Form(
        use_annotation(TypoDep, library_inject)
    ),
}.items():
    mistake(name, form, UnknownProvider, TYPO_TEXT)

for marker, wanted, nearest in (
    (Provide["sesion"], "sesion", "session"),
    (Provide["storage.discs"], "storage.discs", "storage.disk or storage"),
    (Provide["xyz"], "xyz", ""),
    (Provide["wire"], "wire", ""),
    (Provide[Other.engine], "nowhere.engine", ""),
):
    mistake(
        f"container does not provide {wanted}",
        Form(use_annotation(Annotated[Any, marker])),
        UnknownProvider,
        f"""
        TITLE asks for "{wanted}", which Shop does not provide.
          in       FILE:N, parameter `name`
        """
        + (f"  did you mean  {nearest}" if nearest else ""),
    )

mistake(
    "decorator needs another provider",
    Form(lambda function: note_lookup("redis", with_wraps(inject(function)))),
    UnknownProvider,
    """
        TITLE asks for "redis", which Shop does not provide.
          in       FILE:N
        """,
)
mistake(
    "marker is Closing",
    Form(use_annotation(Annotated[Any, Closing[Provide["session"]]], library_inject)),
    ClosingMarker,
    """
        TITLE uses Closing[...], which would close a shared object.
          in       FILE:N, parameter `name`
          fix      declare the provider as Scoped, and use Provide[...]
        """,
)
mistake(
    "URL has an argument of the same name",
    Form(inject, url="/shops/<name>"),
    Shadowed,
    """
        TITLE gets `name` from its URL /shops/<name>, not from the marker.
          in       FILE:N, parameter `name`
          fix      rename the URL argument or the parameter
        """,
    has_url,
)

for annotation, expects in (
    (Annotated[int, Provide["name"]], "int from name, which provides str"),
    (Numbered, "int from name, which provides str"),
    (
        Annotated[Mailer, Provide["session"]],
        "Mailer from session, which provides Session",
    ),
    (
        Annotated[Session, Provide["mailer"]],
        "Session from mailer, which provides Mailer",
    ),
    (Annotated[dict, Provide["storage"]], "dict from storage, which provides list"),
):
    alias = " behind an alias" if annotation is Numbered else ""
    mistake(
        f"annotation expects {expects}{alias}",
        Form(use_annotation(annotation)),
        Contradiction,
        f"""
        TITLE expects {expects}.
          in       FILE:N, parameter `name`
          fix      inject another provider, or correct the annotation
        """,
    )


CASES = [
    pytest.param(mistake, place, id=f"{name}-{where}")
    for name, mistake in MISTAKES.items()
    for where, place in PLACES.items()
    if mistake.fits(place)
]


def check(place: Place, form: Form) -> list[Exception]:
    """The faults that the check finds in a service with one function."""
    container = shop(**VALUES)
    # The check reads all modules of the service: here only those of the places.
    return find_faults(lambda app: place.register(app, form), container, SERVICE)


@pytest.mark.parametrize(("mistake", "place"), CASES)
def test_mistake(mistake: Mistake, place: Place) -> None:
    """The check reports exactly the one fault, with the title of the place."""
    (fault,) = check(place, mistake.form)

    assert type(fault) is mistake.kind
    expected = mistake.text.replace("TITLE", place.title).replace("FILE", place.file)
    assert write(fault) == expected


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("form", CORRECT.values(), ids=CORRECT)
def test_correct_function(form: Form, place: Place) -> None:
    """The check reports nothing for a function that is written correctly."""
    assert check(place, form) == []
