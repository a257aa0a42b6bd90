"""What an image owes the Kolla image contract, derived from its service's declarations."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import replace

from cloudwright.declare.image import Image, Schema
from cloudwright.declare.service import Database, Service

_HEAD = """\
# Made from what {service} declares. Sourced by kolla_start before the command.
log=/var/log/kolla/{service}
[ -d $log ] || {{ install -d -m 755 $log; [ "$(id -u)" -ne 0 ] || chown {user}:kolla $log; }}
"""

_MANAGE = """\
manage() {{
    # As the service's own user: it must be able to write on in a log that this begins.
    if [ "$(id -u)" -eq 0 ]; then
        HOME=/var/lib/{user} runuser -u {user} -- bash -ec "$1"
    else
        bash -ec "$1"
    fi
}}
"""


def images_of(services: Iterable[Service]) -> tuple[Image, ...]:
    """The image of each service that declares one, with all that its databases add to it."""
    return tuple(_whole(service, service.image) for service in services if service.image)


def _whole(service: Service, image: Image) -> Image:
    if not any(database.create for database in service.databases):
        return image
    logs = f"install -d -o {image.user} -g kolla -m 755 /var/log/kolla/{service.name}"
    start = extend_start(service, image)
    return replace(image, run=(*image.run, logs), start=start, schemas=_schemas(service))


def extend_start(service: Service, image: Image) -> str:
    """The shell lines before the command: a deployer asks by variables for work that ends there.

    Each variable counts when it is set, even to nothing. KOLLA_BOOTSTRAP makes the schemas,
    KOLLA_UPGRADE raises them while old code runs (or does the phases that `<SERVICE>_DB_EXPAND`,
    `_MIGRATE` and `_CONTRACT` ask for), KOLLA_FINISH_UPGRADE ends that, KOLLA_OSM moves data,
    KOLLA_UPGRADE_CHECK asks whether all is well.
    """
    made = [d for d in service.databases if d.create and not d.apart]
    words = {"service": service.name, "user": image.user}
    online = [d.online for d in made if d.online]
    blocks = [
        _HEAD.format(**words),
        image.start,
        _MANAGE.format(**words),
        _ends("KOLLA_BOOTSTRAP", [d.create for d in made] + online),
        _phases(service.name, made),
        _ends("KOLLA_UPGRADE", [c for d in made for c in _upgrade(d)]),
        _ends("KOLLA_FINISH_UPGRADE", [d.contract for d in made if d.contract]),
        _ends("KOLLA_OSM", online),
        _ends("KOLLA_UPGRADE_CHECK", [service.upgrade_check] if service.upgrade_check else []),
    ]
    return "".join(blocks)


def _upgrade(database: Database) -> Sequence[str]:
    return [c for c in (database.expand, database.migrate) if c] or [database.create]


def _ends(variable: str, commands: Sequence[str]) -> str:
    lines = [f"    manage {shlex.quote(command)}\n" for command in commands]
    return _if_set(variable, [*lines, "    exit 0\n"]) if commands else ""


def _phases(name: str, databases: Sequence[Database]) -> str:
    """The phases of an upgrade, each asked for alone by a deployer that rolls it over hosts."""
    blocks = [
        (f"{name.upper()}_DB_{phase.upper()}", [c for d in databases if (c := getattr(d, phase))])
        for phase in ("expand", "migrate", "contract")
    ]
    asked = "".join(f"${{{variable}+set}}" for variable, commands in blocks if commands)
    if not asked:
        return ""
    lines = [
        f'    [ -z "${{{variable}+set}}" ] || manage {shlex.quote(" && ".join(commands))}\n'
        for variable, commands in blocks
        if commands
    ]
    condition = f'[ -n "${{KOLLA_UPGRADE+set}}" ] && [ -n "{asked}" ]'
    return "".join([f"if {condition}; then\n", *lines, "    exit 0\n", "fi\n"])


def _if_set(variable: str, lines: Sequence[str]) -> str:
    return "".join([f'if [ -n "${{{variable}+set}}" ]; then\n', *lines, "fi\n"])


def _schemas(service: Service) -> tuple[Schema, ...]:
    return tuple(
        Schema(database=d.name, section=d.section, command=d.create)
        for d in service.databases
        if d.create
    )
