"""How a container that several hosts have is remade: in which order, and how many at a time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Quorum:
    """Members vote: one after another, each healthy before the next, never below a majority.

    The container's health must say that the member is part of the whole (synced, has a leader),
    because the next one is stopped on that word. `cluster` is what containers of several names
    vote in together; empty for a container that votes with its like alone. `may_leave` is a
    command that ends with 0, run in the member that is next, when nothing depends on it.
    `speaks` is how members speak with each other: one that speaks otherwise than is declared can
    do nothing with those that were made anew, so that all of them are, at once.
    """

    cluster: str = ""
    may_leave: tuple[str, ...] = ()
    speaks: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Canary:
    """Any of them does: the first alone, then the rest, at most half of all at a time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Batches:
    """Each is its own host's affair: the first alone, then `percent` of all at a time.

    Only the first one's failure ends it: of a thousand hosts one is always broken.
    """

    percent: int = 10

    def at_once(self, hosts: int) -> int:
        """How many of `hosts` are remade side by side; at least one."""
        return max(1, hosts * self.percent // 100)


@dataclass(frozen=True, kw_only=True, slots=True)
class Alone:
    """How members that are no majority go on, on a person's word that all the others are dead.

    `how` is what their agents do (`declare.member`), `lost` what may be lost by it.
    """

    how: str
    lost: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Recount:
    """What has a client forget how far a cluster had counted that was then founded anew; it would
    take the new one for one that lags behind. An empty `command`: the container is restarted."""

    command: tuple[str, ...] = ()


Rollout = Quorum | Canary | Batches
