"""What the engine is told of a container: image, command, mounts, privileges."""

from __future__ import annotations

from collections.abc import Mapping

from cloudwright.declare.service import Container, Service
from cloudwright.model.cloud import Cloud
from cloudwright.plan.render import CONFIG_DIRECTORY, CONFIG_MOUNT
from cloudwright.plan.steps import Bind, ContainerBody


def image_reference(cloud: Cloud, image: str) -> str:
    """The full name and tag of the container image that declarations call `image`."""
    return f"{cloud.images.prefix}/{image}:{cloud.release}"


def image_of(service: Service, container: Container, cloud: Cloud) -> str:
    """The full name of the image that a container runs: its own, or its service's."""
    own = service.image.name if service.image else service.name
    return image_reference(cloud, container.image or own)


def body_of(
    service: Service, container: Container, cloud: Cloud, image_ids: Mapping[str, str]
) -> ContainerBody:
    """The engine's view of a container, as the Kolla image contract wants it."""
    image = image_of(service, container, cloud)
    binds = [
        Bind(source=f"{CONFIG_DIRECTORY}/{container.name}", target=CONFIG_MOUNT, read_only=True)
    ]
    binds += [Bind(source=v.name, target=v.path) for v in container.volumes]
    binds += [
        Bind(source=m.source, target=m.target, read_only=m.read_only, shared=m.shared)
        for m in container.mounts
    ]
    return ContainerBody(
        image=image,
        image_id=image_ids.get(image, ""),
        user=container.user,
        environment={
            "KOLLA_CONFIG_STRATEGY": "COPY_ALWAYS",
            "KOLLA_SERVICE_NAME": container.name,
            **container.environment,
        },
        binds=tuple(binds),
        privileged=bool(container.privileged),
        capabilities=tuple(sorted(container.capabilities)),
        host_pid=container.host_pid,
        host_ipc=container.host_ipc,
        host_cgroups=container.host_cgroups,
        cpu_shares=container.cpu_shares,
        stop_seconds=container.stop_seconds,
    )
