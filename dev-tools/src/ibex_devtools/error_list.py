"""docs/errors.md, from the code's own tables: `python -m ibex_devtools.error_list` writes it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from ibex.domain.shared.errors import DomainError
from ibex.entrypoints.http.codes import KIND_BY_CODE

PAGE: Final = Path("docs/errors.md")
INTRODUCTION: Final = """# Errors

Every refusal is a problem as in RFC 9457, of the media type `application/problem+json`. Branch on `code`: it is
stable, the sentences are not. Where one field is to blame, `errors` names it.

```json
{
  "type": "/errors/insufficient_stock",
  "title": "Not enough in stock",
  "status": 409,
  "detail": "There is less in stock than was asked for.",
  "code": "insufficient_stock",
  "request_id": "633eeefbd3f388781f225e26",
  "details": {"products": [{"product_id": "0198f2a4-...", "asked": "20", "in_stock": "8"}]}
}
```

A `503` says whether anything may have happened: `temporarily_unavailable` means that nothing did, `outcome_unknown`
that it may have. Repeat either with the same `Idempotency-Key`, and there is one effect and one answer.

This page is made from the code's own table (`python -m ibex_devtools.error_list`); a test fails when it is not.

| code | status | means | retry after |
|---|---|---|---|
"""


def domain_meanings() -> dict[str, str]:
    """What the domain's errors say of themselves, by code."""
    meanings: dict[str, str] = {}
    waiting: list[type[DomainError]] = [DomainError]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        meanings.setdefault(kind.code, " ".join((kind.__doc__ or "").split()))
    return meanings


def page() -> str:
    """The page as it is to be."""
    meanings = domain_meanings()
    rows = []
    for code, kind in sorted(KIND_BY_CODE.items(), key=lambda item: (item[1].status, item[0])):
        meaning = meanings.get(code, f"{kind.title}.").replace("``", "`").replace("|", "\\|")
        wait = "" if kind.retry_after_seconds is None else f"{kind.retry_after_seconds} s"
        rows.append(f"| `{code}` | {kind.status} | {meaning} | {wait} |")
    return INTRODUCTION + "\n".join(rows) + "\n"


def main() -> int:
    """Writes the page."""
    PAGE.write_text(page())
    return 0


if __name__ == "__main__":
    sys.exit(main())
