"""From the contract (OpenAPI) to requests: good ones to begin with, and every way to make them bad.

New routes are covered by being in the contract. Whether a hostile value is refused is asked of the contract itself, by
a reading of JSON Schema that is independent of the service's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache
from typing import Any, Final
from uuid import UUID, uuid4

from ibex.entrypoints.http.app import documented_handlers
from ibex.entrypoints.http.openapi import openapi_document

Schema = dict[str, Any]
BY_RULE: Final[dict[str, Schema]] = {
    "move_stock": {"quantity": "2"},
    "enter_opening_balance": {"debit": "5.00"},
}
"""What a good body needs that the contract cannot say: one of two fields, a sign that fits the kind."""
METHODS: Final = ("get", "post", "put", "patch", "delete")
ID_HOLDERS: Final = ("product_id", "sku", "barcode")
LONG: Final = "x" * 10_001

TEXTS: Final = (
    "",
    "a\0b",
    LONG,
    "\u0007",
    " x ",
    "-1",
    "0",
    "1e9",
    "NaN",
    "Infinity",
    "1.55555",
    "9" * 20,
    "1\n",
    "nope",
)
HOSTILE: Final[dict[str, tuple[Any, ...]]] = {
    "string": (None, 7, 1.5, True, [], {}, *TEXTS),
    "uuid": (None, 7, "", "nope", "0190b6e4", {}),
    "date": (None, 20260101, "2026-02-30", "yesterday", "0000-00-00", "2026-01-01T00:00:00Z"),
    "date-time": (None, 0, "2026-02-30T00:00:00Z", "now", "2026-01-01"),
    "boolean": (None, 1, "true", []),
    "integer": (None, "1", 1.5, -1, 0, 10**20, True),
    "number": (None, "1", -1),
    "array": (None, "x", {}, [], [None]),
    "object": (None, "x", [], {"surprise": 1}),
}
FORMATS: Final[dict[str, Callable[[str], object]]] = {
    "uuid": UUID,
    "date": date.fromisoformat,
    "date-time": datetime.fromisoformat,
}
QUERY: Final[dict[str, tuple[str, ...]]] = {
    "string": ("", "a\0b", LONG, "%", "_", "'", "\\"),
    "uuid": ("nope", "1", ""),
    "date": ("2026-02-30", "yesterday", "0000-00-00", ""),
    "date-time": ("2026-02-30T00:00:00Z", "now", ""),
    "boolean": ("maybe", "2", ""),
    "integer": ("abc", "1.5", "-1", "0", "9" * 30, "NaN", ""),
    "number": ("abc", "NaN", ""),
}


@dataclass(frozen=True, slots=True)
class Operation:
    """A method of a path, as the contract has it."""

    method: str
    path: str
    contract: Schema = field(repr=False)

    def __str__(self) -> str:
        return f"{self.method.upper()} {self.path}"

    @property
    def name(self) -> str:
        """Its operation id."""
        return str(self.contract["operationId"])

    @property
    def public(self) -> bool:
        """Whether it needs no token."""
        return "security" not in self.contract

    def parameters(self, where: str) -> dict[str, Schema]:
        """The schemas of its parameters in ``path`` or ``query``."""
        return {p["name"]: p["schema"] for p in self.contract.get("parameters", []) if p["in"] == where}

    def required_query(self, ids: dict[str, str]) -> dict[str, str]:
        """Good values of the parameters that must be there."""
        wanted = [p for p in self.contract.get("parameters", []) if p["in"] == "query" and p.get("required")]
        return {p["name"]: str(good(p["schema"], ids, p["name"])) for p in wanted}

    @property
    def body(self) -> Schema | None:
        """The schema of its JSON body."""
        content = self.contract.get("requestBody", {}).get("content", {})
        return content["application/json"]["schema"] if "application/json" in content else None

    def url(self, ids: dict[str, str]) -> str:
        """Its path with these ids; an unknown one is nobody's."""
        nobodys = {n: str(uuid4()) if kind_of(s) == "uuid" else "1" for n, s in self.parameters("path").items()}
        return re.sub(r"\{(\w+)\}", lambda m: ids.get(m[1], nobodys[m[1]]), self.path)


@lru_cache
def document() -> Schema:
    """The contract."""
    return openapi_document(documented_handlers())


def operations() -> list[Operation]:
    """Everything that can be called."""
    return [
        Operation(method, path, item[method])
        for path, item in document()["paths"].items()
        for method in METHODS
        if method in item
    ]


def resolved(schema: Schema) -> Schema:
    """The schema without references, and without the null that it may be."""
    if "$ref" in schema:
        target = document()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        return resolved({**target, **{k: v for k, v in schema.items() if k != "$ref"}})
    for union in ("allOf", "oneOf", "anyOf"):
        if union in schema:
            kinds = [kind for kind in schema[union] if kind.get("type") != "null"]
            return resolved({**{k: v for k, v in schema.items() if k != union}, **kinds[0]})
    return schema


def nullable(schema: Schema) -> bool:
    """Whether null is a value of it."""
    if "$ref" in schema:
        return False
    return any(kind.get("type") == "null" for union in ("oneOf", "anyOf") for kind in schema.get(union, []))


def kind_of(schema: Schema) -> str:
    """The name of its row in HOSTILE."""
    plain = resolved(schema)
    if plain.get("format") in ("uuid", "date", "date-time"):
        return str(plain["format"])
    return str(plain.get("type", "string"))


def accepts(schema: Schema, value: Any) -> bool:
    """Whether the contract lets this value through."""
    if value is None:
        return nullable(schema)
    plain = resolved(schema)
    if "enum" in plain and value not in plain["enum"]:
        return False
    kind = plain.get("type", "string")
    if kind == "object":
        return isinstance(value, dict) and _is_object(plain, value)
    if kind == "array":
        return (
            isinstance(value, list)
            and all(accepts(plain["items"], inner) for inner in value)
            and (plain.get("minItems", 0) <= len(value) <= plain.get("maxItems", 10**9))
        )
    if kind == "boolean":
        return isinstance(value, bool)
    if kind in ("integer", "number"):
        return type(value) is int and plain.get("minimum", -(2**63)) <= value <= plain.get("maximum", 2**63 - 1)
    return isinstance(value, str) and _is_text(plain, value)


def _is_object(schema: Schema, value: dict[str, Any]) -> bool:
    known = schema.get("properties", {})
    return set(schema.get("required", [])) <= set(value) and all(
        name in known and accepts(known[name], inner) for name, inner in value.items()
    )


def _is_text(schema: Schema, value: str) -> bool:
    if "\0" in value or not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", 10**9):
        return False
    if "pattern" in schema and not re.search(schema["pattern"], value):
        return False
    parse = FORMATS.get(schema.get("format", ""), str)
    try:
        parse(value)
    except ValueError:
        return False
    return True


def good(schema: Schema, ids: dict[str, str], name: str = "") -> Any:
    """A value that the contract takes; where a name tells an id, one that exists."""
    plain = resolved(schema)
    if plain.get("examples"):
        return plain["examples"][0]
    if "enum" in plain:
        return plain["enum"][0]
    kind = kind_of(schema)
    if kind == "object":
        known, wanted = plain.get("properties", {}), list(plain.get("required", []))
        # What can be named in three ways is named by its id; what can be paid in two is paid by one method.
        wanted += [n for n in ("product_id", "payment_method", "refund_method") if n in known and n not in wanted]
        return {n: good(known[n], ids, n) for n in wanted}
    if kind == "array":
        return [good(plain["items"], ids, name)]
    if kind == "uuid":
        return ids.get(name, str(uuid4()))
    plain_values: dict[str, Any] = {
        "date": "2026-03-02",
        "date-time": "2026-03-02T12:00:00Z",
        "boolean": True,
        "integer": 1,
    }
    return plain_values.get(kind, "text")


@dataclass(frozen=True, slots=True)
class Bad:
    """A body with one thing changed in it, and where."""

    field: str
    value: Any
    body: Any
    refused: bool
    """Whether the contract refuses it; else it may be a good value."""

    def __str__(self) -> str:
        return f"{self.field}={self.value!r:.40}"


def good_body(operation: Operation, ids: dict[str, str]) -> Any:
    """A body that the route takes: good by the contract, and by the rules that it cannot tell."""
    return None if operation.body is None else good(operation.body, ids) | BY_RULE.get(operation.name, {})


def bad_bodies(schema: Schema, ids: dict[str, str]) -> Iterator[Bad]:
    """The good body with everything in turn made bad, at every depth."""
    yield from _bad_object(schema, good(schema, ids), "", ids)


def _bad_object(schema: Schema, body: dict[str, Any], prefix: str, ids: dict[str, str]) -> Iterator[Bad]:
    plain = resolved(schema)
    for name in plain.get("required", []):
        rest = {n: v for n, v in body.items() if n != name}
        yield Bad(f"{prefix}{name}", "(missing)", rest, refused=True)
    yield Bad(f"{prefix}surprise", "(unknown)", body | {"surprise": 1}, refused=True)
    for name, inner in plain.get("properties", {}).items():
        place = f"{prefix}{name}"
        for value in HOSTILE[kind_of(inner)]:
            yield Bad(place, value, body | {name: value}, refused=not accepts(inner, value))
        there = body.get(name, good(inner, ids, name))
        yield from _bad_inside(inner, there, place, body, name, ids)


def _bad_inside(
    schema: Schema, value: Any, place: str, body: dict[str, Any], name: str, ids: dict[str, str]
) -> Iterator[Bad]:
    plain = resolved(schema)
    if kind_of(plain) == "object" and plain.get("properties"):
        for bad in _bad_object(plain, value, f"{place}.", ids):
            yield Bad(bad.field, bad.value, body | {name: bad.body}, bad.refused)
    elif kind_of(plain) == "array" and kind_of(plain["items"]) == "object":
        for bad in _bad_object(plain["items"], value[0], f"{place}[0].", ids):
            yield Bad(bad.field, bad.value, body | {name: [bad.body]}, bad.refused)
