"""The server of this container is told something as the account that transfers the whole state:
it has the right to, and its password stands in the server's own file."""

from __future__ import annotations

import subprocess
from pathlib import Path

CONFIGURATION = Path("/etc/mysql/my.cnf")
SECONDS = 60


def tell(statement: str) -> int:
    """Have the server do it; the exit code of its client, which writes what is wrong."""
    for line in CONFIGURATION.read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition("=")
        if name.strip() == "wsrep_sst_auth":
            user, _, password = value.strip().partition(":")
            break
    else:
        raise SystemExit(f"{CONFIGURATION} has no wsrep_sst_auth")
    # Not as an argument, which every process of the host could read.
    options = f'[client]\nsocket=/run/mysqld/mysqld.sock\nuser={user}\npassword="{password}"\n'
    asked = ["mariadb", "--defaults-file=/dev/stdin", f"--execute={statement}"]
    return subprocess.run(asked, input=options.encode(), timeout=SECONDS).returncode
