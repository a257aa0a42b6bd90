"""The cloud's databases, seen and made over the forwarded connection, as MariaDB's root."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pymysql
from pymysql.constants import ER
from pymysql.cursors import Cursor

from cloudwright.declare.service import has_tables
from cloudwright.errors import HostError
from cloudwright.plan.steps import MakeDatabase

ROOT_SECRET = "root/database"
MEMBER_PORT = 3306
CONNECT_SECONDS = 5

DEADLOCK = 1213
"""MariaDB's number of the error (ER_LOCK_DEADLOCK)."""

DEADLOCK_SECONDS = 30
FIRST_PAUSE_SECONDS = 0.05
"""Doubled each time: whoever came first has to get through."""

BEGAN = "began"
"""In place of the digest of a job that has not ended yet."""

_HAS_JOBS = (
    "SELECT 1 FROM information_schema.tables "
    "WHERE table_schema = 'cloudwright' AND table_name = 'jobs'"
)
_JOBS = "SELECT id, digest FROM cloudwright.jobs"
_DATABASES = "SELECT schema_name FROM information_schema.schemata"
_OWNERS = (
    "SELECT db.Db, db.User FROM mysql.db JOIN information_schema.schemata "
    "ON schema_name = REPLACE(db.Db, '\\\\', '') "
    "JOIN mysql.user ON user.User = db.User AND user.Host = db.Host "
    "WHERE db.Host = '%' AND user.ssl_type = 'ANY'"
)
_JOBS_TABLE = (
    "CREATE DATABASE IF NOT EXISTS cloudwright CHARACTER SET utf8mb4",
    "CREATE TABLE IF NOT EXISTS cloudwright.jobs (id VARCHAR(255) PRIMARY KEY, "
    "digest CHAR(16) NOT NULL, ended TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP) ENGINE=InnoDB",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Contents:
    """What the databases hold.

    `names` are those of all; `owners` (database, user) for every user with rights on an existing
    database, and who is let in with TLS alone; `digests` step id → digest of each job that ran;
    `given` the probes that give a row (a table or database that is not there gives none).
    """

    names: frozenset[str]
    owners: frozenset[tuple[str, str]]
    digests: Mapping[str, str]
    given: frozenset[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class DatabaseServer:
    """The database cluster: its members behind local UNIX sockets, asked in this order.

    `sockets` is address → socket; `tls` trusts the authority that vouches for the addresses.
    """

    sockets: Mapping[str, Path]
    password: str
    tls: ssl.SSLContext

    def __repr__(self) -> str:
        return f"DatabaseServer({', '.join(self.sockets)})"

    async def query(
        self, statement: str, arguments: Sequence[object] = ()
    ) -> list[tuple[object, ...]]:
        """The rows of one statement; HostError when the server refuses or is not there."""
        return (await self.run([(statement, arguments)]))[0]

    async def run(
        self, statements: Iterable[tuple[str, Sequence[object]]]
    ) -> list[list[tuple[object, ...]]]:
        """The rows of each statement, all over one connection.

        All are run again after a deadlock: members of a cluster find out at the commit that
        another's statement came first, and every statement here may be repeated.
        """
        wanted = list(statements)
        clock = asyncio.get_running_loop().time
        deadline, pause = clock() + DEADLOCK_SECONDS, FIRST_PAUSE_SECONDS
        while True:
            try:
                return await asyncio.to_thread(self._run, wanted)
            except HostError as err:
                if not err.why.startswith(f"({DEADLOCK},") or clock() > deadline:
                    raise
            await asyncio.sleep(pause)
            pause = min(2 * pause, 1.0)

    def _run(
        self, statements: list[tuple[str, Sequence[object]]]
    ) -> list[list[tuple[object, ...]]]:
        with self._session() as cursor:
            return [_rows(cursor, statement, arguments) for statement, arguments in statements]

    @contextmanager
    def _session(self) -> Iterator[Cursor]:
        """A cursor of root's, whose errors are told as HostError."""
        try:
            with (
                closing(self._connect("root", self.password)) as connection,
                connection.cursor() as cursor,
            ):
                yield cursor
        except pymysql.MySQLError as err:
            raise HostError("the database refused", why=str(err)) from err

    def _connect(self, user: str, password: str) -> pymysql.Connection:
        """A connection to the first member that is part of a whole cluster."""
        error: pymysql.MySQLError | None = None
        for address, socket in self.sockets.items():
            try:
                return _whole(self._open(address, socket, user, password))
            except pymysql.MySQLError as err:
                error = error or err
        raise error or pymysql.OperationalError("no member is known")

    def _open(self, address: str, socket: Path, user: str, password: str) -> pymysql.Connection:
        """A connection with TLS; a server that has none (yet) gets no password."""
        return pymysql.connect(
            unix_socket=str(socket),
            host=address,
            user=user,
            password=password,
            ssl=self.tls,
            charset="utf8mb4",
            autocommit=True,
            connect_timeout=CONNECT_SECONDS,
            read_timeout=60,
        )

    async def accepts(self, user: str, password: str) -> bool:
        """Whether this user can log in with this password."""

        def try_login() -> bool:
            try:
                self._connect(user, password).close()
            except pymysql.MySQLError:
                return False
            return True

        return await asyncio.to_thread(try_login)

    async def record(self, id: str, digest: str) -> None:
        """Keep that the job ran, beside what it made."""
        await self._make_jobs()
        await self.query(
            "REPLACE INTO cloudwright.jobs (id, digest) VALUES (%s, %s)", (id, digest)
        )

    async def _make_jobs(self) -> None:
        """The table of jobs. Asked for first: making what is there is a change of the schema all
        the same, which ends everybody's transactions on it."""
        if not await self.query(_HAS_JOBS):
            await self.run([(statement, ()) for statement in _JOBS_TABLE])

    async def begin(self, id: str, database: str) -> None:
        """Note that the job `id` begins to fill `database`, when that is empty.

        A job that began so and never ended left a part of its tables, which most migrations
        cannot go on from; nobody else has used them yet. Then the database is emptied first.
        """
        await self._make_jobs()
        rows = await self.query("SELECT digest FROM cloudwright.jobs WHERE id = %s", (id,))
        name = _identifier(database)
        if rows == [(BEGAN,)]:
            await self.run(
                [
                    (f"DROP DATABASE IF EXISTS `{name}`", ()),
                    (f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4", ()),
                ]
            )
        elif not rows and not await self.gives_row(has_tables(database)):
            await self.record(id, BEGAN)

    async def gives_row(self, query: str) -> bool:
        """Whether a probe gives a row; a table or database that is not there gives none."""

        def ask() -> bool:
            with self._session() as cursor:
                return _gives_row(cursor, query)

        return await asyncio.to_thread(ask)

    async def make(self, action: MakeDatabase, password: str) -> None:
        """The database, its user with this password, who comes with TLS alone, and its rights;
        again changes nothing."""
        name, user = _identifier(action.database), _identifier(action.user)
        await self.run(
            [
                (f"CREATE DATABASE IF NOT EXISTS `{name}` CHARACTER SET utf8mb4", ()),
                (f"CREATE USER IF NOT EXISTS `{user}`@'%%' IDENTIFIED BY %s", (password,)),
                (f"ALTER USER `{user}`@'%%' IDENTIFIED BY %s REQUIRE SSL", (password,)),
                (f"GRANT ALL PRIVILEGES ON `{name}`.* TO `{user}`@'%'", ()),
            ]
        )

    async def contents(self, probes: Iterable[str]) -> Contents:
        """What the databases hold, and which of `probes` give a row, all over one connection: to
        open one is dearer than to ask."""
        return await asyncio.to_thread(self._contents, tuple(probes))

    def _contents(self, probes: Sequence[str]) -> Contents:
        with self._session() as cursor:
            jobs = _rows(cursor, _JOBS) if _rows(cursor, _HAS_JOBS) else []
            owners = _rows(cursor, _OWNERS)
            return Contents(
                names=frozenset(str(name) for (name,) in _rows(cursor, _DATABASES)),
                owners=frozenset((str(d).replace("\\", ""), str(u)) for d, u in owners),
                digests={str(id): str(digest) for id, digest in jobs},
                given=frozenset(probe for probe in probes if _gives_row(cursor, probe)),
            )


def _rows(
    cursor: Cursor, statement: str, arguments: Sequence[object] = ()
) -> list[tuple[object, ...]]:
    cursor.execute(statement, tuple(arguments) or None)
    return list(cursor.fetchall())


def _gives_row(cursor: Cursor, probe: str) -> bool:
    try:
        return bool(_rows(cursor, probe))
    except pymysql.MySQLError as err:
        if err.args[:1] in ((ER.NO_SUCH_TABLE,), (ER.BAD_DB_ERROR,)):
            return False
        raise


def _whole(connection: pymysql.Connection) -> pymysql.Connection:
    """The connection, unless its member was cut off from the others and takes no writes."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW GLOBAL STATUS LIKE 'wsrep_ready'")
        row = cursor.fetchone()
    if row and row[1] != "ON":
        connection.close()
        raise pymysql.OperationalError("the member is not part of a whole cluster")
    return connection


def _identifier(name: str) -> str:
    """A name that may stand between backticks; everything else is refused."""
    if not name.replace("_", "").isalnum():
        raise HostError(f"not a name for a database or user: {name!r}")
    return name
