#!/usr/bin/python3 -IS
"""Have the server use its new certificate, for its clients and for the other members.

`FLUSH SSL` loads it for new connections; those that are open go on. Asked as the account that
transfers the whole state: it has the right to, and its password stands in the server's own file.
"""

import subprocess
import sys
from pathlib import Path

for line in Path("/etc/mysql/my.cnf").read_text(encoding="utf-8").splitlines():
    name, _, value = line.partition("=")
    if name.strip() == "wsrep_sst_auth":
        user, _, password = value.strip().partition(":")
        break
else:
    sys.exit("/etc/mysql/my.cnf has no wsrep_sst_auth")
# Not as an argument, which every process of the host could read.
options = f'[client]\nsocket=/run/mysqld/mysqld.sock\nuser={user}\npassword="{password}"\n'
asked = ["mariadb", "--defaults-file=/dev/stdin", "--execute=FLUSH SSL"]
sys.exit(subprocess.run(asked, input=options.encode(), timeout=60).returncode)
