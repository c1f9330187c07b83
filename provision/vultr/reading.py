"""Reads one object of an answer, field by field: what is missing or of another type is said by its name."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from decimal import Decimal
from typing import NoReturn

from alvps.provision.vultr.errors import BadAnswer


class Fields:
    """An object of an answer. asked: the request that it answers; where: its place there, for errors ("": the root)."""

    def __init__(self, value: object, asked: str, where: str = "") -> None:
        if not isinstance(value, dict):
            raise BadAnswer(asked, f"{where or 'the whole'} of the answer is no object")
        self._values: Mapping[str, object] = value
        self._asked = asked
        self._where = where

    def text(self, name: str) -> str:
        value = self._get(name)
        return value if isinstance(value, str) else self._wrong(name, "text")

    def number(self, name: str) -> int:
        value = self._get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else self._wrong(name, "a whole number")

    def amount(self, name: str) -> Decimal:
        """Of money: exact, as numbers of an answer are read as Decimal."""
        value = self._get(name)
        if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
            return Decimal(value)
        return self._wrong(name, "a number")

    def flag(self, name: str, *, default: bool) -> bool:
        value = self._values.get(name, default)
        return value if isinstance(value, bool) else self._wrong(name, "true or false")

    def texts(self, name: str) -> tuple[str, ...]:
        value = self._get(name)
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            return self._wrong(name, "a list of texts")
        return tuple(value)

    def inner(self, name: str) -> Fields:
        return Fields(self._get(name), self._asked, self._place(name))

    def inners(self, name: str) -> list[Fields]:
        value = self._get(name)
        if not isinstance(value, list):
            self._wrong(name, "a list")
        return [Fields(one, self._asked, f"{self._place(name)}[{number}]") for number, one in enumerate(value)]

    def inner_by_key(self, name: str) -> dict[str, Fields]:
        """Objects by a key; none when the field is not there. (An empty one comes as `[]` from some languages.)"""
        value = self._values.get(name) or {}
        if not isinstance(value, dict):
            return self._wrong(name, "an object")
        return {key: Fields(one, self._asked, f"{self._place(name)}.{key}") for key, one in value.items()}

    def address(self, name: str) -> str:
        """An IP address in its shortest form, so that two spellings of one compare equal."""
        try:
            return str(ipaddress.ip_address(self.text(name)))
        except ValueError:
            return self._wrong(name, "an address")

    def _get(self, name: str) -> object:
        if name not in self._values:
            raise BadAnswer(self._asked, f"the answer has no {self._place(name)}")
        return self._values[name]

    def _wrong(self, name: str, expected: str) -> NoReturn:
        raise BadAnswer(self._asked, f"{self._place(name)} in the answer is not {expected}")

    def _place(self, name: str) -> str:
        return f"{self._where}.{name}" if self._where else name
