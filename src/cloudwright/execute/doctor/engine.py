"""Podman on this machine, as findings with their cure."""

from __future__ import annotations

from cloudwright.execute.doctor.finding import Finding, Fix
from cloudwright.execute.look.engine import SETTINGS, Quirk, find_start, find_store
from cloudwright.transport.host import File, Host


async def check_engine(host: Host) -> tuple[Finding, ...]:
    """Podman starts containers and builds images; without Podman the packages' check says so."""
    return _findings("engine", await find_start(host, builds=True))


async def check_store(host: Host) -> tuple[Finding, ...]:
    """Podman keeps images where overlays work."""
    return _findings("storage", await find_store(host))


def _findings(name: str, quirk: Quirk | None) -> tuple[Finding, ...]:
    if quirk is None:
        return ()
    file = File(path=SETTINGS, content=quirk.settings.encode())
    return (
        Finding(
            name=name,
            severity=quirk.severity,
            text=quirk.text,
            why="\n".join(quirk.why),
            cure="\n".join([quirk.cure, *_indented(quirk.settings)]),
            fix=Fix(files=(file,) if quirk.settings else ()),
        ),
    )


def _indented(text: str) -> list[str]:
    return [f"      {line}" for line in text.splitlines()]
