"""Keys and their origins."""

from modern_flask.config import (
    Origin,
    Section,
    Values,
    find_key,
    find_origin,
    list_values,
)


def orders() -> Values:
    return Values(
        {
            "REDIS_HOST": "cache",
            "REDIS_PASSWORD": "hunter2",
            "REDIS_": 1,
            "DEBUG": True,
        },
        {"REDIS_HOST": Origin("config.py", 3), "DEBUG": Origin("defaults")},
        ["config.py"],
    )


def test_origin_reads_as_source_and_line():
    """An origin is a source, and a line where there is one."""
    assert str(Origin("config.py", 3)) == "config.py, line 3"
    assert str(Origin("defaults")) == "defaults"


def test_section_takes_the_keys_of_a_prefix():
    """A section has the keys of its prefix, bare and in lower case."""
    section = orders().section("REDIS_")

    assert section == {"host": "cache", "password": "hunter2"}
    assert section.key("host") == "REDIS_HOST"
    assert section.key("port") == "REDIS_PORT"
    assert section.origin("host") == Origin("config.py", 3)
    assert section.origin("password") is None
    assert section.searched == ["config.py"]


def test_plain_dict_has_names_and_no_origins():
    """Settings may be a plain dict: then the key is the name."""
    assert find_key({"host": 1}, "host") == "host"
    assert find_origin({"host": 1}, "host") is None
    assert find_key(orders().section("REDIS_"), "host") == "REDIS_HOST"
    assert find_origin(orders().section("REDIS_"), "host") == Origin("config.py", 3)


def test_put_replaces_value_and_origin():
    """A value that overrides another one has its own origin."""
    values = orders()

    values.put({"REDIS_HOST": "other"}, {"REDIS_HOST": Origin("defaults")})

    assert values["REDIS_HOST"] == "other"
    assert values.origin("REDIS_HOST") == Origin("defaults")


def test_repr_shows_no_secret():
    """Neither values nor a section print a secret."""
    values = orders()

    assert repr(values) == (
        "Values({'REDIS_HOST': 'cache', 'REDIS_PASSWORD': '******', "
        "'REDIS_': 1, 'DEBUG': True})"
    )
    assert repr(values.section("REDIS_")) == (
        "Section('REDIS_', {'host': 'cache', 'password': '******'})"
    )
    assert repr(Section("REDIS_")) == "Section('REDIS_', {})"


def test_listed_values_are_sorted_and_masked():
    """A command can print every key with its masked value and its origin."""
    assert list_values(orders()) == [
        ("DEBUG", True, "defaults"),
        ("REDIS_", 1, ""),
        ("REDIS_HOST", "cache", "config.py, line 3"),
        ("REDIS_PASSWORD", "******", ""),
    ]
