"""Voters that tell each other whom they hear settle every cut as a clean one."""

from __future__ import annotations

from itertools import combinations
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.member import asked, program

PACKAGE = "cloudwright.services.selffence"
rule = program(PACKAGE, "rule.py", folder=".")
views = program(PACKAGE, "views.py")
words = program(PACKAGE, "words.py")
fence = program(PACKAGE, "fence.py")

THREE = ("a", "b", "w")
together = rule.together
FIVE = ("a1", "a2", "b1", "b2", "w")


def links(*pairs: str) -> frozenset[frozenset[str]]:
    return frozenset(frozenset(pair.split("-")) for pair in pairs)


def test_the_most_that_all_see_each_other_go_on_and_of_two_sets_the_first() -> None:
    assert together(THREE, links("a-b", "a-w", "b-w")) == {"a", "b", "w"}
    assert together(THREE, links("a-w", "b-w")) == {"a", "w"}
    assert together(THREE, links("b-w")) == {"b", "w"}
    assert together(THREE, links()) == set()
    sites = links("a1-a2", "b1-b2", "a1-w", "a2-w", "b1-w", "b2-w")
    assert together(FIVE, sites) == {"a1", "a2", "w"}
    # With a2 dead, a1 and the witness are two of five.
    assert together(FIVE, links("b1-b2", "a1-w", "b1-w", "b2-w")) == {"b1", "b2", "w"}


class World:
    """Voters on one clock, whose words arrive at once where the line carries them."""

    def __init__(self, order: tuple[str, ...]) -> None:
        self.order = order
        self.now = 100.0
        self.rules: dict[str, list[str]] = {name: [] for name in order}
        self.voters: dict[str, Any] = {name: self.voter(name) for name in order}
        self.carried: frozenset[frozenset[str]] = frozenset(
            frozenset(pair) for pair in combinations(order, 2)
        )
        self.mute: set[tuple[str, str]] = set()
        self.newest: dict[str, int] = {}

    def voter(self, name: str) -> Any:
        addresses = {one: f"10.0.0.{n}" for n, one in enumerate(self.order, 1)}
        return fence.Voter(
            views=views.Views(name, self.order),
            lines={o: words.Line(name, o, b"s") for o in self.order if o != name},
            aside=fence.Aside(name),
            barrier=fence.Barrier(addresses, ("10.0.0.100",), (22,), self.rules[name].append),
            looked=self.now,
        )

    def live(self, seconds: float, alive: frozenset[str] | None = None) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now += fence.BEAT_SECONDS
            for name in sorted(alive if alive is not None else self.order):
                voter = self.voters[name]
                if name in self.newest:
                    voter.views.know(self.newest[name], self.now)
                voter.look(self.now)
                fresh = voter.views.fresh(self.now)
                for other, line in voter.lines.items():
                    word = line.say(fresh, self.now)
                    heard = frozenset((name, other)) in self.carried
                    if heard and (name, other) not in self.mute and (not alive or other in alive):
                        self.voters[other].take(name, word, self.now)

    @property
    def aside(self) -> set[str]:
        return {name for name, voter in self.voters.items() if voter.aside.behind}


def test_of_two_who_see_the_witness_the_second_steps_aside_and_comes_back() -> None:
    world = World(THREE)
    world.live(5)
    assert world.aside == set()
    assert not any(world.rules.values())
    world.carried = links("a-w", "b-w")
    world.live(1.5)
    assert world.aside == set()  # a moment's silence is none
    world.live(2)
    assert world.aside == {"b"}
    assert world.voters["b"].state() == ("steps aside, a, w go on without it: a out of reach")
    [rules] = world.rules["b"]
    assert (
        "ip saddr { 10.0.0.1, 10.0.0.3, 10.0.0.100 } tcp sport != { 22 } tcp dport != { 22 } drop"
        in rules
    )
    assert world.voters["b"].answer(asked.ASIDE) == asked.YES
    assert world.voters["a"].answer(asked.ASIDE) == asked.NO
    assert world.voters["a"].answer(asked.STATE) == asked.WELL
    world.carried = links("a-b", "a-w", "b-w")
    world.live(1)
    assert world.aside == {"b"}
    assert "the line is back" in world.voters["b"].state()
    world.live(4)
    assert world.aside == set()
    assert world.rules["b"][-1].splitlines()[-1].startswith("delete table")
    assert not world.rules["a"] + world.rules["w"]


def test_whose_database_was_in_the_newest_cluster_goes_on() -> None:
    """The witness had been one with the second before that stepped aside: what they agreed upon,
    the first does not have."""
    world = World(THREE)
    world.newest = {"a": 7, "b": 7}
    world.carried = links("a-w", "b-w")
    world.live(5)
    assert world.aside == {"b"}
    assert [world.voters[n].answer(asked.FIRST) for n in THREE] == [asked.YES, asked.NO, asked.NO]
    world.newest = {"a": 7, "b": 8}
    world.live(1)
    assert world.voters["a"].answer(asked.FIRST) == asked.NO  # at once: it waits for the second
    world.live(5)
    assert world.aside == {"a"}
    assert [world.voters[n].answer(asked.FIRST) for n in THREE] == [asked.NO, asked.YES, asked.NO]
    world.newest = {"a": 7}  # the other's database is down
    world.live(fence.ASIDE_SECONDS + 15)
    assert world.aside == {"b"}


def test_who_stands_aside_is_there_when_the_first_dies() -> None:
    world = World(THREE)
    world.carried = links("a-w", "b-w")
    world.live(5)
    assert world.aside == {"b"}
    world.live(8, frozenset({"b", "w"}))
    assert world.aside == set()


def test_a_line_that_carries_one_way_alone_is_cut() -> None:
    world = World(THREE)
    world.live(2)
    world.mute = {("a", "b")}
    world.live(4)
    assert world.aside == {"b"}


def test_a_clean_cut_and_a_dead_host_are_nobodys_reason() -> None:
    for carried, alive in ((links("a-w"), None), (links("a-w"), frozenset({"a", "w"}))):
        world = World(THREE)
        world.live(2)
        world.carried = carried
        world.live(8, alive)
        assert world.aside == set()


def test_only_what_answers_a_recent_word_counts() -> None:
    a, b = words.Line("a", "b", b"s"), words.Line("b", "a", b"s")
    assert b.take(a.say({}, 0.0), 0.0) is None  # it repeats nothing yet
    answer = b.say({"b": views.View(0.0, frozenset({"a"}))}, 0.1)
    told = a.take(answer, 0.2)
    assert {name: view.hears for name, view in told.items()} == {"b": {"a"}}
    assert a.take(answer, 5.0) is None  # the same, later
    stranger = words.Line("b", "a", b"another secret")
    stranger.last = b.last
    assert a.take(stranger.say({}, 0.2), 0.2) is None
    assert a.take(b"", 0.2) is None
    assert a.take(b"x" * 10000, 0.2) is None


VOTERS = st.integers(3, 6).map(lambda n: tuple("abcdef"[:n]))


@given(st.data())
def test_after_any_cut_those_who_go_on_all_see_each_other(data: Any) -> None:
    order = data.draw(VOTERS)
    world = World(order)
    newest = data.draw(st.lists(st.integers(0, 3), min_size=len(order), max_size=len(order)))
    world.newest = dict(zip(order, newest, strict=True))
    order = tuple(sorted(order, key=lambda name: -world.newest[name]))
    world.live(2)
    pairs = sorted(tuple(pair) for pair in combinations(order, 2))
    for _ in range(2):
        kept = data.draw(st.sets(st.sampled_from(pairs)))
        world.carried = frozenset(frozenset(pair) for pair in kept)
        world.live(12)
        best = together(order, world.carried)
        staying = set(order) - world.aside
        # Whoever still sees one of those who go on is one of them, or has stepped aside.
        for name in staying - best:
            assert not any(frozenset((name, other)) in world.carried for other in best)
        assert best <= staying
    world.carried = frozenset(frozenset(pair) for pair in pairs)
    world.live(12)
    assert world.aside == set()
