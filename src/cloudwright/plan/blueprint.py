"""Everything that must exist for a cloud, derived from it and the services' declarations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from cloudwright.declare.at import AUTHORITY, BACKEND_OFFSET, At, Frontend
from cloudwright.declare.rollout import Batches, Quorum
from cloudwright.declare.service import (
    Container,
    Health,
    HttpHealth,
    Service,
    TcpHealth,
    hosts_of,
    listeners_of,
    rollout_of,
)
from cloudwright.errors import Unreachable
from cloudwright.model.cloud import Cloud, Host
from cloudwright.model.facts import Facts
from cloudwright.model.overrides import Overrides
from cloudwright.model.secrets import FernetRing, Secret, current, find_placeholders, ring
from cloudwright.plan import jobs, render
from cloudwright.plan.body import body_of
from cloudwright.plan.certificates import certificates
from cloudwright.plan.identity import identity_step
from cloudwright.plan.needs import Needs
from cloudwright.plan.options import SchemaOf
from cloudwright.plan.steps import (
    MakeDatabase,
    MakeQueueUser,
    MakeVolume,
    Peer,
    ReadAgain,
    RunContainer,
    SetSwitch,
    Step,
    WriteFiles,
    changing_digest,
    fixed_digest,
)
from cloudwright.plan.zones import zone_steps

BALANCER = "haproxy"
"""The container that stands before every API."""


@dataclass(frozen=True, kw_only=True, slots=True)
class World:
    """What must be known of the hosts before anything can be decided.

    `facts` per host name, of those that answered; `image_ids` the content ID of each container
    image reference; `generations` those of renewed certificates and of keys that follow each
    other (`Secret.lineage` → generation).
    """

    facts: Mapping[str, Facts]
    image_ids: Mapping[str, str] = field(default_factory=dict)
    generations: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Blueprint:
    """Every step of a cloud by id, and the secrets that their texts name.

    `unreachable` are hosts that cannot be used: nothing of theirs is among the steps.
    """

    cloud: str
    steps: Mapping[str, Step]
    secrets: Mapping[str, Secret]  # placeholder → secret
    ats: Mapping[str, At] = field(default_factory=dict)
    """Host → what its files were rendered from."""
    unreachable: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Making:
    """What every step is made from; each thing that is the same for all is worked out once."""

    cloud: Cloud
    ats: Mapping[str, At]
    world: World
    overrides: Overrides
    schema_of: SchemaOf
    needs: Needs
    balancers: tuple[str, ...]
    runner: Host

    def here(self, hosts: Iterable[Host]) -> tuple[Host, ...]:
        """Those of `hosts` that answered."""
        return tuple(h for h in hosts if h.name in self.ats)


def make_blueprint(
    cloud: Cloud,
    services: Sequence[Service],
    world: World,
    overrides: Overrides,
    schema_of: SchemaOf = lambda options: None,
) -> Blueprint:
    """All that must exist. Pure: equal input gives equal steps, in the same order.

    Without a schema every option of a file is one that only a new container reads.
    """
    ats = ats_of(cloud, services, world)
    runner = next((h for h in cloud.hosts_with("control") if h.name in ats), None)
    if runner is None:
        raise Unreachable("no controller of the cloud can be used", where=cloud.name)
    containers = (c for s in services for c in s.containers if c.name == BALANCER)
    making = _Making(
        cloud=cloud,
        ats=ats,
        world=world,
        overrides=overrides,
        schema_of=schema_of,
        needs=Needs(cloud=cloud, services=tuple(services)),
        balancers=tuple(h.name for c in containers for h in hosts_of(cloud, c)),
        runner=runner,
    )
    steps: dict[str, Step] = {}
    for service in services:
        for step in _service_steps(service, making):
            steps[step.id] = step
    return Blueprint(
        cloud=cloud.name,
        steps=steps,
        secrets=_secrets(cloud, services, steps.values(), world.generations),
        ats=ats,
        unreachable=frozenset(h.name for h in cloud.hosts) - ats.keys(),
    )


def ats_of(cloud: Cloud, services: Sequence[Service], world: World) -> Mapping[str, At]:
    """Host → what its files are rendered from, for each host that `world` has facts of."""
    fronts = frontends(cloud, services)
    return {
        host.name: At(
            cloud=cloud,
            host=host,
            facts=world.facts[host.name],
            frontends=fronts,
            generations=world.generations,
        )
        for host in cloud.hosts
        if host.name in world.facts
    }


def ini_files(cloud: Cloud, services: Iterable[Service]) -> Iterator[tuple[str, str, str]]:
    """(container, file, host) of every INI file: what an operator's override may be for.

    Which files there are does not depend on what a host is, so nothing need be known of it.
    """
    for service in services:
        for container in service.containers:
            for host in hosts_of(cloud, container):
                at = At(cloud=cloud, host=host, facts=Facts(host=host.name))
                for name, file in container.files(at).items():
                    if not isinstance(file.content, str):
                        yield container.name, name, host.name


def frontends(cloud: Cloud, services: Iterable[Service]) -> tuple[Frontend, ...]:
    """What the load balancer shows: one front for each declared API."""
    return tuple(
        Frontend(
            name=container.name,
            port=container.api.port,
            check=container.api.check,
            check_seconds=container.api.check_seconds,
            mode=container.api.mode,
            external=container.api.external,
            one_at_a_time=container.api.own_files,
            tls=container.tls is not None,
            backends=hosts_of(cloud, container),
        )
        for service in services
        for container in service.containers
        if container.api and hosts_of(cloud, container)
    )


def _service_steps(service: Service, making: _Making) -> Iterable[Step]:
    cloud, needs = making.cloud, making.needs
    volumes: dict[str, Step] = {}
    for container in service.containers:
        peers = _peers(service, container, cloud)
        for host in making.here(hosts_of(cloud, container)):
            volumes.update(_volume_steps(service, container, host))
            yield from _container_steps(service, container, making.ats[host.name], making, peers)
    yield from volumes.values()
    yield from _database_steps(service, making.runner, needs)
    yield from _queue_steps(service, making.runner, needs)
    for job in (*jobs.schema_jobs(service), *service.jobs):
        yield from jobs.job_steps(service, job, cloud, making.ats, making.world.image_ids, needs)
    yield from _switch_steps(service, making)
    identity = identity_step(service, cloud, making.runner, needs)
    if identity:
        yield identity
    yield from zone_steps(service, cloud, frozenset(making.ats), making.runner, needs)


def _peers(service: Service, container: Container, cloud: Cloud) -> tuple[Peer, ...]:
    """It on every host, and what votes with it; nobody where each is its own host's affair."""
    match rollout_of(container):
        case Quorum(cluster=cluster) if cluster:
            kin = [c for c in service.containers if _votes_in(c, cluster)]
        case Batches():
            kin = []
        case _:
            kin = [container]
    return tuple(
        Peer(host=host.name, container=one.name, health=_health(one))
        for one in kin
        for host in hosts_of(cloud, one)
    )


def _votes_in(container: Container, cluster: str) -> bool:
    rollout = container.rollout
    return isinstance(rollout, Quorum) and rollout.cluster == cluster


def _volume_steps(
    service: Service, container: Container, host: Host
) -> Iterable[tuple[str, Step]]:
    for volume in container.volumes:
        id = f"{service.name}/volume/{volume.name}@{host.name}"
        yield id, Step(id=id, host=host.name, action=MakeVolume(volume=volume.name))


def _container_steps(
    service: Service, container: Container, at: At, making: _Making, peers: tuple[Peer, ...]
) -> Iterable[Step]:
    rendered = render.files_of(service, container, at, making.overrides, making.schema_of)
    files = Step(
        id=f"{service.name}/files/{container.name}@{at.host.name}",
        host=at.host.name,
        action=WriteFiles(
            directory=f"{render.CONFIG_DIRECTORY}/{container.name}", files=rendered.files
        ),
    )
    yield files
    again = _again(service, container, at, rendered, files.id)
    if again:
        yield again
    yield Step(
        id=f"{service.name}/{container.name}@{at.host.name}",
        host=at.host.name,
        action=RunContainer(
            container=container.name,
            body=body_of(service, container, at.cloud, making.world.image_ids),
            config_digest=fixed_digest(rendered.files),
            read=again.digest if again else "",
            health=_health(container),
            listeners=listeners_of(container, at),
            farewell=container.farewell,
            rollout=rollout_of(container),
            members=peers,
            balancers=making.balancers if container.api else (),
        ),
        needs=making.needs.of_container(service, container, at.host),
    )


def _again(
    service: Service, container: Container, at: At, rendered: render.Rendered, files: str
) -> Step | None:
    """The step that lets a running container read its files again, for one that can."""
    if not container.reload:
        return None
    return Step(
        id=f"{service.name}/reload/{container.name}@{at.host.name}",
        host=at.host.name,
        action=ReadAgain(
            container=container.name,
            files=rendered.again,
            content=changing_digest(rendered.files),
            command=container.reload.told,
            health=_health(container),
        ),
        needs=frozenset({files, f"{service.name}/{container.name}@{at.host.name}"}),
    )


def _health(container: Container) -> Health | None:
    """Its own, or, for an API, that the application itself answers: more than the load balancer
    asks it, twice a second."""
    if container.health or not container.api:
        return container.health
    port = container.api.port + BACKEND_OFFSET
    if container.api.mode == "tcp":
        return TcpHealth(port=port)
    return HttpHealth(port=port, path="/", tls=container.tls is not None)


def _database_steps(service: Service, runner: Host, needs: Needs) -> Iterable[Step]:
    for database in service.databases:
        password = str(Secret(name=f"{database.user}/database"))
        yield Step(
            id=f"{service.name}/database/{database.name}",
            host=runner.name,
            action=MakeDatabase(database=database.name, user=database.user, password=password),
            needs=needs.resolve(("mariadb",), service, runner),
        )


def _queue_steps(service: Service, runner: Host, needs: Needs) -> Iterable[Step]:
    for user in service.queue_users:
        yield Step(
            id=f"{service.name}/user/{user.name}",
            host=runner.name,
            action=MakeQueueUser(
                container=user.container,
                user=user.name,
                password=str(Secret(name=f"{user.name}/queue")),
                vhost=user.vhost,
                repair=user.repair,
            ),
            needs=needs.resolve((f"@{user.container}",), service, runner),
        )


def _switch_steps(service: Service, making: _Making) -> Iterable[Step]:
    for switch in service.switches:
        for host in making.here(making.cloud.hosts_with(switch.role)):
            at = making.ats[host.name]
            named = (f"@{switch.container}", *switch.needs)
            yield Step(
                id=f"{service.name}/switch/{switch.name}@{host.name}",
                host=host.name,
                action=SetSwitch(
                    container=switch.container,
                    socket=switch.socket,
                    datapath_type=switch.datapath_type(at),
                    bridges=dict(switch.bridges(at)),
                    external_ids=dict(switch.external_ids(at)),
                    other_config=dict(switch.other_config(at)),
                ),
                needs=making.needs.resolve(named, service, host),
            )


def _secrets(
    cloud: Cloud,
    services: Iterable[Service],
    steps: Iterable[Step],
    generations: Mapping[str, int],
) -> Mapping[str, Secret]:
    """Each placeholder that a step's text holds, and the secret that it stands for."""
    known: dict[str, Secret] = {}
    declared = [AUTHORITY]
    for service in services:
        declared += [*service.secrets(cloud), *certificates(service, cloud)]
    used = [current(s, generations) for s in declared]
    rings = [ring(s, s.generation) for s in used if isinstance(s.recipe, FernetRing)]
    for secret in chain(used, *rings):
        for text in (str(secret), *(secret.part(p) for p in secret.parts)):
            known[text] = secret
    found: dict[str, Secret] = {}
    for step in steps:
        for placeholder in find_placeholders(_texts(step)):
            found[placeholder] = known.get(placeholder) or _password(placeholder)
    return found


def _texts(step: Step) -> str:
    match step.action:
        case WriteFiles(files=files):
            return "\n".join(f.text for f in files)
        case other:
            return repr(other)


def _password(placeholder: str) -> Secret:
    """A secret that no service declares is a plain password."""
    name, _, generation = placeholder.removeprefix("⟦secret:").removesuffix("⟧").rpartition(":")
    return Secret(name=name, generation=int(generation))
