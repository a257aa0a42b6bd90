"""Members of a cluster that needs no founder: who may start with what it holds, and who not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.unit.member import MEMBERS, agent, agreement, ask, statements

OLD, NEW = "old", "new"


def told(name: str, state: str, history: str = OLD, **words: Any) -> Any:
    return agent.Told(name=name, state=state, history=history, position=0, **words)


def rejoin(own: Any, *others: Any, dead: str = "") -> Any:
    return agent.rejoin(own, {o.name: o for o in others}, MEMBERS, frozenset(dead))


def test_beside_a_server_with_the_same_any_starts_at_once() -> None:
    own = told("a", "down", view=MEMBERS)
    assert rejoin(own, told("b", "running")) == agent.Join(OLD)
    assert rejoin(own, told("b", "up")) == agent.Join(OLD, ("b",))
    assert rejoin(own, told("b", "running", history="")) == agent.Join("")  # an older agent


def test_where_none_runs_each_of_the_last_whole_cluster_is_waited_for() -> None:
    a, b = told("a", "down", view=MEMBERS), told("b", "down", view=MEMBERS)
    assert rejoin(a, b) == agent.Wait("c must say what it holds")
    assert rejoin(a, b, told("c", "down")) == agent.Join(OLD)
    assert rejoin(b, a, dead="c") == agent.Join(OLD)
    together = [told(name, "down", view=("a", "b")) for name in "ab"]
    assert rejoin(*together) == agent.Join(OLD)


def test_who_hears_that_it_was_given_up_throws_away_what_it_holds() -> None:
    own = told("a", "down", view=("a", "b"))
    gone_on = told("c", "up", NEW, left=(OLD,))
    assert rejoin(own, told("b", "running"), gone_on) == agent.Join(NEW, ("c",), anew=True)
    waits = rejoin(own, told("b", "running"), replace(gone_on, state="down"))
    assert waits == agent.Wait("c went on without what this one holds, and is not up yet")


def test_on_a_word_the_one_that_knows_most_founds_once_the_servers_are_stopped() -> None:
    a = told("a", "down", view=MEMBERS)
    assert rejoin(a, dead="bc") == agent.Found(without=("b", "c"))
    assert rejoin(a, dead="b") == agent.Wait("c must say what it holds")
    five = ("a", "b", "c", "d", "e")
    b = replace(told("b", "down", view=five), position=7)
    said = {"told": {"b": b}, "members": five, "dead": frozenset("cde")}
    assert agent.rejoin(a, **said) == agent.Wait("b knows most and comes first")
    said["told"] = {"b": replace(b, state="running")}
    assert agent.rejoin(a, **said) == agent.Wait("b must stop its server first")
    assert agent.rejoin(b, {"a": a}, five, frozenset("cde")) == agent.Found(("c", "d", "e"))


def test_a_majority_founds_nothing_on_a_word() -> None:
    a, b = told("a", "down", view=MEMBERS), told("b", "running", view=MEMBERS)
    assert rejoin(b, a, dead="c") == agent.Join(OLD)


def test_of_a_majority_one_whom_nobody_left_behind_begins_with_what_it_knows() -> None:
    """The server itself would wait for the dead, who may know more."""
    a, b = told("a", "down", view=MEMBERS), told("b", "running", view=("b", "c"))
    assert rejoin(a, b, dead="c") == agent.Join(OLD)
    assert rejoin(b, a, dead="c") == agent.Join(OLD, ("b",))
    assert rejoin(a, replace(b, view=MEMBERS), dead="c") == agent.Join(OLD, ("a",))
    assert rejoin(b, replace(a, state="up"), dead="c") == agent.Join(OLD, ("a",))
    assert rejoin(b, replace(a, history=NEW), dead="c") == agent.Wait(
        "the members' data differ in origin: new, old"
    )
    empty = agent.Told(name="a", state="down", history="", position=agreement.FRESH)
    assert rejoin(replace(b, view=MEMBERS), empty, dead="c") == agent.Join(OLD, ("b",))
    five = ("a", "b", "c", "d", "e")
    three = {name: told(name, "down", view=five) for name in "bc"}
    waits = agent.rejoin(a, three, five, frozenset("d"))
    assert waits == agent.Wait("e must say what it holds")


def test_who_hears_itself_called_dead_starts_nothing() -> None:
    own = told("b", "down", view=MEMBERS)
    waits = agent.Wait("a was told that this one is dead, and may go on without it")
    for state in ("down", "running", "up"):
        assert rejoin(own, told("a", state, dead=("b", "c")), told("c", "down")) == waits


def test_who_is_up_without_most_of_its_last_cluster_is_not_whole() -> None:
    assert agreement.whole([told("a", "up", view=MEMBERS)]) == ()
    assert agreement.whole([told("a", "up", view=("a",))]) == ("a",)
    up = [told(name, "up", view=MEMBERS) for name in "ab"]
    assert agreement.whole(up) == ("a", "b")
    assert agreement.next_view(MEMBERS, ["a"]) == MEMBERS
    assert agreement.next_view(MEMBERS, ["a", "b"]) == ("a", "b")
    assert agreement.next_view(("a",), MEMBERS) == MEMBERS
    assert agreement.next_view((), ["a"]) == ("a",)


def test_a_word_is_taken_beside_a_server_that_is_not_whole() -> None:
    own = told("a", "running", view=MEMBERS)
    silent = {"a": own, "b": None, "c": None}
    assert ask.refusal(frozenset("bc"), own, silent, rejoins=True) == ""
    alone = {**silent, "a": told("a", "up", view=MEMBERS)}  # has not noticed yet
    assert ask.refusal(frozenset("bc"), own, alone, rejoins=True) == ""
    gone_on = {**silent, "a": told("a", "up", view=("a",))}
    assert "whole cluster" in ask.refusal(frozenset("bc"), own, gone_on, rejoins=True)


class Store:
    """What a member keeps, with the server left out."""

    rejoins = True
    has_users = False

    def __init__(self, kept: Any) -> None:
        self.kept = kept
        self.called: list[Any] = []

    def command(self, found: bool, anew: bool, history: str = "", others: Any = ()) -> list[str]:
        self.called.append((found, anew, history, tuple(others), statements.given_up(self.kept)))
        return ["server"]


def test_a_founder_keeps_what_it_gives_up_first_and_the_word_until_it_is_done(
    tmp_path: Any,
) -> None:
    statements.declare(tmp_path, ["b", "c"], MEMBERS)
    store = Store(tmp_path)
    member = agent.Member(secret=b"", adapter=store, holds=told("a", "down", view=MEMBERS))
    assert agent.prepare(member, agent.Found(("b", "c")), []) == ["server"]
    assert store.called == [(True, True, "", ("b", "c"), (OLD,))]
    assert statements.last_whole(tmp_path) == ("a",)
    assert statements.dead(tmp_path, MEMBERS) == frozenset()
    assert member.holds.left == (OLD,)


def test_who_throws_away_what_was_given_up_does_that_first(tmp_path: Any) -> None:
    statements.note_whole(tmp_path, MEMBERS)
    store = Store(tmp_path)
    member = agent.Member(secret=b"", adapter=store, holds=told("a", "down", view=MEMBERS))
    up = told("c", "up", NEW, left=(OLD,))
    agent.prepare(member, agent.Join(NEW, ("c",), anew=True), [up])
    assert store.called == [(False, True, NEW, ("c",), ())]
    assert statements.given_up(tmp_path) == (OLD,)
    assert statements.last_whole(tmp_path) == ()


@dataclass
class Machine:
    """A member's host: `state` None while its power is off.

    `ends_at`: after which part of what it does next its power fails.
    """

    history: str = OLD
    fresh: bool = False
    view: tuple[str, ...] = MEMBERS
    left: frozenset[str] = frozenset()
    dead: frozenset[str] = frozenset()
    ends_at: int = 0
    state: str | None = "up"


@dataclass
class World:
    """Hosts, which of them reach each other, and the raft's own record of members by history.

    `deaf`: whose question to whom is not answered, while packets go both ways. `last`: who was in
    the cluster that may have taken the newest writes.
    """

    machines: dict[str, Machine] = field(default_factory=lambda: {n: Machine() for n in MEMBERS})
    apart: frozenset[str] = frozenset()
    deaf: frozenset[tuple[str, str]] = frozenset()
    records: dict[str, set[str]] = field(default_factory=lambda: {OLD: set(MEMBERS)})
    last: tuple[str, ...] = MEMBERS

    def reaches(self, one: str, other: str) -> bool:
        return (one in self.apart) == (other in self.apart)

    def look(self) -> None:
        """Let servers find out whether they are a majority, and agents note it."""
        up: dict[str, list[str]] = {}
        for name, machine in self.machines.items():
            if machine.state in ("running", "up"):
                record = self.records[machine.history]
                with_it = [
                    n
                    for n, m in self.machines.items()
                    if n in record
                    and m.state in ("running", "up")
                    and m.history == machine.history
                    and self.reaches(name, n)
                ]
                whole = name in record and len(with_it) * 2 > len(record)
                machine.state = "up" if whole else "running"
                if whole:
                    up[name] = with_it
        assert len({self.machines[name].history for name in up}) <= 1, "two clusters take writes"
        for name, with_it in up.items():
            machine = self.machines[name]
            machine.view = agreement.next_view(machine.view, with_it)
            self.last = tuple(with_it)

    def said(self, name: str) -> Any:
        m = self.machines[name]
        return agent.Told(
            name=name,
            state=m.state,
            history="" if m.fresh else m.history,
            position=-1 if m.fresh else 0,
            view=m.view,
            left=tuple(sorted(m.left)),
            dead=tuple(sorted(m.dead)),
        )

    def heard(self, name: str) -> dict[str, Any]:
        return {
            n: self.said(n)
            for n, m in self.machines.items()
            if n != name and m.state and self.reaches(name, n) and (name, n) not in self.deaf
        }

    def decide(self, name: str) -> None:
        """One look of an agent, and what it does for it."""
        machine = self.machines[name]
        if machine.state in ("running", "up") and machine.dead:
            machine.state = "down"
        if machine.state != "down":
            return
        heard = self.heard(name)
        machine.dead -= heard.keys()
        own = self.said(name)
        choose = agent.decide if machine.fresh else agent.rejoin
        decision = choose(own, heard, MEMBERS, machine.dead)
        if isinstance(decision, agent.Wait):
            return
        left = machine.left.union(*(t.left for t in heard.values()))
        does = self.found if isinstance(decision, agent.Found) else self.join
        for number, _ in enumerate(does(name, decision, left), 1):
            if number == machine.ends_at:
                self.fail(name)
                return
        machine.dead, machine.ends_at = frozenset(), 0
        machine.state = "running"

    def found(self, name: str, decision: Any, left: frozenset[str]) -> Iterator[None]:
        machine = self.machines[name]
        assert decision.without, "only a word founds what is there already"
        machine.left = left | {machine.history}
        yield
        machine.history = f"{NEW}{len(self.records)}"
        self.records[machine.history] = {name}
        self.last = (name,)  # nobody can know whether it took writes before it ended
        yield
        machine.view = (name,)

    def join(self, name: str, decision: Any, left: frozenset[str]) -> Iterator[None]:
        machine = self.machines[name]
        if machine.fresh or decision.anew:
            machine.fresh = True
            yield
            machine.fresh, machine.history, machine.view = False, decision.history, ()
            self.records[decision.history].add(name)
        machine.left = left

    def word(self, name: str) -> None:
        """A person at `name` says that all whose power is off are dead. That is true, and it is
        said where the last whole cluster was; agents refuse it while they hear a whole one."""
        off = frozenset(n for n, m in self.machines.items() if m.state is None)
        here = [n for n, m in self.machines.items() if m.state and self.reaches(name, n)]
        everybody = len(here) + len(off) == len(MEMBERS)
        if not off or name not in here or not everybody or not set(here) & set(self.last):
            return
        if any(self.machines[n].fresh for n in here):
            return
        if not agreement.whole([self.said(n) for n in here]):
            for n in here:
                self.machines[n].dead = off

    def fail(self, name: str) -> None:
        """Its power, or its agent alone: a word was of those that lived then, so it ends, too."""
        machine = self.machines[name]
        machine.state, machine.dead, machine.ends_at = None, frozenset(), 0
        machine.left -= {machine.history}

    def act(self, what: str, names: Any) -> None:
        """One of `ACTS`, and what servers find out by it."""
        getattr(self, what)(names)
        self.look()

    def kill(self, names: Any) -> None:
        for name in names:
            self.fail(name)

    def boot(self, names: Any) -> None:
        for name in names:
            self.machines[name].state = self.machines[name].state or "down"

    def cut(self, names: Any) -> None:
        self.apart = frozenset(names)

    def deafen(self, pairs: Any) -> None:
        self.deaf = frozenset(pairs)

    def end(self, when: tuple[str, int]) -> None:
        self.machines[when[0]].ends_at = when[1]

    def settle(self, order: Any) -> None:
        for name in order:
            self.decide(name)
            self.look()

    def failover(self, name: str) -> None:
        self.act("kill", set(MEMBERS) - {name})
        self.act("word", name)
        self.settle([name] * 2)

    def come_back(self, names: Any) -> None:
        self.act("cut", names)
        self.act("boot", MEMBERS)
        self.settle(MEMBERS * 2)


NAMES = st.sampled_from(MEMBERS)
ACTS = st.one_of(
    st.tuples(st.just("kill"), st.sets(NAMES, min_size=1)),
    st.tuples(st.just("boot"), st.sets(NAMES, min_size=1)),
    st.tuples(st.just("cut"), st.sets(NAMES)),
    st.tuples(st.just("deafen"), st.sets(st.tuples(NAMES, NAMES), max_size=3)),
    st.tuples(st.just("end"), st.tuples(NAMES, st.integers(1, 2))),
    st.tuples(st.just("word"), NAMES),
    st.tuples(st.just("settle"), st.lists(NAMES, min_size=1, max_size=8)),
    st.tuples(st.just("failover"), NAMES),
    st.tuples(st.just("come_back"), st.sets(NAMES, max_size=1)),
)
"""The last two are what the others rarely add up to by themselves."""


@settings(deadline=None, max_examples=int(os.environ.get("CLOUDWRIGHT_HISTORIES", "400")))
@example(
    [("kill", {"b", "c"}), ("word", "a"), ("boot", {"b"}), ("settle", ["b"]), ("come_back", "a")]
)
@given(st.lists(ACTS, max_size=25))
def test_no_two_clusters_take_writes_and_all_come_together_in_the_end(acts: list[Any]) -> None:
    """Power cuts, cut lines, true words that the rest is dead, returns in any order."""
    world = World()
    for what, names in acts:
        world.act(what, names)
    world.apart, world.deaf = frozenset(), frozenset()
    world.act("boot", [name for name, m in world.machines.items() if m.state is None])
    for machine in world.machines.values():
        machine.ends_at = 0
    for _ in range(8):
        world.settle(MEMBERS)
    found = {(m.state, m.history) for m in world.machines.values()}
    assert len(found) == 1
    assert {state for state, _ in found} == {"up"}


@pytest.mark.parametrize("back", [["a"], ["a", "c"], ["c", "a"]])
def test_the_dead_return_one_by_one_and_bring_nothing_back(back: list[str]) -> None:
    world = World()
    for name in ("a", "c"):
        world.machines[name].state = None
    world.look()
    world.word("b")
    world.settle("bbb")
    assert world.machines["b"].state == "up"
    assert world.machines["b"].left == {OLD}
    world.apart = frozenset("b")
    for name in back:
        world.machines[name].state = "down"
    world.settle(MEMBERS * 3)
    assert {world.machines[name].state for name in back} == {"down"}
    world.apart = frozenset()
    world.settle(MEMBERS * 3)
    assert {world.machines[n].history for n in ("b", *back)} == {world.machines["b"].history}
    assert {world.machines[n].state for n in ("b", *back)} == {"up"}
