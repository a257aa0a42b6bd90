"""The schemas kept in the images: as upstream's own sync makes them, and loaded when right."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudwright.declare.service import Database
from cloudwright.services import SERVICES
from tests.machine.kolla import image, podman

SOCKET = "/run/db/socket"
DATABASES = {
    database.name: (service.image, database)
    for service in SERVICES
    for database in service.databases
    if service.image and database.create
}
EVERY = pytest.mark.parametrize("name", DATABASES)
LOADED = "as `{}` made it at the image's build"
HEADS = (
    "SELECT CONCAT(column_name, ' FROM {0}.', table_name) FROM information_schema.columns"
    " WHERE table_schema = '{0}' AND (table_name LIKE 'alembic_version%' AND"
    " column_name = 'version_num' OR table_name = 'django_migrations' AND column_name = 'name')"
    " ORDER BY 1"
)
"""Where Alembic or Django keep which of their migrations a database has had."""
SERVER = f"""
tar -C /var/lib/mysql -xf /usr/share/cloudwright/mariadb.tar
exec mariadbd --no-defaults --user=mysql --socket={SOCKET} --skip-networking --skip-grant-tables \
    --character-set-server=utf8mb4 --collation-server=utf8mb4_general_ci \
    --innodb-log-file-size=96M --innodb-flush-log-at-trx-commit=0
"""


class Server:
    """A MariaDB that only this module reaches."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.chmod(0o777)
        options = ("--detach", "--rm", "--network=none", f"--volume={folder}:/run/db")
        start = ("--user=mysql", "--entrypoint=bash", image("mariadb"), "-ec", SERVER)
        self.container = podman("run", *options, *start).strip()
        wait = f"until mariadb-admin --no-defaults -S {SOCKET} ping; do sleep 0.1; done"
        podman("exec", self.container, "timeout", "60", "bash", "-c", wait)

    def ask(self, statement: str) -> str:
        """The rows of a statement."""
        words = ("mariadb", "--no-defaults", "-S", SOCKET, "-BN")
        return podman("exec", "-i", self.container, *words, stdin=statement)

    def make(self, name: str) -> str:
        """An empty database, as a step of ours makes it."""
        self.ask("SET FOREIGN_KEY_CHECKS = 0;"
                 f"CREATE OR REPLACE DATABASE `{name}` CHARACTER SET utf8mb4")  # fmt: skip
        return name

    def content(self, name: str) -> tuple[str, ...]:
        """All of a database as SQL, without what differs from one sync of upstream's to the next.

        That is: times, identifiers that are made at random, and the order of a table's indexes.
        """
        options = "--no-defaults --skip-comments --order-by-primary --hex-blob --routines"
        words = ("mariadb-dump", *options.split(), "-S", SOCKET, name)
        text = podman("exec", self.container, *words)
        text = re.sub(r"'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?'", "'a time'", text)
        text = re.sub(r"'[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}'", "'a uuid'", text)
        return tuple(
            "\n".join(sorted(line.rstrip(",") for line in statement.splitlines()))
            for statement in text.split(";\n")
        )

    def run(self, name: str, target: str, *, snapshot: bool, before: str = "true") -> str:
        """Make the schema of `name` in the database `target`, by snapshot or as upstream does."""
        declared, database = DATABASES[name]
        url = f"mysql+pymysql://root@localhost/{target}?unix_socket={SOCKET}&charset=utf8mb4"
        words = (database.name, database.conf, database.section, database.create)
        command = shlex.join(("cloudwright_schema", *words)) if snapshot else database.create
        script = f"{_configure(database, url)}\n{before}\n{command}"
        options = ("--rm", "--network=none", "--user=root", f"--volume={self.folder}:/run/db")
        start = ("--entrypoint=bash", image(declared.name), "-ec", script)
        return podman("run", *options, *start)


def _configure(database: Database, url: str) -> str:
    """The files that the command names, and the database in the one that has it."""
    named = re.findall(r"--config-file (\S+)", database.create)
    made = [f"mkdir -p $(dirname {path}); touch {path}" for path in (*named, database.conf)]
    return "\n".join([*made, f"printf '[{database.section}]\\nconnection = {url}\\n'"
                             f" > {database.conf}"])  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("db"))
    yield made
    podman("rm", "--force", "--time=0", made.container)


@pytest.fixture(scope="module")
def plain(server: Server) -> dict[str, tuple[str, ...]]:
    """What upstream's own commands make of an empty database."""
    contents = {}
    for name in DATABASES:
        server.run(name, server.make(f"plain_{name}"), snapshot=False)
        contents[name] = server.content(f"plain_{name}")
    return contents


@EVERY
def test_a_snapshot_is_what_upstream_makes(
    name: str, server: Server, plain: dict[str, tuple[str, ...]]
) -> None:
    target = server.make(f"quick_{name}")
    said = server.run(name, target, snapshot=True)
    assert LOADED.format(DATABASES[name][1].create) in said
    assert server.content(target) == plain[name]
    heads = [server.ask(HEADS.format(d)).splitlines() for d in (target, f"plain_{name}")]
    assert len(heads[0]) == len(heads[1]) > 0
    for tables in zip(*heads, strict=True):
        versions = [server.ask(f"SELECT {table} ORDER BY 1") for table in tables]
        assert versions[0] == versions[1] != ""


@EVERY
def test_upstream_finds_nothing_to_do_in_it(
    name: str, server: Server, plain: dict[str, tuple[str, ...]]
) -> None:
    target = server.make(f"again_{name}")
    server.run(name, target, snapshot=True)
    server.run(name, target, snapshot=False)
    assert server.content(target) == plain[name]


def test_a_load_that_was_killed_begins_again(
    server: Server, plain: dict[str, tuple[str, ...]]
) -> None:
    """Cut after each tenth statement of the snapshot, as a power cut would."""
    whole = podman("run", "--rm", "--entrypoint=cat", image("placement"),
                   "/usr/share/cloudwright/schema/placement.sql")  # fmt: skip
    statements = whole.partition("\n")[2].split(";\n")
    for cut in range(0, len(statements), 10):
        target = server.make("cut")
        begun = "CREATE TABLE cloudwright_unfinished (one INT PRIMARY KEY);\n"
        server.ask(f"USE cut; {begun}" + "".join(s + ";\n" for s in statements[:cut]))
        assert LOADED.split("}")[1] in server.run("placement", target, snapshot=True)
        assert server.content(target) == plain["placement"]


def test_a_database_with_a_table_is_left_to_upstream(server: Server) -> None:
    target = server.make("used")
    server.ask("USE used; CREATE TABLE mine (one INT); INSERT INTO mine VALUES (7)")
    said = server.run("placement", target, snapshot=True)
    assert "schema: placement-manage db sync" in said
    assert server.ask("SELECT one FROM used.mine") == "7\n"
    assert server.ask("SELECT COUNT(*) FROM used.alembic_version") == "1\n"


@pytest.mark.parametrize(
    "change",
    [
        "mv $site/sqlalchemy-*.dist-info $site/sqlalchemy-0.1.dist-info",
        "echo >> $(ls $site/placement/db/sqlalchemy/alembic/versions/*.py | head -1)",
        "rm /usr/share/cloudwright/schema/placement.sql",
    ],
    ids=["another-package", "another-migration", "no-snapshot"],
)
def test_a_snapshot_of_other_code_is_not_loaded(
    change: str, server: Server, plain: dict[str, tuple[str, ...]]
) -> None:
    target = server.make("other")
    before = f"site=$(echo /var/lib/kolla/venv/lib/python3.*/site-packages); {change}"
    said = server.run("placement", target, snapshot=True, before=before)
    assert LOADED.split("}")[1] not in said
    assert server.content(target) == plain["placement"]
