"""Kolla-Ansible's timers and database settings as overrides beside a `cloud.yaml`.

The values are those of its templates and defaults (22.2, 2026): `database_*` in group_vars, the
templates galera.cnf of its role mariadb, nova.conf of its roles nova and nova-cell, and
ml2_conf.ini of its role neutron. Where these are silent, upstream's defaults hold.
"""

from __future__ import annotations

import configparser
import json
import subprocess
import sys
from pathlib import Path

POOL = {"connection_recycle_time": "10", "max_pool_size": "1"}
"""Of a service's connections to the database; a tenth of a minute, and one that is kept."""

BOTH = {"database": POOL, "api_database": POOL}

FILES = {
    "keystone.conf": {"database": POOL},
    "glance-api.conf": {"database": POOL},
    "placement.conf": {"placement_database": POOL},
    "neutron.conf": {"database": POOL},
    "neutron/ml2_conf.ini": {"ovn": {"ovsdb_probe_interval": "60000"}},
    "nova.conf": {"DEFAULT": {"report_interval": "10", "service_down_time": "60"}},
    **{f"nova-{name}.conf": BOTH for name in ("api", "metadata", "scheduler", "conductor")},
}
"""Path below `config/` → section → option → value."""

DATABASE = {
    "innodb_flush_log_at_trx_commit": "0",
    "tcp_keepalive_time": "0",
    "tcp_keepalive_interval": "0",
    "tcp_keepalive_probes": "0",
    "idle_transaction_timeout": "0",
}
"""Of MariaDB; 0 is the kernel's own, or never."""

NOT_REACHED = (
    "the arbitrator's timers (garbd keeps ours: suspect 1 s, inactive 5 s)",
    "HAProxy's checks (theirs: every 2 s, down after 5, up after 2)",
    "keepalived (theirs: a check every 2 s, down after 2, up again after 10)",
    "RabbitMQ's net_ticktime, failure detector and limit on what a member may leave unacknowledged"
    " (theirs: upstream's 60 s, adaptive, and none)",
    "each host's load balancer of the queue (theirs: none; oslo.messaging knows every member)",
    "the cloud's address on each controller's loopback (theirs: on its holder alone)",
    "the probes between OVN's servers and their clients (theirs: 60 s)",
    "the size of InnoDB's buffers (theirs: 40 % of a host's memory, up to 8 GiB)",
)
"""What no override reaches: ours stay, so that this is not all of what theirs would show."""


def override(directory: Path, controllers: tuple[str, ...]) -> None:
    """Write `config/` beside the `cloud.yaml` in `directory`, for members on `controllers`."""
    config = directory / "config"
    providers = {host: _provider(directory, host) for host in controllers}
    for path, sections in FILES.items():
        _write(config / path, sections)
    for host, provider in providers.items():
        options = {**DATABASE, "wsrep_provider_options": provider}
        _write(config / host / "mariadb" / "my.cnf", {"mariadbd": options})


def _provider(directory: Path, host: str) -> str:
    """Our own line of Galera's options for a host, without timers: Galera's defaults then hold."""
    words = ["explain", "mariadb", "wsrep_provider_options", "--offline", "--json", "--host", host]
    done = subprocess.run(
        [sys.executable, "-m", "cloudwright", *words],
        cwd=directory,
        capture_output=True,
        text=True,
        check=True,
    )
    value = str(json.loads(done.stdout)["options"][0]["value"])
    return ";".join(part for part in value.split(";") if not part.startswith("evs."))


def _write(path: Path, sections: dict[str, dict[str, str]]) -> None:
    parser = configparser.RawConfigParser(default_section="")
    parser.read_dict(sections)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        parser.write(file)
