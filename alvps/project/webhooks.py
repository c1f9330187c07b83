"""Webhooks: `[webhooks.<name>]` of the project says who may send, `[[webhooks]]` of an agent what starts it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from alvps.credentials.refs import DEFAULT_INSTANCE, CredentialRef
from alvps.project import fields
from alvps.project.layers import Part
from alvps.project.model import WebhookSource, WebhookTrigger
from alvps.project.report import At, closest, shown
from alvps.project.schema import Check, Values, boolean, choice, lacking, named, one_or_more, table, text

if TYPE_CHECKING:
    from alvps.webhooks.providers import ProviderFacts

MOST = 100
_INSTANCES = one_or_more(fields.instance, example='["current", "next"]', most=20)
_FILTER = one_or_more(text(longest=500), example='["opened", "labeled"]', most=MOST)
_HEADER_WANTED = 'the header with the signature, such as "x-signature-256"'


def sources(value: object, at: At) -> Values | None:
    """`[webhooks]`: a table for each source."""
    found: Values | None = named(_source_check(), most=1000)(value, at)
    return found


def finish(name: str, part: Part) -> WebhookSource | None:
    """The source of a whole table, all files merged; what is wrong between its keys is said."""
    written, values, at = part.written, part.values, part.at
    if "type" not in values:
        if lacking(written, _keys(), ("type",)):
            at("type").say(f"missing; allowed: {', '.join(_quoted(_providers()))}")
        return None
    kind = values["type"]
    facts = _providers()[kind]
    _check_header(kind, part)
    named_by = [key for key in ("credential", *_secret_types()) if key in written]
    for key in named_by:
        if key not in ("credential", facts.secret_type):
            at(key).say(f"belongs to another type of source; allowed: credential, or {facts.secret_type}")
        elif key != named_by[0]:
            at(key).say(f"two sources: {named_by[0]} says the same; allowed: one of them")
    instances = values.get(named_by[0], ()) if named_by else ()
    if not named_by and not values.get("allowUnsigned"):
        instances = (DEFAULT_INSTANCE,)
    return WebhookSource(
        name=name,
        type=kind,
        secrets=tuple(CredentialRef(facts.secret_type, instance) for instance in dict.fromkeys(instances)),
        allow_unsigned=values.get("allowUnsigned", False),
        header=values.get("header"),
    )


def triggers(value: object, at: At) -> tuple[Values, ...] | None:
    """`[[webhooks]]`: the form alone; which filters there are follows from the source, see `resolve`."""
    if not isinstance(value, list) or len(value) > MOST:
        found = f"a list of {len(value)}" if isinstance(value, list) else shown(value)
        at.say(f"{found} is not allowed; allowed: up to {MOST} tables, each starting with [[webhooks]]")
        return None
    good = []
    for index, one in enumerate(value):
        here = at.item(index)
        if not isinstance(one, dict):
            here.say(f"{shown(one)} is not allowed; allowed: a table")
            continue
        filters = {key: _FILTER(item, here.key(key)) for key, item in list(one.items())[:MOST] if key != "source"}
        source = one.get("source")
        if not isinstance(source, str):
            what = "missing" if source is None else f"{shown(source)} is not allowed"
            here.key("source").say(f"{what}; allowed: the name of a [webhooks.<name>] of the project")
            continue
        good.append({"index": index, "source": source, "filters": filters})
    return tuple(good)


def resolve(found: tuple[Values, ...], known: Mapping[str, WebhookSource | None], at: At) -> tuple[WebhookTrigger, ...]:
    """The triggers of checked tables. `known`: the project's sources; None for one with a mistake, which was said.

    A filter that the provider does not know is an error: left out, it would let more through than was meant.
    """
    resolved = []
    for one in found:
        here, name = at.item(one["index"]), one["source"]
        if name not in known:
            allowed = ", ".join(sorted(known)[:20]) or "none yet; a table [webhooks.<name>] in config.toml makes one"
            here.key("source").say(
                f"there is no source {shown(name)}; the project's sources: {allowed}", closest(name, known)
            )
        elif (source := known[name]) is not None:
            _check_filters(one["filters"], source.type, here)
            filters = {key: values for key, values in one["filters"].items() if values is not None}
            resolved.append(WebhookTrigger(source=name, filters=filters))
    return tuple(resolved)


def secret_types() -> frozenset[str]:
    """The types of credentials that sign webhooks: the gateway's alone, of no use to an agent."""
    return frozenset(_secret_types())


def _check_header(kind: str, part: Part) -> None:
    if kind == "generic":
        if lacking(part.written, _keys(), ("header",)):
            part.at("header").say(f"missing; allowed: {_HEADER_WANTED}")
    elif "header" in part.written:
        part.at("header").say(
            f'does not belong to a source of type "{kind}", whose header is known; allowed: for "generic"'
        )


def _check_filters(filters: Mapping[str, object], kind: str, here: At) -> None:
    facts = _providers()[kind]
    known = [name for name in facts.filters if name != "source"]
    for name in filters:
        if name not in known:
            suggestion = facts.suggestions.get(name) or closest(name, known)
            here.key(name).say(f"unknown filter of a {kind} source; allowed: {', '.join(known) or 'none'}", suggestion)


@lru_cache(maxsize=1)
def _source_check() -> Check:
    return table(_keys())


@lru_cache(maxsize=1)
def _keys() -> dict[str, Check]:
    return {
        "type": choice(*_providers()),
        "credential": _INSTANCES,
        "allowUnsigned": boolean,
        "header": fields.header,
        **dict.fromkeys(_secret_types(), _INSTANCES),
    }


def _providers() -> Mapping[str, ProviderFacts]:
    # Imported when a project has webhooks: every command of `al` reads this file.
    from alvps.webhooks.providers import PROVIDERS

    return PROVIDERS


def _secret_types() -> tuple[str, ...]:
    return tuple(dict.fromkeys(facts.secret_type for facts in _providers().values()))


def _quoted(names: Mapping[str, object]) -> list[str]:
    return [f'"{name}"' for name in names]
