"""Which media type to answer with, by the request's Accept header."""

from collections.abc import Sequence
from typing import Final

from ibex.entrypoints.http.refusals import Refusal
from ibex.entrypoints.http.request import ApiRequest

JSON: Final = "application/json"
CSV: Final = "text/csv"
JSON_LINES: Final = "application/x-ndjson"
HTML: Final = "text/html"


def chosen(request: ApiRequest, offered: Sequence[str]) -> str:
    """The best of the offered types; the first one where anything goes. Raises Refusal (not_acceptable)."""
    if not request.exchange.header(b"accept"):
        return offered[0]
    try:
        best = request.accept.best_match(list(offered))
    except OverflowError:  # a weight that is infinite
        best = None
    if best is None:
        raise Refusal("not_acceptable", f"Accept one of {', '.join(offered)}.")
    return next(kind for kind in offered if kind == best)
