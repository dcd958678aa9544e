"""The contract: what Litestar makes of the handlers, and what only the edge knows."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, Final

import msgspec
from litestar import Litestar
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme
from litestar.routes import HTTPRoute
from litestar.types import ControllerRouterHandler

from ibex.domain.sales.offline import MAX_SALES
from ibex.entrypoints.http.access import RoutePlan, plan_of, plan_routes
from ibex.entrypoints.http.codes import KIND_BY_CODE
from ibex.entrypoints.http.idempotency import HEADER, MAX_KEY_LENGTH
from ibex.entrypoints.http.offline_schemas import OfflineBatchInput, OfflineSaleInput
from ibex.entrypoints.http.problems import MEDIA_TYPE, Problem
from ibex.entrypoints.http.request import ApiRequest
from ibex.entrypoints.http.types import Request

_DESCRIPTION: Final = """The sales engine of a shop.

Every request but health checks carries `Authorization: Bearer ibex_live_...`. Amounts of money and goods are
decimal strings, times are RFC 3339 in UTC, ids are UUIDs. Every error is a problem (RFC 9457) with a stable
`code`. A POST that carries an `Idempotency-Key` can be repeated safely for 24 hours."""

_FRAMEWORK_PATHS: Final = "/schema"
_COMMON_PROBLEMS: Final = ("503",)
_PROBLEMS_OF_GUARDED: Final = ("401", "403", "429")
_PROBLEMS_OF_INPUT: Final = ("422",)
_PROBLEMS_OF_BODIES: Final = ("400", "408", "413", "415")
_PROBLEMS_OF_WRITES: Final = ("409",)
_WRITES: Final = frozenset({"post", "put", "patch", "delete"})


def openapi_bytes(documented: Sequence[ControllerRouterHandler]) -> bytes:
    """The document as JSON."""
    return msgspec.json.format(msgspec.json.encode(openapi_document(documented)), indent=2)


def openapi_document(documented: Sequence[ControllerRouterHandler]) -> dict[str, Any]:
    """OpenAPI 3.1 of the handlers, from an application of their own that serves nobody."""
    app = Litestar(
        route_handlers=list(documented),
        request_class=ApiRequest,
        logging_config=None,
        openapi_config=OpenAPIConfig(
            title="IBEX",
            version=version("ibex-backend"),
            description=_DESCRIPTION,
            components=Components(
                security_schemes={
                    "token": SecurityScheme(type="http", scheme="bearer", description="A token of an operator.")
                }
            ),
            path=_FRAMEWORK_PATHS,
            render_plugins=[JsonRenderPlugin()],
            use_handler_docstrings=True,
        ),
    )
    plan_routes(app, framework_paths=_FRAMEWORK_PATHS)
    document: dict[str, Any] = msgspec.to_builtins(app.openapi_schema.to_schema(), str_keys=True)
    schemas = document["components"].setdefault("schemas", {})
    _close_requests(schemas)
    schemas |= _problem_schemas()
    _describe_offline_sales(schemas)
    for route in app.routes:
        if isinstance(route, HTTPRoute) and route.path_format in document["paths"]:
            for method, (handler, _) in route.route_handler_map.items():
                operation = document["paths"][route.path_format].get(method.lower())
                if operation is not None:
                    _complete(operation, method.lower(), plan_of(handler))
    _tidy(document)
    return document


def _close_requests(schemas: dict[str, Any]) -> None:
    """Says of what callers send that no other fields are taken."""
    waiting: list[type] = [Request]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        schema = schemas.get(kind.__name__)
        if schema is not None and schema.get("type") == "object":
            schema["additionalProperties"] = False


def _tidy(node: Any) -> None:
    """Whole numbers as such, and nothing that only repeats a default."""
    if isinstance(node, list):
        for item in node:
            _tidy(item)
        return
    if not isinstance(node, dict):
        return
    for name in ("deprecated", "allowEmptyValue", "allowReserved"):
        if node.get(name) is False:
            del node[name]
    for name in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"):
        if isinstance(node.get(name), float) and node[name].is_integer():
            node[name] = int(node[name])
    if node.get("headers") == {}:
        del node["headers"]
    for value in node.values():
        _tidy(value)


def _complete(operation: dict[str, Any], method: str, plan: RoutePlan) -> None:
    statuses = [*_COMMON_PROBLEMS]
    if not plan.public:
        operation["security"] = [{"token": []}]
        operation["x-permission"] = plan.permission.value if plan.permission else None
        statuses += _PROBLEMS_OF_GUARDED
    if plan.consumes is not None:
        operation["requestBody"] = {"required": True, "content": {plan.consumes: {"schema": {"type": "string"}}}}
    parameters = operation.setdefault("parameters", [])
    if parameters or "requestBody" in operation:
        statuses += _PROBLEMS_OF_INPUT
    if plan.may_be_missing or any(parameter["in"] == "path" for parameter in parameters):
        statuses.append("404")
    if "requestBody" in operation:
        # What a body names may not exist.
        statuses += [*_PROBLEMS_OF_BODIES, "404"]
    if method in _WRITES:
        statuses += _PROBLEMS_OF_WRITES
    if method == "post" and not plan.public and not plan.dry_run:
        parameters.append(_idempotency_parameter())
        statuses += ["400", "422"]
    if plan.conditional:
        _describe_versions(operation, parameters, statuses, reading=method == "get")
    if not parameters:
        del operation["parameters"]
    responses = operation.setdefault("responses", {})
    # The framework's own description of errors, which none of ours looks like.
    for status in [status for status in responses if "application/json" in responses[status].get("content", {})]:
        if status >= "400":
            del responses[status]
    if plan.media_types:
        statuses.append("406")
        for media_type in plan.media_types:
            responses["200"]["content"][media_type] = {"schema": {"type": "string"}}
    for status in sorted(set(statuses)):
        responses[status] = _problem_response(int(status))


def _describe_versions(
    operation: dict[str, Any], parameters: list[dict[str, Any]], statuses: list[str], *, reading: bool
) -> None:
    name, meaning = ("If-None-Match", "is not") if reading else ("If-Match", "is still")
    parameters.append(
        {
            "name": name,
            "in": "header",
            "required": False,
            "description": f"The ETag that you have: it is carried out if the thing {meaning} at that version.",
            "schema": {"type": "string", "examples": ['"v3"']},
        }
    )
    if reading:
        operation["responses"]["304"] = {"description": "It is still at the version that you have"}
    else:
        statuses.append("412")
    for status, response in operation["responses"].items():
        if status < "300":
            response.setdefault("headers", {})["ETag"] = {
                "description": "Its version, for If-Match and If-None-Match",
                "schema": {"type": "string"},
            }


def _idempotency_parameter() -> dict[str, Any]:
    return {
        "name": HEADER,
        "in": "header",
        "required": False,
        "description": "A key of your own for this request: within 24 hours it gets the first answer again.",
        "schema": {
            "type": "string",
            "minLength": 1,
            "maxLength": MAX_KEY_LENGTH,
            "pattern": "^[ -~]+$",
            "examples": ["till-3-2026-11-24-000117"],
        },
    }


def _problem_response(status: int) -> dict[str, Any]:
    codes = ", ".join(f"`{code}`" for code, kind in KIND_BY_CODE.items() if kind.status == status)
    return {
        "description": f"Problem: {codes}",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


def _describe_offline_sales(schemas: dict[str, Any]) -> None:
    """The items of a batch are read one by one, so that the handler's annotation does not tell what they are."""
    batch = schemas.get(OfflineBatchInput.__name__)
    if batch is None:
        return
    (sale,), components = msgspec.json.schema_components([OfflineSaleInput], ref_template="#/components/schemas/{name}")
    for name, schema in components.items():
        schemas.setdefault(name, schema)
    # Any object is taken, and answered as invalid if it is no sale.
    batch["properties"]["items"] = {
        "type": "array",
        "minItems": 1,
        "maxItems": MAX_SALES,
        "items": {"anyOf": [sale, {"type": "object"}]},
    }


def _problem_schemas() -> dict[str, Any]:
    _, components = msgspec.json.schema_components([Problem], ref_template="#/components/schemas/{name}")
    return components
