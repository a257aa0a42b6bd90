"""Do one step: an action becomes calls to a host, its engine, the database or Keystone."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import assert_never

from cloudwright.engine.api import Engine
from cloudwright.errors import CloudError, EngineError, HostError, StepFailed
from cloudwright.execute.central import zones
from cloudwright.execute.central.links import Links
from cloudwright.execute.central.queue import make_user
from cloudwright.execute.host import labels
from cloudwright.execute.host.config import started_command, starting_command, write_config
from cloudwright.execute.host.container import job_name, spec_of
from cloudwright.execute.host.fleet import Fleet
from cloudwright.execute.host.health import probe
from cloudwright.execute.host.rereading import note, tell_to_read
from cloudwright.execute.host.switch import set_switch
from cloudwright.execute.images.delivery import bring_images
from cloudwright.execute.journal.telling import telling
from cloudwright.execute.steps.drain import come_back, leave
from cloudwright.execute.steps.turn import Turns
from cloudwright.model.cloud import Cloud
from cloudwright.plan.render import CONFIG_DIRECTORY
from cloudwright.plan.steps import (
    BringImages,
    ContainerBody,
    MakeDatabase,
    MakeIdentity,
    MakeQueueUser,
    MakeVolume,
    MakeZone,
    ReadAgain,
    RemoveContainer,
    RunContainer,
    RunJob,
    SetSwitch,
    Step,
    WriteFiles,
)

POLL_SECONDS = 0.15
"""Between two questions whether something is ready."""

RETRY_SECONDS = 60
"""A database or Keystone that just became ready may refuse a first call (its peers start)."""

ENDINGS = 5
"""A container that its engine had to start again so often will not come up by itself: what it
waits for it waits for without ending."""

LOG_LINES = 400

READY_SECONDS = 180
"""How long a job waits for what must be in the database before it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Doing:
    """What every step needs: hosts, ways in, whose turn it is, where its log and its waits go."""

    fleet: Fleet
    cloud: Cloud
    links: Links
    turns: Turns
    log: Callable[[str], None]
    waits: Callable[[str], None]


async def perform(step: Step, doing: Doing) -> None:
    """Make it so, and return once it is ready; again does no harm.

    Raises a CloudError whose text is for a person.
    """
    engine = doing.fleet.engine(step.host)
    match step.action:
        case WriteFiles() as action:
            await write_config(doing.fleet.host(step.host), action, doing.links.values)
        case MakeVolume(volume=volume):
            await engine.create_volume(volume, {labels.CLOUD: doing.cloud.name})
        case RunContainer() as action:
            await _run_container(step, action, doing)
        case ReadAgain() as action:
            await _read_again(step, action, doing)
        case RunJob() as action:
            await _run_job(step, action, doing)
        case MakeDatabase() | MakeQueueUser() | MakeIdentity() | MakeZone() as entry:
            await _retry(lambda: _make_central(entry, doing, engine), doing)
        case SetSwitch() as action:
            await set_switch(engine, action)
        case BringImages() as images:
            await bring_images(engine, images, doing.waits)
        case RemoveContainer(container=container):
            await _remove(engine, container, 60)
            directory = shlex.quote(f"{CONFIG_DIRECTORY}/{container}")
            await doing.fleet.host(step.host).run(f"rm -rf -- {directory}")
        case _:
            assert_never(step.action)


async def _make_central(
    action: MakeDatabase | MakeQueueUser | MakeIdentity | MakeZone, doing: Doing, engine: Engine
) -> None:
    """What the cloud has once: in its database, its message queue or behind its Keystone."""
    match action:
        case MakeDatabase(password=password) as database:
            await doing.links.database.make(database, doing.links.values[password])
        case MakeQueueUser() as account:
            await _make_queue_user(account, doing, engine)
        case MakeIdentity(password=password) as identity:
            value = doing.links.values[password] if password else ""
            await doing.links.keystone.make(identity, value)
        case MakeZone() as zone:
            await zones.make(doing.links.keystone, zone)


async def _run_container(step: Step, action: RunContainer, doing: Doing) -> None:
    engine = doing.fleet.engine(step.host)
    async with doing.turns.turn(step, doing.waits) as works:
        if works:
            await leave(step, doing.fleet, doing.waits)
        await _remove(engine, action.container, action.body.stop_seconds)
        await come_back(step, doing.fleet)
        directory = f"{CONFIG_DIRECTORY}/{action.container}"
        await _make_sources(action.body, step, doing, starting_command(directory))
        await engine.create(spec_of(step, action.body, doing.cloud.name))
        await engine.start(action.container)
        await _wait_healthy(step, action, doing)
        await doing.fleet.host(step.host).run(started_command(directory))


async def _read_again(step: Step, action: ReadAgain, doing: Doing) -> None:
    engine = doing.fleet.engine(step.host)
    await tell_to_read(engine, step, action)
    await _wait_healthy(step, action, doing)
    await note(doing.fleet.host(step.host), engine, step, action)


async def _wait_healthy(step: Step, action: RunContainer | ReadAgain, doing: Doing) -> None:
    host, engine = doing.fleet.host(step.host), doing.fleet.engine(step.host)
    address = doing.cloud.host(step.host).address
    seconds = action.health.seconds if action.health else 0
    deadline = asyncio.get_running_loop().time() + seconds
    told = ""
    starts = set()
    while wrong := await probe(host, engine, address, action.container, action.health):
        state = await engine.inspect(action.container)
        starts.add(state.started_at)
        if not state.running and state.state != "created":
            doing.log(f"{action.container} is {state.state} with code {state.exit_code}")
        late = asyncio.get_running_loop().time() > deadline
        if late or len(starts) > ENDINGS:
            how = f"within {seconds} s: {wrong}" if late else f"and ended {ENDINGS} times"
            lines = await last_lines(engine, action.container, LOG_LINES)
            doing.log(lines)
            raise StepFailed(
                f"{action.container} did not become healthy {how}",
                where=step.id,
                why=telling(lines),
                hint=f"`cloudwright logs {action.container}` shows all; `apply` resumes here",
            )
        if wrong != told:
            doing.waits(wrong)
            told = wrong
        await asyncio.sleep(POLL_SECONDS)


async def _run_job(step: Step, action: RunJob, doing: Doing) -> None:
    database = doing.links.database
    if await _is_done(step, action, doing):
        doing.log("its effect is in the database: it ran before")
        return
    if action.ready:
        await _wait_row(step, action.ready, doing)
    if action.fills:
        await database.begin(step.id, action.fills)
    try:
        await _run_once(step, action, doing)
    except StepFailed as err:
        if not action.fills:
            raise
        # A database that moved to another member breaks off what migrates; from empty again.
        doing.log(str(err))
        await _retry(lambda: database.begin(step.id, action.fills), doing)
        await _run_once(step, action, doing)
    if not await database.gives_row(action.probe):
        raise StepFailed(
            "the job ended well but its effect is not in the database",
            where=step.id,
            why=action.probe,
        )
    await database.record(step.id, step.digest)


async def _run_once(step: Step, action: RunJob, doing: Doing) -> None:
    """Run the job's container to its end; StepFailed with what it printed when it ends badly."""
    engine, name = doing.fleet.engine(step.host), job_name(action)
    await _remove(engine, name, 0)
    await engine.create(spec_of(step, action.body, doing.cloud.name))
    try:
        await engine.start(name)
        code = await engine.wait(name)
        output = await last_lines(engine, name, LOG_LINES)
        doing.log(output)
        if code != 0:
            raise StepFailed(
                f"the job ended with code {code}",
                where=step.id,
                why=telling(output),
                hint="its command is safe to repeat; `apply` resumes here",
            )
    finally:
        await _remove(engine, name, 0)


async def _is_done(step: Step, action: RunJob, doing: Doing) -> bool:
    """Nobody could see it when the plan was made, if the database was down then."""
    try:
        there = await doing.links.database.contents((action.probe,))
        return there.digests.get(step.id) == step.digest and action.probe in there.given
    except HostError:
        return False


async def _make_queue_user(action: MakeQueueUser, doing: Doing, engine: Engine) -> None:
    """The server makes it as it starts; its tool, which takes seconds, is for what was lost."""
    password = doing.links.values[action.password]
    if not await doing.links.queue.difference(action.user, password, action.vhost):
        return
    await make_user(engine, action)
    if wrong := await doing.links.queue.difference(action.user, password, action.vhost):
        raise StepFailed("the account was made and does not work", where=action.user, why=wrong)


async def _wait_row(step: Step, query: str, doing: Doing) -> None:
    deadline = asyncio.get_running_loop().time() + READY_SECONDS
    doing.waits(f"for a row: {query}")
    while not await doing.links.database.gives_row(query):
        if asyncio.get_running_loop().time() > deadline:
            raise StepFailed(
                f"what the job needs was not in the database within {READY_SECONDS} s",
                where=step.id,
                why=query,
            )
        await asyncio.sleep(POLL_SECONDS * 2)


async def _retry(work: Callable[[], Awaitable[None]], doing: Doing) -> None:
    """Call until it works; raises the last error after RETRY_SECONDS."""
    deadline = asyncio.get_running_loop().time() + RETRY_SECONDS
    while True:
        try:
            await work()
            return
        except CloudError as err:
            if asyncio.get_running_loop().time() > deadline:
                raise
            doing.log(str(err))
            doing.waits(err.what)
            await asyncio.sleep(POLL_SECONDS * 4)


async def _make_sources(body: ContainerBody, step: Step, doing: Doing, also: str) -> None:
    """Directories to be mounted, before the engine would refuse or guess what they should be;
    `also` runs on the same way."""
    sources = [b.source for b in body.binds if b.source.startswith("/")]
    quoted = " ".join(shlex.quote(s) for s in sources)
    await doing.fleet.host(step.host).run(
        f'for d in {quoted}; do [ -e "$d" ] || mkdir -p "$d"; done; {also}'
    )


async def _remove(engine: Engine, name: str, seconds: int) -> None:
    """Stop and remove; a container that is not there is what we wanted."""
    try:
        if seconds and (await engine.inspect(name)).state == "running":
            await engine.stop(name, seconds)  # a paused one hears no signal
        await engine.remove(name, force=True)
    except EngineError as err:
        if err.status != 404:
            raise


async def last_lines(engine: Engine, name: str, count: int) -> str:
    """The last lines that a container wrote."""
    try:
        return "\n".join([line async for line in engine.logs(name, tail=count)])
    except EngineError as err:
        return str(err)
