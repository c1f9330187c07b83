"""Models: `[models.<name>]` and `[model]` of the project, and which of them an agent thinks with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alvps.credentials.refs import DEFAULT_INSTANCE, CredentialRef
from alvps.project import fields
from alvps.project.layers import Part
from alvps.project.model import Model, Prices
from alvps.project.report import At, closest, shown
from alvps.project.schema import Check, Values, choice, items, lacking, named, number, table, text

DEFAULT = "default"  # what the one model of `[model]` is called
PROVIDERS = ("anthropic", "openai", "groq", "google", "xai", "mistral", "openrouter", "custom")

_ADDRESS = 'the address of an OpenAI-compatible service, such as "http://10.0.0.5:8000/v1"'
_PRICES: dict[str, Check] = dict.fromkeys(("input", "output", "cacheRead", "cacheWrite"), number(0, 1_000_000))
_BOTH_AUTHS = choice("api_key", "oauth_token")


def _auth(value: object, at: At) -> str | None:
    if value == "pi_auth":
        at.say(
            '"pi_auth" is not allowed: it means a login kept in a home folder, which no container reaches; '
            'allowed: "api_key", "oauth_token"'
        )
        return None
    found: str | None = _BOTH_AUTHS(value, at)
    return found


_KEYS: dict[str, Check] = {
    "provider": choice(*PROVIDERS),
    # No list of models: a new one must be usable on the day it comes out.
    "model": text(allowed='the provider\'s name of a model, such as "claude-sonnet-4-5"', longest=200),
    "thinkingLevel": choice("off", "minimal", "low", "medium", "high", "xhigh"),
    "authType": _auth,
    "baseUrl": fields.url,
    "credential": fields.instance,
    "prices": table(_PRICES),
}
MODEL = table(_KEYS)
MODELS = named(MODEL, most=1000)
NAMES = items(
    text(allowed="the name of a [models.<name>] of the project"), example='["sonnet", "haiku"]', least=1, most=20
)

_REQUIRED = {
    "provider": ", ".join(f'"{provider}"' for provider in PROVIDERS),
    "model": "the provider's name of a model",
}


def finish(name: str, part: Part) -> Model | None:
    """The model of a whole table, all files merged; what is missing in it is said."""
    written, values, at = part.written, part.values, part.at
    for key in lacking(written, _KEYS, _REQUIRED):
        at(key).say(f"missing; allowed: {_REQUIRED[key]}")
    if values.get("provider") == "custom" and lacking(written, _KEYS, ("baseUrl",)):
        at("baseUrl").say(f"missing; allowed: {_ADDRESS}")
    if not ("provider" in values and "model" in values):
        return None
    return Model(
        name=name,
        provider=values["provider"],
        model=values["model"],
        key=CredentialRef(f"{values['provider']}_key", values.get("credential", DEFAULT_INSTANCE)),
        auth=values.get("authType", "api_key"),
        thinking=values.get("thinkingLevel"),
        base_url=values.get("baseUrl"),
        prices=_prices(part),
    )


def choose(raw: Mapping[str, Any], values: Values, models: Mapping[str, Model | None], at: At) -> tuple[Model, ...]:
    """The models of an agent that runs no command: those it names, its own `[model]`, or the project's `[model]`.

    `models`: the project's, by name; None for one with a mistake, which has been said. Empty when there is none.
    """
    if "models" in raw:
        return _named(raw["models"], models, at.key("models"))
    if "model" in raw:
        if "model" not in values:
            return ()
        model = finish(DEFAULT, Part(written=raw["model"], values=values["model"], at=at.key("model").below))
    else:
        model = models.get(DEFAULT)
    return () if model is None else (model,)


def _named(names: object, models: Mapping[str, Model | None], at: At) -> tuple[Model, ...]:
    chosen: list[Model] = []
    seen = set()
    for index, name in enumerate(names if isinstance(names, list) else []):
        if not isinstance(name, str):
            continue  # said already
        if name in seen:
            at.item(index).say(f"{shown(name)} is listed twice")
        elif name not in models:
            allowed = ", ".join(sorted(models)[:20]) or "none yet; a table [models.<name>] in config.toml makes one"
            at.item(index).say(
                f"there is no model {shown(name)}; the project's models: {allowed}", closest(name, models)
            )
        elif (model := models[name]) is not None:
            chosen.append(model)
        seen.add(name)
    return tuple(chosen)


def _prices(part: Part) -> Prices | None:
    values, written = part.values.get("prices"), part.written.get("prices")
    if not isinstance(values, dict) or not isinstance(written, dict):
        return None
    for key in lacking(written, _PRICES, ("input", "output")):
        part.at("prices", key).say("missing; allowed: USD for a million tokens")
    if not ("input" in values and "output" in values):
        return None
    return Prices(
        input=values["input"],
        output=values["output"],
        cache_read=values.get("cacheRead"),
        cache_write=values.get("cacheWrite"),
    )
