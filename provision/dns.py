"""The address records of a domain, made and removed at the provider of its zone.

A record that this tool did not make is never changed or removed. Ours are those whose ids an environment remembers, and
those that carry our mark and have the very address that is wanted: of such a one only the answer was lost. Our mark
with another address is another host's.

Records are not proxied by Cloudflare: the host has a certificate of its own, what is sent is read by nobody on the way,
and who fails too often is known by his address.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence

from alvps.errors import UsageError
from alvps.project.environment import Dns
from alvps.provision.cloudflare import Cloudflare, Record, Zone
from alvps.provision.provider import ProvisionFailed

MARK = "made by al (alvps)"  # the record's comment
_LEADS = ("A", "AAAA", "CNAME", "NS")  # types that say where a name leads


class RecordTaken(ProvisionFailed):
    """Somebody else's record leads the name elsewhere."""


def ensure(
    domain: str,
    addresses: Sequence[str],
    token: str,
    *,
    known: Dns | None,
    on_made: Callable[[Dns], None],
    cloudflare: Cloudflare | None = None,
) -> Dns:
    """Has the domain lead to exactly these addresses; what of `known` is of no use any more is removed.

    known: what the environment remembers. on_made: gets what is to be remembered, after each record and before anything
    else happens. A record with a wanted address that somebody else made is fine, and stays his. Raises RecordTaken,
    before anything is changed, UsageError when no zone of the token's fits, and CloudError.
    """
    api = cloudflare or Cloudflare(token=token)
    zone = _zone(api, domain)
    wanted = tuple(dict.fromkeys(map(_canonical, addresses)))
    remembered = known.records if known and known.zone == zone.id else ()
    there = tuple(record for record in api.records(zone.id, domain) if record.type in _LEADS)
    ours = {record.id for record in there if record.id in remembered}
    ours |= {record.id for record in there if record.comment == MARK and _canonical(record.content) in wanted}
    _refuse_others(domain, [record for record in there if record.id not in ours], wanted)
    if known and known.zone != zone.id:
        remove(known, token, cloudflare=api)
    ids = [*dict.fromkeys((*remembered, *sorted(ours)))]
    before = tuple(ids)
    leads = {_canonical(record.content): record.id for record in there if record.type in ("A", "AAAA")}

    def note() -> Dns:
        made = Dns(zone=zone.id, records=tuple(ids))
        on_made(made)
        return made

    made = note()
    for address in wanted:
        if address not in leads:
            kind = "AAAA" if ":" in address else "A"
            ids.append(api.create(zone.id, type_=kind, name=domain, content=address, comment=MARK).id)
            made = note()
    fitting = {id_ for address, id_ in leads.items() if address in wanted}
    for stale in before:
        if stale not in fitting:
            api.delete(zone.id, stale)
            ids.remove(stale)
            made = note()
    return made


def refuse_taken(domain: str, token: str, *, cloudflare: Cloudflare | None = None) -> None:
    """For a host that has no address yet: raises as `ensure` would for whatever address it gets. Changes nothing."""
    api = cloudflare or Cloudflare(token=token)
    zone = _zone(api, domain)
    _refuse_others(domain, [record for record in api.records(zone.id, domain) if record.type in _LEADS], ())


def remove(dns: Dns, token: str, *, cloudflare: Cloudflare | None = None) -> tuple[str, ...]:
    """Removes the records that an environment remembers; says which there were. Raises CloudError."""
    api = cloudflare or Cloudflare(token=token)
    removed = []
    for id_ in dns.records:
        record = api.record(dns.zone, id_)
        if record is not None and api.delete(dns.zone, id_):
            removed.append(str(record))
    return tuple(removed)


def _zone(api: Cloudflare, domain: str) -> Zone:
    """The zone that the domain lies in: that of its longest suffix."""
    labels = domain.split(".")
    for first in range(len(labels) - 1):
        if zone := api.zone(".".join(labels[first:])):
            return zone
    raise UsageError(
        f"Cloudflare has no active zone for {domain} that this token may see",
        hint="give the token Zone:Read and DNS:Edit for it, or make the records yourself and remove the token",
    )


def _refuse_others(domain: str, others: Sequence[Record], wanted: tuple[str, ...]) -> None:
    wrong = [one for one in others if one.type not in ("A", "AAAA") or _canonical(one.content) not in wanted]
    if wrong:
        shown = ", ".join(f"{one.type} {one.content}" for one in wrong)
        whose = "it is another host's of al's" if any(one.comment == MARK for one in wrong) else "al did not make it"
        lead = f", or have it lead to {', '.join(sorted(wanted))}" if wanted else ""
        raise RecordTaken(
            f"{domain} leads elsewhere already ({shown}), and {whose}: nothing was changed there",
            hint=f"remove it{lead}; or choose another domain",
        )


def _canonical(address: str) -> str:
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return address.lower()
