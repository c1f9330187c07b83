"""Names by content: the image of a VPS and the seeds; the authorities that go into them."""

from __future__ import annotations

import io
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from alvps.errors import UsageError
from alvps.provision.authorities import company_authorities
from alvps.provision.local.image import Recipe, recipe
from alvps.provision.local.provider import Local
from alvps.provision.local.seed import Seed

PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
RECIPE = Recipe(base="sha256:1", packages=("git",), files={"Dockerfile": b"FROM x", "a.sh": b"#!/bin/sh"})


@pytest.mark.parametrize(
    "other",
    [
        replace(RECIPE, base="sha256:2"),
        replace(RECIPE, packages=("git", "curl")),
        replace(RECIPE, files={**RECIPE.files, "a.sh": b"#!/bin/sh\n"}),
        replace(RECIPE, files={"Dockerfile": b"FROM x", "b.sh": b"#!/bin/sh"}),
        replace(RECIPE, files={**RECIPE.files, "c": b""}),
    ],
)
def test_whatever_goes_in_changes_the_name(other: Recipe) -> None:
    assert other.tag != RECIPE.tag


def test_the_order_of_files_does_not() -> None:
    assert replace(RECIPE, files=dict(reversed(RECIPE.files.items()))).tag == RECIPE.tag


def test_the_context_holds_the_files_scripts_executable() -> None:
    with tarfile.open(fileobj=io.BytesIO(RECIPE.context())) as tar:
        assert {member.name: member.mode for member in tar.getmembers()} == {"Dockerfile": 0o644, "a.sh": 0o755}
    assert RECIPE.context() == RECIPE.context()


def test_the_shipped_recipe_has_what_its_dockerfile_copies() -> None:
    shipped = recipe("sha256:1", (PEM,))
    copied = [line.split()[1] for line in shipped.files["Dockerfile"].decode().splitlines() if line.startswith("COPY ")]
    for source in copied:
        assert any(name == source or name.startswith(source) for name in shipped.files), source
    assert shipped.files["ca/company-1.crt"].decode() == PEM
    assert recipe("sha256:1", ()).tag != shipped.tag


def test_a_seed_is_named_by_the_engine_and_the_images_in_it() -> None:
    seed = Seed(vps_image="sha256:1", images={"a:1": "sha256:a", "b:1": "sha256:b"})
    assert seed.volume == Seed(vps_image="sha256:1", images={"b:1": "sha256:b", "a:1": "sha256:a"}).volume
    names = {
        seed.volume,
        Seed(vps_image="sha256:2", images=seed.images).volume,
        Seed(vps_image="sha256:1", images={"a:1": "sha256:a"}).volume,
        Seed(vps_image="sha256:1", images={"a:1": "sha256:c", "b:1": "sha256:b"}).volume,
    }
    assert len(names) == 4
    assert seed.labels["al.vps.tags"] == "a:1,b:1"


def test_authorities_are_certificates_and_nothing_else(tmp_path: Path) -> None:
    second = PEM.replace("MIIB", "MIIC")
    key = "-----BEGIN PRIVATE KEY-----\nSECRET\n-----END PRIVATE KEY-----\n"
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "two.crt").write_text(f"# a comment\r\n{second}{PEM}".replace("\n", "\r\n"))
    (tmp_path / "a.crt").write_text(key + PEM.rstrip("\n"))
    (tmp_path / "ignored.txt").write_text(PEM.replace("MIIB", "MIID"))
    assert company_authorities(tmp_path) == (PEM, second)


def test_a_machine_without_authorities_has_none(tmp_path: Path) -> None:
    assert company_authorities(tmp_path / "missing") == ()


def test_a_key_in_a_given_pem_file_does_not_travel() -> None:
    key = "-----BEGIN PRIVATE KEY-----\nSECRET\n-----END PRIVATE KEY-----\n"
    assert Local(name="demo", authorities=(key + PEM,)).trusted == (PEM,)


def test_a_pem_file_without_a_certificate_is_refused() -> None:
    with pytest.raises(UsageError, match="no certificate"):
        _ = Local(name="demo", authorities=("nonsense",)).trusted
    assert Local(name="demo", authorities=()).trusted == ()
