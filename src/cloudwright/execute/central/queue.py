"""RabbitMQ's accounts, tried as services use them: log in, and open a virtual host."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cloudwright.engine.api import Engine
from cloudwright.errors import CommandFailed, HostError
from cloudwright.execute.central import amqp
from cloudwright.plan.steps import MakeQueueUser

ANSWER_SECONDS = 10.0
"""RabbitMQ lets who fails to log in wait for some of them, so that guessing is slow."""


@dataclass(frozen=True, kw_only=True, slots=True)
class QueueServer:
    """The members of the message queue's cluster, each behind a local UNIX socket.

    `sockets` is address → socket; `tls` trusts the authority that vouches for the addresses.
    """

    sockets: Mapping[str, Path]
    tls: ssl.SSLContext

    async def difference(self, user: str, password: str, vhost: str) -> str:
        """Why this user cannot work in this virtual host, in words; empty when it can.

        The first member that answers is believed: accounts are the cluster's. Raises HostError
        when none does.
        """
        *first, last = self.sockets
        for address in first:
            with contextlib.suppress(HostError):
                return await self._ask(address, user, password, vhost)
        return await self._ask(last, user, password, vhost)

    async def _ask(self, address: str, user: str, password: str, vhost: str) -> str:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                reader, writer = await asyncio.open_unix_connection(
                    str(self.sockets[address]), ssl=self.tls, server_hostname=address
                )
                try:
                    return await _try(reader, writer, user, password, vhost)
                finally:
                    writer.close()
        except (OSError, EOFError, TimeoutError, ValueError) as err:
            why = str(err) or type(err).__name__
            raise HostError("the message queue does not answer", why=why) from err


async def make_user(engine: Engine, action: MakeQueueUser) -> None:
    """Put the account right with RabbitMQ's own tool, as the file that the server starts with."""
    done = await engine.exec(action.container, list(action.repair))
    if done.exit_code:
        raise CommandFailed(action.repair[0], done.exit_code, done.output, where=action.container)


async def _try(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    user: str,
    password: str,
    vhost: str,
) -> str:
    try:
        proposal = await amqp.log_in(reader, writer, user, password)
    except amqp.Refused:
        return f"user {user} cannot log in"
    try:
        await amqp.open_vhost(reader, writer, proposal, vhost)
    except amqp.Refused as err:
        return f"user {user} cannot use {vhost}: {err}"
    writer.write(amqp.goodbye())
    await writer.drain()
    return ""
