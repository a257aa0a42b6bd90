#!/var/lib/kolla/venv/bin/python
"""The dashboard's sessions in the database: where it is, and Django's own commands for them alone.

Usage: horizon-sessions migrate | clearsessions. The dashboard's settings ask `database()` as well.
"""

from __future__ import annotations

import os
import sys
from configparser import RawConfigParser
from urllib.parse import parse_qs, unquote, urlsplit

CONF = "/etc/openstack-dashboard/horizon.conf"
COMMANDS = {"migrate": ("sessions",), "clearsessions": ()}
SECONDS = 10
"""To connect, and between two packets of an answer: an address that moved away must not hang."""


def connection() -> str:
    """The database's URL, as OpenStack's other services have it in their configuration.

    At an image's build there is no configuration; there it stands in the environment.
    """
    if url := os.environ.get("OS_DATABASE__CONNECTION"):
        return url
    parser = RawConfigParser()
    with open(CONF, encoding="utf-8") as file:
        parser.read_file(file)
    return parser["database"]["connection"]


def database() -> dict[str, object]:
    """The same as Django wants it; PyMySQL stands in for the driver that it knows."""
    import pymysql

    pymysql.install_as_MySQLdb()  # others' images may not have it done
    parts = urlsplit(connection())
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    options: dict[str, object] = {"connect_timeout": SECONDS, "read_timeout": SECONDS}
    if "ssl_ca" in query:
        options["ssl"] = {"ca": query["ssl_ca"]}
    return {
        "ENGINE": "django.db.backends.mysql",
        "NAME": parts.path.strip("/"),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": query.get("unix_socket") or parts.hostname or "",
        "PORT": str(parts.port or ""),
        "OPTIONS": options,
    }


def main(command: str) -> None:
    """Run a command of Django's in a project that has nothing but sessions."""
    import django
    from django.conf import settings
    from django.core.management import call_command

    settings.configure(
        INSTALLED_APPS=["django.contrib.sessions"],
        DATABASES={"default": database()},
        USE_TZ=True,
    )
    django.setup()
    call_command(command, *COMMANDS[command])


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in COMMANDS:
        sys.exit(f"usage: horizon-sessions {' | '.join(COMMANDS)}")
    main(sys.argv[1])
