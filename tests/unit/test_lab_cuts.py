"""Which uplinks of a lab do what is asked, and that they do no more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudwright.errors import InvalidCloud
from cloudwright.lab.cuts import meant, pairs_cut, uplinks_for

THREE = ("a", "b", "w")


def pair(one: str, other: str) -> frozenset[str]:
    return frozenset((one, other))


def test_two_sites_cut_from_each_other_still_reach_the_witness() -> None:
    uplinks = uplinks_for(meant(("a", "b"), THREE), THREE)
    assert uplinks == {"a": "isolated", "b": "isolated", "w": "up"}


def test_a_site_cut_from_all_is_unplugged_and_the_others_stay_joined() -> None:
    cut = meant(("a",), THREE)
    assert cut == {pair("a", "b"), pair("a", "w")}
    assert uplinks_for(cut, THREE) == {"a": "down", "b": "up", "w": "up"}


@given(st.sets(st.sampled_from([pair("a", "b"), pair("a", "w"), pair("b", "w")])))
def test_of_three_sites_every_pattern_can_be_cut(wanted: set[frozenset[str]]) -> None:
    assert pairs_cut(uplinks_for(wanted, THREE)) == wanted


def test_what_one_bridge_cannot_do_is_refused() -> None:
    with pytest.raises(InvalidCloud, match="cannot cut just a-b, c-d"):
        uplinks_for({pair("a", "b"), pair("c", "d")}, ("a", "b", "c", "d"))


@pytest.mark.parametrize("names", [("x",), ("a", "x")])
def test_an_unknown_site_is_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(InvalidCloud, match="no site is called x"):
        meant(names, THREE)


def test_a_lab_with_one_site_has_nothing_to_cut() -> None:
    with pytest.raises(InvalidCloud, match="one site only"):
        meant(("a",), ("a",))
