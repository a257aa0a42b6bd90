"""What oslo.config would take as a value, and what a schema says of a setting."""

from __future__ import annotations

import json

import pytest

from cloudwright.images.option_data import option_text
from cloudwright.images.schemas import Schemas
from cloudwright.model.option import Option, Type, expected
from cloudwright.model.overrides import parse_ini
from cloudwright.model.schema import Schema

NUMBER = Type(kind="integer", min=1, max=10)
LEVELS = Type(kind="list", of=Type(kind="integer"))
CHOICE = Type(kind="string", choices=("kvm", "qemu"))
PAIRS = Type(kind="dict", of=Type(kind="integer"))


@pytest.mark.parametrize(
    ("type", "text", "wanted"),
    [
        (Type(kind="boolean"), "Yes", ""),
        (Type(kind="boolean"), "maybe", "true or false"),
        (NUMBER, "10", ""),
        (NUMBER, "", ""),
        (NUMBER, "11", "a whole number from 1 to 10"),
        (NUMBER, "1.5", "a whole number"),
        (Type(kind="integer", min=0), "-1", "a whole number, 0 or more"),
        (Type(kind="float", max=1), "1.5", "a number, 1 or less"),
        (Type(kind="float"), "1e3", ""),
        (Type(kind="port"), "65536", "a whole number from 0 to 65535"),
        (Type(kind="port", min=1024), "80", "a whole number from 1024 to 65535"),
        (CHOICE, "kvm", ""),
        (CHOICE, "KVM", "one of kvm, qemu"),
        (Type(kind="string", choices=("kvm",), ignore_case=True), "KVM", ""),
        (Type(kind="string", max_length=3), "four", "at most 3 characters"),
        (Type(kind="string", regex="^a+$"), "b", "a match of ^a+$"),
        (Type(kind="string", quotes=True), '"open', "closed by the quote that it begins with"),
        (LEVELS, "1, 2,", ""),
        (LEVELS, "1,x", "a list, each of it a whole number"),
        (Type(kind="list", of=PAIRS), "a:1,b:2", ""),
        (Type(kind="list", bounds=True), "a,b", "a list in brackets, such as [one,two]"),
        (PAIRS, "a:1, b:2", ""),
        (PAIRS, "a:x", "pairs with commas between them, each a whole number"),
        (PAIRS, "a", "pairs with commas between them, each name:value"),
        (Type(kind="range"), "5-9", ""),
        (Type(kind="range"), "5..9", "a range, such as 1-5"),
        (Type(kind="host address"), "2001:db8::1", ""),
        (Type(kind="host address"), "api.example.org", ""),
        (Type(kind="host address"), "10.0.0.256", "an IP address or a host's name"),
        (Type(kind="host address", version=4), "2001:db8::1", "an IPv4 address or a host's name"),
        (Type(kind="host domain"), "a_b.example.org", ""),
        (Type(kind="host name"), "-a", "a host's name"),
        (Type(kind="IP address"), "host", "an IP address"),
        (Type(kind="URI"), "https://a.example/b", ""),
        (Type(kind="URI"), "a.example", "a URI, such as https://host/path"),
        (Type(kind="URI", schemes=("https",)), "http://a", "a URI of https"),
        (NUMBER, "$other", ""),
        (NUMBER, "${group.other}", ""),
        (NUMBER, "$$5", "a whole number"),
    ],
)
def test_values(type: Type, text: str, wanted: str) -> None:
    assert expected(type, text) == wanted


def none(section: str, option: str) -> str:
    return ""


def schema() -> Schema:
    options = (
        Option(section="libvirt", name="virt_type", type=CHOICE),
        Option(section="libvirt", name="mode", type=NUMBER, former=(("DEFAULT", "old_mode"),)),
        Option(section="libvirt", name="key", type=NUMBER, secret=True),
        Option(section="DEFAULT", name="stores", type=Type(kind="string"), default="one:x"),
        Option(section="DEFAULT", name="gone", type=CHOICE, removal=True, reason="Not used."),
    )
    sections: dict[str, dict[str, Option]] = {}
    for option in options:
        sections.setdefault(option.section, {})[option.name] = option
    return Schema(
        sections=sections,
        like={"helper": "libvirt"},
        named_by={"DEFAULT.stores": "libvirt"},
        free=("mdev_*",),
    )


@pytest.mark.parametrize(
    ("section", "name", "value", "said"),
    [
        ("libvirt", "virt_type", "kvm", []),
        ("LibVirt", "virt-type", "kvm", []),
        ("helper", "virt_type", "kvm", []),
        ("one", "virt_type", "kvm", []),
        ("mdev_nvidia", "anything", "x", []),
        ("libvirt", "virt_typ", "kvm", ['unknown option "virt_typ" in [libvirt]']),
        ("two", "virt_type", "kvm", ["no section [two] is read"]),
        ("DEFAULT", "old_mode", "5", ['"old_mode" is an old name of [libvirt] mode']),
        ("DEFAULT", "gone", "kvm", ['"gone" is deprecated, and will be removed']),
        ("libvirt", "key", "s3cret", ['"key" must be a whole number, not that']),
    ],
)
def test_settings(section: str, name: str, value: str, said: list[str]) -> None:
    found = list(schema().faults(section, name, (value,), none))
    assert [fault.text for fault in found] == said
    assert not any("s3cret" in fault.text + fault.hint for fault in found)


def test_a_section_is_there_when_an_option_names_it() -> None:
    def two(section: str, option: str) -> str:
        return "two:rbd, three:file" if option == "stores" else ""

    assert schema().section("three", two) is not None
    assert schema().section("one", two) is None


def test_values_keep_their_places() -> None:
    overrides, problems = parse_ini(b"[a]\nx = 1\ny: 2\nx  =  3\n", "nova.conf")
    assert problems == []
    assert [(o.option, o.values, o.places) for o in overrides] == [
        ("x", ("1", "3"), ((2, 5), (4, 7))),
        ("y", ("2",), ((3, 4),)),
    ]


def test_the_data_has_one_option_a_line() -> None:
    data = {"namespaces": {"n": {"s": {"a": {"type": "string", "help": "x\ny"}}, "t": {}}}}
    text = option_text(data)
    assert json.loads(text) == data
    assert '\n    "a": {"help": "x\\ny", "type": "string"}\n' in text


def test_a_release_without_data_has_no_schema() -> None:
    from cloudwright.services.placement import OPTIONS

    assert Schemas(release="1999.1").of(OPTIONS) is None
    found = Schemas(release="2026.2").of(OPTIONS)
    assert found is not None
    option = found.option("placement", "allocation_conflict_retry_count", none)
    assert option is not None and option.default == "10" and option.help
