"""Which sites of a lab reach each other, and what their uplinks must do for that.

The sites meet at one bridge. An uplink that is `down` cuts its site off from everything; uplinks
that are `isolated` reach this machine and whatever is not, but not each other (Linux bridge
ports).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import combinations
from typing import Literal

from cloudwright.errors import InvalidCloud, Problem

Uplink = Literal["up", "isolated", "down"]
Pair = frozenset[str]


def pairs_cut(uplinks: Mapping[str, Uplink]) -> frozenset[Pair]:
    """The pairs of sites that do not reach each other."""
    return frozenset(
        frozenset(pair)
        for pair in combinations(uplinks, 2)
        if any(uplinks[site] == "down" for site in pair)
        or all(uplinks[site] == "isolated" for site in pair)
    )


def uplinks_for(pairs: Collection[Pair], sites: Sequence[str]) -> dict[str, Uplink]:
    """How each site's uplink must be for exactly `pairs` to be cut.

    Raises InvalidCloud where one bridge cannot do that: with four sites and more, some patterns
    (`a` from `b`, and `c` from `d`) need links of their own.
    """
    wanted = frozenset(pairs)
    alone = {s for s in sites if all(frozenset((s, o)) in wanted for o in sites if o != s)}
    for down in (frozenset[str](), frozenset(alone)):
        rest = {site for pair in wanted if not pair & down for site in pair}
        uplinks: dict[str, Uplink] = {
            site: "down" if site in down else "isolated" if site in rest else "up"
            for site in sites
        }
        if pairs_cut(uplinks) == wanted:
            return uplinks
    text = ", ".join(sorted("-".join(sorted(pair)) for pair in wanted))
    raise InvalidCloud(
        (
            Problem(
                file="cloud.yaml",
                text=f"the lab cannot cut just {text}",
                hint="join some of them again first, or cut a site from all others",
            ),
        )
    )


def meant(names: Sequence[str], sites: Sequence[str]) -> frozenset[Pair]:
    """The pairs that one site (with all others), or every two of several, make.

    Raises InvalidCloud for a site that is not there or stands alone.
    """
    unknown = [name for name in names if name not in sites]
    if unknown or len(sites) < 2:
        text = f"no site is called {unknown[0]}" if unknown else "there is one site only"
        raise InvalidCloud((Problem(file="cloud.yaml", text=text, hint=", ".join(sites)),))
    if len(names) == 1:
        return frozenset(frozenset((names[0], other)) for other in sites if other != names[0])
    return frozenset(frozenset(pair) for pair in combinations(names, 2))
