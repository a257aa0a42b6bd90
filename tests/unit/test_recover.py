"""What is said of members after a power cut, and when a person's word is refused."""

from __future__ import annotations

from cloudwright.operations.recover import (
    MemberState,
    can_go_without,
    meaning,
    statement,
)


def member(host: str, state: str = "down", position: int | None = None) -> MemberState:
    return MemberState(host=host, state=state, position=position, whole=state == "up")


def test_who_knows_most_is_named_and_who_is_silent_may_know_more() -> None:
    text = "\n".join(
        meaning([member("a", position=7), member("b", position=9), member("c", "silent")])
    )
    assert "b knows most of those that answer: 9 changes" in text
    assert "c: no answer, and may know more" in text


def test_a_whole_cluster_needs_nobody() -> None:
    found = [member("a", "up", 7), member("b", position=9)]
    assert meaning(found) == ("a: a whole cluster; whoever is down joins it by itself",)
    assert "part of a whole cluster" in can_go_without(found, ["b"])


def test_only_a_silent_member_can_be_dead() -> None:
    found = [member("a", position=7), member("b", "silent")]
    assert can_go_without(found, ["b"]) == ""
    assert "a answers" in can_go_without(found, ["a"])
    assert "nobody is left" in can_go_without(
        [member("a", "silent"), member("b", "silent")], ["b"]
    )


def test_the_statement_names_every_dead_host() -> None:
    assert statement(["a"]) == "a is dead"
    assert statement(["a", "b"]) == "a and b are dead"
