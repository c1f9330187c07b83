"""The docker commands of a VPS in a container, as words."""

from __future__ import annotations

import io
import tarfile

import pytest

from alvps.provision.local import vps_argv
from alvps.provision.local.vps_argv import PRIVILEGES, Vps

VPS = Vps(
    name="demo", container="al-vps-demo", volume="al-vps-demo-docker", image="sha256:1", port=2222, instance="abc"
)


@pytest.mark.parametrize("privileges", PRIVILEGES)
def test_the_container_is_named_labelled_and_published_on_loopback_alone(privileges: tuple[str, ...]) -> None:
    argv = vps_argv.create(VPS, privileges)
    assert argv[0] == "create"
    assert argv[-1] == "sha256:1"
    joined = " ".join(argv)
    assert "--name al-vps-demo" in joined
    assert "--label al.vps.instance=abc" in joined
    assert "--publish 127.0.0.1:2222:22" in joined
    assert "--volume al-vps-demo-docker:/var/lib/docker" in joined
    assert " ".join(privileges) in joined


def test_only_one_way_asks_for_everything() -> None:
    assert [words for words in PRIVILEGES if "--privileged" in words] == [("--privileged",)]


def test_the_seed_is_readable_by_its_owner_alone_and_whole() -> None:
    with tarfile.open(
        fileobj=io.BytesIO(vps_argv.seed_tar({"user-data": "#cloud-config\nä", "meta-data": "{}"}))
    ) as tar:
        members = {member.name: member for member in tar.getmembers()}
        assert {member.mode for member in members.values()} == {0o600}
        file = tar.extractfile(members["user-data"])
        assert file is not None
        assert file.read().decode() == "#cloud-config\nä"


def test_helpers_touch_no_network() -> None:
    for argv in (
        vps_argv.copy_seed("image", "seed", "volume"),
        vps_argv.fill_seed("image", "seed", "maker", PRIVILEGES[0]),
    ):
        assert argv[argv.index("--network") + 1] == "none"
        assert "--rm" in argv


def test_the_seed_is_never_written_by_a_copy() -> None:
    assert "seed:/from:ro" in vps_argv.copy_seed("image", "seed", "volume")
