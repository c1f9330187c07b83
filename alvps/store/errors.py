"""Why the store cannot be opened, or could not keep something."""

from __future__ import annotations

from alvps.errors import AlError


class StoreBusy(AlError):
    """Another daemon has this file open."""


class StoreDamaged(AlError):
    """The file is not a whole database of this product."""


class StoreTooNew(AlError):
    """A later version wrote the file in a form that this version does not understand."""


class StoreUnavailable(AlError):
    """Nothing was stored: the disk is full or fails, or the store is closed. The same write may work later."""
