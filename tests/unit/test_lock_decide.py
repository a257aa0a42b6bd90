"""Two runs never hold a cloud at once, in whatever order its hosts are asked; and one gets it."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudwright.execute.journal.holder import (
    Holder,
    from_text,
    has_ended,
    this_process,
    to_text,
)
from cloudwright.execute.lock.decide import (
    Lost,
    TakeOver,
    TooFew,
    Undecided,
    Unknown,
    Won,
    decide,
    majority,
)

NOBODY: frozenset[str] = frozenset()


def holder(run: str, since: float = 0.0) -> Holder:
    return Holder(run=run, cloud="c", why="apply", user="u", machine="m", pid=1, since=since)


A, B, DEAD = holder("a", 1.0), holder("b", 2.0), holder("dead", 0.0)


@dataclass
class Hosts:
    """What each host keeps; a lost one answers nobody, a blank one remembers no run."""

    entries: list[Holder | None]
    lost: set[int] = field(default_factory=set)
    blank: set[int] = field(default_factory=set)

    def take(self, host: int, me: Holder) -> Holder | Unknown:
        if host in self.lost:
            return Unknown(why="is lost")
        self.entries[host] = self.entries[host] or me
        found = self.entries[host]
        assert found
        return found

    def wipe(self, host: int) -> None:
        """Its disk is emptied."""
        self.entries[host] = None
        self.blank.add(host)

    def end(self, host: int, me: Holder) -> None:
        """A run that had the lock says that it has ended."""
        if host not in self.lost:
            self.leave(host, me)
            self.blank.discard(host)

    def leave(self, host: int, me: Holder) -> None:
        if host not in self.lost and self.entries[host] == me:
            self.entries[host] = None


@dataclass
class Operator:
    """Goes through the protocol one host at a time, as a generator, so that any order can be."""

    me: Holder
    holds: bool = False
    result: str = ""

    def story(self, hosts: Hosts, tries: int) -> Iterator[None]:
        everywhere = range(len(hosts.entries))
        for _ in range(tries):
            votes, blank = {}, set()
            for host in everywhere:
                votes[str(host)] = hosts.take(host, self.me)
                blank |= {str(host)} & {str(b) for b in hosts.blank - hosts.lost}
                yield
            match decide(self.me, votes, NOBODY, frozenset(blank)):
                case Won():
                    self.holds = True
                    yield
                    self.holds = False
                    self.result = "won"
                case Lost() | TooFew() as end:
                    self.result = type(end).__name__.lower()
                case Undecided(yields=False):
                    continue
                case _:
                    pass
            for host in everywhere:
                if self.result == "won":
                    hosts.end(host, self.me)
                else:
                    hosts.leave(host, self.me)
                yield
            if self.result:
                return
        for host in everywhere:
            hosts.leave(host, self.me)


@settings(max_examples=400, deadline=None)
@given(
    st.integers(1, 7),
    st.integers(2, 4),
    st.lists(st.integers(0, 3), max_size=150),
    st.lists(st.tuples(st.integers(0, 149), st.integers(0, 6)), max_size=4),
    st.lists(st.tuples(st.integers(0, 149), st.integers(1, 6)), max_size=6),
    st.booleans(),
)
def test_never_two_at_once(
    count: int,
    operators: int,
    schedule: list[int],
    losses: list[tuple[int, int]],
    wipes: list[tuple[int, int]],
    new: bool,
) -> None:
    """Hosts may be lost for ever, or emptied, at any moment, and the cloud may be new: one that
    answers and was never emptied is enough."""
    hosts = Hosts(entries=[None] * count, blank=set(range(count)) if new else set())
    losses = [(at, host) for at, host in losses if host or not wipes]
    people = [Operator(me=holder(f"r{n}", float(n % 2))) for n in range(operators)]
    stories = [person.story(hosts, 50) for person in people]
    for moment, who in enumerate(schedule):
        hosts.lost |= {host for at, host in losses if at == moment and host < count}
        for host in {host for at, host in wipes if at == moment and host < count}:
            hosts.wipe(host)
        next(stories[who % operators], None)
        assert sum(person.holds for person in people) <= 1


@settings(max_examples=300, deadline=None)
@given(st.integers(2, 7), st.booleans(), st.data())
def test_emptied_disks_give_the_cloud_to_nobody_else(
    count: int, new: bool, data: st.DataObject
) -> None:
    """One has it, on all hosts or a bare majority; then hosts are emptied, all but one of those
    that have its entry, and others are lost or come back: whoever asks now does not get it."""
    everywhere = set(range(count))
    spare = count - majority(count)
    away = data.draw(st.sets(st.integers(0, count - 1), max_size=spare))
    hosts = Hosts(entries=[None] * count, lost=away, blank=everywhere if new else set())
    first = Operator(me=A)
    story = first.story(hosts, 5)
    while not first.holds:
        next(story)
    kept = data.draw(st.sampled_from(sorted(everywhere - away)))
    for host in data.draw(st.sets(st.sampled_from(sorted(everywhere - {kept})))):
        hosts.wipe(host)
    hosts.lost = data.draw(st.sets(st.sampled_from(sorted(everywhere - {kept}))))
    second = Operator(me=B)
    for _ in second.story(hosts, 5):
        assert not second.holds


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 7), st.lists(st.booleans(), max_size=60))
def test_of_two_at_least_one_wins(count: int, schedule: list[bool]) -> None:
    hosts = Hosts(entries=[None] * count)
    people = [Operator(me=A), Operator(me=B)]
    stories = [person.story(hosts, 500) for person in people]
    for second in schedule:
        next(stories[second], None)
    # From here on strictly in turn: neither is shut out by the other's speed.
    for _ in range(20_000):
        if [next(story, "over") for story in stories] == ["over", "over"]:
            break
    assert "won" in {person.result for person in people}
    assert {person.result for person in people} <= {"won", "lost"}
    assert hosts.entries == [None] * count


@given(st.integers(1, 9), st.data())
def test_what_a_dead_run_left_on_a_minority_stops_nobody(count: int, data: st.DataObject) -> None:
    left = data.draw(st.integers(0, count - majority(count)))
    votes = {str(n): DEAD if n < left else A for n in range(count)}
    verdict = decide(A, votes, NOBODY)
    assert verdict == Won(leftovers={str(n): "dead" for n in range(left)})


@given(st.integers(1, 9), st.data())
def test_without_a_majority_of_answers_nobody_wins(count: int, data: st.DataObject) -> None:
    answering = data.draw(st.integers(0, majority(count) - 1))
    votes = {str(n): A if n < answering else Unknown(why="lost") for n in range(count)}
    verdict = decide(A, votes, NOBODY)
    assert isinstance(verdict, TooFew)
    assert len(verdict.unknown) == count - answering


@given(st.integers(1, 9), st.data())
def test_a_lost_minority_stops_nobody(count: int, data: st.DataObject) -> None:
    lost = data.draw(st.integers(0, count - majority(count)))
    votes = {str(n): Unknown(why="lost") if n < lost else A for n in range(count)}
    assert decide(A, votes, NOBODY) == Won(leftovers={})


def test_the_later_of_two_gives_way_whatever_each_has() -> None:
    votes = {"1": A, "2": B, "3": Unknown(why="lost"), "4": B}
    assert decide(A, votes, NOBODY) == Undecided(rival=B, yields=False)
    assert decide(B, votes, NOBODY) == Undecided(rival=A, yields=True)


def test_another_majority_is_a_loss_and_our_own_dead_are_taken_over() -> None:
    votes = {"1": DEAD, "2": DEAD, "3": A}
    assert decide(A, votes, NOBODY) == Lost(to=DEAD)
    assert decide(A, votes, frozenset({"dead"})) == TakeOver(entries={"1": "dead", "2": "dead"})


def test_a_holder_survives_its_text_and_rubbish_is_a_holder_too() -> None:
    me = this_process(run="r", cloud="c", why="apply")
    assert from_text(to_text(me), "x") == me
    for text in ("", "{", "[]", "{}", '{"pid": "x"}', '{"unknown": 1}'):
        assert from_text(text, "x").run == "x"


def test_only_our_own_process_on_this_machine_can_be_known_to_have_ended() -> None:
    me = this_process(run="r", cloud="c", why="apply")
    gone = dataclasses.replace(me, started="1")
    assert not has_ended(me, me)
    assert has_ended(gone, me)
    assert not has_ended(dataclasses.replace(gone, user="another"), me)
    assert not has_ended(dataclasses.replace(gone, machine="another"), me)
    assert not has_ended(dataclasses.replace(gone, machine_id="another"), me)
    assert not has_ended(dataclasses.replace(gone, namespace="another container"), me)
    before = dataclasses.replace(me, boot="an earlier one")
    assert has_ended(before, me) == bool(me.machine_id)


@pytest.mark.parametrize("exited", [True, False], ids=["reaped", "not yet reaped"])
def test_a_child_that_exited_has_ended(exited: bool) -> None:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.read(reading, 1)
        os._exit(0)
    me = this_process(run="r", cloud="c", why="apply")
    with open(f"/proc/{pid}/stat") as stat:
        started = stat.read().rpartition(") ")[2].split()[19]
    child = dataclasses.replace(me, pid=pid, started=started)
    assert not has_ended(child, me)
    os.write(writing, b"x")
    if exited:
        os.waitpid(pid, 0)
        assert has_ended(child, me)
    else:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert has_ended(child, me)  # a zombie holds nothing
        os.waitpid(pid, 0)
    os.close(reading)
    os.close(writing)
