"""The Open vSwitch database of a host: read through its socket, set with `ovs-vsctl`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from cloudwright.engine.api import Engine
from cloudwright.errors import CommandFailed, HostError
from cloudwright.execute.host import rpc
from cloudwright.plan.steps import SetSwitch
from cloudwright.transport.host import Host

ANSWER_SECONDS = 5.0
DATABASE = "Open_vSwitch"
COLUMNS = {
    "Open_vSwitch": ["external_ids", "other_config"],
    "Bridge": ["name", "datapath_type", "ports"],
    "Port": ["_uuid", "name"],
}
"""What is read, table by table: ovs-vswitchd.conf.db(5)."""


async def switch_difference(host: Host, action: SetSwitch) -> str:
    """What differs from the action, in words; empty when nothing does. Raises HostError where the
    database does not answer."""
    keys, bridges, ports = await _tables(host, action)
    root = keys[0] if keys else {}
    for column, wanted in (
        ("external_ids", action.external_ids),
        ("other_config", action.other_config),
    ):
        found = dict(root.get(column, ["map", []])[1])
        for key, value in wanted.items():
            if found.get(key) != value:
                return f"{column}:{key} is {found.get(key, 'not set')}, not {value}"
    names = {port["_uuid"][1]: port["name"] for port in ports}
    there = {bridge["name"]: bridge for bridge in bridges}
    for name, wanted_ports in action.bridges.items():
        if name not in there:
            return f"bridge {name} is missing"
        if there[name]["datapath_type"] != action.datapath_type:
            return f"bridge {name} has datapath {there[name]['datapath_type'] or 'system'}"
        missing = set(wanted_ports) - {names.get(u, "") for u in _uuids(there[name]["ports"])}
        if missing:
            return f"bridge {name} lacks port {', '.join(sorted(missing))}"
    return ""


async def set_switch(engine: Engine, action: SetSwitch) -> None:
    """Everything in one transaction of ovs-vsctl, which waits until the switch has done it."""
    argv = ["ovs-vsctl", "--timeout=30"]
    for bridge, ports in action.bridges.items():
        argv += ["--", "--may-exist", "add-br", bridge]
        argv += ["--", "set", "bridge", bridge, f"datapath_type={action.datapath_type}"]
        for port in ports:
            argv += ["--", "--may-exist", "add-port", bridge, port]
    argv += _set("external_ids", action.external_ids)
    argv += _set("other_config", action.other_config)
    done = await engine.exec(action.container, argv)
    if done.exit_code:
        raise CommandFailed("ovs-vsctl", done.exit_code, done.output, where=action.container)


def _set(column: str, pairs: Mapping[str, str]) -> list[str]:
    """Arguments that set keys; a value in quotes may hold commas and colons."""
    argv: list[str] = []
    for key, value in pairs.items():
        argv += ["--", "set", "Open_vSwitch", ".", f"{column}:{key}={json.dumps(value)}"]
    return argv


async def _tables(host: Host, action: SetSwitch) -> list[list[dict[str, Any]]]:
    """The rows of each table, all of one moment: one transaction (RFC 7047, 4.1.3)."""
    asked = [
        {"op": "select", "table": table, "where": [], "columns": columns}
        for table, columns in COLUMNS.items()
    ]
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            said = await rpc.call(host, action.socket, "transact", [DATABASE, *asked])
    except TimeoutError:
        what = f"{action.socket} does not answer within {ANSWER_SECONDS:g} s"
        raise HostError(what, where=host.name) from None
    answers: list[dict[str, Any]] = said if isinstance(said, list) else []
    if len(answers) != len(asked) or not all("rows" in answer for answer in answers):
        raise HostError(f"{action.socket} answers {said}", where=host.name)
    return [answer["rows"] for answer in answers]


def _uuids(value: list[Any]) -> list[str]:
    """The ids of an OVSDB set, which stands bare when it holds one (RFC 7047, 5.1)."""
    kind, content = value
    return [content] if kind == "uuid" else [pair[1] for pair in content]
