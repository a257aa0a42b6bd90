"""Changes of files and restarts in words and as plain data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from cloudwright.plan.changes import FileChange, OptionChange
from cloudwright.plan.difference import Change
from cloudwright.plan.impact import Restart

UNSET = "not set"
MAX_HOSTS = 4
"""Names of hosts in one line; of more it says how many there are."""


def change_lines(changes: Iterable[FileChange]) -> Iterator[str]:
    """One line for each option that differs: old → new and where the new value comes from."""
    for change in changes:
        if change.change is Change.REMOVE:
            yield f"- {change.file}: no service has such a file"
        for option in change.options:
            yield (
                f"{_sign(option)} {change.file} [{option.section}] {option.option} = "
                f"{_side(option.old, option)} → {_side(option.new, option)}  ({option.origin})"
            )
        for line in change.lines:
            yield f"  {change.file}: {line}" if line[:1] in "+-" else f"  {line}"


def _sign(option: OptionChange) -> str:
    if option.old is None:
        return "+"
    return "-" if option.new is None else "~"


def _side(shown: str | None, option: OptionChange) -> str:
    if shown is None:
        return f"{UNSET} (default {option.default})" if option.default else UNSET
    return shown or '""'


def restart_lines(
    restarts: Sequence[Restart], rereads: Mapping[str, tuple[str, ...]]
) -> Iterator[str]:
    """Which containers restart, in which order, and what somebody at an API notices of it.

    `rereads` are those that read their files again as they go on.
    """
    names = [*(restart.container for restart in restarts), *rereads]
    if not names:
        return
    width = max(map(len, names))
    if restarts:
        yield "restarts, in this order:"
    for restart in restarts:
        yield f"  {restart.container:<{width}}  on {_hosts(restart.hosts)}{_turns(restart)}"
    if rereads:
        yield "read their files again, without a restart:"
    for name, hosts in rereads.items():
        yield f"  {name:<{width}}  on {_hosts(hosts)}"
    silent = dict.fromkeys(name for restart in restarts for name in restart.silent)
    if silent:
        yield f"an API's user notices: seconds without {', '.join(silent)}"
    else:
        yield "an API's user notices: nothing"


def _hosts(hosts: Sequence[str]) -> str:
    if len(hosts) <= MAX_HOSTS:
        return ", ".join(hosts)
    return f"{', '.join(hosts[: MAX_HOSTS - 1])} and {len(hosts) - MAX_HOSTS + 1} more"


def _turns(restart: Restart) -> str:
    if len(restart.hosts) == 1:
        return ""
    return ", at once" if restart.at_once else ", in turns"


def changes_json(changes: Iterable[FileChange]) -> list[dict[str, Any]]:
    """As plain data; a side is null where no file says anything."""
    return [
        {
            "file": change.file,
            "change": change.change.name.lower(),
            "options": [
                {
                    "section": o.section,
                    "option": o.option,
                    "old": o.old,
                    "new": o.new,
                    "origin": o.origin,
                    "default": o.default,
                }
                for o in change.options
            ],
            "lines": list(change.lines),
        }
        for change in changes
    ]


def restarts_json(restarts: Iterable[Restart]) -> list[dict[str, Any]]:
    """Container, its hosts, in order or `at_once`, and the APIs silent for seconds meanwhile."""
    return [
        {
            "container": r.container,
            "hosts": list(r.hosts),
            "at_once": r.at_once,
            "silent": list(r.silent),
        }
        for r in restarts
    ]
