"""Machines as a provider hands them over: a release's stock packages, sshd and cloud-init, and nothing of ours."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from alvps.project.environment import Environment
from alvps.provision.authorities import company_authorities
from alvps.provision.local import vps, vps_argv
from alvps.provision.local.engine import docker, docker_lines
from alvps.provision.local.image import Recipe, ensure_base, image_id, recipe
from alvps.provision.local.privileges import first_that_works
from alvps.provision.provider import silent
from tests.host.provision.conftest import Machine
from tests.support.ports import free_port


def stock_image(base: str) -> str:
    """The id of the release's stock image, made once for a base."""
    stock: Recipe = replace(recipe(ensure_base(silent, base), company_authorities()), packages=())
    if image_id(stock.tag) is None:
        argv = ["build", "--tag", stock.tag, "--build-arg", f"BASE={base}", "-"]
        docker_lines(argv, what="the stock image", stdin=stock.context(), on_line=lambda _line: None)
    made = image_id(stock.tag)
    assert made is not None
    return made


@contextmanager
def stock_machine(base: str, name: str, files: Mapping[str, tuple[int, str]]) -> Iterator[Machine]:
    """A machine that boots with these files on it: path -> mode and text. It is gone afterwards."""
    name = f"test-stock-{name}-{os.getpid()}"
    container, volume = f"al-vps-{name}", f"al-vps-{name}-docker"
    made = vps_argv.Vps(
        name=name, container=container, volume=volume, image=stock_image(base), port=free_port(), instance="test"
    )

    def start(privileges: Sequence[str]) -> None:
        docker(vps_argv.create(made, privileges), what="the container")
        docker(["cp", "-", f"{container}:/"], what="its files", stdin=_tar(files))
        docker(["start", container], what="starting the container")

    try:
        first_that_works(start, container=container)
        yield Machine(environment=Environment(name=name, host="127.0.0.1", port=made.port, container=container))
    finally:
        vps.remove(container, volume)


def _tar(files: Mapping[str, tuple[int, str]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, (mode, text) in files.items():
            info = tarfile.TarInfo(path.lstrip("/"))
            info.size, info.mode = len(text.encode()), mode
            archive.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()
