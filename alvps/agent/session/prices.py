"""What does an answer of a model cost? By the project's own prices, else by genai-prices' offline data."""

from __future__ import annotations

from alvps.agent.session.order import ModelSpec
from alvps.agent.session.usage import Tokens, price

# The providers' names in genai-prices. A custom server's model may have any name, and so any price: none is guessed.
_KNOWN_AS = {
    "anthropic": "anthropic",
    "openai": "openai",
    "groq": "groq",
    "google": "google",
    "xai": "x-ai",
    "mistral": "mistral",
    "openrouter": "openrouter",
}


def cost(spec: ModelSpec, tokens: Tokens) -> float | None:
    """USD for one answer of the model; None when its price is not known."""
    if spec.prices is not None:
        return price(tokens, spec.prices)
    provider = _KNOWN_AS.get(spec.provider)
    if provider is None:
        return None
    from genai_prices import Usage, calc_price

    usage = Usage(
        input_tokens=tokens.input + tokens.cache_read + tokens.cache_write,
        cache_read_tokens=tokens.cache_read,
        cache_write_tokens=tokens.cache_write,
        output_tokens=tokens.output,
    )
    try:
        return float(calc_price(usage, spec.model, provider_id=provider).total_price)
    except (LookupError, ValueError):
        return None


def is_known(spec: ModelSpec) -> bool:
    """Whether answers of the model can be priced."""
    return cost(spec, Tokens(input=1, output=1)) is not None
