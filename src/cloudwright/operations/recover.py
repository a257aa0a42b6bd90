"""What the members of the clusters say after everything was down, and what that means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class MemberState:
    """One member: `state` is `up`, `founding`, `down`, `running` or `cut off` (its server runs and
    is not whole), or `silent` (no answer).

    `history` names the line of changes that its data belongs to, `position` counts them (-1: it
    holds nothing, None: not known); `view` is the last whole cluster it was in; `waits` is why it
    does not start, in its own words; `why` is why it is silent. `whole`: it is up with a majority
    of that; `left` are histories that were given up on a person's word.
    """

    host: str
    state: str
    history: str = ""
    position: int | None = None
    view: tuple[str, ...] = ()
    waits: str = ""
    why: str = ""
    whole: bool = False
    left: tuple[str, ...] = ()

    @property
    def is_up(self) -> bool:
        """Whether it is part of a whole cluster."""
        return self.state == "up"


def meaning(members: Sequence[MemberState]) -> tuple[str, ...]:
    """What the states mean together, in sentences: who knows most, who waits for whom."""
    up = [m.host for m in members if m.is_up]
    silent = [m.host for m in members if m.state == "silent"]
    lines = []
    if up:
        lines.append(f"{', '.join(up)}: a whole cluster; whoever is down joins it by itself")
    else:
        lines.append("no member is part of a whole cluster: no writes are taken")
    known = [m for m in members if not m.is_up and m.position is not None and m.position >= 0]
    if known and not up:
        most = max(m.position or 0 for m in known)
        best = [m.host for m in known if m.position == most]
        word = "knows" if len(best) == 1 else "know"
        lines.append(f"{', '.join(best)} {word} most of those that answer: {most} changes")
    if silent and not up:
        lines.append(f"{', '.join(silent)}: no answer, and may know more")
    return tuple(lines)


def can_go_without(members: Sequence[MemberState], dead: Sequence[str]) -> str:
    """Why `members` of a cluster cannot be told that `dead`, some of them, are; empty when they
    can."""
    if up := [member.host for member in members if member.whole]:
        return f"{', '.join(up)} is part of a whole cluster: whoever comes back joins it"
    if alive := [m.host for m in members if m.host in dead and m.state != "silent"]:
        return f"{', '.join(alive)} answers, so it is not dead"
    if not any(member.host not in dead and member.state != "silent" for member in members):
        return "nobody is left who answers"
    return ""


def statement(dead: Sequence[str]) -> str:
    """What a person has to type to take responsibility for what only the dead may know."""
    return f"{' and '.join(dead)} {'is' if len(dead) == 1 else 'are'} dead"
