"""Fixtures that several kinds of tests share."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.examples import examples
from tests.support.product import Product, install
from tests.support.vps import Vps

# How long an example takes says what else the machine does, not what the code does.
settings.register_profile("alvps", deadline=None, max_examples=examples(100))
settings.load_profile("alvps")

# A run in the background (`… &`, a CI job) starts with SIGINT ignored, and so would every program that a test starts
# and then interrupts as a person does with Ctrl-C. A handler here means the default there.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def product(tmp_path_factory: pytest.TempPathFactory) -> Product:
    """The wheel, installed alone in a new virtual environment outside the repository."""
    folder = tmp_path_factory.mktemp("product")
    home = folder / "home"
    home.mkdir()
    return Product(venv=install(folder), home=home)


@pytest.fixture(scope="session")
def vps(product: Product) -> Iterator[Vps]:
    """A local VPS for the whole session, as `al provision local` makes it."""
    name = f"test-{os.getpid()}"
    product.ok("provision", "local", "--name", name, timeout=600)
    try:
        yield Vps(product, name)
    finally:
        product.ok("teardown", name, "--yes")


@pytest.fixture
def project_folder(tmp_path: Path) -> Path:
    """A folder for a project whose name is legal whatever the test is called."""
    return tmp_path / "demo"
