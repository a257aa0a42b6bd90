"""Real images, built here: they start, and nothing of this machine is in them.

The image under test stands on the real bases, so the first run of these tests builds those.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cloudwright.declare.image import Image
from cloudwright.execute.images.build import build, found_images
from cloudwright.execute.images.settings import authority_file, pip_settings
from cloudwright.execute.pieces import PieceBegan, PieceDone, PieceEvent, PiecesBegan
from cloudwright.execute.secrets.authority import make_authority
from cloudwright.images.recipe import BASE, reference, scaffold_reference
from cloudwright.images.release import load_release
from tests.machine.kolla import podman

RELEASE = "2026.2"
MARK = "cw-sentinel-7c1d"
"""In every setting of this machine that we plant; to be found in nothing that was built."""

AUTHORITIES = "authorities.pem"
"""In the folder that is planted: what this machine trusts, and an authority of its own, last."""

TRIED = Image(
    name="test-of-builds",
    parent="openstack-base",
    projects=("openstack-placement",),
    packages=("socat",),
    users=("placement",),
    user="placement",
    names=("test-of-builds-too",),
)
REFERENCE = reference(TRIED.name, RELEASE)


told: list[PieceEvent] = []


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A machine with private settings for apt and pip, all of them marked, and a private authority
    among those that it trusts, which are what downloads are held to."""
    folder = tmp_path_factory.mktemp(MARK)
    apt = folder / "apt.conf"
    apt.write_text(
        f'Acquire::http::Proxy::{MARK}.invalid "DIRECT";\n'
        f'Acquire::https::Verify-Host::{MARK}.invalid "true";\n'
    )
    trusted = authority_file(asyncio.run(pip_settings()), os.environ)
    bundle = folder / AUTHORITIES
    ours = make_authority(MARK, datetime.now(UTC)).certificate
    bundle.write_text((Path(trusted).read_text() if trusted else "") + "\n" + ours)
    patch = pytest.MonkeyPatch()
    patch.setenv("SSL_CERT_FILE", str(bundle))
    patch.setenv("APT_CONFIG", str(apt))
    patch.setenv("PIP_FIND_LINKS", str(folder))
    patch.setenv("PIP_TRUSTED_HOST", f"{MARK}.invalid")
    patch.setenv("no_proxy", f"{MARK}.invalid")
    yield folder
    patch.undo()


@pytest.fixture(scope="module")
def built(planted: Path) -> Iterator[str]:
    asyncio.run(build((TRIED,), RELEASE, only=(TRIED.parent,), tell=told.append))
    made = asyncio.run(build((TRIED,), RELEASE, only=(TRIED.name,), fresh=False, tell=told.append))
    yield made.get(TRIED.name, "")
    podman("rmi", REFERENCE, reference(TRIED.names[0], RELEASE))


@pytest.fixture(scope="module")
def tree(built: str) -> Iterator[Path]:
    yield Path(podman("image", "mount", REFERENCE).strip())
    podman("image", "unmount", REFERENCE)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A config directory as a host has it: readable by root alone."""
    (tmp_path / "a.conf").write_text("hello\n")
    entry = {
        "source": "/var/lib/kolla/config_files/a.conf",
        "dest": "/etc/placement/a.conf",
        "owner": "placement",
        "perm": "0400",
    }
    contract = {"command": "cat /etc/placement/a.conf", "config_files": [entry]}
    (tmp_path / "config.json").write_text(json.dumps(contract))
    tmp_path.chmod(0o700)
    return tmp_path


def start(config: Path, *options: str, code: int = 0) -> str:
    return podman(
        *("run", "--rm", "--network=host", "--env=KOLLA_CONFIG_STRATEGY=COPY_ALWAYS"),
        f"--volume={config}:/var/lib/kolla/config_files:ro",
        *options,
        REFERENCE,
        code=code,
    )


def test_an_unchanged_recipe_is_not_built_again(built: str) -> None:
    assert built
    assert asyncio.run(build((TRIED,), RELEASE, tell=told.append)) == {}
    rows = {row.name: row for row in asyncio.run(found_images((TRIED,), RELEASE))}
    assert {row.state for row in rows.values()} == {"current"}
    assert rows[TRIED.name].id == built


def test_each_build_is_told_as_it_begins_and_when_it_is_done(built: str) -> None:
    (all_of_it,) = [e for e in told if isinstance(e, PiecesBegan) and TRIED.name in e.needs]
    assert all_of_it.needs == {TRIED.name: frozenset()}  # what it stands on was there
    (done,) = [e for e in told if isinstance(e, PieceDone) and e.name == TRIED.name]
    assert done.seconds > 0
    assert told.index(all_of_it) < told.index(PieceBegan(name=TRIED.name)) < told.index(done)


def test_the_base_begins_with_any_debian_that_is_named(built: str) -> None:
    prefix, debian = "localhost/cw-test-base", "localhost/cw-test-debian:13"
    podman("tag", scaffold_reference(load_release(RELEASE)), debian)
    names: list[str] = []
    try:
        work = build((), RELEASE, tell=told.append, prefix=prefix, base_from=debian)
        assert list(asyncio.run(work)) == [BASE]
        names += [reference(BASE, RELEASE, prefix)]
        for begins_with, state in ((debian, "current"), (None, "stale")):
            (row,) = asyncio.run(found_images((), RELEASE, prefix, begins_with))
            assert (row.reference, row.state) == (names[0], state)
        layers = "--format={{index .RootFS.Layers 0}}"
        assert podman("image", "inspect", layers, names[0]) == podman(
            "image", "inspect", layers, debian
        )
    finally:
        podman("rmi", debian, *names)


@pytest.mark.parametrize("user", ["placement", "root"])
def test_the_service_starts_with_its_configuration(built: str, config: Path, user: str) -> None:
    assert "hello" in start(config, f"--user={user}")


def test_a_start_without_configuration_says_so(built: str, tmp_path: Path) -> None:
    assert "config.json" in start(tmp_path, code=1)


def test_what_a_start_costs(built: str, config: Path) -> None:
    """It is printed, and held to nothing: at most 100 ms of processor time are wanted."""
    script = "for i in 1 2 3 4 5 6 7 8 9 10; do kolla_start > /dev/null; done; times"
    began = time.monotonic()
    said = podman(
        *("run", "--rm", "--network=host", "--env=KOLLA_CONFIG_STRATEGY=COPY_ALWAYS"),
        f"--volume={config}:/var/lib/kolla/config_files:ro",
        *("--entrypoint=bash", REFERENCE, "-c", script),
    )
    minutes_seconds = re.findall(r"(\d+)m([\d.]+)s", said.splitlines()[-1])
    cpu = sum(60 * int(m) + float(s) for m, s in minutes_seconds)
    print(f"ten starts: {time.monotonic() - began:.2f} s, processor time {cpu:.2f} s")
    assert cpu > 0


def test_nothing_of_this_machines_settings_is_in_the_image(tree: Path) -> None:
    found = subprocess.run(
        ["grep", "-rlsE", "--devices=skip", f"{MARK}|/mnt/(folders|apt.conf|ca.pem|uv)", tree],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.stdout == ""
    for path in ("etc/pip.conf", "root/.config", "root/.pip", "root/.cache", "etc/apt/auth.conf"):
        assert not (tree / path).exists()
    assert list((tree / "mnt").iterdir()) == []


def test_neither_history_nor_labels_nor_environment_tell_of_it(built: str) -> None:
    seen = podman("history", "--no-trunc", "--format=json", REFERENCE)
    seen += podman("image", "inspect", REFERENCE)
    assert MARK not in seen
    assert not re.search(r"(?i)(pip_|uv_|_proxy|ssl_cert)", seen)


def certificates(text: str) -> list[str]:
    """The body of each in a bundle, in its order, as one line."""
    found = re.findall(r"-----BEGIN CERTIFICATE-----([^-]+)", text)
    return ["".join(body.split()) for body in found]


def test_the_private_authority_that_downloads_trust_is_in_no_image(
    planted: Path, tree: Path
) -> None:
    """As text, a line of it would be there; as it is in a Java or NSS store, its name (MARK)."""
    bundle = planted / AUTHORITIES
    assert authority_file(asyncio.run(pip_settings()), os.environ) == str(bundle)
    ours = certificates(bundle.read_text())[-1]
    line = ours[64:128]
    assert len(line) == 64 and line in bundle.read_text()
    for sought in (line, MARK):
        found = subprocess.run(
            ["grep", "-rlsF", "--devices=skip", sought, tree],
            capture_output=True,
            text=True,
            check=False,
        )
        assert found.stdout == ""


def test_the_image_names_no_mirror(tree: Path) -> None:
    texts = [
        path.read_text()
        for path in (tree / "etc/apt").rglob("*")
        if path.is_file() and path.suffix in (".list", ".sources", ".conf", "")
    ]
    assert texts
    places = {url for text in texts for url in re.findall(r"https?://[^\s\"/]+", text)}
    assert not places


def test_only_debians_authorities_are_trusted(tree: Path) -> None:
    debian = (tree / "usr/share/ca-certificates").rglob("*.crt")
    bundle = set(certificates((tree / "etc/ssl/certs/ca-certificates.crt").read_text()))
    assert bundle
    assert bundle <= {c for path in debian for c in certificates(path.read_text())}
