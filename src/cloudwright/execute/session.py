"""One use of a cloud: its file, its secrets, its hosts; what every verb begins with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from cloudwright.declare.at import AUTHORITY
from cloudwright.declare.service import Service
from cloudwright.errors import InvalidCloud, Problem
from cloudwright.execute.host.fleet import Fleet, open_fleet
from cloudwright.execute.images.store import local_image_ids
from cloudwright.execute.journal.events import Tell
from cloudwright.execute.journal.record import RUNS, new_record
from cloudwright.execute.lock.changing import changing, noted
from cloudwright.execute.lock.ledger import Ledger, Pages, ledger_of
from cloudwright.execute.lock.reached import open_ledger
from cloudwright.execute.lock.recorded import Change
from cloudwright.execute.look.observe import observe
from cloudwright.execute.look.survey import LocalImages, holdings, survey
from cloudwright.execute.run import execute as run_plan
from cloudwright.execute.secrets.rings import in_use
from cloudwright.execute.secrets.vault import Vault
from cloudwright.images.release import known_releases
from cloudwright.images.schemas import Schemas
from cloudwright.model.cloud import Cloud
from cloudwright.model.facts import Facts
from cloudwright.model.load import load, outline
from cloudwright.model.overrides import Known, Overrides, load_overrides
from cloudwright.model.renewal import generations
from cloudwright.operations.deliver import Holdings, deliver
from cloudwright.plan.blueprint import Blueprint, World, ini_files, make_blueprint
from cloudwright.plan.changes import Sources
from cloudwright.plan.checks import check
from cloudwright.plan.difference import Observed, Plan, make_plan
from cloudwright.plan.options import check_overrides

STATE_DIRECTORY = ".cloudwright"
"""Beside `cloud.yaml`: secrets, runs, the lab's keys."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """`path` is that of `cloud.yaml`; `fleet` has one connection to each host."""

    path: Path
    cloud: Cloud
    services: Sequence[Service]
    overrides: Overrides
    vault: Vault
    fleet: Fleet
    schemas: Schemas
    images: LocalImages
    """The container images of this machine when the session began."""
    warnings: tuple[Problem, ...] = ()
    """What `check` would warn of."""
    _held: list[Holdings] = field(default_factory=list)

    @property
    def state(self) -> Path:
        """Where this cloud's local files live."""
        return self.path.parent / STATE_DIRECTORY

    @property
    def sources(self) -> Sources:
        """Where the values in its files come from."""
        return Sources(services=self.services, overrides=self.overrides, schema_of=self.schemas.of)

    async def world(self) -> World:
        """What the hosts are: facts and images; which certificates it is time to renew, and which
        key of each ring is in use."""
        found, kept, rings = await asyncio.gather(
            survey(self.fleet, self.cloud, self.holdings()),
            asyncio.to_thread(self.vault.certificates),
            asyncio.to_thread(self._rings),
        )
        renewed = generations([one for one in kept if one.lineage != AUTHORITY.lineage], self.now)
        return replace(found, generations={**renewed, **rings})

    def _rings(self) -> Mapping[str, int]:
        secrets = (s for service in self.services for s in service.secrets(self.cloud))
        return in_use(self.vault, secrets)

    @property
    def now(self) -> datetime:
        """What time it is for certificates."""
        return self.vault.clock()

    async def blueprint(self) -> Blueprint:
        """All that must exist."""
        return make_blueprint(
            self.cloud, self.services, await self.world(), self.overrides, self.schemas.of
        )

    def blueprint_of_all(self, world: World) -> Blueprint:
        """All that must exist, on hosts that are not in `world` too: of these nothing is known."""
        unknown = {host.name: Facts(host=host.name) for host in self.cloud.hosts}
        whole = replace(world, facts={**unknown, **world.facts})
        return make_blueprint(self.cloud, self.services, whole, self.overrides, self.schemas.of)

    async def plan(self) -> tuple[Blueprint, Observed, Plan]:
        """All that must exist, what was found, and what is missing or wrong."""
        blueprint = await self.blueprint()
        observed = await observe(self.fleet, self.cloud, blueprint, self.vault)
        return blueprint, observed, make_plan(blueprint, observed)

    @property
    def ledger(self) -> Ledger:
        """Where the cloud's hosts keep its lock and its history."""
        hosts = {name: member.host for name, member in self.fleet.members.items()}
        lost = {name: error.what for name, error in self.fleet.lost.items()}
        return ledger_of(self.cloud, hosts, lost)

    @asynccontextmanager
    async def changing(
        self,
        verb: str,
        reason: str,
        say: Callable[[str], None],
        seen: Pages | None = None,
        *,
        reconnect: bool = False,
    ) -> AsyncIterator[Change]:
        """Hold the cloud while the block changes it, and leave a record; see `lock.changing`.

        With `reconnect` it lets go over new connections: the hosts may lose their power meanwhile.
        """
        record = await new_record(self.path, self.cloud, verb, reason)
        ending = partial(open_ledger, self.cloud, self.path) if reconnect else None
        runs = self.state / RUNS
        async with changing(self.ledger, record, runs, say, seen, ending) as change:
            yield change

    @asynccontextmanager
    async def noted(
        self, verb: str, reason: str, say: Callable[[str], None]
    ) -> AsyncIterator[Change]:
        """Leave a record of the block without holding the cloud; see `lock.changing`."""
        record = await new_record(self.path, self.cloud, verb, reason)
        async with noted(self.ledger, record, self.state / RUNS, say) as change:
            yield change

    async def holdings(self) -> Holdings:
        """The container images here and on the hosts. They are looked for once until something is
        changed or `look_again`: an engine takes 0.2 s of CPU to list them."""
        if not self._held:
            self._held.append(await holdings(self.fleet, self.cloud, self.images))
        return self._held[0]

    def look_again(self) -> None:
        """Believe nothing that was found so far: time has gone by."""
        self._held.clear()

    async def delivery(self, hosts: Sequence[str] = ()) -> tuple[Blueprint, Plan]:
        """What brings the images of this machine to the hosts (all, or these) that lack some."""
        return deliver(self.cloud, self.services, await self.holdings(), hosts)

    async def execute(self, change: Change, blueprint: Blueprint, plan: Plan, tell: Tell) -> None:
        """Do the plan as part of a change; journal and logs go to that run's directory.

        Raises UnsafePlan or Missing, with nothing touched, for a plan that must not be done.
        """
        check(plan, blueprint)
        self.look_again()
        change.outcome = await run_plan(
            self.fleet, self.cloud, blueprint, plan, self.vault, tell, change.directory
        )


def read_cloud(path: Path, services: Sequence[Service]) -> tuple[Cloud, Overrides]:
    """The cloud and its overrides, or InvalidCloud with every problem; touches no host."""
    cloud, overrides, _ = read_with_warnings(path, services)
    return cloud, overrides


def read_with_warnings(
    path: Path, services: Sequence[Service]
) -> tuple[Cloud, Overrides, tuple[Problem, ...]]:
    """As `read_cloud`, and what is no reason to refuse: options that will be removed."""
    names = frozenset(c.name for s in services for c in s.containers)
    names |= {s.name for s in services}
    try:
        cloud = load(path, known_releases())
    except InvalidCloud as error:
        raise InvalidCloud((*error.problems, *_beside(path, names))) from error
    hosts = frozenset(host.name for host in cloud.hosts)
    known = Known(names=names, hosts=hosts)
    overrides, found = load_overrides(path.parent, cloud.overrides_dir, known)
    found += overrides.unmatched(ini_files(cloud, services))
    found += check_overrides(cloud, services, overrides, Schemas(release=cloud.release).of)
    if not all(problem.warning for problem in found):
        raise InvalidCloud(found)
    return cloud, overrides, found


def _beside(path: Path, names: frozenset[str]) -> tuple[Problem, ...]:
    """What is wrong with the overrides of a cloud that is wrong itself, as far as can be known:
    which options a file may have depends on the cloud."""
    if (seen := outline(path)) is None:
        return ()
    folder, hosts = seen
    _, problems = load_overrides(path.parent, folder, Known(names=names, hosts=hosts))
    return problems


@asynccontextmanager
async def open_session(
    path: Path,
    services: Sequence[Service],
    *,
    whole: bool = True,
    unfit: bool = False,
    refuse: Callable[[Cloud], None] = lambda cloud: None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> AsyncIterator[Session]:
    """Load the cloud and connect to every host at once; the error names each that failed.

    Without `whole` those that cannot be used are in the fleet's `lost`, unless all are; with
    `unfit` all may be. `refuse` raises what speaks against the cloud that was asked for, before
    any host is. `clock` says how old certificates are.
    """
    path = path.resolve()
    cloud, overrides, warnings = read_with_warnings(path, services)
    refuse(cloud)
    state = path.parent / STATE_DIRECTORY
    # A process of its own: it works while the hosts are reached.
    images = asyncio.create_task(local_image_ids(cloud.images.prefix))
    try:
        async with open_fleet(cloud, state / "lab", whole=whole, unfit=unfit) as fleet:
            yield Session(
                path=path,
                cloud=cloud,
                services=services,
                overrides=overrides,
                vault=Vault(state, clock=clock),
                fleet=fleet,
                schemas=Schemas(release=cloud.release),
                images=await images,
                warnings=warnings,
            )
    finally:
        images.cancel()
        # The end of the loop would cut it short while it starts its process, and wait for ever.
        await asyncio.gather(images, return_exceptions=True)
