#!/var/lib/kolla/venv/bin/python
"""Make a database's schema: from what upstream's command made of it at the build, or by that.

Usage: load_schema.py DATABASE CONF SECTION COMMAND. Loads the image's snapshot of DATABASE when
the database of `connection` (in SECTION of the file CONF) has no table and the code that made the
snapshot is the code that is here; else it becomes COMMAND, which is right in every case.
"""

from __future__ import annotations

import glob
import hashlib
import os
import sys
from urllib.parse import parse_qs, unquote, urlsplit

TYPE_CHECKING = False  # importing typing for it would cost time at each start
if TYPE_CHECKING:
    from pymysql import Connection
    from pymysql.cursors import Cursor

FOLDER = "/usr/share/cloudwright/schema"
HEADER = "-- made by "
UNFINISHED = "cloudwright_unfinished"
"""A table that is there while a snapshot is loaded: what was killed begins again."""


def packages() -> str:
    """The folder of the environment's packages."""
    return glob.glob("/var/lib/kolla/venv/lib/python3.*/site-packages")[0]


def digest_of_code(projects: str) -> str:
    """Of all that decides a schema: each package's version, and the projects' own code of it."""
    site = packages()
    digest = hashlib.sha256()
    for name in sorted(os.listdir(site)):
        if name.endswith(".dist-info"):
            digest.update(name.encode() + b"\0")
    for project in projects.split(","):
        (record,) = glob.glob(f"{site}/{project.replace('-', '_')}-[0-9]*.dist-info/RECORD")
        with open(record, encoding="utf-8") as file:
            lines = file.read().splitlines()
        for path in sorted(line.partition(",")[0] for line in lines):
            if path.endswith((".py", ".ini", ".json")) and decides(path):
                with open(os.path.join(site, path), "rb") as file:
                    digest.update(path.encode() + b"\0" + file.read())
    return digest.hexdigest()


def decides(path: str) -> bool:
    """Whether a file of a project has a say in its schema."""
    return any(word in path for word in ("migrat", "alembic", "models", "/metadefs/"))


def snapshot(database: str) -> str:
    """The SQL for `database`; "" when there is none, or other code made it."""
    try:
        with open(f"{FOLDER}/{database}.sql", encoding="utf-8") as file:
            header, _, text = file.read().partition("\n")
    except FileNotFoundError:
        return ""
    projects, _, digest = header.removeprefix(HEADER).partition(" ")
    return text if digest == digest_of_code(projects) else ""


def connection(conf: str, section: str) -> str:
    """The URL that the configuration has; "" when it has none."""
    current = ""
    with open(conf, encoding="utf-8") as file:
        for line in file:
            words = line.strip()
            if words.startswith("["):
                current = words.strip("[]")
            name, found, value = words.partition("=")
            if found and current == section and name.strip() == "connection":
                return value.strip()
    return ""


def connect(url: str) -> Connection[Cursor]:
    import pymysql
    from pymysql.constants import CLIENT

    parts = urlsplit(url)
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    return pymysql.connect(
        host=parts.hostname or "localhost",
        port=parts.port or 3306,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        database=parts.path.strip("/"),
        unix_socket=query.get("unix_socket"),
        ssl_ca=query.get("ssl_ca"),
        charset="utf8mb4",
        autocommit=True,
        client_flag=CLIENT.MULTI_STATEMENTS,
    )


def load(cursor: Cursor, text: str) -> bool:
    """Run the snapshot if there is no table; says whether it did."""
    cursor.execute("SHOW TABLES")
    tables = [str(row[0]) for row in cursor.fetchall()]
    if tables and UNFINISHED not in tables:
        return False
    drops = "".join(f"DROP TABLE `{name}`;" for name in tables if name != UNFINISHED)
    whole = (
        f"CREATE TABLE IF NOT EXISTS {UNFINISHED} (one INT PRIMARY KEY);"
        f"SET FOREIGN_KEY_CHECKS = 0;{drops}\n{text}\nDROP TABLE {UNFINISHED};"
    )
    cursor.execute(whole)
    while cursor.nextset():
        pass
    return True


def main(database: str, conf: str, section: str, command: str) -> None:
    text, url = snapshot(database), connection(conf, section)
    if text and url.startswith("mysql"):
        with connect(url) as opened, opened.cursor() as cursor:
            if load(cursor, text):
                print(f"schema: {database} is as `{command}` made it at the image's build")
                return
    print(f"schema: {command}", flush=True)
    os.execvp("bash", ["bash", "-ec", command])


if __name__ == "__main__":
    main(*sys.argv[1:])
