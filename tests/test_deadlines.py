"""The deadline of what runs at present."""

from modern_flask.deadlines import at_most, deadline, within


def test_there_is_no_deadline_outside_of_a_request() -> None:
    """Without a deadline, what is left is infinite and a wait keeps its own limit."""
    assert deadline().left() == float("inf")
    assert not deadline().passed
    assert at_most(5.0) == 5.0


def test_a_wait_ends_with_the_deadline() -> None:
    """A wait takes its own limit or what the deadline leaves, whichever is shorter."""
    with within(2.0):
        assert at_most(1.0) == 1.0
        assert 0 < at_most(5.0) <= 2.0


def test_an_inner_deadline_extends_no_outer_one() -> None:
    """A block inside another one ends with it at the latest."""
    with within(1.0), within(60.0) as inner:
        assert inner.left() <= 1.0

    assert deadline().left() == float("inf")
