"""The start program inside the images, run as the program that it is, in a tree of its own."""

from __future__ import annotations

import grp
import json
import os
import pwd
import re
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

START = Path(__file__).parents[2] / "src/cloudwright/images/start"
CONFIG = "var/lib/kolla/config_files"
ME = f"{pwd.getpwuid(os.getuid()).pw_name}:{grp.getgrgid(os.getgid()).gr_name}"


class Tree:
    """A root that set_configs works in."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / CONFIG).mkdir(parents=True)

    def write(self, path: str, text: str = "", mode: int = 0o644) -> Path:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(mode)
        return target

    def config(self, *files: dict[str, object], **more: object) -> None:
        whole = {"command": "true", "config_files": files, **more}
        self.write(f"{CONFIG}/config.json", json.dumps(whole))

    def start(
        self, *options: str, strategy: str = "COPY_ALWAYS", **env: str
    ) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-IS", START / "set_configs.py", "--root", self.root, *options],
            env={"KOLLA_CONFIG_STRATEGY": strategy, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *options: str, code: int = 0, strategy: str = "COPY_ALWAYS", **env: str) -> str:
        with self.start(*options, strategy=strategy, **env) as process:
            said, _ = process.communicate(timeout=120)
        assert process.returncode == code, said
        return said

    def text(self, path: str) -> str:
        return (self.root / path).read_text()

    def mode(self, path: str) -> int:
        return (self.root / path).stat().st_mode & 0o7777


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def copy(source: str, dest: str, perm: str = "0600", **more: object) -> dict[str, object]:
    return {"source": f"/{CONFIG}/{source}", "dest": dest, "owner": ME, "perm": perm, **more}


def test_a_file_is_copied_owned_and_permitted(tree: Tree) -> None:
    tree.write(f"{CONFIG}/a.conf", "new")
    tree.config(copy("a.conf", "/etc/a/a.conf"))
    tree.run()
    assert tree.text("etc/a/a.conf") == "new"
    assert tree.mode("etc/a/a.conf") == 0o600
    assert tree.text("run_command") == "true"
    assert tree.mode("run_command") == 0o644


def test_what_is_no_longer_listed_goes_back_to_what_it_was(tree: Tree) -> None:
    tree.write("etc/a.conf", "default", 0o640)
    tree.write(f"{CONFIG}/a.conf", "ours")
    tree.write(f"{CONFIG}/b.conf", "ours")
    tree.config(copy("a.conf", "/etc/a.conf"), copy("b.conf", "/etc/b.conf"))
    tree.run()
    tree.run()
    assert tree.text("etc/a.conf") == "ours"
    tree.config()
    tree.run()
    assert tree.text("etc/a.conf") == "default"
    assert tree.mode("etc/a.conf") == 0o640
    assert not (tree.root / "etc/b.conf").exists()


def test_a_folder_replaces_or_merges(tree: Tree) -> None:
    tree.write("etc/d/own", "own")
    tree.write(f"{CONFIG}/d/sub/new", "new")
    tree.config(copy("d", "/etc/d", "0640", merge=True))
    tree.run()
    assert (tree.text("etc/d/own"), tree.text("etc/d/sub/new")) == ("own", "new")
    tree.config(copy("d", "/etc/d", "0640"))
    tree.run()
    assert not (tree.root / "etc/d/own").exists()
    assert tree.mode("etc/d/sub") == 0o750
    tree.config()
    tree.run()
    assert tree.text("etc/d/own") == "own"
    assert not (tree.root / "etc/d/sub/new").exists()


def test_a_pattern_goes_into_a_folder(tree: Tree) -> None:
    tree.write(f"{CONFIG}/1.pem", "1")
    tree.write(f"{CONFIG}/2.pem", "2")
    tree.config(copy("*.pem", "/etc/certs/"))
    tree.run()
    assert sorted(p.name for p in (tree.root / "etc/certs").iterdir()) == ["1.pem", "2.pem"]


def test_optional_and_missing(tree: Tree) -> None:
    tree.config(copy("gone", "/etc/gone", optional=True))
    tree.run()
    tree.config(copy("gone", "/etc/gone"))
    assert "missing: /var/lib/kolla/config_files/gone" in tree.run(code=1)


def test_properties_are_preserved(tree: Tree) -> None:
    tree.write(f"{CONFIG}/run.sh", "#!", 0o755)
    source = f"/{CONFIG}/run.sh"
    tree.config({"source": source, "dest": "/usr/run.sh", "preserve_properties": True})
    tree.run()
    assert tree.mode("usr/run.sh") == 0o755


def test_a_key_that_the_contract_does_not_know(tree: Tree) -> None:
    tree.write(f"{CONFIG}/a", "")
    tree.config(copy("a", "/a", colour="red"))
    assert "unknown colour" in tree.run(code=2)
    tree.config(copy("a", "/a", perm="8888"))
    assert "8888" in tree.run(code=2)


def test_strategy(tree: Tree) -> None:
    tree.write(f"{CONFIG}/a", "1")
    tree.config(copy("a", "/a"))
    tree.run(strategy="SOMETIMES", code=1)
    tree.run(strategy="COPY_ONCE")
    tree.write(f"{CONFIG}/a", "2")
    tree.run(strategy="COPY_ONCE")
    assert tree.text("a") == "1"
    tree.run()
    assert tree.text("a") == "2"


def test_directories_files_and_permissions(tree: Tree) -> None:
    tree.write("var/log/x/y", "", 0o600)
    tree.write("var/log/x/keep", "", 0o600)
    tree.config(
        directories=[{"path": "/srv/deep/er", "owner": ME, "perm": "0750"}],
        files=[{"path": "/srv/deep/file", "owner": ME, "perm": "0640"}],
        permissions=[
            {
                "path": "/var/log/*",
                "owner": ME,
                "perm": "0644",
                "recurse": True,
                "exclude": ["keep$"],
            },
            {"path": "/nowhere", "owner": ME},
        ],
    )
    assert "no /nowhere" in tree.run()
    assert (tree.mode("srv/deep/er"), tree.mode("srv/deep/file")) == (0o750, 0o640)
    assert (tree.mode("var/log/x"), tree.mode("var/log/x/y")) == (0o755, 0o644)
    assert tree.mode("var/log/x/keep") == 0o600


def test_check_sees_each_difference(tree: Tree) -> None:
    tree.write(f"{CONFIG}/a", "1")
    tree.config(copy("a", "/a"))
    tree.run("--check", code=1)
    tree.run()
    tree.run("--check")
    tree.write(f"{CONFIG}/a", "2")
    assert "content" in tree.run("--check", code=1)
    tree.run()
    (tree.root / "a").chmod(0o644)
    assert "permissions" in tree.run("--check", code=1)
    tree.config(copy("a", "/a"), command="false")
    assert "command" in tree.run("--check", code=1)


def test_no_config_is_said(tree: Tree) -> None:
    assert "cannot read" in tree.run(code=1)


def test_sudo_may_not_choose_the_root(tree: Tree) -> None:
    tree.config()
    assert "--root" in tree.run(code=1, SUDO_UID="1")


def authority(name: str) -> str:
    """A certificate authority of that name, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode()


def trusts(folder: Path, pem: str) -> bool:
    """Whether OpenSSL finds the authority in a folder of hash links."""
    done = subprocess.run(
        ["openssl", "verify", "-no-CAfile", "-no-CAstore", "-CApath", folder],
        input=pem,
        text=True,
        capture_output=True,
        check=False,
    )
    return done.returncode == 0


def test_authorities_are_trusted_and_forgotten(tree: Tree) -> None:
    certs = "etc/ssl/certs"
    mine, second, gone = authority("mine"), authority("second"), authority("gone")
    tree.write(f"{certs}/ca-certificates.crt", "image\n")
    tree.write(f"{CONFIG}/ca-certificates/root.crt", mine + second)
    tree.write(f"{CONFIG}/ca-certificates/gone.pem", gone)
    tree.config()
    tree.run("--start")
    tree.run("--start")
    bundle = tree.text(f"{certs}/ca-certificates.crt")
    assert [bundle.count(pem.strip()) for pem in (mine, second, gone)] == [1, 1, 1]
    assert tree.text("usr/local/share/ca-certificates/kolla-customca-root.crt") == mine
    # The links are absolute, for the container's own root; here they must stay in the tree.
    for link in (tree.root / certs).iterdir():
        if link.is_symlink():
            target = tree.root / os.readlink(link).lstrip("/")
            assert re.fullmatch(r"[0-9a-f]{8}\.0", link.name)
            link.unlink()
            link.symlink_to(target)
    assert all(trusts(tree.root / certs, pem) for pem in (mine, second, gone))
    (tree.root / CONFIG / "ca-certificates/gone.pem").unlink()
    tree.run("--start")
    assert gone.strip() not in tree.text(f"{certs}/ca-certificates.crt")
    assert len([p for p in (tree.root / certs).iterdir() if p.is_symlink()]) == 2
    (tree.root / CONFIG / "ca-certificates/root.crt").unlink()
    tree.run("--start")
    assert tree.text(f"{certs}/ca-certificates.crt") == "image\n"
    assert [p.name for p in (tree.root / certs).iterdir()] == ["ca-certificates.crt"]


def test_two_authorities_of_one_name_both_have_a_link(tree: Tree) -> None:
    tree.write("etc/ssl/certs/ca-certificates.crt", "image\n")
    tree.write(f"{CONFIG}/ca-certificates/old.crt", authority("root"))
    tree.write(f"{CONFIG}/ca-certificates/new.crt", authority("root"))
    tree.write(f"{CONFIG}/ca-certificates/odd.crt", "no certificate\n")
    tree.config()
    tree.run("--start")
    links = sorted(p.suffix for p in (tree.root / "etc/ssl/certs").iterdir() if p.is_symlink())
    assert links == [".0", ".1"]


def test_start_waits_for_what_it_needs(tree: Tree) -> None:
    tree.config()
    with socket.socket() as later:
        later.bind(("127.0.0.1", 0))
        port = later.getsockname()[1]
        tree.write(f"{CONFIG}/wait.json", json.dumps([{"address": "127.0.0.1", "port": port}]))
        given_up = tree.run("--start", code=1, KOLLA_WAIT_SECONDS="0")
        assert f"gave up on 127.0.0.1:{port}" in given_up
        with tree.start("--start") as process:
            assert process.stdout
            assert f"wait: for 127.0.0.1:{port}" in process.stdout.readline()
            later.listen()
            assert "answers after" in process.stdout.read()
    assert process.returncode == 0


def test_start_goes_on_without_what_it_may_do_without(tree: Tree) -> None:
    """The database's member of the same host is waited for until it is ready, and not for ever."""
    tree.config()
    with socket.create_server(("127.0.0.1", 0)) as agent:
        port = agent.getsockname()[1]
        entry = {"address": "127.0.0.1", "port": port, "path": "/ready", "most": 600}
        tree.write(f"{CONFIG}/wait.json", json.dumps([entry]))

        def answer(text: bytes) -> None:
            connection, _ = agent.accept()
            with connection:
                assert connection.recv(100).startswith(b"GET /ready HTTP/1.0")
                connection.sendall(text)

        with tree.start("--start") as process:
            assert process.stdout
            answer(b"HTTP/1.0 503 Service Unavailable\r\n\r\nnot ready\n")
            assert "(/ready is not ready)" in process.stdout.readline()
            answer(b"HTTP/1.0 200 OK\r\n\r\nready\n")
            assert "answers after" in process.stdout.read()
        assert process.returncode == 0
    tree.write(f"{CONFIG}/wait.json", json.dumps([entry | {"most": 1}]))
    gone = tree.run("--start")
    assert f"gave up on 127.0.0.1:{port}" in gone
