"""A site that goes on without a majority on a person's word, and the return of the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cloudwright.declare.rollout import Alone
from cloudwright.declare.service import Container, Service, hosts_of
from cloudwright.model.cloud import Cloud
from cloudwright.operations.recover import MemberState, can_go_without
from cloudwright.operations.what_if import lose

NO_MAJORITY = "up, without a majority"


@dataclass(frozen=True, kw_only=True, slots=True)
class Cluster:
    """A cluster whose members take a person's word: its container's name, what that word means to
    it, and what each of its members says."""

    name: str
    alone: Alone
    states: tuple[MemberState, ...]

    @property
    def whole(self) -> tuple[str, ...]:
        """The hosts whose member is part of a whole cluster."""
        return tuple(state.host for state in self.states if state.whole)

    def of(self, hosts: Sequence[str]) -> tuple[str, ...]:
        """Those of `hosts` that have a member."""
        return tuple(state.host for state in self.states if state.host in hosts)

    def others(self, dead: Sequence[str]) -> tuple[MemberState, ...]:
        """Every member but those of `dead`."""
        return tuple(state for state in self.states if state.host not in dead)


def voters(cloud: Cloud, services: Sequence[Service]) -> Iterator[tuple[Container, Alone]]:
    """The containers of `cloud` whose members take a person's word, in the services' order."""
    for service in services:
        for container in service.containers:
            if container.alone and hosts_of(cloud, container):
                yield container, container.alone


def meant(cloud: Cloud, names: Sequence[str]) -> tuple[str, ...]:
    """The hosts that `names` (`site:NAME`, `host:NAME`, `NAME`) stand for, in the cloud's order.

    Raises InvalidCloud for a name that the cloud does not have.
    """
    up = lose(cloud, names).up
    return tuple(host.name for host in cloud.hosts if host.name not in up)


def to_force(clusters: Sequence[Cluster]) -> tuple[Cluster, ...]:
    """Those that take no writes."""
    return tuple(cluster for cluster in clusters if not cluster.whole)


def why_not(clusters: Sequence[Cluster], dead: Sequence[str]) -> str:
    """Why nobody can be told that `dead` are dead; empty when the members can.

    A cluster that is whole is never forced; the others may be beside it. The database may have
    gone on by itself (it does when the losses came one after the other, since an arbitrator is
    not waited for), or on a word in a run that was interrupted.
    """
    forced = to_force(clusters)
    if not forced:
        return "every cluster is whole: there is nothing to force"
    for cluster in clusters:
        if alive := [s.host for s in cluster.states if s.host in dead and s.state != "silent"]:
            return f"{', '.join(alive)} answers ({cluster.name}), so it is not dead"
    for cluster in forced:
        others = cluster.others(dead)
        if not any(state.state != "silent" for state in others):
            return f"nobody is left who answers for {cluster.name}"
        if silent := [state.host for state in others if state.state == "silent"]:
            return f"{', '.join(silent)} is silent too ({cluster.name}), and was not named"
        if not cluster.of(dead):
            return f"{cluster.name} lost none of its members, and is not whole: see `recover`"
    return ""


def why_wait(clusters: Sequence[Cluster], dead: Sequence[str]) -> str:
    """Why the members must wait for `dead` all the same; empty when they need not.

    Only of clusters that are not whole anybody is told, so only these have a say.
    """
    concerned = [cluster for cluster in clusters if cluster.of(dead)]
    if not concerned:
        members = dict.fromkeys(state.host for cluster in clusters for state in cluster.states)
        return f"{', '.join(dead)} keeps no data; the members are {', '.join(members)}"
    for cluster in to_force(concerned) or concerned:
        if why := can_go_without(cluster.states, cluster.of(dead)):
            return f"{cluster.name}: {why}"
    return ""


def unsettled(cluster: Cluster, dead: Sequence[str]) -> tuple[str, ...]:
    """Which members, but for those on `dead`, are not part of it as a whole one, and what each
    waits for, in sentences."""
    return tuple(
        f"{cluster.name} on {state.host}: "
        + (state.waits or state.why or (NO_MAJORITY if state.is_up else state.state))
        for state in cluster.others(dead)
        if not state.whole
    )


def consequences(clusters: Sequence[Cluster], dead: Sequence[str]) -> tuple[str, ...]:
    """What will be done in each cluster that takes no writes, why, and what may be lost by it."""
    lines = []
    for cluster in to_force(clusters):
        lost, others = cluster.of(dead), [state.host for state in cluster.others(dead)]
        lines += [
            f"{cluster.name}: {len(others)} of {len(cluster.states)} members are left "
            f"({', '.join(others)}), no majority beside {', '.join(lost)}",
            f"  to do:       {cluster.alone.how}",
            f"  may be lost: {cluster.alone.lost}",
        ]
    return tuple(lines)


def apart(clusters: Sequence[Cluster]) -> str:
    """Who goes on with what others gave up: two writers, which nobody can make one; else empty."""
    for cluster in clusters:
        left = {history for state in cluster.states for history in state.left}
        given_up = [s for s in cluster.states if s.history in left and s.history not in s.left]
        if old := [state.host for state in given_up if state.whole]:
            return (
                f"{cluster.name} on {', '.join(old)} is whole with what was given up when the "
                "others went on without: it may have taken writes of its own"
            )
    return ""


def differs(cluster: Cluster, lacking: Sequence[str]) -> tuple[str, ...]:
    """What is not yet as it was before the loss, in sentences; `lacking`: of its contents."""
    away = [
        f"{cluster.name} on {state.host}: {state.waits or state.why or state.state}"
        for state in cluster.states
        if state.state != "up"
    ]
    return (*away, *(f"{cluster.name}: {what}" for what in lacking))


def without_vote(there: str, hosts: Sequence[str]) -> tuple[str, ...]:
    """Which of `hosts` have no member in Galera's list of those that are `there`
    (`uuid/name/address`, comma-separated, as `wsrep_notify_cmd` is given it), in a sentence."""
    names = {part.split("/")[1] for part in there.strip().split(",") if part.count("/") > 1}
    missing = [host for host in hosts if host not in names]
    return (f"{', '.join(missing)} has no vote in it yet",) if missing else ()


def lacking_copies(queues: Sequence[Mapping[str, object]], members: int) -> tuple[str, ...]:
    """What RabbitMQ's list of queues says of those that have fewer copies than there are members.

    Each row has `name`, `type`, `members` and `online` (`rabbitmqctl list_queues`).
    """
    short = []
    for queue in queues:
        online = queue.get("online")
        count = len(online) if isinstance(online, list) else 0
        if queue.get("type") in ("quorum", "stream", "rabbit_stream_queue") and count < members:
            short.append(str(queue.get("name")))
    if not short:
        return ()
    more = f" (and {len(short) - 1} more)" if len(short) > 1 else ""
    return (f"{short[0]}{more} has fewer than {members} copies",)
