"""What the queue and OVN's databases say of themselves, host by host."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

from cloudwright.errors import CloudError
from cloudwright.execute.host.fleet import Fleet
from cloudwright.model.cloud import VOTERS, Cloud

ANSWER_SECONDS = 30.0
SILENT = "no answer"
RAFT = (("ovn-nb-db", "nb", "OVN_Northbound"), ("ovn-sb-db", "sb", "OVN_Southbound"))


async def others(fleet: Fleet, cloud: Cloud) -> tuple[tuple[str, str, str], ...]:
    """(host, cluster, what it says) of every member of the queue and of OVN's databases."""
    rows = []
    for host in cloud.hosts_with(VOTERS):
        if host.name in fleet.members:
            rows.append(_queue(fleet, host.name))
            rows += [_raft(fleet, host.name, *words) for words in RAFT]
    return tuple(await asyncio.gather(*rows))


async def _queue(fleet: Fleet, host: str) -> tuple[str, str, str]:
    words = ("rabbitmqctl", "-q", "cluster_status", "--formatter", "json")
    text = await _said(fleet, host, "rabbitmq", words)
    try:
        running = json.loads(text[text.index("{") :])["running_nodes"]
    except (ValueError, KeyError):
        return host, "rabbitmq", SILENT
    return host, "rabbitmq", f"runs with {', '.join(sorted(running))}"


async def _raft(
    fleet: Fleet, host: str, container: str, kind: str, database: str
) -> tuple[str, str, str]:
    words = ("ovs-appctl", "-t", f"/run/ovn/ovn{kind}_db.ctl", "cluster/status", database)
    text = await _said(fleet, host, container, words)
    told = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
    if "Role" not in told:
        return host, container, SILENT
    leader = "no leader" if told.get("Leader") == "unknown" else f"leader {told.get('Leader')}"
    return host, container, f"{told['Role']}, {leader}, term {told.get('Term')}"


async def _said(fleet: Fleet, host: str, container: str, words: Sequence[str]) -> str:
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            done = await fleet.engine(host).exec(container, words)
    except (CloudError, TimeoutError):
        return ""
    return done.output if done.exit_code == 0 else ""
