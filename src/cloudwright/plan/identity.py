"""A service in Keystone: its user and the endpoints of its APIs, as one step."""

from __future__ import annotations

from cloudwright.declare.service import Api, Service
from cloudwright.model.cloud import Cloud, Host
from cloudwright.model.secrets import Secret
from cloudwright.plan.needs import Needs
from cloudwright.plan.steps import Endpoint, MakeIdentity, Step


def identity_step(service: Service, cloud: Cloud, runner: Host, needs: Needs) -> Step | None:
    """The step, done over `runner`; None for a service that Keystone need not know."""
    endpoints = tuple(
        _endpoint(service, container.api, cloud)
        for container in service.containers
        if container.api and container.api.type
    )
    if not endpoints and not service.identity_user:
        return None
    user = service.identity_user
    return Step(
        id=f"{service.name}/identity",
        host=runner.name,
        action=MakeIdentity(
            region=cloud.region,
            user=user,
            password=str(Secret(name=f"{user}/identity")) if user else "",
            endpoints=endpoints,
        ),
        needs=needs.resolve(("keystone", "haproxy", "keepalived"), service, runner),
    )


def _endpoint(service: Service, api: Api, cloud: Cloud) -> Endpoint:
    return Endpoint(
        service=service.name,
        type=api.type,
        description=service.summary,
        internal=f"https://{cloud.api.internal}:{api.port}{api.path}",
        public=f"https://{cloud.api.external}:{api.port}{api.path}",
    )
