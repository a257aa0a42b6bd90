"""What a user needs to log in: clouds.yaml, an openrc and the CA, beside cloud.yaml."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
from dataclasses import dataclass
from pathlib import Path

from cloudwright.declare.at import AUTHORITY
from cloudwright.declare.oslo import KEYSTONE_PORT
from cloudwright.errors import naming
from cloudwright.execute.central.keystone import ADMIN_SECRET
from cloudwright.execute.secrets.vault import Vault
from cloudwright.model.cloud import Cloud
from cloudwright.model.secrets import Secret

PRIVATE = 0o600


@dataclass(frozen=True, kw_only=True, slots=True)
class Access:
    """Where the files are; only clouds.yaml and openrc hold the password."""

    cloud: str
    api: str
    dashboard: str
    clouds_yaml: Path
    openrc: Path
    ca: Path

    def text(self) -> str:
        """What `apply` says at its end."""
        return (
            f"API:          {self.api}\n"
            f"Horizon:      {self.dashboard}\n"
            f"credentials:  {self.clouds_yaml} (cloud {self.cloud}), {self.openrc}\n"
            f"CA:           {self.ca}\n"
        )


def paths_of(state: Path, cloud: Cloud) -> Access:
    """Where the files of this cloud are, written or not; `state` is `.cloudwright`."""
    return Access(
        cloud=cloud.name,
        api=f"https://{cloud.api.external}:{KEYSTONE_PORT}/v3",
        dashboard=f"https://{cloud.api.external}/",
        clouds_yaml=state / "clouds.yaml",
        openrc=state / "openrc",
        ca=state / "ca.pem",
    )


async def write_access(state: Path, cloud: Cloud, vault: Vault) -> Access:
    """Write the three files, those with the admin's password readable by their owner alone."""
    admin = Secret(name=ADMIN_SECRET)
    values = await asyncio.to_thread(vault.values, {admin, AUTHORITY})
    access = paths_of(state, cloud)
    password = values[str(admin)]
    write_private(access.ca, values[AUTHORITY.part("certificate")])
    write_private(access.clouds_yaml, clouds_yaml(cloud, access, password))
    write_private(access.openrc, openrc(cloud, access, password))
    return access


def clouds_yaml(cloud: Cloud, access: Access, password: str) -> str:
    """What openstacksdk and the `openstack` command read."""

    def quoted(value: str | Path) -> str:
        return json.dumps(str(value))  # a JSON string is a YAML string

    return (
        "# Written by `cloudwright apply`. Use: OS_CLIENT_CONFIG_FILE=<this file> "
        f"openstack --os-cloud {cloud.name} server list\n"
        "clouds:\n"
        f"  {cloud.name}:\n"
        "    auth:\n"
        f"      auth_url: {quoted(access.api)}\n"
        "      username: admin\n"
        f"      password: {quoted(password)}\n"
        "      project_name: admin\n"
        "      user_domain_name: Default\n"
        "      project_domain_name: Default\n"
        f"    region_name: {quoted(cloud.region)}\n"
        "    interface: public\n"
        "    identity_api_version: 3\n"
        f"    cacert: {quoted(access.ca)}\n"
    )


def openrc(cloud: Cloud, access: Access, password: str) -> str:
    """The same as shell variables."""
    variables = {
        "OS_AUTH_URL": access.api,
        "OS_USERNAME": "admin",
        "OS_PASSWORD": password,
        "OS_PROJECT_NAME": "admin",
        "OS_USER_DOMAIN_NAME": "Default",
        "OS_PROJECT_DOMAIN_NAME": "Default",
        "OS_REGION_NAME": cloud.region,
        "OS_INTERFACE": "public",
        "OS_IDENTITY_API_VERSION": "3",
        "OS_CACERT": str(access.ca),
    }
    lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    return "# Written by `cloudwright apply`. Use: . <this file>\n" + "\n".join(lines) + "\n"


def write_private(path: Path, text: str) -> None:
    """Write a file whole or not at all, readable by its owner alone from the first byte."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    handle = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE)
    with naming(path), os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    part.replace(path)
