"""The round of all checks, and the cures of what they found."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial

from cloudwright.errors import CommandFailed
from cloudwright.execute.doctor import engine, machine
from cloudwright.execute.doctor.finding import Finding, Fix, install_command
from cloudwright.execute.pieces import PiecesBegan, TellPiece, begin
from cloudwright.transport.host import Host

INSTALL_SECONDS = 900.0

_CHECKS = (
    machine.check_system,
    machine.check_packages,
    machine.check_size,
    machine.check_kernel,
    machine.check_bridges,
    machine.check_kvm,
    machine.check_tun,
    machine.check_shell,
    machine.check_mirror,
    engine.check_store,
    engine.check_engine,
)


async def diagnose(host: Host) -> tuple[Finding, ...]:
    """Look at everything; changes nothing. Takes a few seconds, for a container is started."""
    found = await asyncio.gather(*(check(host) for check in _CHECKS))
    return tuple(finding for part in found for finding in part)


async def cure(host: Host, findings: Sequence[Finding], tell: TellPiece) -> tuple[Finding, ...]:
    """Apply the fix of every finding that has one, and look again; right to run again.

    Two rounds: what only shows once packages are there is cured in the second. Returns what is
    found then: `tried` are those whose fix did not help. Raises CommandFailed when a package
    cannot be installed.
    """
    tried = await _apply(host, findings, tell)
    found = await diagnose(host)
    if any(fix.packages for fix in tried):
        tried += await _apply(host, found, tell)
        found = await diagnose(host)
    return tuple(replace(f, tried=f.can_fix and f.fix in tried) for f in found)


async def _apply(host: Host, findings: Sequence[Finding], tell: TellPiece) -> list[Fix]:
    """Do what cures them, one after the other: packages first, for others need them.

    Returns what was done.
    """
    ill = [finding.fix for finding in findings if finding.can_fix]
    packages = tuple({name for fix in ill for name in fix.packages})
    todo: dict[str, Callable[[], Awaitable[object]]] = {}
    if packages:
        todo[f"installing {', '.join(sorted(packages))}"] = partial(_install, host, packages)
    for fix in ill:
        if fix.files:
            paths = ", ".join(file.path for file in fix.files)
            todo[f"writing {paths}"] = partial(host.put, fix.files)
        for command in fix.commands:
            todo[f"running {command}"] = partial(host.run, command)
    names = list(todo)
    tell(PiecesBegan(needs={n: frozenset(names[:at]) for at, n in enumerate(names)}))
    for name, work in todo.items():
        done = begin(tell, name)
        await work()
        done()
    return ill


async def _install(host: Host, packages: tuple[str, ...]) -> None:
    command = install_command(packages)
    done = await host.run(command, check=False, timeout=INSTALL_SECONDS)
    if done.status != 0:
        raise CommandFailed(
            f"apt-get install {' '.join(sorted(packages))}",
            done.status,
            done.output,
            where=host.name,
            hint="see that apt reaches its mirror (`apt-get update`), then do the same again",
        )
