"""The Open vSwitch database of a host, read and set with the `ovs-vsctl` of its container."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cloudwright.engine.api import Engine
from cloudwright.errors import CommandFailed
from cloudwright.plan.steps import SetSwitch


async def switch_difference(engine: Engine, action: SetSwitch) -> str:
    """What differs from the action, in words; empty when nothing does."""
    keys, bridges, ports = await _tables(
        engine,
        action,
        {
            "Open_vSwitch": "external_ids,other_config",
            "Bridge": "name,datapath_type,ports",
            "Port": "_uuid,name",
        },
    )
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


async def _tables(
    engine: Engine, action: SetSwitch, columns: Mapping[str, str]
) -> list[list[dict[str, Any]]]:
    """The rows of each table, all of one moment: one command is one transaction."""
    argv = ["ovs-vsctl", "--timeout=5", "--format=json"]
    for table, wanted in columns.items():
        argv += ["--", f"--columns={wanted}", "list", table]
    done = await engine.exec(action.container, argv)
    if done.exit_code:
        raise CommandFailed("ovs-vsctl list", done.exit_code, done.output, where=action.container)
    answers = [json.loads(line) for line in done.output.splitlines() if line]
    return [
        [dict(zip(answer["headings"], row, strict=True)) for row in answer["data"]]
        for answer in answers
    ]


def _uuids(value: list[Any]) -> list[str]:
    """The ids of an OVSDB set, which stands bare when it holds one (RFC 7047, 5.1)."""
    kind, content = value
    return [content] if kind == "uuid" else [pair[1] for pair in content]
