"""Secrets as files: what types there are, where they are kept, and the one form in which they travel."""

from alvps.credentials.credential import Credential, canonical, env_of
from alvps.credentials.refs import CredentialRef
from alvps.credentials.store import FileStore, Stored, complete
from alvps.credentials.types import TYPES, CredentialType, Field, secret_names, type_named

__all__ = [
    "TYPES",
    "Credential",
    "CredentialRef",
    "CredentialType",
    "Field",
    "FileStore",
    "Stored",
    "canonical",
    "complete",
    "env_of",
    "secret_names",
    "type_named",
]
