"""A secret's text is a placeholder; its value is in the filled text alone."""

from __future__ import annotations

import pytest

from cloudwright.model.secrets import (
    Ca,
    Certificate,
    Password,
    RabbitHash,
    Secret,
    SshKey,
    fill,
    find_placeholders,
    find_secrets,
)

CA = Secret(name="authority", recipe=Ca())
PASSWORD = Secret(name="nova/database", generation=2)


def certificate(*names: str) -> Secret:
    recipe = Certificate(common_name="api", names=names, issuer=CA)
    return Secret(name="api", recipe=recipe)


def test_placeholders_are_found_and_filled() -> None:
    key = certificate("10.0.0.1").part("key")
    text = f"mysql://nova:{PASSWORD}@db/nova\n{key}\n{PASSWORD}"
    assert find_secrets(text) == {("nova/database", 2), ("api", 1)}
    assert find_placeholders(text) == {str(PASSWORD), key}
    filled = fill(text, {str(PASSWORD): "s3", key: "PEM"})
    assert filled == "mysql://nova:s3@db/nova\nPEM\ns3"


def test_text_without_a_value_is_never_half_filled() -> None:
    with pytest.raises(KeyError, match="nova/database:2"):
        fill(f"a {PASSWORD}", {})


def test_a_value_is_not_looked_at_again() -> None:
    assert fill(str(PASSWORD), {str(PASSWORD): str(CA)}) == str(CA)


def test_what_decides_a_value_is_in_the_placeholder() -> None:
    one = certificate("10.0.0.1", "api.lan")
    assert one.part("key") == certificate("api.lan", "10.0.0.1").part("key")
    assert one.part("key") != certificate("10.0.0.2").part("key")
    hashes = {str(Secret(name="h", recipe=RabbitHash(of=p))) for p in (PASSWORD, Secret(name="x"))}
    assert len(hashes) == 2


def test_parts_are_the_recipes() -> None:
    assert Secret(name="x", recipe=SshKey()).parts == ("private", "public")
    assert certificate("a").parts == ("certificate", "key", "combined")
    assert Secret(name="x", recipe=Password(length=8)).parts == ()
    with pytest.raises(ValueError, match="no part"):
        CA.part("combined")


@pytest.mark.parametrize("name", ["", "a b", "a:1", "⟦", "a#key", "a\n"])
def test_a_name_cannot_break_out_of_its_placeholder(name: str) -> None:
    with pytest.raises(ValueError):
        Secret(name=name)


def test_generations_begin_at_one() -> None:
    with pytest.raises(ValueError):
        Secret(name="a", generation=0)
