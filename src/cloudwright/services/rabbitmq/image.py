"""What RabbitMQ's container image is made of."""

from __future__ import annotations

from cloudwright.declare.image import Image
from cloudwright.declare.template import programs, resource

PACKAGED_PLUGINS = "/usr/lib/rabbitmq/lib/rabbitmq_server-*/plugins"
PLUGINS = "/usr/share/cloudwright/rabbitmq-plugins"

IMAGE = Image(
    name="rabbitmq",
    packages=("rabbitmq-server",),
    users=("rabbitmq",),
    user="rabbitmq",
    run=(
        # An empty volume would be filled from what the package left here.
        "find /var/lib/rabbitmq -mindepth 1 -delete",
        # What the server itself is made of, and no plugin, on or off: it reads each one that
        # it finds as it starts, a third of the processor time of a start.
        f"mkdir -p {PLUGINS} && ln -s {PACKAGED_PLUGINS}/* {PLUGINS}/"
        f" && find {PLUGINS} -name 'rabbitmq_*' ! -name 'rabbitmq_prelaunch-*' -delete",
    ),
    start=resource(__package__, "extend_start"),
    programs=programs(__package__, "healthcheck_rabbitmq"),
)
