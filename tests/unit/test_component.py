"""Members that lost the whole cluster go on as one exactly when nobody else can have."""

from __future__ import annotations

from tests.unit.member import program

component = program("cloudwright.services.mariadb", "component.py")

WHOLE = "u1/ctl-a/10.0.0.1:3306,u2/ctl-b/10.0.0.2:3306,u3/witness/"
LAST = component.names_of(WHOLE)


def may(*now: str) -> bool:
    return bool(component.may_go_on(LAST, set(now)))


def test_a_view_has_numbers_and_names() -> None:
    assert LAST == {"u1": "ctl-a", "u2": "ctl-b", "u3": "witness"}
    assert component.names_of("") == {}
    assert component.names_of("u1/unspecified/,u3/unspecified/\n").keys() == {"u1", "u3"}


def test_more_than_half_of_the_last_whole_cluster_may_go_on() -> None:
    assert may("u1", "u3")
    assert may("u2", "u3")
    assert may("u1", "u2")


def test_who_is_alone_or_was_started_anew_may_not() -> None:
    assert not may("u1")
    assert not may("u1", "u9")  # the witness of then is not the one of now
    assert not may("u1", "u3", "u9")
    assert not component.may_go_on({}, set())


def test_silence_is_no_agreement() -> None:
    assert not component.is_first("127.0.0.1", 9)
