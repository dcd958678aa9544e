"""The examples of docs/api/*.md, as something that can be run.

A fenced ``http`` block is a request and what it answers::

    POST /v1/products
    Idempotency-Key: delivery-17
    {"sku": "APPLE", "name": "Apple", "unit_price": "2.50"}

    201
    ETag: "v1"
    {"id": "{{apple}}", "stock": "0"}

- Headers follow the first line of each part, then the body: JSON, or text as it is.
- The expected body is a part of the real one: fields that are not named may be anything, lists may go on. ``"..."``
  is any value.
- ``{{name}}`` stands for a value: the first answer that shows it gives it, from then on it must be the same. Known
  from the beginning: ``owner_token``, ``manager_token``, ``cashier_token``, ``auditor_token``, ``store_id``,
  ``today``, ``yesterday`` and ``tomorrow``.
- Without an Authorization header the owner asks. A block in an HTML comment is run, and not shown.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from tests.api.client import Api

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = [*sorted((ROOT / "docs/api").glob("*.md")), ROOT / "docs/api.md"]

_BLOCK: Final = re.compile(r"^```http\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_FIRST: Final = re.compile(r"(GET|POST|PUT|PATCH|DELETE) (/\S*)\Z")
_HEADER: Final = re.compile(r"([A-Za-z][A-Za-z-]*): (.+)\Z")
_STATUS: Final = re.compile(r"^(\d{3})$", re.MULTILINE)
_NAME: Final = re.compile(r"\{\{(\w+)\}\}")
_ANYTHING: Final = "..."

Values = dict[str, Any]


class ExampleError(AssertionError):
    """An example is not what the service does; the message says where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A block, and where it stands."""

    place: str
    method: str
    path: str
    headers: dict[str, str]
    body: str
    status: int
    expected_headers: dict[str, str]
    expected_body: str

    async def run(self, api: Api, values: Values) -> None:
        """Sends it and compares; ``values`` learns the names that the answer gives. Raises ExampleError."""
        headers = {name: self._filled(value, values) for name, value in self.headers.items()}
        body = self._filled(self.body, values)
        if body and not any(name.lower() == "content-type" for name in headers):
            headers["Content-Type"] = "application/json"
        answer = await api.request(
            self.method, self._filled(self.path, values), headers=headers, content=body.encode() if body else None
        )
        if answer.status_code != self.status:
            raise ExampleError(f"{self.place}: {answer.status_code} instead of {self.status}: {answer.text}")
        for name, value in self.expected_headers.items():
            self._compare(value, answer.headers.get(name), values, f"header {name}")
        if self.expected_body:
            self._compare_body(answer, values)

    def _compare_body(self, answer: httpx.Response, values: Values) -> None:
        if "json" not in answer.headers["content-type"] or "ndjson" in answer.headers["content-type"]:
            for wanted, line in zip(self.expected_body.splitlines(), answer.text.splitlines(), strict=False):
                self._compare(wanted, line, values, "line")
            return
        self._compare(json.loads(self.expected_body), answer.json(), values, "$")

    def _compare(self, wanted: Any, found: Any, values: Values, where: str) -> None:
        if wanted == _ANYTHING:
            return
        if isinstance(wanted, dict) and isinstance(found, dict):
            for name, inner in wanted.items():
                if name not in found:
                    raise ExampleError(f"{self.place}: {where}.{name} is not in the answer: {found}")
                self._compare(inner, found[name], values, f"{where}.{name}")
        elif isinstance(wanted, list) and isinstance(found, list):
            if len(found) < len(wanted) or (found and not wanted):
                raise ExampleError(f"{self.place}: {where} holds {found} instead of {wanted}")
            for i, inner in enumerate(wanted):
                self._compare(inner, found[i], values, f"{where}[{i}]")
        elif isinstance(wanted, str) and (named := _NAME.fullmatch(wanted)):
            if found is None or values.setdefault(named[1], found) != found:
                raise ExampleError(f"{self.place}: {where} is {found!r}, not {values.get(named[1])!r} ({wanted})")
        elif isinstance(wanted, str) and isinstance(found, str) and _ANYTHING in wanted:
            pattern = ".*".join(re.escape(self._filled(part, values)) for part in wanted.split(_ANYTHING))
            if not re.fullmatch(pattern, found, re.DOTALL):
                raise ExampleError(f"{self.place}: {where} is {found!r}, not like {wanted!r}")
        elif (self._filled(wanted, values) if isinstance(wanted, str) else wanted) != found:
            raise ExampleError(f"{self.place}: {where} is {found!r} instead of {wanted!r}")

    def _filled(self, text: str, values: Values) -> str:
        def value(match: re.Match[str]) -> str:
            if match[1] not in values:
                raise ExampleError(f"{self.place}: nothing before has shown {match[0]}")
            return str(values[match[1]])

        return _NAME.sub(value, text)


def examples_of(page: Path) -> list[Example]:
    """The blocks of a page, in order. Raises ExampleError for one that is not written as it should be."""
    text = page.read_text()
    return [
        parse(match[1], f"{page.relative_to(ROOT)}:{text.count(chr(10), 0, match.start()) + 1}")
        for match in _BLOCK.finditer(text)
    ]


def parse(block: str, place: str) -> Example:
    """One block. Raises ExampleError."""
    status = _STATUS.search(block)
    if status is None:
        raise ExampleError(f"{place}: there is no line with the status of the answer")
    first, headers, body = _part(block[: status.start()].strip())
    request = _FIRST.match(first)
    if request is None:
        raise ExampleError(f"{place}: {first!r} is no method and path")
    _, expected_headers, expected_body = _part(block[status.start() :].strip())
    return Example(
        place=place,
        method=request[1],
        path=request[2],
        headers=headers,
        body=body,
        status=int(status[1]),
        expected_headers=expected_headers,
        expected_body=expected_body,
    )


def _part(text: str) -> tuple[str, dict[str, str], str]:
    first, *rest = text.splitlines()
    headers = {}
    while rest and (header := _HEADER.match(rest[0])):
        headers[header[1]] = header[2]
        del rest[0]
    return first, headers, "\n".join(rest).strip()
