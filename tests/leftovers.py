"""What a killed test run left: a lab in the networks that a test needs."""

from __future__ import annotations

import asyncio
import re
import subprocess

from cloudwright.lab import containers, segments
from cloudwright.transport.local import LocalHost

DEVICE = re.compile(r"^(cwl-([0-9a-f]{6})-\S+)", re.MULTILINE)


def remove_labs_in(network: str) -> None:
    """Remove every lab that has an address in `network` (`10.67.0.`), as `lab down` would.

    Only for networks that no one but one test uses.
    """
    text = subprocess.run(["ip", "-br", "-4", "address"], capture_output=True, text=True).stdout
    lines = (line for line in text.splitlines() if f" {network}" in line)
    ids = {match[2] for line in lines if (match := DEVICE.match(line))}
    for lab_id in ids:
        asyncio.run(_remove(lab_id))


async def _remove(lab_id: str) -> None:
    machine = LocalHost()
    await containers.remove(machine, lab_id, data=True)
    await segments.remove_devices(machine, lab_id)
