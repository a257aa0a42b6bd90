"""What a person is given with a whole cloud, and the verbs and pages that they look at first."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cloud.handed import Handed, handed_over
from tests.cloud.tool import ADDRESS, HOST, Instance, Tool
from tests.cloud.websocket import console_path, first_message


@pytest.fixture(scope="module")
def handed(cloud: Tool) -> Handed:
    """What `apply` says at the end, on a cloud that is whole."""
    given = handed_over(cloud.run("apply", "--yes"))
    cloud.await_whole()
    return given


def test_apply_ends_with_addresses_that_answer_and_files_that_exist(handed: Handed) -> None:
    assert set(handed.lines) == {"API", "Horizon", "credentials", "CA"}
    handed.check()


def test_a_shell_takes_the_printed_openrc(handed: Handed, tmp_path: Path) -> None:
    """In a directory and an environment that know nothing of the cloud."""
    *_, openrc = handed.credentials
    client = [sys.executable, "-m", "openstackclient.shell"]
    done = subprocess.run(
        ["sh", "-c", '. "$0" && exec "$@"', openrc, *client, "project", "list", "-f", "json"],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    assert {"admin", "service"} <= {project["Name"] for project in json.loads(done.stdout)}


def test_a_whole_cloud_is_shown_as_whole(cloud: Tool, handed: Handed) -> None:
    last = cloud.run("status", status=0).splitlines()[-1]
    well, _, all_of_them, *_ = last.split()
    assert well == all_of_them and int(well) > 10, last


def test_every_image_is_as_its_recipe_says(cloud: Tool) -> None:
    head, *rows = cloud.run("images", "list", status=0).splitlines()
    assert head.split() == ["IMAGE", "SIZE", "STATE"]
    assert len(rows) > 10
    assert {row.split()[-1] for row in rows} == {"current"}


def test_the_lab_is_shown_as_it_is(cloud: Tool) -> None:
    head, row = cloud.run("lab", "status", status=0).splitlines()
    assert head.split() == ["HOST", "ADDRESS", "CONTAINER", "POWER", "SSH", "ANSWERS"]
    name, address, _, power, answers = row.split()
    assert (name, address, power, answers) == (HOST, ADDRESS, "on", "yes")


def test_the_console_of_an_instance_shows_its_screen(
    cloud: Tool, instance: Instance, handed: Handed
) -> None:
    """The page that Nova names is there, and the screen's server speaks behind it, over TLS."""
    answer = cloud.openstack_do("console", "url", "show", "cloudwright-smoke", "-f", "json")
    url = json.loads(answer)["url"]
    assert url.startswith(f"https://{ADDRESS}:6080/vnc_lite.html?")
    assert first_message(url, console_path(url), handed.ca).startswith(b"RFB ")
