"""How long voters take to answer each other, measured by themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence

from cloudwright.execute.host.fleet import Fleet
from cloudwright.model.cloud import VOTERS, Cloud, Host

# All at once, one line an answer: `trip ADDRESS SECONDS`. Five packets, or where ping is not there
# or not let through, five connections to the SSH server that we came by: each takes a round trip.
_QUESTION = r"""
for to in {targets}; do (
  address=${{to%:*}}; port=${{to##*:}}
  LC_ALL=C ping -n -c 5 -i 0.2 -w 5 "$address" 2>/dev/null |
    sed -n "s/.*[ =]time=\([0-9.]*\) ms.*/trip $address \1 ms/p" | grep . && exit
  LC_ALL=C timeout 10 bash -c '
    for try in 1 2 3 4 5; do
      from=${{EPOCHREALTIME/./}}
      {{ exec 3<>"/dev/tcp/$0/$1"; }} 2>/dev/null || exit
      echo "trip $0 $((${{EPOCHREALTIME/./}} - from)) us"
      exec 3>&-
    done' "$address" "$port"
) & done; wait
"""
_UNITS = {"ms": 1e-3, "us": 1e-6}

Trips = Mapping[str, Mapping[str, tuple[float, ...]]]
"""From a voter's name to another's: the round trips in seconds, none when there was no answer."""


async def measure(fleet: Fleet, cloud: Cloud) -> Trips:
    """The round trips of every pair of voters that were reached, each pair once: all hosts at a
    time, one command on each, about a second."""
    voters = [host for host in cloud.hosts_with(VOTERS) if host.name in fleet.members]
    asked = [(host, voters[index + 1 :]) for index, host in enumerate(voters[:-1])]
    answers = await asyncio.gather(*(_ask(fleet, host, others) for host, others in asked))
    return {host.name: answer for (host, _), answer in zip(asked, answers, strict=True)}


async def _ask(
    fleet: Fleet, host: Host, others: Sequence[Host]
) -> Mapping[str, tuple[float, ...]]:
    done = await fleet.host(host.name).run(question(others), check=False)
    return dict(read(done.stdout, others))


def question(others: Iterable[Host]) -> str:
    """The shell command that measures the way to each of `others`."""
    return _QUESTION.format(targets=" ".join(f"{o.address}:{o.ssh.port}" for o in others))


def read(text: str, others: Iterable[Host]) -> Iterator[tuple[str, tuple[float, ...]]]:
    """Name and seconds of each of `others`, from what the command said."""
    rows = [line.split() for line in text.splitlines()]
    trips = [row for row in rows if len(row) == 4 and row[0] == "trip" and row[3] in _UNITS]
    for other in others:
        yield (
            other.name,
            tuple(float(row[2]) * _UNITS[row[3]] for row in trips if row[1] == other.address),
        )
