"""What the database's server is told: its own settings, and how members form a cluster."""

from __future__ import annotations

from cloudwright.declare.at import CA_PATH, At, Listener
from cloudwright.declare.ini import Ini
from cloudwright.declare.library import LIBRARY
from cloudwright.declare.tls import CERTIFICATE_PATH, KEY_PATH

PORT = 3306
GALERA_PORT = 4567
INCREMENT_PORT = 4568
"""Where a member that comes back takes what it missed; Galera's own choice, as the next one."""
TRANSFER_PORT = 4444
"""Where it takes the whole state."""
DATA = "/var/lib/mysql"
SOCKET = "/run/mysqld/mysqld.sock"
LOG_FILE_SIZE = "96M"
NOTIFY = f"{LIBRARY}/notify"
MIB = 1024 * 1024

# Seconds. A member that hangs stops all writes for about twice the suspect timeout: 2.1 s
# (measured) against 6.1 s by Galera's defaults. `operations.round_trip` says what distance of
# members they allow.
KEEPALIVE = 0.3  # below a third of the suspect timeout
SUSPECT = 1.0
INACTIVE = 5.0
INSTALL = 4.0  # a loaded machine needs more than one try in 2 s
INACTIVE_CHECK = 0.2

KEPT = (
    r"\.pem",
    r"galera\.cache",
    r"sst_in_progress",
    r"\.sst",
    r"grastate\.dat",
    r"cloudwright\.view",
    r"cloudwright\.dead",
    r"cloudwright\.left",
)
"""Endings of the files that a transfer of the whole state leaves alone where it arrives."""


def settings(at: At) -> Ini:
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
            "ssl_ca": CA_PATH,
            "ssl_cert": CERTIFICATE_PATH,
            "ssl_key": KEY_PATH,
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
            # A host that died holds the locks of its transactions until its connections are found
            # dead: by default two hours, in which nobody else may change those rows. The last is
            # for a connection that died with an answer on its way, which no keepalive looks at.
            "tcp_keepalive_time": 5,
            "tcp_keepalive_interval": 2,
            "tcp_keepalive_probes": 3,
            "idle_transaction_timeout": 60,
            **_galera(at),
        },
        "sst": {
            "cpat": r"\|".join(rf".*{ending}$" for ending in KEPT),
            # With the server's own certificate, on both sides; the giver looks for the name and
            # the word that the receiver told it through the cluster.
            "ssl-mode": "VERIFY_CA",
            "sockopt": "retry=50,interval=0.2",
        },
    }


def _galera(at: At) -> dict[str, str | int | bool]:
    members = [host.address for host in at.controllers]
    options = {
        **group(at),
        "ist.recv_addr": at.host.address,
        "gcache.size": "128M",
        # Who founds the cluster anew after all were down is the agent's to say.
        "pc.recovery": "FALSE",
    }
    return {
        "wsrep_on": "ON",  # `galera_recovery` reads no other word
        "wsrep_provider": "/usr/lib/galera/libgalera_smm.so",
        "wsrep_provider_options": ";".join(f"{k}={v}" for k, v in options.items()),
        "wsrep_cluster_name": at.cloud.name,
        "wsrep_cluster_address": f"gcomm://{','.join(members)}",
        "wsrep_node_name": at.host.name,
        "wsrep_node_address": at.host.address,
        "wsrep_sst_method": "mariabackup",
        "wsrep_sst_auth": f"transfer:{at.password('transfer/database')}",
        "wsrep_notify_cmd": NOTIFY,
        "wsrep_slave_threads": max(1, min(8, at.facts.cores)),
        **_donors(at),
    }


def _donors(at: At) -> dict[str, str]:
    """Who gives a member what it misses: one of its own site, where others are farther away."""
    near = [host for host in at.controllers if host.site == at.host.site and host != at.host]
    if not near or len(near) + 1 == len(at.controllers):
        return {}
    return {"wsrep_sst_donor": "".join(f"{host.name}," for host in near)}  # the last comma: or any


def listens(at: At) -> tuple[Listener, ...]:
    """For clients, and for other members where there are some."""
    transfers = (INCREMENT_PORT, TRANSFER_PORT) if len(at.controllers) > 1 else ()
    return at.here(PORT, GALERA_PORT, *transfers)


def group(at: At) -> dict[str, str | int]:
    """How members find and lose each other; all of them, and arbitrators, must agree."""
    return {
        "gmcast.listen_addr": f"ssl://{at.host.address}:{GALERA_PORT}",
        "socket.ssl": "YES",
        "socket.ssl_ca": CA_PATH,
        "socket.ssl_cert": CERTIFICATE_PATH,
        "socket.ssl_key": KEY_PATH,
        "gmcast.segment": _segment(at),
        "evs.keepalive_period": f"PT{KEEPALIVE:g}S",
        "evs.suspect_timeout": f"PT{SUSPECT:g}S",
        "evs.inactive_timeout": f"PT{INACTIVE:g}S",
        "evs.install_timeout": f"PT{INSTALL:g}S",
        "evs.inactive_check_period": f"PT{INACTIVE_CHECK:g}S",
    }


def _segment(at: At) -> int:
    """The number of the group of members to whom a message from another group is sent but once.

    One of them passes it on to the others. Those do not hear who is far away until it is known
    that this one died, take them for dead, too, and no row was written for 9 to 14 s (measured).
    So members are only in groups where each is alone in its site, and is told apart by it.
    """
    sites = [host.site for host in at.controllers]
    alone = len(set(sites)) == len(sites)
    return [site.name for site in at.cloud.sites].index(at.host.site) if alone else 0


def _buffer_pool(at: At) -> str:
    """A sixteenth of the memory, from 128 MiB to 8 GiB: the schemas of a small cloud are 60 MB."""
    return f"{max(128, min(8192, at.facts.memory_bytes // MIB // 16))}M"
