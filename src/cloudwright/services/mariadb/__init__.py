"""MariaDB keeps what every other service must not forget; Galera keeps its members alike."""

from __future__ import annotations

from cloudwright.declare.at import At
from cloudwright.declare.image import Image
from cloudwright.declare.ini import Ini
from cloudwright.declare.rollout import Quorum
from cloudwright.declare.service import (
    Container,
    File,
    Files,
    Permission,
    Service,
    TcpHealth,
    Volume,
)
from cloudwright.declare.template import render

PORT = 3306
GALERA_PORT = 4567
MONITOR = "monitor"
DATA = "/var/lib/mysql"
SOCKET = "/run/mysqld/mysqld.sock"
FRESH = "/usr/share/cloudwright/mariadb.tar"
LOG_FILE_SIZE = "96M"
MIB = 1024 * 1024


def files(at: At) -> Files:
    accounts = render(
        __name__,
        "init.sql.j2",
        root=at.password("root/database"),
        transfer=at.password("transfer/database"),
        monitor=MONITOR,
    )
    start = render(__name__, "start.sh.j2", data=DATA, fresh=FRESH, alone=len(at.controllers) == 1)
    return {
        "my.cnf": File(content=_settings(at), path="/etc/mysql/my.cnf", owner="mysql"),
        # One statement a line, as the server reads them; run at each start, so that the accounts
        # are those declared, whatever the data says.
        "init.sql": File(content=accounts, path="/etc/mysql/init.sql", owner="mysql"),
        "start": File(content=start, path="/usr/local/bin/mariadb-start", mode="0755"),
    }


def _settings(at: At) -> Ini:
    address = at.host.address
    return {
        "client": {"socket": SOCKET, "ssl": False},
        "mariadbd": {
            "datadir": DATA,
            "socket": SOCKET,
            "pid_file": "/run/mysqld/mysqld.pid",
            "bind_address": address,
            "port": PORT,
            "init_file": "/etc/mysql/init.sql",
            "skip_name_resolve": True,
            # Else it makes a key of its own, which nobody trusts, for a second at each start.
            "ssl": False,
            "character_set_server": "utf8mb4",
            "collation_server": "utf8mb4_general_ci",
            "max_connections": 4096 if at.facts.memory_bytes > 64 * 1024 * MIB else 1000,
            "max_allowed_packet": "64M",
            "innodb_buffer_pool_size": _buffer_pool(at),
            "innodb_log_file_size": LOG_FILE_SIZE,
            # 0 and 2, which are faster, lose transactions that were acknowledged (measured:
            # up to 741 on the best of three killed members).
            "innodb_flush_log_at_trx_commit": 1,
            "innodb_autoinc_lock_mode": 2,  # Galera takes no other
            "binlog_format": "ROW",
            "performance_schema": False,
            **_galera(at),
        },
    }


def _galera(at: At) -> dict[str, str | int | bool]:
    members = [host.address for host in at.controllers]
    segment = [site.name for site in at.cloud.sites].index(at.host.site)
    options = {
        "gmcast.listen_addr": f"tcp://{at.host.address}:{GALERA_PORT}",
        "gmcast.segment": segment,  # traffic between sites goes once, not once per member
        "ist.recv_addr": at.host.address,
        "gcache.size": "128M",
        # A member that hangs stops all writes for this long: 2.1 s against 6.1 s by default.
        "evs.keepalive_period": "PT0.3S",  # below a third of the suspect timeout
        "evs.suspect_timeout": "PT1S",
        "evs.inactive_timeout": "PT3S",
        "evs.inactive_check_period": "PT0.2S",
    }
    return {
        "wsrep_on": "ON",  # `galera_recovery` reads no other word
        "wsrep_provider": "/usr/lib/galera/libgalera_smm.so",
        "wsrep_provider_options": ";".join(f"{k}={v}" for k, v in options.items()),
        "wsrep_cluster_name": at.cloud.name,
        # The address of nobody means: be the first. A cluster of one has nobody to join.
        "wsrep_cluster_address": f"gcomm://{','.join(members) if len(members) > 1 else ''}",
        "wsrep_node_name": at.host.name,
        "wsrep_node_address": at.host.address,
        "wsrep_sst_method": "mariabackup",
        "wsrep_sst_auth": f"transfer:{at.password('transfer/database')}",
        "wsrep_slave_threads": max(1, min(8, at.facts.cores)),
    }


def _buffer_pool(at: At) -> str:
    """A sixteenth of the memory, from 128 MiB to 8 GiB: the schemas of a small cloud are 60 MB."""
    return f"{max(128, min(8192, at.facts.memory_bytes // MIB // 16))}M"


service = Service(
    name="mariadb",
    summary="relational database",
    image=Image(
        name="mariadb",
        packages=("mariadb-server", "mariadb-backup", "galera-4", "socat"),
        users=("mysql",),
        user="mysql",
        run=(
            # An empty volume would be filled from what the package left here.
            f"find {DATA} -mindepth 1 -delete",
            f"install -d -o mysql -g mysql /run/mysqld {DATA}",
            # Made once here rather than on each host: 3 seconds less at the first start.
            "d=$(mktemp -d) && chown mysql $d && mariadb-install-db --no-defaults --user=mysql"
            " --datadir=$d/data --auth-root-authentication-method=normal --skip-test-db"
            f" --skip-name-resolve --innodb-log-file-size={LOG_FILE_SIZE}"
            # Nine tenths of it are zeros, which the copy leaves out.
            " && cp -a --sparse=always $d/data $d/sparse"
            f" && mkdir -p {FRESH.rpartition('/')[0]} && tar -C $d/sparse -S -cf {FRESH} ."
            " && rm -rf $d",
        ),
        names=("mariadb-server",),
    ),
    containers=(
        Container(
            name="mariadb",
            role="control",
            command="/usr/local/bin/mariadb-start",
            files=files,
            volumes=(Volume(name="mariadb", path=DATA),),
            permissions=(
                Permission(path=DATA, owner="mysql:mysql", mode="0755"),
                Permission(path="/run/mysqld", owner="mysql:mysql", mode="0755"),
            ),
            health=TcpHealth(port=PORT),
            rollout=Quorum(),
            stop_seconds=120,
        ),
    ),
)
