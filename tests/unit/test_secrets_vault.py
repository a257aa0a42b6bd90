"""Values are made once, kept encrypted, and lost by no bad day."""

from __future__ import annotations

import base64
import hashlib
import ssl
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.serialization import load_ssh_private_key

from cloudwright.errors import HostError
from cloudwright.execute.secrets.authority import (
    CERTIFICATE_LIFE,
    CLOCK_SKEW,
    life_of,
    make_authority,
    make_certificate,
)
from cloudwright.execute.secrets.vault import IDENTITY_VARIABLE, Vault
from cloudwright.model.secrets import (
    Ca,
    Certificate,
    FernetKey,
    Password,
    RabbitHash,
    Secret,
    SshKey,
)

PASSWORD = Secret(name="nova/database")
CA = Secret(name="authority", recipe=Ca())
API = Secret(
    name="api",
    recipe=Certificate(common_name="api", names=("10.0.0.1", "api.lan"), issuer=CA),
)
HASH = Secret(name="queue-hash", recipe=RabbitHash(of=PASSWORD))
FERNET = Secret(name="keystone/fernet", recipe=FernetKey())
SSH = Secret(name="nova/ssh", recipe=SshKey())


@pytest.fixture
def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Vault:
    monkeypatch.delenv(IDENTITY_VARIABLE, raising=False)
    return Vault(tmp_path)


def test_a_value_is_made_once(vault: Vault, tmp_path: Path) -> None:
    first = vault.values([PASSWORD])
    again = Vault(tmp_path).values([PASSWORD, CA, PASSWORD])
    assert again[str(PASSWORD)] == first[str(PASSWORD)]
    assert set(again) == {str(PASSWORD), CA.part("certificate"), CA.part("key")}
    assert Vault(tmp_path).values([CA]) == {k: v for k, v in again.items() if k != str(PASSWORD)}


def test_passwords_need_no_quotes_and_differ(vault: Vault) -> None:
    short = Secret(name="short", recipe=Password(length=12))
    rotated = Secret(name="nova/database", generation=2)
    values = vault.values([PASSWORD, short, rotated])
    assert all(value.isascii() and value.isalnum() for value in values.values())
    assert [len(values[str(s)]) for s in (PASSWORD, short, rotated)] == [32, 12, 32]
    assert len(set(values.values())) == 3


def test_what_keys_are_for_takes_them(vault: Vault) -> None:
    values = vault.values([FERNET, SSH, HASH, PASSWORD])
    token = Fernet(values[str(FERNET)].encode())
    assert token.decrypt(token.encrypt(b"x")) == b"x"
    load_ssh_private_key(values[SSH.part("private")].encode(), password=None)
    assert values[SSH.part("public")].startswith("ssh-ed25519 ")
    raw = base64.b64decode(values[str(HASH)])
    assert raw[4:] == hashlib.sha256(raw[:4] + values[str(PASSWORD)].encode()).digest()


def test_a_certificate_is_taken_by_who_trusts_the_authority(vault: Vault, tmp_path: Path) -> None:
    values = vault.values([API])
    combined = tmp_path / "api.pem"
    combined.write_text(values[API.part("combined")])
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(combined)
    client = ssl.create_default_context(cadata=vault.values([CA])[CA.part("certificate")])
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    for name in ("10.0.0.1", "api.lan"):
        handshake(client, server, name)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(client, server, "10.0.0.2")


def handshake(client: ssl.SSLContext, server: ssl.SSLContext, name: str) -> None:
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(down, up, server_hostname=name)
    theirs = server.wrap_bio(up, down, server_side=True)
    for _ in range(4):
        for side in (ours, theirs):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert ours.version() == "TLSv1.3"


def test_a_certificate_ends_in_time_and_never_after_its_authority() -> None:
    now = datetime(2026, 11, 1, tzinfo=UTC)
    authority = make_authority("CA", now)
    pair = make_certificate("api", ("10.0.0.1",), authority, now)
    assert life_of(pair.certificate) == (now - CLOCK_SKEW, now + CERTIFICATE_LIFE)
    late = now + timedelta(days=3600)
    pair = make_certificate("api", ("10.0.0.1",), authority, late)
    assert life_of(pair.certificate)[1] == life_of(authority.certificate)[1]
    with pytest.raises(ValueError, match="for nothing"):
        make_certificate("api", (), authority, now)
    parsed = x509.load_pem_x509_certificate(authority.certificate.encode())
    assert parsed.not_valid_before_utc < now
    assert "PRIVATE" not in repr(authority)


def test_files_are_for_their_owner_and_hold_no_value(vault: Vault, tmp_path: Path) -> None:
    value = vault.values([PASSWORD])[str(PASSWORD)]
    for path in tmp_path.iterdir():
        assert path.stat().st_mode & 0o077 == 0, path
        assert value.encode() not in path.read_bytes()
        assert b"nova/database" not in path.read_bytes()
    assert value not in repr(vault) + repr(PASSWORD) + str(PASSWORD)


def test_the_file_before_the_last_change_is_kept(vault: Vault, tmp_path: Path) -> None:
    vault.values([PASSWORD])
    before = (tmp_path / "secrets.age").read_bytes()
    vault.values([PASSWORD])
    assert (tmp_path / "secrets.age").read_bytes() == before
    vault.values([FERNET])
    assert (tmp_path / "secrets.age.previous").read_bytes() == before


def test_a_crash_while_writing_loses_nothing(vault: Vault, tmp_path: Path) -> None:
    value = vault.values([PASSWORD])
    (tmp_path / ".secrets.age.new").write_bytes(b"half")
    assert vault.values([PASSWORD, FERNET])[str(PASSWORD)] == value[str(PASSWORD)]
    assert not (tmp_path / ".secrets.age.new").exists()


def test_two_runs_at_once_agree(vault: Vault, tmp_path: Path) -> None:
    found: list[str] = []

    def run() -> None:
        found.append(Vault(tmp_path).values([PASSWORD])[str(PASSWORD)])

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


@pytest.mark.parametrize("damage", [b"", b"rubbish", None])
def test_a_damaged_file_is_refused_and_left_alone(
    vault: Vault, tmp_path: Path, damage: bytes | None
) -> None:
    vault.values([PASSWORD])
    path = tmp_path / "secrets.age"
    content = path.read_bytes()[:-3] if damage is None else damage
    path.write_bytes(content)
    with pytest.raises(HostError, match="cannot be opened") as caught:
        vault.values([FERNET])
    assert "secrets.age.previous" in caught.value.hint
    assert path.read_bytes() == content


def test_a_lost_file_is_not_made_anew(vault: Vault, tmp_path: Path) -> None:
    vault.values([PASSWORD])
    vault.values([FERNET])
    (tmp_path / "secrets.age").unlink()
    with pytest.raises(HostError, match="are not there"):
        vault.values([PASSWORD])


def test_a_lost_or_wrong_identity_is_refused(vault: Vault, tmp_path: Path) -> None:
    vault.values([PASSWORD])
    identity = tmp_path / "identity"
    kept = identity.read_text()
    identity.unlink()
    with pytest.raises(HostError, match="is not there"):
        vault.values([PASSWORD])
    identity.write_text("AGE-SECRET-KEY-1NONSENSE\n")
    with pytest.raises(HostError, match="not an age identity") as caught:
        vault.values([PASSWORD])
    assert "NONSENSE" not in str(caught.value)
    Vault(tmp_path / "other").values([PASSWORD])
    with pytest.raises(HostError, match="cannot be opened") as caught:
        Vault(tmp_path, tmp_path / "other" / "identity").values([PASSWORD])
    assert IDENTITY_VARIABLE in caught.value.hint
    identity.write_text(f"# created by age-keygen\n{kept}")
    assert vault.values([PASSWORD])


def test_the_identity_may_be_elsewhere(
    vault: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Vault(tmp_path / "key").values([])
    monkeypatch.setenv(IDENTITY_VARIABLE, str(tmp_path / "key" / "identity"))
    value = Vault(tmp_path / "cloud").values([PASSWORD])
    assert not (tmp_path / "cloud" / "identity").exists()
    assert Vault(tmp_path / "cloud").values([PASSWORD]) == value
    monkeypatch.setenv(IDENTITY_VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(HostError, match="is not there"):
        Vault(tmp_path / "new").values([PASSWORD])


def test_another_recipe_under_a_kept_name_is_refused(vault: Vault) -> None:
    vault.values([PASSWORD])
    with pytest.raises(HostError, match="another form"):
        vault.values([Secret(name="nova/database", recipe=SshKey())])


def test_no_room_is_an_error_with_a_place(vault: Vault, tmp_path: Path) -> None:
    (tmp_path / "secrets.lock").mkdir()
    with pytest.raises(HostError, match="read or written") as caught:
        vault.values([PASSWORD])
    assert "secrets.lock" in caught.value.where
