"""A container explained: each of its options, its value, where that comes from, what it is for."""

from __future__ import annotations

import json
from pathlib import Path

from cloudwright.cli.options import tell_lost


async def explain_container(
    path: Path, name: str, option: str, *, host: str, offline: bool, whole: bool, as_json: bool
) -> str:
    """The text (or JSON) for `explain CONTAINER`; Missing for what is not there."""
    from cloudwright.execute.explaining import explained, find_option
    from cloudwright.plan.effective import details, listing, options_json
    from cloudwright.services import SERVICES

    found = await explained(path, SERVICES, name, host, offline=offline)
    tell_lost(found.lost)
    chosen = found.options if whole else found.given
    if option:
        chosen = find_option(found, option)
    if as_json:
        about = {"container": found.container, "host": found.host, "others": list(found.others)}
        return json.dumps({**about, "options": options_json(chosen)}, indent=2)
    if option:
        return "\n\n".join("\n".join(details(one)) for one in chosen)
    return "\n".join([head(found.container, found.host, found.others), *listing(chosen)])


def head(container: str, host: str, others: tuple[str, ...]) -> str:
    """The first line: which container, on which host, and where else it is."""
    more = f"; it is on {', '.join(others)} too (--host)" if others else ""
    return f"{container} on {host}{more}"
