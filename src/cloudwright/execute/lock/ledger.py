"""What stands about runs on each host that votes: the lock, the last run, records and journals."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from cloudwright.errors import HostError
from cloudwright.execute.journal.holder import Holder, from_text, to_text
from cloudwright.execute.lock.decide import Unknown
from cloudwright.model.cloud import Cloud
from cloudwright.transport.host import Host

DIRECTORY = "/var/lib/cloudwright/ledger"

KEPT_RUNS = 100
"""Runs whose record and journal a host keeps; an older one goes when a new one ends."""

# Each script is one critical section of its host (flock), every file is whole or not there (mv),
# and what is written comes on standard input: nothing of it is in a process list.
_ENTER = """umask 077; mkdir -p {d}/runs && cd {d} || exit 73
exec 9>guard; flock -w 10 9 || {{ echo 'another process keeps the lock file' >&2; exit 75; }}
write() {{ cat >"$1.new" && mv "$1.new" "$1"; }}
held() {{ there=; [ ! -f lock ] || IFS= read -r there <lock; [ "$there" = "$1" ]; }}
IFS= read -r run; IFS= read -r first; IFS= read -r second
"""
_SHOW = """
if [ -f last ]; then printf 'last %s\\n' "$(head -n 1 last)"; fi
if [ -f lock ]; then printf 'run %s\\nlock %s\\n' "$(head -n 1 lock)" "$(tail -n 1 lock)"; fi
"""
_PEEK = "cd {d} 2>/dev/null || exit 0" + _SHOW
_TAKE = (
    _ENTER
    + """if [ ! -f lock ]; then printf '%s\\n%s\\n' "$run" "$first" | write lock || exit 74; fi
if held "$run"; then printf '%s\\n' "$second" | write "runs/$run.json" || exit 74; fi
"""
    + _SHOW
)
_REPLACE = (
    _ENTER
    + """IFS= read -r old
if held "$old" || [ ! -f lock ]; then
printf '%s\\n%s\\n' "$run" "$first" | write lock || exit 74
printf '%s\\n' "$second" | write "runs/$run.json"
fi
"""
    + _SHOW
)
_WITHDRAW = _ENTER + 'if held "$run"; then rm -f lock; fi; rm -f "runs/$run.json"\n' + _SHOW
_DROP = _ENTER + 'if held "$run"; then rm -f lock; echo dropped; fi\n' + _SHOW
_FORGET = """ls -1r runs | sed 's/\\.json.*$//' | uniq | awk 'NR > {kept}' |
while IFS= read -r old; do rm -f "runs/$old.json" "runs/$old.jsonl.gz"; done
"""
_END = (
    _ENTER
    + """if held "$run"; then rm -f lock; else echo lost; fi
printf '%s\\n' "$run" | write last; printf '%s\\n' "$first" | write "runs/$run.json"
if [ "$second" = journal ]; then write "runs/$run.jsonl.gz"; fi
"""
    + _FORGET
)
# Who holds no lock makes no host remember that has forgotten whose it is.
_NOTE = (
    _ENTER
    + """printf '%s\\n' "$first" | write "runs/$run.json" || exit 74
if [ "$second" = ended ]; then
if [ -f last ]; then printf '%s\\n' "$run" | write last; fi
"""
    + _FORGET
    + "fi\n"
)
_ADD_JOURNAL = (
    _ENTER
    + """if [ -f "runs/$run.json" ] && [ ! -e "runs/$run.jsonl.gz" ]; then
write "runs/$run.jsonl.gz" || {{ rm -f "runs/$run.jsonl.gz.new"; exit 74; }}
fi
"""
)
_TO_DISK = _ENTER + "sync lock . || exit 74\n"
_ERASE = (
    _ENTER
    + """if held "$run"; then cd / && rm -rf {d} && rmdir "$(dirname {d})" 2>/dev/null || true
else echo lost; fi
"""
)
_RECORDS = "cd {d}/runs 2>/dev/null || exit 0; cat *.json 2>/dev/null; true"


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """What one host said: who has the lock (None: nobody), the last run that ended, and more."""

    holder: Holder | None = None
    last: str = ""
    words: frozenset[str] = frozenset()

    @property
    def is_blank(self) -> bool:
        """Whether it remembers no run: it is new, or its disk was emptied. A run that ends is
        written on every host, so only who had the lock ever makes it remember again."""
        return not self.last


T = TypeVar("T")
Pages = Mapping[str, Page | Unknown]


def voters(cloud: Cloud) -> tuple[str, ...]:
    """The hosts that keep the lock: all controllers, and every host of a site that only votes."""
    return tuple(
        host.name
        for host in cloud.hosts
        if "control" in host.roles or cloud.site(host.site).witness
    )


def ledger_of(cloud: Cloud, hosts: Mapping[str, Host], lost: Mapping[str, str]) -> Ledger:
    """The ledger of a cloud over the hosts that were reached; `lost`: why others were not."""
    names = voters(cloud)
    return Ledger(
        hosts={name: hosts[name] for name in names if name in hosts},
        absent={n: lost.get(n, "not connected") for n in names if n not in hosts},
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Ledger:
    """The hosts that vote, by name, and the directory on each. One round trip a call and host.

    `absent` are those that vote and cannot be reached, and why. A host that takes longer than
    `patience`, in seconds, is not waited for.
    """

    hosts: Mapping[str, Host]
    absent: Mapping[str, str] = field(default_factory=dict)
    directory: str = DIRECTORY
    patience: float = 30.0

    async def peek(self) -> Pages:
        """What stands there; changes nothing."""
        return await self._all(_PEEK, lambda host: b"")

    async def take(self, holder: Holder, record: str) -> Pages:
        """Become the holder wherever nobody is; `record` is a line about the run."""
        lines = _lines(holder.run, to_text(holder), record)
        return await self._all(_TAKE, lambda host: lines)

    async def replace(self, entries: Mapping[str, str], holder: Holder, record: str) -> Pages:
        """Become the holder on the hosts of `entries` where the run named there still is."""
        lines = _lines(holder.run, to_text(holder), record)
        return await self._some(entries, _REPLACE, lambda host: lines + _lines(entries[host]))

    async def withdraw(self, run: str) -> Pages:
        """Let go what a run took, as if it had never been."""
        return await self._all(_WITHDRAW, lambda host: _lines(run, "", ""))

    async def drop(self, entries: Mapping[str, str]) -> Pages:
        """Break the lock on the hosts of `entries` where the run named there still has it."""
        return await self._some(entries, _DROP, lambda host: _lines(entries[host], "", ""))

    async def end(self, run: str, record: str, journal: bytes) -> Pages:
        """Let go, and leave the run's record and journal (gzip; may be empty) behind."""
        lines = _lines(run, record, "journal" if journal else "") + journal
        return await self._all(_END, lambda host: lines)

    async def note(self, run: str, record: str, *, ended: bool) -> Pages:
        """Leave the record of a run that holds nothing, as it begins or has `ended`."""
        lines = _lines(run, record, "ended" if ended else "")
        return await self._all(_NOTE, lambda host: lines)

    async def add_journal(self, run: str, journal: bytes) -> Pages:
        """Leave the journal (gzip) of a run that did not end beside its record, where there is a
        record and no journal yet."""
        lines = _lines(run, "", "") + journal
        return await self._all(_ADD_JOURNAL, lambda host: lines)

    async def to_disk(self) -> Pages:
        """Have the lock survive a loss of power: else the last half minute may be lost with it,
        or leave a lock that nobody can read."""
        return await self._all(_TO_DISK, lambda host: _lines("", "", ""))

    async def erase(self, run: str) -> Pages:
        """Let go, and leave nothing at all behind: the cloud is gone."""
        return await self._all(_ERASE, lambda host: _lines(run, "", ""))

    async def records(self) -> Mapping[str, str | Unknown]:
        """Host → the records that it keeps, a line each."""
        asked = await self._each(self.hosts, lambda host: self._text(host, _RECORDS, b""))
        return {**asked, **self._absent()}

    async def journal(self, run: str) -> bytes | None:
        """The journal of a run (gzip) from the first host that has it; None when none has."""
        path = f"{self.directory}/runs/{run}.jsonl.gz"
        for host in self.hosts.values():
            try:
                return await host.get(path)
            except HostError:
                continue
        return None

    async def _all(self, script: str, stdin: Callable[[str], bytes]) -> Pages:
        return {**await self._some(self.hosts, script, stdin), **self._absent()}

    def _absent(self) -> dict[str, Unknown]:
        return {host: Unknown(why=why) for host, why in self.absent.items()}

    async def _some(
        self, names: Mapping[str, object], script: str, stdin: Callable[[str], bytes]
    ) -> Pages:
        async def page(name: str) -> Page:
            return _page(await self._text(name, script, stdin(name)))

        return await self._each(names, page)

    async def _text(self, name: str, script: str, stdin: bytes) -> str:
        command = script.format(d=shlex.quote(self.directory), kept=KEPT_RUNS)
        return (await self.hosts[name].run(command, stdin=stdin, timeout=self.patience)).stdout

    async def _each(
        self, names: Mapping[str, object], ask: Callable[[str], Awaitable[T]]
    ) -> dict[str, T | Unknown]:
        async def one(name: str) -> T | Unknown:
            try:
                return await ask(name)
            except HostError as error:
                why = f"{error.what}: {error.why}" if error.why else error.what
                return Unknown(why=why.strip())

        return dict(zip(names, await asyncio.gather(*map(one, names)), strict=True))


def forgetful(pages: Pages) -> frozenset[str]:
    """The hosts that remember no run; all that answer where there never was one."""
    return frozenset(h for h, page in pages.items() if isinstance(page, Page) and page.is_blank)


def _lines(*words: str) -> bytes:
    return "".join(f"{word}\n" for word in words).encode()


def _page(text: str) -> Page:
    holder, run, last, words = None, "", "", set()
    for line in text.splitlines():
        word, _, rest = line.partition(" ")
        match word:
            case "lock":
                holder = from_text(rest, run)
            case "run":
                run = rest
            case "last":
                last = rest
            case _:
                words.add(word)
    return Page(holder=holder, last=last, words=frozenset(words))
