"""What we render holds no option that its service does not know, or that will be removed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cloudwright.declare.at import At
from cloudwright.declare.service import File, Service, hosts_of
from cloudwright.errors import InvalidCloud
from cloudwright.execute.session import read_with_warnings
from cloudwright.images.schemas import Schemas
from cloudwright.model.facts import Facts
from cloudwright.model.load import load
from cloudwright.plan.options import own_faults
from cloudwright.services import SERVICES

HERE = Path(__file__).parent
EXAMPLES = sorted((HERE.parents[1] / "examples").glob("*.yaml"))
CASES = sorted(p for p in (HERE / "overrides").iterdir() if p.is_dir())
KINDS = (
    {"cores": 2, "memory_bytes": 4 * 1024**3},
    {"cores": 64, "memory_bytes": 512 * 1024**3, "kvm": True, "kernel_ovs": True},
)
"""A small host and a large one: values depend on what a host is."""


def declared(example: Path) -> list[tuple[Service, str, File]]:
    cloud = load(example)
    return [
        (service, f"{container.name}@{host.name}/{name}", file)
        for service in SERVICES
        for container in service.containers
        for host in hosts_of(cloud, container)
        for kind in KINDS
        for name, file in container.files(
            At(cloud=cloud, host=host, facts=Facts(host=host.name, **kind))  # type: ignore[arg-type]
        ).items()
    ]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_every_option_of_ours_is_known_and_fits(example: Path) -> None:
    schemas = Schemas(release=load(example).release)
    wrong, known = set(), 0
    for _, place, file in declared(example):
        if file.options and not isinstance(file.content, str):
            schema = schemas.of(file.options)
            assert schema, f"{place}: the release has no options of {file.options.project}"
            for setting, fault in own_faults(file.content, schema):
                wrong.add(f"{place}: [{setting.section}] {fault.text}; {fault.hint}")
            known += 1
    assert known
    assert sorted(wrong) == []


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_options_of_a_file_are_among_those_that_its_image_exports(example: Path) -> None:
    for service, place, file in declared(example):
        if file.options:
            assert service.image, place
            assert file.options in service.image.options, place
            assert file.options.project == service.image.name, place


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
def test_what_check_says_of_overrides(case: Path, tmp_path: Path) -> None:
    """Each `overrides/NAME/` is a config directory of the first example, beside its text."""
    path = tmp_path / "cloud.yaml"
    path.write_text((HERE.parents[1] / "examples" / "aio.yaml").read_text())
    (tmp_path / "config").symlink_to(case)
    try:
        _, _, warnings = read_with_warnings(path, SERVICES)
        text = "".join(f"{warning}\n" for warning in warnings) + "well formed\n"
    except InvalidCloud as error:
        text = f"{error}\n"
    golden = case.with_suffix(".txt")
    if os.environ.get("CLOUDWRIGHT_GOLDEN"):
        golden.write_text(text)
    assert text == golden.read_text()
