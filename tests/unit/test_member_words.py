"""A person's word that a member is dead: what the others may do on it, and what it never does."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.member import HISTORY, MEMBERS, agent, ask, down, statements


def test_who_was_said_to_be_dead_is_not_waited_for() -> None:
    a = down("a", 7, *MEMBERS)
    b = down("b", 5, *MEMBERS)
    waits = agent.decide(a, {"b": b}, MEMBERS)
    assert waits == agent.Wait("c must say what it holds")
    assert agent.decide(a, {"b": b}, MEMBERS, frozenset("c")) == agent.Found(without=("c",))
    assert isinstance(agent.decide(b, {"a": a}, MEMBERS, frozenset("c")), agent.Wait)


def test_one_said_to_be_dead_that_speaks_counts_as_any_other() -> None:
    a, c = down("a", 7, *MEMBERS), down("c", 9, *MEMBERS)
    decision = agent.decide(a, {"b": down("b", 5), "c": c}, MEMBERS, frozenset("c"))
    assert decision == agent.Wait("c knows most and comes first")


def test_beside_a_whole_cluster_no_word_founds_another() -> None:
    up = agent.Told(name="b", state=agent.UP, history=HISTORY, position=3)
    own = down("a", 99, *MEMBERS)
    assert agent.decide(own, {"b": up}, MEMBERS, frozenset("bc")) == agent.Join(HISTORY, ("b",))


def test_a_lost_disk_founds_nothing_on_a_word() -> None:
    own = down("a", -1, *MEMBERS)
    assert isinstance(agent.decide(own, {}, MEMBERS, frozenset("bc")), agent.Wait)


@settings(deadline=None)
@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), st.booleans())
def test_a_dead_one_that_returns_founds_nothing_whatever_it_knew(
    survivor: int, later: int, returned: int, crashed_at_once: bool
) -> None:
    """`a` went on without `c`; then both were down, and `c` is back, perhaps knowing more."""
    history = HISTORY if crashed_at_once else "5e0e4a34-0000-11f1-8039-3bf80240a9ef"
    a = agent.Told(
        name="a",
        state=agent.DOWN,
        history=history,
        position=survivor + later,
        view=("a",),
        left=(HISTORY,),
    )
    c = down("c", returned, *MEMBERS)
    b = down("b", -1)
    for heard in ({"a": a}, {"a": a, "b": b}, {"b": b}, {}):
        assert not isinstance(agent.decide(c, heard, MEMBERS), agent.Found)
    assert agent.decide(a, {"c": c}, MEMBERS) == agent.Found()
    up = agent.Told(name="c", state=agent.UP, history=HISTORY, position=returned)
    assert isinstance(agent.decide(a, {"c": up}, MEMBERS), agent.Wait)


def test_a_word_ends_with_the_outage_that_it_was_given_in(tmp_path: Path) -> None:
    statements.declare(tmp_path, ["c"], MEMBERS)
    assert statements.dead(tmp_path, reversed(MEMBERS)) == {"c"}
    assert statements.dead(tmp_path, ("a", "b")) == frozenset()
    assert statements.given_up(tmp_path) == ()
    statements.give_up(tmp_path, [HISTORY, ""])
    statements.end(tmp_path)
    assert statements.dead(tmp_path, MEMBERS) == frozenset()
    assert statements.given_up(tmp_path) == (HISTORY,)
    assert statements.dead(None, MEMBERS) == frozenset()


def test_who_speaks_is_struck_from_the_word(tmp_path: Path) -> None:
    statements.declare(tmp_path, ["b", "c"], MEMBERS)
    statements.hear(tmp_path, ["a"])
    assert statements.dead(tmp_path, MEMBERS) == {"b", "c"}
    statements.hear(tmp_path, ["a", "b"])
    assert statements.dead(tmp_path, MEMBERS) == {"c"}
    statements.hear(tmp_path, ["c"])
    assert statements.dead(tmp_path, MEMBERS) == frozenset()
    statements.end(tmp_path)
    statements.hear(tmp_path, MEMBERS)


def test_what_is_proposed_is_told_until_it_is_said_or_taken_back(tmp_path: Path) -> None:
    statements.propose(tmp_path, ["c"], MEMBERS)
    assert statements.named(tmp_path, MEMBERS) == {"c"}
    assert statements.dead(tmp_path, MEMBERS) == frozenset()
    statements.declare(tmp_path, ["c"], MEMBERS)
    assert statements.named(tmp_path, MEMBERS) == {"c"}
    statements.end(tmp_path)
    assert statements.named(tmp_path, MEMBERS) == frozenset()
    statements.propose(tmp_path, ["c"], MEMBERS)
    for seconds in (-11, 11):
        now = time.time() + seconds
        os.utime(tmp_path / statements.PROPOSED, (now, now))
        assert statements.named(tmp_path, MEMBERS) == frozenset()
    assert statements.named(None, MEMBERS) == frozenset()


@pytest.mark.parametrize("c_lives", [False, True])
def test_who_starts_while_it_is_called_dead_finds_that_or_is_found(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    c_lives: bool,
) -> None:
    statements.note_whole(tmp_path, MEMBERS)
    (tmp_path / "member.json").write_text(
        json.dumps({"secret": "x", "name": "a", "members": dict.fromkeys(MEMBERS, "")})
    )
    adapter = SimpleNamespace(kept=tmp_path, rejoins=True)
    monkeypatch.setattr(agent, "HERE", tmp_path)
    monkeypatch.setattr(agent, "load_adapter", lambda *_: adapter)

    def asked(*_: object) -> dict[str, object]:
        assert statements.named(tmp_path, MEMBERS) == {"c"}
        a, b, c = (down(n, 0, *MEMBERS) for n in MEMBERS)
        return {"a": a, "b": b, "c": c if c_lives else None}

    monkeypatch.setattr(ask, "ask_each", asked)
    assert ask.main(["dead", "c"]) == (3 if c_lives else 0)
    assert ("c answers" in capsys.readouterr().err) is c_lives
    assert statements.named(tmp_path, MEMBERS) == (frozenset() if c_lives else {"c"})
    assert statements.dead(tmp_path, MEMBERS) == statements.named(tmp_path, MEMBERS)


def test_a_member_that_ended_before_it_founded_gives_nothing_up(tmp_path: Path) -> None:
    statements.give_up(tmp_path, [HISTORY, "older"])
    for history, left in ((HISTORY, ("older",)), ("new", (HISTORY, "older"))):
        looks = SimpleNamespace(kept=tmp_path, rejoins=True, look=lambda h=history: (h, 0, ()))
        assert set(agent.look("a", looks).left) == set(left)


def test_a_word_is_refused_while_there_is_somebody_to_join_or_a_dead_one_speaks() -> None:
    a, c = down("a", 7, *MEMBERS), down("c", 9, *MEMBERS)
    up = agent.Told(name="b", state=agent.UP, history=HISTORY, position=3)
    silent = {"a": a, "b": None, "c": None}
    assert ask.refusal(frozenset("bc"), a, silent) == ""
    assert "whole cluster" in ask.refusal(frozenset("c"), a, {**silent, "b": up})
    assert "c answers" in ask.refusal(frozenset("c"), a, {**silent, "c": c})
    assert "no member" in ask.refusal(frozenset("x"), a, silent)
