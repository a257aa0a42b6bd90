"""The round of all checks, and the cures of what they found."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

from cloudwright.errors import CommandFailed
from cloudwright.execute.doctor import engine, machine
from cloudwright.execute.doctor.finding import Finding, Fix, install_command
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


async def cure(
    host: Host, findings: Sequence[Finding], tell: Callable[[str], None]
) -> tuple[Finding, ...]:
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


async def _apply(
    host: Host, findings: Sequence[Finding], tell: Callable[[str], None]
) -> list[Fix]:
    """What was done."""
    ill = [finding for finding in findings if finding.can_fix]
    packages = tuple({name for finding in ill for name in finding.fix.packages})
    if packages:
        tell(f"installing {', '.join(sorted(packages))}")
        await _install(host, packages)
    for finding in ill:
        if finding.fix.files:
            tell(f"writing {', '.join(file.path for file in finding.fix.files)}")
            await host.put(finding.fix.files)
        for command in finding.fix.commands:
            tell(f"running {command}")
            await host.run(command)
    return [finding.fix for finding in ill]


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
