"""Recipes, locks and the settings of a build."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cloudwright.declare.image import Image, Schema
from cloudwright.errors import Missing
from cloudwright.execute.images.build import debian_of
from cloudwright.execute.images.debian import Apt
from cloudwright.execute.images.settings import apt_conf, lay_out, python_index
from cloudwright.images.extend_start import images_of
from cloudwright.images.recipe import BASE, DATABASE, make_recipes
from cloudwright.images.release import (
    SHARED,
    Release,
    load_release,
    lock_entries,
    split_locks,
)
from cloudwright.services import SERVICES

RELEASE = load_release("2026.2")
DECLARED = images_of(SERVICES)
GLANCE = Image(
    name="glance", parent=SHARED, projects=("glance",), packages=("qemu-utils",), users=("glance",)
)


def digests(*images: Image, release: Release = RELEASE) -> dict[str, str]:
    return {recipe.name: recipe.digest for recipe in make_recipes(images, release)}


def test_parents_come_first() -> None:
    recipes = make_recipes(DECLARED, RELEASE)
    seen = {""}
    for recipe in recipes:
        assert recipe.parent in seen
        seen.add(recipe.name)


def test_a_recipe_is_the_same_when_made_again() -> None:
    assert digests(*DECLARED) == digests(*DECLARED)


def test_a_package_changes_its_image_and_no_other() -> None:
    before = digests(GLANCE, Image(name="memcached"))
    after = digests(replace(GLANCE, packages=()), Image(name="memcached"))
    assert [name for name in before if before[name] != after[name]] == ["glance"]


def test_a_shared_lock_changes_all_that_stands_on_it() -> None:
    other = replace(RELEASE, locks={**RELEASE.locks, SHARED: "x==1\n"})
    before = digests(GLANCE, Image(name="memcached"))
    after = digests(GLANCE, Image(name="memcached"), release=other)
    assert [name for name in before if before[name] != after[name]] == [SHARED, "glance"]


def test_users_are_made_before_packages_make_them() -> None:
    base, *_, glance = make_recipes((GLANCE,), RELEASE)
    assert base.name == BASE
    assert "glance:42415:glance" in base.text
    assert "hacluster:42486:haclient" in base.text
    assert glance.text.index("/mnt/users glance") < glance.text.index("/mnt/packages qemu-utils")


def test_what_a_schema_is_made_with_comes_first_and_decides() -> None:
    made = replace(
        GLANCE, schemas=(Schema(database="glance", section="database", command="glance-manage x"),)
    )
    server = Image(name=DATABASE)
    recipes = {recipe.name: recipe for recipe in make_recipes((made, server), RELEASE)}
    assert list(recipes).index(DATABASE) < list(recipes).index("glance")
    assert recipes["glance"].needs == (DATABASE,)
    assert "glance database 'glance-manage x'" in recipes["glance"].text
    before, after = digests(made, server), digests(made, replace(server, packages=("socat",)))
    assert [name for name in before if before[name] != after[name]] == [DATABASE, "glance"]
    with pytest.raises(ValueError, match=DATABASE):
        make_recipes((made,), RELEASE)


def test_a_prefix_is_in_every_name_that_a_recipe_uses() -> None:
    recipes = make_recipes(DECLARED, RELEASE, prefix="registry.example/cloud")
    text = "".join(recipe.text for recipe in recipes)
    assert "FROM registry.example/cloud/base:2026.2" in text
    assert "from=registry.example/cloud/mariadb:2026.2" in text
    assert "localhost/" not in text


def test_a_program_of_an_image_is_in_its_digest_and_no_other() -> None:
    plain, other = Image(name="plain"), Image(name="other")
    before = digests(plain, other)
    after = digests(replace(plain, programs={"hello": "#!/bin/sh\n"}), other)
    assert [name for name in before if before[name] != after[name]] == ["plain"]


@pytest.mark.parametrize(
    "wrong", [{"parent": "nothing"}, {"projects": ("nothing",)}, {"users": ("nothing",)}]
)
def test_what_nothing_declares_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="nothing"):
        make_recipes((replace(GLANCE, **wrong),), RELEASE)


def test_an_unknown_release_says_what_is_known() -> None:
    with pytest.raises(Missing) as caught:
        load_release("1999.1")
    assert "2026.2" in caught.value.hint


def test_every_lock_is_pinned_with_hashes_and_names_no_place() -> None:
    for lock in RELEASE.locks.values():
        assert "://" not in lock
        for entry in lock_entries(lock).values():
            assert re.match(r"[a-z0-9-]+==\S+", entry)
            assert "--hash=sha256:" in entry


def test_a_package_is_in_one_lock_alone() -> None:
    names = [name for lock in RELEASE.locks.values() for name in lock_entries(lock)]
    assert len(names) == len(set(names))
    assert set(RELEASE.locks) == {SHARED, *RELEASE.projects}


def test_split_shares_what_two_want() -> None:
    whole = "".join(f"{n}==1 \\\n    --hash=sha256:0\n" for n in ("a", "both", "extra", "z"))
    locks = split_locks(whole, {"one": frozenset({"a", "both"}), "two": frozenset({"both", "z"})})
    assert {name: list(lock_entries(lock)) for name, lock in locks.items()} == {
        SHARED: ["both", "extra"],
        "one": ["a"],
        "two": ["z"],
    }


def test_uv_learns_pips_settings(tmp_path: Path) -> None:
    (tmp_path / "simple").mkdir()
    (tmp_path / "wheels").mkdir()
    index = python_index(
        {
            "index-url": "https://user:word@mirror.example/simple",
            "extra-index-url": f"file://{tmp_path}/simple",
            "find-links": f"{tmp_path}/wheels {tmp_path}/gone",
        },
        {},
    )
    assert index.environment["UV_DEFAULT_INDEX"] == "https://user:word@mirror.example/simple"
    assert index.environment["UV_INDEX"] == "file:///mnt/folders/0/simple"
    assert index.environment["UV_FIND_LINKS"] == "/mnt/folders/1"
    assert index.folders == {
        "/mnt/folders/0": str(tmp_path),
        "/mnt/folders/1": f"{tmp_path}/wheels",
    }


def test_uvs_own_settings_come_first() -> None:
    told = python_index({"index-url": "https://a/"}, {"UV_DEFAULT_INDEX": "https://b/"})
    assert told.environment["UV_DEFAULT_INDEX"] == "https://b/"


def test_what_a_build_sees_is_private_to_root(tmp_path: Path) -> None:
    program = tmp_path / "uv"
    program.write_text("")
    folder = tmp_path / "mnt"
    folder.mkdir()
    lay_out(
        folder,
        apt=Apt(mirror="https://me:word@deb.example/", options=(("Acquire::Retries", "3"),)),
        suite="trixie",
        index=python_index({"index-url": "https://me:word@pip.example/"}, {}),
        authorities="",
        scripts={"packages": "true"},
        locks={"one": ""},
        uv=str(program),
    )
    for name in ("apt.conf", "sources.list", "auth.conf", "index.env", "ca.pem"):
        assert (folder / name).stat().st_mode & 0o077 == 0
    assert (folder / "sources.list").read_text().startswith("deb https://me:word@deb.example/ tr")


def test_the_first_image_is_of_the_releases_debian() -> None:
    release = replace(RELEASE, debian="forky")
    apt = Apt(mirror="https://deb.example/debian", options=())
    words = shlex.split(debian_of(release, apt))
    assert words[0] == "mmdebstrap"
    assert words[-3:] == ["forky", "$target", "https://deb.example/debian"]
    assert "trixie" not in " ".join(words)


def test_apt_keeps_the_machines_options() -> None:
    proxy = ("Acquire::http::Proxy", "http://proxy.example:3128")
    assert 'Acquire::http::Proxy "http://proxy.example:3128";' in apt_conf(
        Apt(mirror="http://deb.example/", options=(proxy,))
    )
