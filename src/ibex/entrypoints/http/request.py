"""The request as handlers get it: who is asking, what can be called, and the body by its type."""

from typing import Any

from litestar import Request

from ibex.domain.identity.model import Actor
from ibex.entrypoints.http.access import plan_of
from ibex.entrypoints.http.bodies import decode_body, require_json
from ibex.entrypoints.http.exchange import Exchange, exchange_of
from ibex.entrypoints.http.refusals import Refusal
from ibex.entrypoints.http.services import Services


class ApiRequest(Request[Any, Any, Any]):
    """Every handler that takes ``request`` annotates it with this class."""

    @property
    def exchange(self) -> Exchange:
        """The exchange that this request belongs to."""
        return exchange_of(self.scope)

    @property
    def services(self) -> Services:
        """The use cases and ports."""
        return exchange_of(self.scope).services

    @property
    def actor(self) -> Actor:
        """Who is asking. A public route has nobody."""
        actor = exchange_of(self.scope).actor
        assert actor is not None, "a public route has no actor"
        return actor

    async def body(self) -> bytes:
        """The raw body, within the route's limit. Raises Refusal: body_too_large, request_timeout.

        As Litestar's own, but without parsing all headers for it.
        """
        exchange = self.exchange
        if exchange.body is None:
            limit = self.route_handler.resolve_request_max_body_size()
            announced = exchange.raw_headers.get(b"content-length", b"0")
            if limit is not None and (not announced.isdigit() or int(announced) > limit):
                raise _too_large(limit)
            parts: list[bytes] = []
            length, more = 0, True
            while more:
                message: Any = await self.receive()
                part = message.get("body", b"")
                length += len(part)
                if limit is not None and length > limit:
                    raise _too_large(limit)
                parts.append(part)
                more = message.get("more_body", False)
            exchange.body = parts[0] if len(parts) == 1 else b"".join(parts)
        return exchange.body

    async def json(self) -> Any:
        """The body as the type that ``data`` is annotated with: strict, straight from the bytes.

        Litestar would decode to plain values first and then convert them leniently, so that ``"3"`` is an
        integer. Raises Refusal: unsupported_media_type, malformed_json, invalid_request.
        """
        body = await self.body()
        require_json(self.exchange.header(b"content-type"))
        plan = plan_of(self.route_handler)
        assert plan.decoder is not None, "only a handler with data decodes a body"
        return decode_body(plan.decoder, body, piecemeal=plan.piecemeal)


def _too_large(limit: int) -> Refusal:
    return Refusal("body_too_large", f"This route takes bodies of up to {limit} bytes.")
