"""A disk that is full or read-only, in words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from alvps.provision.provider import ProvisionFailed


@contextmanager
def disk_errors() -> Iterator[None]:
    """Raises ProvisionFailed when a file of this machine cannot be written or removed within."""
    try:
        yield
    except OSError as error:
        raise ProvisionFailed(f"{error.filename or 'this machine'}: {error.strerror or error}") from error
