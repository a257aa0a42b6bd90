"""Docker on a machine: what of its set-up stands in the way of containers that belong to the host.

Ours share the host's network, and some are privileged: Docker refuses both where its containers
have users of their own (docs.docker.com, "Isolate containers with a user namespace", known
limitations), and without root it has a network of its own in the host's place.
"""

from __future__ import annotations

from cloudwright.engine.api import EngineInfo
from cloudwright.execute.look.engine import Quirk

SETTINGS = "/etc/docker/daemon.json"


def judge_start(info: EngineInfo) -> Quirk:
    """Whether a container can have the host's network and devices."""
    if "rootless" in info.security:
        return Quirk(
            severity="error",
            text="Docker runs without root",
            why=(
                "its containers share the network and the devices of a name space, not the host's",
            ),
            cure="run Docker as root: `systemctl enable --now docker`, and end the rootless one",
        )
    if "userns" in info.security:
        return Quirk(
            severity="error",
            text="Docker gives containers users of their own",
            why=("it refuses them the host's network, and privileges, then",),
            cure=f'take "userns-remap" out of {SETTINGS}, then `systemctl restart docker`',
        )
    return Quirk(severity="ok", text="")


def judge_store(info: EngineInfo) -> Quirk:
    """Whether images lie in layers that containers share."""
    if info.driver == "vfs":
        return Quirk(
            severity="warning",
            text=f"Docker keeps images with the driver {info.driver}",
            why=("every container start copies whole images",),
            cure=f'set "storage-driver": "overlay2" in {SETTINGS} (loses the images)',
        )
    return Quirk(severity="ok", text=f"{info.driver}, {info.root}")
