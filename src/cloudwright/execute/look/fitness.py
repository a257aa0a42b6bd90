"""What would make a plan fail half-way: a taken port, a full disk, a wrong clock; seen before."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from cloudwright.declare.at import Listener
from cloudwright.errors import Missing
from cloudwright.execute.host.fleet import Fleet
from cloudwright.execute.look.strays import strays
from cloudwright.model.cloud import Cloud, Host
from cloudwright.plan.blueprint import Blueprint
from cloudwright.plan.difference import Plan, Planned
from cloudwright.plan.render import CONFIG_DIRECTORY
from cloudwright.plan.steps import Action, MakeVolume, RunContainer, RunJob, WriteFiles

MIB = 1024**2
MAX_SKEW_SECONDS = 2.0
"""Fernet tokens and certificates of another host are refused when clocks differ by more."""

LEAST_FREE = {CONFIG_DIRECTORY: 16 * MIB, "/var/lib/containers": 1024 * MIB}
"""Bytes below a directory, or where it will be: all config of a host is under 1 MiB, and with
less than a GiB a database cannot even make its logs."""

# One line a fact. A directory that is not there yet will be where its parent is.
_QUESTIONS = (
    "date +'now %s.%N'; "
    f"for d in {' '.join(LEAST_FREE)}; do e=$d; "
    'until [ -d "$e" ]; do e=$(dirname "$e"); done; '
    'echo "free $d $(df -PB1 "$e" | awk \'NR==2 {print $4}\')"; done; '
    "ss -Hltnp 2>/dev/null | sed 's/^/port /'"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Condition:
    """One host as it is now: seconds that its clock is ahead of ours at least (negative: behind),
    free bytes by directory, who listens on which address and port, and containers that have a
    process: running, or on their way to an end; `leaving` are those of them that are the cloud's
    and that nothing declares any more."""

    skew: float = 0.0
    free: Mapping[str, int] = field(default_factory=dict)
    listeners: Mapping[Listener, str] = field(default_factory=dict)
    alive: frozenset[str] = frozenset()
    leaving: frozenset[str] = frozenset()


async def refuse_unfit(fleet: Fleet, cloud: Cloud, blueprint: Blueprint, plan: Plan) -> None:
    """Raise Missing with everything that stands in the plan's way; nothing has been touched."""
    hosts = [h for h in cloud.hosts if any(p.step.host == h.name for p in plan.planned)]
    conditions = await asyncio.gather(*(look(fleet, host, blueprint) for host in hosts))
    refuse(plan, dict(zip(hosts, conditions, strict=True)))


def refuse(plan: Plan, conditions: Mapping[Host, Condition]) -> None:
    """Raise Missing with everything that stands in the plan's way on hosts of these conditions."""
    problems = [
        (host.name, text, hint)
        for host, condition in conditions.items()
        for text, hint in unfit(host, condition, plan.planned)
    ]
    if len(problems) == 1:
        name, text, hint = problems[0]
        raise Missing(text, where=name, hint=f"{hint}; nothing was touched")
    if problems:
        raise Missing(
            f"{len(problems)} things on the hosts stand in the plan's way",
            where=plan.cloud,
            why="\n".join(f"{name}: {text}" for name, text, _ in problems),
            hint=f"{'; '.join(dict.fromkeys(h for _, _, h in problems))}; nothing was touched",
        )


def unfit(
    host: Host, condition: Condition, planned: Iterable[Planned]
) -> Iterator[tuple[str, str]]:
    """(what is wrong, what to do) for what is planned on this host."""
    own = [p for p in planned if p.step.host == host.name]
    if abs(condition.skew) > MAX_SKEW_SECONDS:
        word = "ahead of" if condition.skew > 0 else "behind"
        yield (
            f"its clock is {abs(condition.skew):.0f} s {word} this machine's",
            "run a time service (chrony) on both",
        )
    yield from _full(condition, own)
    yield from taken(condition, (p.step.action for p in own))


def _full(condition: Condition, own: Iterable[Planned]) -> Iterator[tuple[str, str]]:
    if not any(isinstance(p.step.action, _WRITES) for p in own):
        return
    for directory, free in condition.free.items():
        least = LEAST_FREE[directory]
        if free < least:
            yield (
                f"no space: {free // MIB} MiB are free below {directory}, "
                f"and {least // MIB} MiB are needed",
                f"make room below {directory}",
            )


_WRITES = (WriteFiles, RunContainer, RunJob, MakeVolume)


EVERYWHERE = ("0.0.0.0", "*", "[::]")
"""Who listens there has the port on every address."""


def taken(condition: Condition, actions: Iterable[Action]) -> Iterator[tuple[str, str]]:
    """(what is wrong, what to do) for each container that is to run and does not, and the program
    that listens where it will.

    A container that is about to leave may be that program, and nobody is to stop it by hand: while
    there is one, nothing is said.
    """
    for action in () if condition.leaving else actions:
        if not isinstance(action, RunContainer) or action.container in condition.alive:
            continue
        ports: dict[str, set[int]] = {}
        for address, port in action.listeners:
            found = (condition.listeners.get((a, port)) for a in (address, *EVERYWHERE))
            if program := next(filter(None, found), None):
                ports.setdefault(program, set()).add(port)
        for program, having in ports.items():
            named = ", ".join(map(str, sorted(having)))
            one = len(having) == 1
            yield (
                f"port{'s' * (not one)} {named} {'is' if one else 'are'} taken by {program}; "
                f"{action.container} needs {'it' if one else 'them'}",
                f"stop that program, or move it to {'another port' if one else 'other ports'}",
            )


async def look(fleet: Fleet, host: Host, blueprint: Blueprint) -> Condition:
    """How the host is now."""
    before = time.time()
    done = await fleet.host(host.name).run(_QUESTIONS, check=False)
    condition = parse(done.stdout, before, time.time())
    containers = await fleet.engine(host.name).containers()
    alive = [c for c in containers if c.state not in _ENDED]
    own = (step for step in blueprint.steps.values() if step.host == host.name)
    leaving = frozenset(one.name for one in strays(alive, blueprint.cloud, own))
    return replace(condition, alive=frozenset(c.name for c in alive), leaving=leaving)


_ENDED = ("created", "exited", "dead")


def parse(text: str, before: float, after: float) -> Condition:
    """What a host said; it looked at its clock between `before` and `after`, by ours."""
    skew, free, listeners = 0.0, {}, {}
    for line in text.splitlines():
        kind, _, rest = line.partition(" ")
        words = rest.split()
        if kind == "now":
            skew = clock_skew(float(rest), before, after)
        elif kind == "free" and len(words) == 2:
            free[words[0]] = int(words[1])
        elif kind == "port" and len(words) >= 4:
            address, _, port = words[3].rpartition(":")
            program = rest.split('"')[1] if '"' in rest else "a program"
            if port.isdigit():
                listeners[address, int(port)] = program
    return Condition(skew=skew, free=free, listeners=listeners)


def clock_skew(now: float, before: float, after: float) -> float:
    """Seconds that a clock is ahead of ours at least (negative: behind), which said `now` some
    time between `before` and `after` by ours."""
    return now - after if now > after else min(now - before, 0.0)
