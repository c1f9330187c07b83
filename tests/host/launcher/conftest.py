"""Fixtures: the base image as a push would build it, and a fresh world per test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host.launcher.launcher_world import BASE_TAG, World, build_base, docker


@pytest.fixture(scope="session")
def base_image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The id of the base image."""
    yield build_base(tmp_path_factory.mktemp("context"))
    docker("rmi", "-f", BASE_TAG, check=False)


@pytest.fixture
def world(tmp_path: Path, base_image: str) -> Iterator[World]:
    """A world without a launcher; everything made in it is removed."""
    made = World(tmp_path, base_image)
    try:
        yield made
    finally:
        made.clean()
