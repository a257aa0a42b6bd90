"""The smoke test stops at once when told to, whatever it waits for, and says what is left."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from openstack.exceptions import SDKException

from cloudwright.cli.main import error_text
from cloudwright.cli.view_pieces import PARTS as WORDING
from cloudwright.cli.view_pieces import PiecesView
from cloudwright.errors import CloudError, StepFailed
from cloudwright.execute.central.api import Api
from cloudwright.execute.interrupts import cancelling
from cloudwright.execute.sample.disk import Disk
from cloudwright.execute.sample.parts import PARTS, REMOVE, Guest
from cloudwright.execute.sample.smoke import smoke
from cloudwright.transport.local import LocalHost
from tests.unit.test_sample import cloud_with


def nothing(**asked: Any) -> list[Any]:
    return []


def made(*words: Any, **asked: Any) -> Any:
    return SimpleNamespace(id="1")


def never(*words: Any, **asked: Any) -> Any:
    """A call that is not answered."""
    threading.Event().wait()


def refused(*words: Any, **asked: Any) -> Any:
    raise SDKException("quota exceeded")


def a_cloud(**image: Any) -> Any:
    """An empty cloud that makes no network, and in which no image becomes active."""
    network = {
        name: nothing for name in ("ips", "routers", "networks", "security_groups", "ports")
    }
    making = ("create_security_group", "create_security_group_rule")
    return SimpleNamespace(
        network=SimpleNamespace(
            create_network=never, **network, **{name: made for name in making}
        ),
        compute=SimpleNamespace(
            servers=nothing,
            keypairs=nothing,
            flavors=nothing,
            create_flavor=made,
            create_keypair=made,
        ),
        image=SimpleNamespace(
            **{
                "images": nothing,
                "create_image": made,
                "get_image": lambda id: SimpleNamespace(status="queued"),
                **image,
            }
        ),
    )


async def smoke_on(sdk: Any, directory: Path) -> None:
    disk = Disk(path=directory / "disk", format="raw", virtual_size=1)
    with cancelling():
        await smoke(
            cloud_with("192.0.2.0/24"),
            Api(sdk=sdk, direct=True),
            LocalHost(),
            directory,
            Guest(disk=disk, user="cloud", memory_mib=128),
            PiecesView(say=lambda line: print(line, flush=True), lines=WORDING.plain),
            keep=False,
        )


def program(directory: Path) -> int:
    """What the test below runs as a program of its own; the exit code."""
    try:
        asyncio.run(smoke_on(a_cloud(), directory))
    except CloudError as error:
        print(error_text(error), flush=True)
        return error.exit_code
    return 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_waits_and_calls_that_nobody_answers(
    number: signal.Signals, tmp_path: Path
) -> None:
    source = "import sys, pathlib; from tests.simulated.test_smoke import program; "
    process = subprocess.Popen(
        [sys.executable, "-c", f"{source}sys.exit(program(pathlib.Path(sys.argv[1])))", tmp_path],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout
    done = [process.stdout.readline().rpartition(" (")[0] for _ in range(4)]
    assert done[0] == "✓ remove what an earlier run left"
    assert sorted(done[1:]) == ["✓ flavor", "✓ keypair", "✓ security group"]
    process.send_signal(number)
    head, *rest = process.stdout.read().splitlines()
    assert process.wait() == 130
    assert head.startswith("error: interrupted after ")
    names = ", ".join(line.removeprefix("✓ ") for line in done)
    assert rest == [
        "  why:",
        f"    done: {names}",
        "    stopped in the middle: image, external network, private network",
        "  hint: what was made is left as it is; the next `cloudwright smoke` removes it",
    ]


def test_a_refusal_ends_the_others_and_is_told_once(tmp_path: Path) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        asyncio.run(smoke_on(a_cloud(create_image=refused), tmp_path))
    [error] = caught.value.exceptions
    assert isinstance(error, StepFailed)
    assert (error.where, error.why) == ("smoke: image", "quota exceeded")


def test_every_part_comes_after_those_that_it_needs() -> None:
    names = [*PARTS, *REMOVE]
    for name, part in {**PARTS, **REMOVE}.items():
        assert set(part.needs) <= set(names[: names.index(name)]), name
    assert [name for name in names[1:] if not {**PARTS, **REMOVE}[name].needs] == []
