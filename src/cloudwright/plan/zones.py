"""Availability zones: one for each site with hypervisors, so that users can say where."""

from __future__ import annotations

from collections.abc import Iterable

from cloudwright.declare.service import Service, hosts_of
from cloudwright.model.cloud import Cloud, Host
from cloudwright.plan.needs import Needs
from cloudwright.plan.steps import MakeZone, Step


def zone_steps(
    service: Service, cloud: Cloud, here: frozenset[str], runner: Host, needs: Needs
) -> Iterable[Step]:
    """One step a site, done over `runner`; none in a cloud of one site, or for a service that
    has no zones. Hosts that are not `here` (by name) stay in their zone or out of it."""
    if not service.zones:
        return
    api, member = (next(c for c in service.containers if c.name == n) for n in service.zones)
    assert api.api is not None
    hosts = hosts_of(cloud, member)
    sites = [s.name for s in cloud.sites if any(h.site == s.name for h in hosts)]
    if len(sites) < 2:
        return
    for site in sites:
        own = [h.name for h in hosts if h.site == site]
        reached = tuple(name for name in own if name in here)
        jobs = [
            f"{service.name}/job/{job.name}@{name}"
            for job in service.jobs
            if job.each
            for name in reached
        ]
        yield Step(
            id=f"{service.name}/zone/{site}",
            host=runner.name,
            action=MakeZone(
                zone=site,
                hosts=reached,
                others=tuple(name for name in own if name not in here),
                url=f"https://{cloud.api.internal}:{api.api.port}{api.api.path}",
            ),
            needs=frozenset(jobs)
            | needs.resolve(
                (api.name, f"{service.name}/identity", "haproxy", "keepalived"), service, runner
            ),
        )
