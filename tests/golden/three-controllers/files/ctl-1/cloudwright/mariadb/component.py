"""Whether members that lost the whole cluster may go on as one, with nobody else."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet

from asked import FIRST, NEWEST, YES
from asking import ask, say

ASK_SECONDS = 1.0

TELL_SECONDS = 0.5
"""Between two words to the self-fence; views of a cut change within a second."""


def names_of(view: str) -> dict[str, str]:
    """Number → name of each member in what Galera tells of a view (`notify.sh`)."""
    parts = [member.split("/") for member in view.strip().split(",")]
    return {part[0]: part[1] for part in parts if len(part) > 1}


def may_go_on(last: Mapping[str, str], now: AbstractSet[str]) -> bool:
    """Whether those of `now` (numbers) may be the cluster, after the `last` whole one.

    Galera does it by itself only when each process of the last whole cluster is back. More than
    half of those very processes hold whatever it had acknowledged, and nobody else can have gone
    on without them.
    """
    return now <= last.keys() and 2 * len(now) > len(last)


def is_first(address: str, port: int) -> bool:
    """Whether this host's self-fence says that it is the one to do it; not when it is silent."""
    first: bool = ask(address, port, FIRST, ASK_SECONDS) == YES
    return first


def keep_telling(address: str, port: int, newest: Callable[[], int | None]) -> None:
    """Tell the self-fence for ever which was the newest whole cluster, while that is known."""
    while True:
        number = newest()
        if number is not None:
            say(address, port, NEWEST + str(number).encode())
        time.sleep(TELL_SECONDS)
