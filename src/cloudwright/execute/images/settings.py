"""This machine's ways to Debian and Python packages, laid out for a build and left in no image."""

from __future__ import annotations

import ast
import os
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from cloudwright.errors import CloudError
from cloudwright.execute.images.debian import Apt
from cloudwright.execute.images.tools import call

MOUNT = "/mnt"
"""Where a build sees all this; Debian has the empty directory, so that no trace of it stays."""

_SYSTEM_CA = "/etc/ssl/certs/ca-certificates.crt"
_PRIVATE = 0o600


@dataclass(frozen=True, kw_only=True, slots=True)
class PythonIndex:
    """Where Python packages come from: `environment` for uv, `folders` to mount (there → here)."""

    environment: Mapping[str, str]
    folders: Mapping[str, str]


async def pip_settings() -> dict[str, str]:
    """pip's own settings on this machine, environment over files; empty without pip."""
    try:
        text = await call((sys.executable, "-m", "pip", "config", "list"))
    except CloudError:
        return {}
    settings: dict[str, str] = {}
    lines = sorted(text.splitlines(), key=lambda line: line.startswith(":env:"))
    for line in lines:
        name, _, value = line.partition("=")
        if value and name.startswith(("global.", "install.", ":env:.")):
            settings[name.rpartition(".")[2]] = str(ast.literal_eval(value))
    return settings


def python_index(pip: Mapping[str, str], environment: Mapping[str, str]) -> PythonIndex:
    """What uv has to be told, from pip's settings and uv's own variables in `environment`.

    An index or folder of this machine (`file:`) is mounted. Any index may serve any package:
    the hashes in the lock decide what is taken, so that none can slip in another.
    """
    folders: dict[str, str] = {}
    index = environment.get("UV_DEFAULT_INDEX") or environment.get("UV_INDEX_URL")
    index = index or pip.get("index-url", "")
    more = environment.get("UV_INDEX") or environment.get("UV_EXTRA_INDEX_URL")
    more = more or pip.get("extra-index-url", "")
    links = environment.get("UV_FIND_LINKS", "").replace(",", " ") or pip.get("find-links", "")
    told = {
        "UV_DEFAULT_INDEX": " ".join(_visible(index, folders)),
        "UV_INDEX": " ".join(_visible(more, folders)),
        "UV_FIND_LINKS": ",".join(_visible(links, folders)),
        "UV_INSECURE_HOST": " ".join(pip.get("trusted-host", "").split()),
        "UV_NO_INDEX": "1" if pip.get("no-index") in ("1", "true") else "",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_HTTP_TIMEOUT": pip.get("default-timeout") or pip.get("timeout", ""),
        "UV_CACHE_DIR": f"{MOUNT}/uv-cache",
        "UV_LINK_MODE": "copy",
        "UV_NO_CONFIG": "1",
        "UV_PYTHON_DOWNLOADS": "never",
        "SSL_CERT_FILE": f"{MOUNT}/ca.pem",
        "https_proxy": pip.get("proxy", ""),
    }
    for name in ("http_proxy", "https_proxy", "no_proxy"):
        told[name] = environment.get(name) or environment.get(name.upper()) or told.get(name, "")
    return PythonIndex(
        environment={name: value for name, value in told.items() if value}, folders=folders
    )


def _visible(values: str, folders: dict[str, str]) -> list[str]:
    """Each place as the build sees it; one of this machine is added to `folders`."""
    result = []
    for value in values.split():
        parts = urlsplit(value)
        path = Path(unquote(parts.path) if parts.scheme == "file" else value)
        if parts.scheme not in ("", "file"):
            result.append(value)
        elif path.is_dir():
            # The pages of an index point to files beside it, so its parent is what is mounted.
            is_index = path.name == "simple"
            inside = f"{MOUNT}/folders/{len(folders)}"
            folders[inside] = str(path.parent if is_index else path)
            shown = f"{inside}/{path.name}" if is_index else inside
            result.append(f"file://{shown}" if parts.scheme else shown)
    return result


def authority_file(pip: Mapping[str, str], environment: Mapping[str, str]) -> str:
    """The file of the certificate authorities that this machine trusts; "" when it has none."""
    found = (
        environment.get("SSL_CERT_FILE"),
        environment.get("PIP_CERT"),
        pip.get("cert"),
        environment.get("REQUESTS_CA_BUNDLE"),
        _SYSTEM_CA,
    )
    return next((path for path in found if path and os.path.isfile(path)), "")


def apt_conf(apt: Apt) -> str:
    """apt's configuration for a build: its sources, lists and downloads are all below MOUNT."""
    options = {
        "Dir::Etc::sourcelist": f"{MOUNT}/sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::Etc::netrc": f"{MOUNT}/auth.conf",
        "Dir::Etc::netrcparts": "-",
        "Dir::State::lists": f"{MOUNT}/lists",
        "Dir::Cache::archives": f"{MOUNT}/archives",
        "Dir::Cache::pkgcache": "",
        "Dir::Cache::srcpkgcache": "",
        "Acquire::Languages": "none",
        "Acquire::https::CAInfo": f"{MOUNT}/ca.pem",
        # The files below MOUNT are for root alone: they may have a password in them.
        "APT::Sandbox::User": "root",
        **{name: value for name, value in apt.options if not name.endswith("::CAInfo")},
    }
    # Nothing to lose in a build that is thrown away when it fails: no waiting for the disk.
    forced = ("--force-unsafe-io", "--force-confdef", "--force-confold")
    lines = [f'{name} "{value}";' for name, value in options.items()]
    return "\n".join([*lines, *(f'Dpkg::Options:: "{option}";' for option in forced)]) + "\n"


def lay_out(
    folder: Path,
    *,
    apt: Apt,
    suite: str,
    index: PythonIndex,
    authorities: str,
    scripts: Mapping[str, str],
    locks: Mapping[str, str],
    uv: str,
) -> None:
    """Write into `folder` all that a build sees at MOUNT."""
    for name in ("lists/partial", "archives", "uv-cache", "locks"):
        (folder / name).mkdir(parents=True)
    for inside in index.folders:
        (folder / inside.removeprefix(f"{MOUNT}/")).mkdir(parents=True)
    texts = {
        **scripts,
        **{f"locks/{name}.txt": text for name, text in locks.items()},
        "apt.conf": apt_conf(apt),
        "sources.list": f"deb {apt.mirror} {suite} main\ndeb {apt.mirror} {suite}-updates main\n",
        "auth.conf": _auth(Path("/etc/apt")),
        "index.env": "".join(f"{n}={shlex.quote(v)}\n" for n, v in index.environment.items()),
        "ca.pem": Path(authorities).read_text("utf-8") if authorities else "",
    }
    for name, text in texts.items():
        path = folder / name
        path.touch(mode=_PRIVATE)
        path.write_text(text, "utf-8")
    shutil.copy(uv, folder / "uv")


def _auth(folder: Path) -> str:
    files: Sequence[Path] = (folder / "auth.conf", *sorted(folder.glob("auth.conf.d/*.conf")))
    return "\n".join(file.read_text("utf-8") for file in files if file.is_file())
