"""Types as the one place where it is said what is sent and answered.

A shape is a TypedDict. From that of a request its checks are made: each field is Annotated with its Rule, or a Literal,
or another shape, and `| None` if it need not be there. From both kinds the document is made.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NewType, Union, get_args, get_origin, get_type_hints, is_typeddict

from alvps.gateway.fields import Count, Field, Fields, OneOf, Rule, Schema, or_null

PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean"}
Named = dict[Any, Schema]  # by the shape itself; `components` gives them their names


def fields_of(shape: type) -> Fields:
    """What a request of this shape is checked by."""
    return Fields(tuple(_field(name, hint) for name, hint in get_type_hints(shape, include_extras=True).items()))


def _field(name: str, hint: Any) -> Field:
    rule: Rule | None = None
    if get_origin(hint) is Annotated:
        hint, rule = get_args(hint)
    kinds = union(hint)
    needed = type(None) not in kinds
    (kind,) = (kind for kind in kinds if kind is not type(None))
    if rule is None:
        rule = OneOf(get_args(kind)) if get_origin(kind) is Literal else fields_of(kind)
    if isinstance(rule, Count):
        return Field(name, rule, needed=False, default=rule.default)
    return Field(name, rule, needed=needed)


def schema_of(hint: Any, named: Named) -> Schema:
    """The JSON Schema of an answer's type; shapes go into `named` and are referred to."""
    kinds = union(hint)
    schemas = [_schema_of(kind, named) for kind in kinds if kind is not type(None)]
    whole = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
    return or_null(whole) if type(None) in kinds else whole


def _schema_of(hint: Any, named: Named) -> Schema:
    if is_typeddict(hint):
        return _refer(hint, named)
    if isinstance(hint, NewType):
        return {"type": "string", "format": "date-time"}  # views.Time and views.Instant
    if hint is Any:
        return {}
    if hint in PLAIN:
        return {"type": PLAIN[hint]}
    return _generic(get_origin(hint), get_args(hint), named)


def _generic(origin: Any, arguments: tuple[Any, ...], named: Named) -> Schema:
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin is list:
        return {"type": "array", "items": schema_of(arguments[0], named)}
    if origin is dict:
        return {"type": "object", "additionalProperties": schema_of(arguments[1], named)}
    raise TypeError(f"no answer can have a {origin}")


def union(hint: Any) -> tuple[Any, ...]:
    """The types that a type is a union of."""
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def components(named: Named) -> dict[str, Schema]:
    """The shapes that were referred to, by their names."""
    found = {shape.__name__: schema for shape, schema in named.items()}
    assert len(found) == len(named), "two shapes of one name"
    return dict(sorted(found.items()))


def _refer(shape: Any, named: Named) -> Schema:
    if shape not in named:
        named[shape] = {}  # its place, should it have itself inside
        properties = {field: schema_of(hint, named) for field, hint in get_type_hints(shape).items()}
        named[shape].update(_described(shape, properties))
    return {"$ref": f"#/components/schemas/{shape.__name__}"}


def _described(shape: Any, properties: Mapping[str, Schema]) -> Schema:
    whole: Schema = {"type": "object"}
    if shape.__doc__:
        whole["description"] = " ".join(shape.__doc__.split())
    needed = [name for name in properties if name in shape.__required_keys__]
    return whole | {"properties": dict(properties), "required": needed, "additionalProperties": False}
