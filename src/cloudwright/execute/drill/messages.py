"""The load that publishes messages, each confirmed by a majority, and takes them out again."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from dataclasses import dataclass, field, replace

from cloudwright.engine.api import Engine
from cloudwright.errors import CommandFailed
from cloudwright.execute.central import amqp
from cloudwright.execute.drill.load import CONNECT_SECONDS, TRY_SECONDS, NoAnswerError
from cloudwright.operations.drill.verdict import MESSAGES

VHOST = "cloudwright-drill"
QUEUE = "drill"
EVERY_SECONDS = 0.4


@dataclass(frozen=True, kw_only=True, slots=True)
class Broker:
    """The members that clients know, as services know them, and the account they use."""

    members: tuple[tuple[str, int], ...]
    user: str
    password: str
    group: int
    """How many members keep each message."""
    tls: ssl.SSLContext
    """Trusts the authority that vouches for the members."""

    def __repr__(self) -> str:
        return f"Broker({self.members})"

    async def channel(self) -> amqp.Channel:
        """A channel at the first member that gives one; NoAnswerError when none does."""
        last = "no member is known"
        for address, port in self.members:
            try:
                return await self._open(address, port)
            except (OSError, EOFError, ValueError, TimeoutError, amqp.Refused) as err:
                last = str(err) or type(err).__name__
        raise NoAnswerError(last)

    async def _open(self, address: str, port: int) -> amqp.Channel:
        async with asyncio.timeout(CONNECT_SECONDS):
            reader, writer = await asyncio.open_connection(address, port, ssl=self.tls)
        try:
            async with asyncio.timeout(TRY_SECONDS):
                proposal = await amqp.log_in(reader, writer, self.user, self.password)
                await amqp.open_vhost(reader, writer, proposal, VHOST)
                channel = await amqp.open_channel(reader, writer)
                await channel.declare_quorum(QUEUE, self.group)
                await channel.confirm()
                return channel
        except BaseException:
            writer.close()
            raise


@dataclass(kw_only=True, slots=True)
class Messages:
    """One message each time, over a connection that is kept until it fails."""

    broker: Broker
    name: str = MESSAGES
    every: float = EVERY_SECONDS
    acknowledged: set[int] = field(default_factory=set)
    _channel: amqp.Channel | None = None

    def another(self) -> Messages:
        """A second client, with a connection of its own that tries the members in another order,
        and the same list of what was confirmed."""
        members = (*self.broker.members[1:], *self.broker.members[:1])
        broker = replace(self.broker, members=members)
        return Messages(broker=broker, acknowledged=self.acknowledged)

    async def attempt(self, number: int, *, again: bool) -> None:
        """Publish message `number` and wait for its confirmation."""
        try:
            if self._channel is None:
                self._channel = await self.broker.channel()
            async with asyncio.timeout(TRY_SECONDS):
                await self._channel.publish(QUEUE, str(number).encode())
        except (OSError, EOFError, ValueError, TimeoutError, amqp.Refused) as err:
            await self.close()
            raise NoAnswerError(str(err) or type(err).__name__) from err
        self.acknowledged.add(number)

    async def close(self) -> None:
        """Let the connection go."""
        channel, self._channel = self._channel, None
        if channel is not None:
            with contextlib.suppress(OSError):
                channel.writer.close()


async def drain(broker: Broker) -> frozenset[int]:
    """Take every message out of the queue and return their numbers."""
    channel = await broker.channel()
    found = set()
    while (body := await channel.get(QUEUE)) is not None:
        found.add(int(body))
    channel.writer.close()
    return frozenset(found)


async def make_vhost(engine: Engine, user: str) -> None:
    """A virtual host of the drill's own, where the services' account may work."""
    await remove_vhost(engine)
    await _tool(engine, "add_vhost", VHOST, "--default-queue-type", "quorum")
    await _tool(engine, "set_permissions", "-p", VHOST, user, ".*", ".*", ".*")


async def remove_vhost(engine: Engine) -> None:
    """Remove it with all that is in it; again changes nothing."""
    listed = await _tool(engine, "-q", "list_vhosts", "name")
    if VHOST in listed.split():
        await _tool(engine, "delete_vhost", VHOST)


async def _tool(engine: Engine, *words: str) -> str:
    done = await engine.exec("rabbitmq", ["rabbitmqctl", *words])
    if done.exit_code:
        raise CommandFailed(" ".join(("rabbitmqctl", *words)), done.exit_code, done.output)
    return done.output
