"""/openapi.json and /docs: Swagger UI from our own files, so that it works with no internet."""

import gzip
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib import resources
from typing import Any, Final

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from ibex.entrypoints.http.openapi import openapi_bytes
from ibex.entrypoints.http.refusals import Refusal
from ibex.entrypoints.http.request import ApiRequest

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Swagger UI writes style attributes, hence 'unsafe-inline' for styles; scripts are files of ours alone."""

_PAGE: Final = b"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>IBEX API</title>
<link rel="icon" href="/docs/assets/favicon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/docs/assets/swagger-ui.css">
</head>
<body>
<main id="docs"></main>
<noscript>This page needs JavaScript. The same contract is at /openapi.json.</noscript>
<script src="/docs/assets/swagger-ui-bundle.js"></script>
<script src="/docs/assets/start.js"></script>
</body>
</html>
"""
_ASSETS: Final = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "start.js": "text/javascript",
    "favicon.svg": "image/svg+xml",
}
_ONE_DAY: Final = "public, max-age=86400"


def docs_handlers(documented: Sequence[ControllerRouterHandler]) -> list[HTTPRouteHandler]:
    """The handlers that describe the ``documented`` ones."""
    contract = lru_cache(1)(lambda: openapi_bytes(documented))

    @get("/openapi.json", include_in_schema=False)
    async def openapi(request: ApiRequest) -> Response[Any]:
        """The contract."""
        return _packed(request, "openapi.json", contract, "application/json", "public, max-age=60")

    @get("/docs", include_in_schema=False)
    async def docs() -> Response[bytes]:
        """The page."""
        headers = {"content-security-policy": CONTENT_SECURITY_POLICY, "cache-control": _ONE_DAY}
        return Response(_PAGE, media_type="text/html", headers=headers)

    @get("/docs/assets/{name:str}", include_in_schema=False)
    async def asset(request: ApiRequest, name: FromPath[str]) -> Response[Any]:
        """One of the page's files."""
        if name not in _ASSETS:
            raise Refusal("route_not_found", "There is no such file.")
        return _packed(request, name, lambda: _read(name), _ASSETS[name], _ONE_DAY)

    return [openapi, docs, asset]


def _packed(
    request: ApiRequest, name: str, content: Callable[[], bytes], media_type: str, caching: str
) -> Response[Any]:
    headers = {"cache-control": caching, "vary": "accept-encoding"}
    body = content()
    if "gzip" in (request.exchange.header(b"accept-encoding") or ""):
        body = _gzip(name, body)
        headers["content-encoding"] = "gzip"
    return Response(body, media_type=media_type, headers=headers)


@lru_cache(maxsize=len(_ASSETS) + 1)
def _gzip(_: str, body: bytes) -> bytes:
    return gzip.compress(body, mtime=0)


@lru_cache(maxsize=len(_ASSETS))
def _read(name: str) -> bytes:
    return resources.files("ibex.entrypoints.http").joinpath("assets", name).read_bytes()
