"""The operator's options are found for the files that they are for, in order, with their line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from cloudwright.errors import InvalidCloud
from cloudwright.model.load import load
from cloudwright.model.overrides import Known, Overrides, load_overrides, parse_ini

CLOUD = load(Path(__file__).parents[2] / "examples" / "three-controllers.yaml")
SERVICES = ["nova", "glance", "neutron"]
CONTAINERS = ["nova-api", "nova-compute", "nova-libvirt", "glance-api", "neutron-server"]
NAMES = frozenset(SERVICES + CONTAINERS)
KNOWN = Known(names=NAMES, hosts=frozenset(host.name for host in CLOUD.hosts))


def overrides_of(directory: Path, files: Mapping[str, str]) -> Overrides:
    for name, text in files.items():
        path = directory / "config" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    overrides, problems = load_overrides(directory, "config", KNOWN)
    if problems:
        raise InvalidCloud(problems)
    return overrides


def test_no_directory_is_no_overrides(tmp_path: Path) -> None:
    assert load_overrides(tmp_path, "config", KNOWN) == (Overrides(), ())


def test_a_folder_that_was_named_must_be_there(tmp_path: Path) -> None:
    _, (problem,) = load_overrides(tmp_path, "etc", KNOWN)
    assert problem.text == "there is no such folder of overrides"
    assert problem.file == str(tmp_path / "etc")
    assert "`overrides_dir: etc`" in problem.hint
    (tmp_path / "etc").mkdir()
    assert load_overrides(tmp_path, "etc", KNOWN) == (Overrides(), ())


def test_what_is_right_is_read_beside_what_is_wrong(tmp_path: Path) -> None:
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "nova.conf").write_text("[DEFAULT]\na = 1\nrubbish\n[b\nc = 2\n[d]\ne = 3\n")
    (folder / "glanse.conf").write_text("[DEFAULT]\n")
    overrides, problems = load_overrides(tmp_path, "config", KNOWN)
    found = [(o.section, o.option) for file in overrides.files for o in file.overrides]
    assert found == [("DEFAULT", "a"), ("d", "e")]
    assert [(p.file, p.line) for p in sorted(problems)] == [
        ("config/glanse.conf", 0),
        ("config/nova.conf", 3),
        ("config/nova.conf", 4),
    ]


def test_any_folder_may_be_a_hosts_when_nobody_knows_them(tmp_path: Path) -> None:
    for name in ("ctl-9/nova.conf", "ctl-9/nova-api/x.ini", "nova-api/x.ini", "ctl-9/glanse.conf"):
        path = tmp_path / "config" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("[a]\n")
    known = Known(names=NAMES, hosts=None)
    overrides, (problem,) = load_overrides(tmp_path, "config", known)
    assert problem.text == '"glanse" is the name of no service or container'
    assert [(f.host, f.directory) for f in overrides.files] == [
        ("", "nova-api"),
        ("ctl-9", ""),
        ("ctl-9", "nova-api"),
    ]


def test_the_narrower_file_comes_later(tmp_path: Path) -> None:
    overrides = overrides_of(
        tmp_path,
        {
            "nova.conf": "[DEFAULT]\na = 1\n",
            "nova-compute.conf": "\n[DEFAULT]\na = 2\n",
            "cmp-1/nova.conf": "[DEFAULT]\n# why\na = 3\n",
            "cmp-1/nova-compute.conf": "[DEFAULT]\na = 4\n",
            ".nova.conf.swp": "an editor's",
            "nova.conf~": "an editor's",
        },
    )

    def found(container: str, host: str, file: str = "nova.conf") -> list[tuple[str, object]]:
        return [
            (origin, options["DEFAULT"]["a"])
            for origin, options in overrides.for_file(container, file, host)
        ]

    everywhere = [("config/nova.conf:2", "1")]
    assert found("nova-api", "ctl-1") == everywhere
    assert found("nova-compute", "cmp-2") == [*everywhere, ("config/nova-compute.conf:3", "2")]
    assert found("nova-compute", "cmp-1") == [
        *everywhere,
        ("config/nova-compute.conf:3", "2"),
        ("config/cmp-1/nova.conf:3", "3"),
        ("config/cmp-1/nova-compute.conf:2", "4"),
    ]
    assert found("nova-libvirt", "cmp-2", "qemu.conf") == []
    assert found("glance-api", "ctl-1", "glance-api.conf") == []


def test_a_services_file_is_for_its_containers_own(tmp_path: Path) -> None:
    overrides = overrides_of(
        tmp_path,
        {
            "glance.conf": "[DEFAULT]\nworkers = 2\n",
            "neutron-server/ml2_conf.ini": "[ml2]\nmtu = 9000\n",
        },
    )
    assert overrides.for_file("glance-api", "glance-api.conf", "ctl-1")
    assert overrides.for_file("neutron-server", "ml2_conf.ini", "ctl-1")
    assert not overrides.for_file("neutron-server", "neutron.conf", "ctl-1")
    unmatched = overrides.unmatched([("glance-api", "glance-api.conf", "ctl-1")])
    assert [p.file for p in unmatched] == ["config/neutron-server/ml2_conf.ini"]


def test_ini_is_read_as_oslo_reads_it() -> None:
    text = "; c\n[a]\nx: 1\ny = p = q\nlist = 1\nlist = 2\nlong = one,\n   two\nempty =\n"
    text += "[b c]\nx=\t3\n"
    found, problems = parse_ini(text.encode(), "nova.conf")
    assert not problems
    assert {(o.section, o.option): (o.values, o.line) for o in found} == {
        ("a", "x"): (("1",), 3),
        ("a", "y"): (("p = q",), 4),
        ("a", "list"): (("1", "2"), 5),
        ("a", "long"): (("one,\n  two",), 7),
        ("a", "empty"): (("",), 9),
        ("b c", "x"): (("3",), 11),
    }


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("nvoa.conf", "[a]\n", '"nvoa" is the name of no service or container'),
        ("cmp-9/nova.conf", "[a]\n", '"cmp-9" is the name of no host, service or container'),
        ("cmp-1/deep/nova.conf", "[a]\n", '"deep" is the name of no host'),
        ("nova.yaml", "a: b\n", "not an INI file"),
        ("nova.conf", "a = b\n", "config/nova.conf:1:1: an option before any [section]"),
        ("nova.conf", "[a]\nnonsense\n[b\n", "config/nova.conf:3:1: neither [section] nor"),
    ],
)
def test_what_is_for_nothing_or_no_ini_is_a_problem(
    tmp_path: Path, name: str, text: str, said: str
) -> None:
    with pytest.raises(InvalidCloud) as caught:
        overrides_of(tmp_path, {name: text})
    assert said in str(caught.value)


def test_a_misspelt_service_is_suggested(tmp_path: Path) -> None:
    with pytest.raises(InvalidCloud, match="2 problems") as caught:
        overrides_of(tmp_path, {"glanse.conf": "", "cpm-1/nova.conf": ""})
    hints = {p.hint for p in caught.value.problems}
    assert hints == {'did you mean "glance"?', 'did you mean "cmp-1"?'}


def test_bytes_that_are_no_text_are_a_problem(tmp_path: Path) -> None:
    assert parse_ini(b"[a]\nx = \xff\n", "nova.conf")[1][0].line == 2
    assert parse_ini(b"#" * 300_000, "nova.conf")[1]
