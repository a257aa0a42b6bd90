"""What a deployer asks of an image by variables: the shell lines, run by their own shell."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from cloudwright.images.extend_start import images_of
from cloudwright.services import SERVICES

IMAGES = {image.name: image for image in images_of(SERVICES)}
PROGRAMS = (
    *("keystone-manage", "glance-manage", "placement-manage", "neutron-db-manage", "nova-manage"),
    *("nova-status", "runuser"),
)


def run(name: str, folder: Path, *, fails: str = "", **variables: str) -> tuple[int, list[str]]:
    """The exit status of a start that asks for this, and the upstream commands that it ran."""
    tools, log = folder / "bin", folder / "ran"
    tools.mkdir()
    for program in PROGRAMS:
        ends = 3 if program == fails else 0
        (tools / program).write_text(f'#!/bin/sh\necho "{program} $*" >>{log}\nexit {ends}\n')
        (tools / program).chmod(0o755)
    # As root it would ask runuser, which here would have to know the user.
    (tools / "id").write_text("#!/bin/sh\necho 1000\n")
    (tools / "id").chmod(0o755)
    text = IMAGES[name].start.replace("/var/log/kolla", str(folder / "log"))
    (folder / "extend_start").write_text(text)
    script = (
        f"set -o errexit -o nounset -o pipefail; . {folder}/extend_start; echo started >>{log}"
    )
    done = subprocess.run(
        ["bash", "-c", script],
        env={"PATH": f"{tools}:/usr/bin:/bin", **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, log.read_text().splitlines()


NEUTRON = (
    "neutron-db-manage --config-file /etc/neutron/neutron.conf"
    " --config-file /etc/neutron/plugins/ml2/ml2_conf.ini upgrade"
)


@pytest.mark.parametrize(
    ("image", "asked", "ran"),
    [
        ("keystone", "KOLLA_BOOTSTRAP", ["keystone-manage db_sync"]),
        (
            "keystone",
            "KOLLA_UPGRADE",
            ["keystone-manage db_sync --expand", "keystone-manage db_sync --migrate"],
        ),
        ("keystone", "KOLLA_FINISH_UPGRADE", ["keystone-manage db_sync --contract"]),
        (
            "glance",
            "KOLLA_BOOTSTRAP",
            ["glance-manage db_sync", "glance-manage db_load_metadefs"],
        ),
        ("glance", "KOLLA_UPGRADE GLANCE_DB_EXPAND", ["glance-manage db expand"]),
        ("glance", "KOLLA_UPGRADE GLANCE_DB_MIGRATE", ["glance-manage db migrate"]),
        ("glance", "KOLLA_UPGRADE GLANCE_DB_CONTRACT", ["glance-manage db contract"]),
        (
            "placement",
            "KOLLA_BOOTSTRAP",
            ["placement-manage db sync", "placement-manage db online_data_migrations"],
        ),
        ("placement", "KOLLA_UPGRADE", ["placement-manage db sync"]),
        ("placement", "KOLLA_OSM", ["placement-manage db online_data_migrations"]),
        ("neutron", "KOLLA_BOOTSTRAP", [f"{NEUTRON} heads"]),
        ("neutron", "KOLLA_UPGRADE NEUTRON_DB_EXPAND", [f"{NEUTRON} --expand"]),
        ("neutron", "KOLLA_UPGRADE NEUTRON_DB_CONTRACT", [f"{NEUTRON} --contract"]),
        (
            "nova",
            "KOLLA_BOOTSTRAP",
            [
                "nova-manage api_db sync",
                "nova-manage db sync --local_cell",
                "nova-manage db online_data_migrations",
            ],
        ),
        (
            "nova",
            "KOLLA_UPGRADE",
            ["nova-manage api_db sync", "nova-manage db sync --local_cell"],
        ),
        ("nova", "KOLLA_OSM", ["nova-manage db online_data_migrations"]),
        ("nova", "KOLLA_UPGRADE_CHECK", ["nova-status upgrade check"]),
    ],
)
def test_what_is_asked_for_is_done_and_nothing_started(
    image: str, asked: str, ran: list[str], tmp_path: Path
) -> None:
    """A variable counts when it is set, even to nothing."""
    assert run(image, tmp_path, **dict.fromkeys(asked.split(), "")) == (0, ran)


@pytest.mark.parametrize("image", ["keystone", "glance", "placement", "neutron", "nova"])
def test_without_a_question_the_service_starts(image: str, tmp_path: Path) -> None:
    assert run(image, tmp_path) == (0, ["started"])


def test_a_failure_is_the_containers(tmp_path: Path) -> None:
    code, ran = run("nova", tmp_path, fails="nova-status", KOLLA_UPGRADE_CHECK="")
    assert (code, ran) == (3, ["nova-status upgrade check"])


def test_keystone_takes_further_arguments(tmp_path: Path) -> None:
    extra = {"EXTRA_KEYSTONE_MANAGE_ARGS": "--debug", "KOLLA_BOOTSTRAP": ""}
    assert run("keystone", tmp_path, **extra)[1] == ["keystone-manage --debug db_sync"]
