"""`shell` opens a shell in a container, wherever it runs."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import sys
from pathlib import Path

import click

from cloudwright.cli.options import tell_lost, with_cloud_option

SHELL = "if command -v bash >/dev/null; then exec bash; else exec sh; fi"


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("name")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.option("-u", "--user", default="", help="As this user of the container.")
@with_cloud_option
def shell(path: Path, name: str, command: tuple[str, ...], user: str) -> None:
    """Open a shell in the container NAME (or `NAME@HOST`), or run COMMAND there.

    Its exit code is ours.
    """
    argv = asyncio.run(_argv(path, name, command, user))
    sys.stdout.flush()
    # A terminal wants the system's own ssh: it alone hands over window sizes, signals and the
    # exit code with nothing of ours in between. It gets the same key and known hosts as we use.
    os.execvp(argv[0], argv)


async def _argv(path: Path, name: str, command: tuple[str, ...], user: str) -> list[str]:
    from cloudwright.errors import Missing
    from cloudwright.execute.host.fleet import ssh_address
    from cloudwright.execute.host.locate import locate
    from cloudwright.execute.session import open_session
    from cloudwright.services import SERVICES
    from cloudwright.transport.client import ssh_argv

    if shutil.which("ssh") is None:
        raise Missing("this machine has no ssh", hint="apt install openssh-client")
    async with open_session(path, SERVICES, whole=False) as session:
        tell_lost(session.fleet.lost)
        found = await locate(session.fleet, session.cloud.name, name)
        if len(found) > 1:
            names = ", ".join(one.name for one in found)
            raise click.UsageError(f"{name} runs on several hosts; name one: {names}")
        one = found[0]
        kind = (await session.fleet.engine(one.host).version()).kind
        address = ssh_address(session.cloud.host(one.host), session.state / "lab")
    terminal = sys.stdin.isatty()
    words = [kind, "exec", "-it" if terminal else "-i"]
    words += ["--user", user] if user else []
    words += [one.state.name, *(command or ("sh", "-c", SHELL))]
    if address.user != "root":
        words = ["sudo", "-n", *words]
    return ssh_argv(address, shlex.join(words), terminal=terminal)
