"""The DNS records of an environment, at its end."""

from __future__ import annotations

from alvps.errors import CredentialsMissing
from alvps.project.environment import Dns


def require_token(known: Dns | None, token: str | None) -> None:
    """Raises CredentialsMissing: a name that leads to an address which somebody else gets is not left behind."""
    if known is not None and known.records and token is None:
        raise CredentialsMissing(
            f"the DNS records {', '.join(known.records)} cannot be removed without a token; nothing was removed",
            hint="al creds add cloudflare_api_token; if they are gone, take [dns] out of the environment's file",
        )


def removed(known: Dns | None, token: str | None) -> tuple[str, ...]:
    """Removes them; says which there were. Raises CloudError."""
    if known is None or token is None:
        return ()
    from alvps.provision import dns

    return tuple(f"DNS record {record}" for record in dns.remove(known, token))
