"""The keys of a lab: made once, kept, and enough to verify every host."""

from pathlib import Path

import asyncssh

from cloudwright.lab.keys import HOST_KEY, host_directory, make_keys
from cloudwright.lab.spec import LabSpec, spec_of
from cloudwright.model.load import load

AIO = Path(__file__).parents[2] / "examples" / "aio.yaml"


def made(directory: Path) -> LabSpec:
    spec = spec_of(load(AIO), directory / "cloud.yaml")
    make_keys(spec)
    return spec


def test_the_login_key_is_for_its_owner_alone(tmp_path: Path) -> None:
    spec = made(tmp_path)
    assert (spec.directory / "id_ed25519").stat().st_mode & 0o777 == 0o600
    host_key = host_directory(spec, spec.hosts[0]) / HOST_KEY
    assert host_key.stat().st_mode & 0o777 == 0o600


def test_the_host_is_known_by_name_and_address(tmp_path: Path) -> None:
    spec = made(tmp_path)
    known = asyncssh.read_known_hosts(str(spec.directory / "known_hosts"))
    own = asyncssh.read_private_key(host_directory(spec, spec.hosts[0]) / HOST_KEY)
    for name in ("10.64.0.11", "aio"):
        (found, *_rest) = known.match(name, "", 22)
        assert [key.public_data for key in found] == [own.public_data]


def test_only_the_login_key_opens_a_host(tmp_path: Path) -> None:
    spec = made(tmp_path)
    allowed = (host_directory(spec, spec.hosts[0]) / "authorized_keys").read_text()
    assert allowed == (spec.directory / "id_ed25519.pub").read_text()


def test_keys_that_are_there_stay(tmp_path: Path) -> None:
    before = (made(tmp_path).directory / "known_hosts").read_text()
    assert (made(tmp_path).directory / "known_hosts").read_text() == before
