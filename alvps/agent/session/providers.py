"""From a model of the project to a model of pydantic-ai, with its client, its settings and its limits.

Only the package of the provider that is asked for is imported. Every client gets its address and key explicitly, so
that nothing in the agent's environment can send them elsewhere, and makes no retries of its own: `ask` does.

Requests are streamed. A long answer keeps bytes flowing, so no proxy or NAT on the way takes the connection for dead, a
stalled provider is noticed by its silence instead of by the length of the answer, and Anthropic requires it for answers
that may take over ten minutes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from alvps.agent.messages import say
from alvps.agent.session.ended import CONFIG, Ended
from alvps.agent.session.order import ModelSpec

if TYPE_CHECKING:
    from pydantic_ai.models import Model
    from pydantic_ai.settings import ModelSettings

SILENCE = 600.0  # seconds without a byte of an answer; reasoning models may think that long before the first one
CONNECT = 10.0  # seconds
DEFAULT_WINDOW = 150_000  # tokens; of a model that nothing is known about
OAUTH_BETA = "oauth-2025-04-20"

# Where each provider is, and what its client library adds to that: a base_url may be given with it or without.
_PLACES = {
    "anthropic": ("https://api.anthropic.com", "/v1"),
    "openai": ("https://api.openai.com/v1", ""),
    "groq": ("https://api.groq.com", "/openai/v1"),
    "google": ("https://generativelanguage.googleapis.com", "/v1beta"),
    "xai": ("https://api.x.ai/v1", ""),
    "mistral": ("https://api.mistral.ai", "/v1"),
    "openrouter": ("https://openrouter.ai/api/v1", ""),
}


@dataclass(frozen=True, slots=True)
class Opened:
    """A model that can be asked, over its own HTTP client. `window` is how many tokens its context holds."""

    spec: ModelSpec
    model: Model[Any]
    settings: ModelSettings
    window: int
    http: Any


def check(spec: ModelSpec) -> None:
    """Raises Ended for what no provider package is needed to know."""
    if spec.auth == "oauth_token" and spec.provider != "anthropic":
        raise Ended(
            CONFIG,
            f"model {spec.title}: authType oauth_token is for the provider anthropic only;"
            f" use api_key with a key of {spec.provider}",
        )


def open_model(spec: ModelSpec) -> Opened:
    """Import the provider's package and make its client. Raises Ended when the provider cannot have such a model."""
    check(spec)
    from pydantic_ai.exceptions import UserError

    http = _http_client(spec)
    try:
        model = _MAKERS[spec.provider](spec, http)
    except (UserError, ValueError) as error:
        raise Ended(CONFIG, f"model {spec.title}: {error}") from None
    return Opened(spec, model, _settings(spec, model), model.context_window or DEFAULT_WINDOW, http)


def base_url(spec: ModelSpec) -> str:
    """The address for the client library."""
    if spec.provider == "custom":
        return str(spec.base_url)
    standard, added = _PLACES[spec.provider]
    if spec.base_url is None:
        return standard
    given = spec.base_url.rstrip("/")
    return given.removesuffix(added) if added else given


def _settings(spec: ModelSpec, model: Model[Any]) -> ModelSettings:
    settings: dict[str, object] = {"timeout": SILENCE, "cache": True}
    if spec.provider == "openai":
        settings["openai_store"] = False  # the conversation is in this process; nothing of it is kept at the provider
    settings |= _thinking(spec, model)
    return cast("ModelSettings", settings)


def _thinking(spec: ModelSpec, model: Model[Any]) -> Mapping[str, object]:
    """The settings for the thinking level. pydantic-ai knows what each model's API takes; see docs of `thinking`."""
    level = spec.thinking
    if level is None:
        return {}
    profile = model.profile
    if profile.get("supports_thinking") or profile.get("thinking_always_enabled"):
        return {"thinking": False if level == "off" else level}
    if spec.provider == "custom" and level != "off":
        # Nothing is known about the model, and the project asks for a level: said in the protocol's own word.
        return {"openai_reasoning_effort": level}
    if level != "off":
        say("debug", f"thinkingLevel {level} is ignored: no reasoning levels are known for {spec.title}")
    return {}


def _anthropic(spec: ModelSpec, http: Any) -> Model[Any]:
    from anthropic import AsyncAnthropic
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.providers.anthropic import AnthropicProvider

    oauth = spec.auth == "oauth_token"
    client = AsyncAnthropic(
        api_key=None if oauth else spec.key,
        auth_token=spec.key if oauth else None,
        base_url=base_url(spec),
        default_headers={"anthropic-beta": OAUTH_BETA} if oauth else None,
        max_retries=0,
        http_client=http,
    )
    return AnthropicModel(spec.model, provider=AnthropicProvider(anthropic_client=client))


def _openai(spec: ModelSpec, http: Any) -> Model[Any]:
    from pydantic_ai.models.openai import OpenAIResponsesModel
    from pydantic_ai.providers.openai import OpenAIProvider

    return OpenAIResponsesModel(spec.model, provider=OpenAIProvider(openai_client=_openai_client(spec, http)))


def _compatible(spec: ModelSpec, http: Any) -> Model[Any]:
    """xAI and custom servers: OpenAI's Chat Completions."""
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.profiles import merge_profile
    from pydantic_ai.profiles.grok import grok_model_profile
    from pydantic_ai.profiles.openai import OpenAIModelProfile
    from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

    # Without it, a stream that is cut between two events would look like an answer that is whole.
    strict = OpenAIModelProfile(openai_chat_streaming_requires_finish_reason=True)
    if spec.provider == "xai":
        grok = grok_model_profile(spec.model) or {}
        efforts = cast("frozenset[Any]", grok.get("grok_reasoning_efforts", frozenset()))
        strict = cast(
            "OpenAIModelProfile", merge_profile(grok, strict, OpenAIModelProfile(openai_reasoning_efforts=efforts))
        )
    provider = OpenAICompatibleProvider(spec.provider, openai_client=_openai_client(spec, http))
    return OpenAIChatModel(spec.model, provider=provider, profile=strict)


def _openrouter(spec: ModelSpec, http: Any) -> Model[Any]:
    from pydantic_ai.models.openrouter import OpenRouterModel
    from pydantic_ai.profiles.openai import OpenAIModelProfile
    from pydantic_ai.providers.openrouter import OpenRouterProvider

    strict = OpenAIModelProfile(openai_chat_streaming_requires_finish_reason=True)
    return OpenRouterModel(
        spec.model, provider=OpenRouterProvider(openai_client=_openai_client(spec, http)), profile=strict
    )


def _groq(spec: ModelSpec, http: Any) -> Model[Any]:
    from groq import AsyncGroq
    from pydantic_ai.models.groq import GroqModel
    from pydantic_ai.providers.groq import GroqProvider

    client = AsyncGroq(api_key=spec.key, base_url=base_url(spec), max_retries=0, http_client=http)
    return GroqModel(spec.model, provider=GroqProvider(groq_client=client))


def _google(spec: ModelSpec, http: Any) -> Model[Any]:
    from pydantic_ai.models.google import GoogleModel
    from pydantic_ai.providers.google import GoogleProvider

    provider = GoogleProvider(api_key=spec.key, base_url=base_url(spec), http_client=http)
    return GoogleModel(spec.model, provider=provider)


def _mistral(spec: ModelSpec, http: Any) -> Model[Any]:
    from pydantic_ai.models.mistral import MistralModel
    from pydantic_ai.providers.mistral import MistralProvider

    provider = MistralProvider(api_key=spec.key, base_url=base_url(spec), http_client=http)
    return MistralModel(spec.model, provider=provider)


_MAKERS: dict[str, Callable[[ModelSpec, Any], Model[Any]]] = {
    "anthropic": _anthropic,
    "openai": _openai,
    "groq": _groq,
    "google": _google,
    "xai": _compatible,
    "mistral": _mistral,
    "openrouter": _openrouter,
    "custom": _compatible,
}


def _openai_client(spec: ModelSpec, http: Any) -> Any:
    from openai import AsyncOpenAI

    return AsyncOpenAI(api_key=spec.key, base_url=base_url(spec), max_retries=0, http_client=http)


def _http_client(spec: ModelSpec) -> Any:
    if spec.provider == "groq":  # its package alone still has the older httpx
        import httpx

        return httpx.AsyncClient(verify=_tls(spec), timeout=httpx.Timeout(SILENCE, connect=CONNECT))
    import httpx2

    return httpx2.AsyncClient(verify=_tls(spec), timeout=httpx2.Timeout(SILENCE, connect=CONNECT))


def _tls(spec: ModelSpec) -> Any:
    """The image's certificates, which have a company's CAs among them; the libraries would take their own bundle."""
    import ssl

    if base_url(spec).startswith("http://"):
        return False  # nothing to verify, and reading the bundle takes a while
    return ssl.create_default_context(cafile=os.environ.get("SSL_CERT_FILE"), capath=os.environ.get("SSL_CERT_DIR"))
