"""Copies of machine images: the very file or none, and only to those who may have it."""

from __future__ import annotations

import hashlib
import http.client
import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudwright.execute.secrets.authority import make_authority, make_certificate
from tests.unit.member import program

copies = program("cloudwright.services.glance", "copies.py")
ID = "0b1c2d3e-0000-4000-8000-000000000001"
CONTENT = b"an image" * 300_000


def wanted(content: bytes = CONTENT, id: str = ID) -> Any:
    return copies.Wanted(id, len(content), "sha512", hashlib.sha512(content).hexdigest())


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    now = datetime.now(UTC)
    authority = make_authority("test", now)
    (folder / "ca.pem").write_text(authority.certificate)
    for name in ("glance-copies.a", "glance-copies.b", "nova-api.a"):
        pair = make_certificate(name, (name, "127.0.0.1"), authority, now)
        (folder / f"{name}.crt").write_text(pair.certificate)
        (folder / f"{name}.key").write_text(pair.key)
    return folder


def settings(folder: Path, keys: Path, own: str, peer: str, port: int) -> dict[str, Any]:
    (folder / "images").mkdir(parents=True)
    (folder / "copies").mkdir()
    return {
        "address": "127.0.0.1",
        "port": port,
        "peers": {peer: {"address": "127.0.0.1", "certificate": f"glance-copies.{peer}"}},
        "images": str(folder / "images"),
        "ca": str(keys / "ca.pem"),
        "certificate": str(keys / f"{own}.crt"),
        "key": str(keys / f"{own}.key"),
    }


@pytest.fixture
def giver(tmp_path: Path, keys: Path) -> Iterator[Any]:
    server = copies.Giver(settings(tmp_path / "a", keys, "glance-copies.a", "b", 0))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def peers(tmp_path: Path, keys: Path, giver: Any, own: str = "glance-copies.b") -> Any:
    told = settings(tmp_path / "b", keys, own, "a", giver.server_port)
    trust = copies._context(told, ssl.PROTOCOL_TLS_CLIENT)
    return copies.Peers(told["peers"], giver.server_port, trust)


def test_a_file_comes_from_the_host_that_has_it(tmp_path: Path, keys: Path, giver: Any) -> None:
    (tmp_path / "a/images" / ID).write_bytes(CONTENT)
    there = peers(tmp_path, keys, giver)
    here = tmp_path / "b/images"
    assert copies.lacking({ID: wanted()}, here) == [wanted()]
    assert there.fetch(wanted(), here, tmp_path / "b/copies") == "a"
    assert (here / ID).read_bytes() == CONTENT
    assert copies.lacking({ID: wanted()}, here) == []


def test_another_content_is_not_kept(
    tmp_path: Path, keys: Path, giver: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a/images" / ID).write_bytes(b"X" + CONTENT[1:])
    there = peers(tmp_path, keys, giver)
    assert there.fetch(wanted(), tmp_path / "b/images", tmp_path / "b/copies") == ""
    assert "another content" in capsys.readouterr().err
    assert not list((tmp_path / "b").rglob(ID))


def test_nobody_has_it(tmp_path: Path, keys: Path, giver: Any) -> None:
    there = peers(tmp_path, keys, giver)
    assert there.fetch(wanted(), tmp_path / "b/images", tmp_path / "b/copies") == ""


def test_a_key_of_another_container_gets_nothing(tmp_path: Path, keys: Path, giver: Any) -> None:
    (tmp_path / "a/images" / ID).write_bytes(CONTENT)
    there = peers(tmp_path, keys, giver, own="nova-api.a")
    assert there.fetch(wanted(), tmp_path / "b/images", tmp_path / "b/copies") == ""


def test_who_has_no_certificate_gets_nothing(tmp_path: Path, keys: Path, giver: Any) -> None:
    (tmp_path / "a/images" / ID).write_bytes(CONTENT)
    context = ssl.create_default_context(cafile=str(keys / "ca.pem"))
    plain = socket.create_connection(("127.0.0.1", giver.server_port))
    with plain, pytest.raises((ssl.SSLError, ConnectionError)):
        secure = context.wrap_socket(plain, server_hostname="glance-copies.a")
        secure.sendall(f"GET /images/{ID} HTTP/1.0\r\n\r\n".encode())
        assert not secure.recv(1)
        raise ConnectionError


@pytest.mark.parametrize("path", ["/", "/images/../../etc/passwd", f"/images/{ID}/..", "/images/"])
def test_only_images_are_given(tmp_path: Path, keys: Path, giver: Any, path: str) -> None:
    told = settings(tmp_path / "c", keys, "glance-copies.b", "a", giver.server_port)
    connection = http.client.HTTPConnection("127.0.0.1", giver.server_port)
    plain = socket.create_connection(("127.0.0.1", giver.server_port))
    trust = copies._context(told, ssl.PROTOCOL_TLS_CLIENT)
    connection.sock = trust.wrap_socket(plain, server_hostname="glance-copies.a")
    connection.request("GET", path)
    assert connection.getresponse().status == 404
    connection.close()


def test_a_deleted_image_goes_and_an_unknown_file_stays(tmp_path: Path) -> None:
    for name in (ID, "unknown"):
        (tmp_path / name).write_bytes(b"x")
    copies.tidy({ID}, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["unknown"]


@given(pieces=st.lists(st.binary(max_size=50)), content=st.binary(min_size=1, max_size=100))
def test_what_is_kept_is_what_was_wanted(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes], content: bytes
) -> None:
    folder = tmp_path_factory.mktemp("copies")
    (folder / "scratch").mkdir()
    try:
        copies.keep(wanted(content), iter(pieces), folder, folder / "scratch")
    except copies.Wrong:
        assert not (folder / ID).exists()
        assert b"".join(pieces) != content
    else:
        assert (folder / ID).read_bytes() == content == b"".join(pieces)
    assert not list((folder / "scratch").iterdir())
