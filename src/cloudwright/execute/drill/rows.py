"""The load that writes rows through the database's load-balanced port, as services do."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pymysql

from cloudwright.execute.central.database import DatabaseServer
from cloudwright.execute.drill.load import CONNECT_SECONDS, TRY_SECONDS, NoAnswerError
from cloudwright.operations.drill.verdict import ROWS

DATABASE = "cloudwright_drill"
USER = "cloudwright_drill"
ORIGINS = ("%", "localhost")
EVERY_SECONDS = 0.4

TABLES = (
    f"CREATE TABLE `{DATABASE}`.written (n INT PRIMARY KEY)",
    f"CREATE TABLE `{DATABASE}`.sampled (host VARCHAR(64), n INT, PRIMARY KEY (host, n))",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Door:
    """Where clients reach the database, and as whom; made for one drill alone."""

    address: str
    port: int
    password: str
    tls: ssl.SSLContext
    """Trusts the authority that vouches for the address."""

    def __repr__(self) -> str:
        return f"Door({self.address}:{self.port})"

    def open(self) -> Any:
        """A connection that fails rather than hangs."""
        return pymysql.connect(
            host=self.address,
            port=self.port,
            user=USER,
            password=self.password,
            database=DATABASE,
            ssl=self.tls,
            autocommit=True,
            connect_timeout=int(CONNECT_SECONDS) or 1,
            read_timeout=int(TRY_SECONDS),
            write_timeout=int(TRY_SECONDS),
        )


@dataclass(kw_only=True, slots=True)
class Rows:
    """One row each time, over a connection that is kept until it fails."""

    door: Door
    name: str = ROWS
    every: float = EVERY_SECONDS
    acknowledged: set[int] = field(default_factory=set)
    _connection: Any = None
    _thread: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(max_workers=1, thread_name_prefix="rows")
    )

    def another(self) -> Rows:
        """A second client, with a connection of its own and the same list of what was written."""
        return Rows(door=self.door, acknowledged=self.acknowledged)

    async def attempt(self, number: int, *, again: bool) -> None:
        """Write row `number`; a row that the first try wrote without an answer is no error."""
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._thread, self._write, number)
        except (pymysql.MySQLError, OSError) as err:
            raise NoAnswerError(str(err)) from err
        self.acknowledged.add(number)

    def _write(self, number: int) -> None:
        try:
            if self._connection is None:
                self._connection = self.door.open()
            with self._connection.cursor() as cursor:
                cursor.execute("INSERT IGNORE INTO written VALUES (%s)", (number,))
        except (pymysql.MySQLError, OSError):
            self._drop()
            raise

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(pymysql.MySQLError, OSError):
                connection.close()

    async def close(self) -> None:
        """Let the connection go."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._drop)
        self._thread.shutdown(wait=False)


async def make_database(server: DatabaseServer, password: str) -> None:
    """A database, a user who may use nothing else, and the tables; what was left is dropped."""
    await drop_database(server)
    await server.run(
        [
            (f"CREATE DATABASE `{DATABASE}`", ()),
            (f"CREATE USER `{USER}`@'%%' IDENTIFIED BY %s REQUIRE SSL", (password,)),
            # The samplers come by the member's own socket, where there is no TLS.
            (f"CREATE USER `{USER}`@localhost IDENTIFIED BY %s", (password,)),
            *(
                (f"GRANT ALL PRIVILEGES ON `{DATABASE}`.* TO `{USER}`@'{origin}'", ())
                for origin in ORIGINS
            ),
            *((table, ()) for table in TABLES),
        ]
    )


async def drop_database(server: DatabaseServer) -> None:
    """Take it all away; again changes nothing."""
    await server.run(
        [
            (f"DROP DATABASE IF EXISTS `{DATABASE}`", ()),
            *((f"DROP USER IF EXISTS `{USER}`@'{origin}'", ()) for origin in ORIGINS),
        ]
    )


async def rows_in(server: DatabaseServer) -> tuple[frozenset[int], dict[str, frozenset[int]]]:
    """The numbers written, and those sampled by host, that one member holds.

    It first waits, inside the server, until the member has applied all that the cluster has.
    """
    _, written, sampled = await server.run(
        [
            ("SET SESSION wsrep_sync_wait = 1", ()),
            (f"SELECT n FROM `{DATABASE}`.written", ()),
            (f"SELECT host, n FROM `{DATABASE}`.sampled", ()),
        ]
    )
    by_host: dict[str, set[int]] = {}
    for host, number in sampled:
        by_host.setdefault(str(host), set()).add(int(str(number)))
    return (
        frozenset(int(str(n)) for (n,) in written),
        {host: frozenset(numbers) for host, numbers in by_host.items()},
    )
