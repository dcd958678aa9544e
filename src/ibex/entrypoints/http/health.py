"""Is it alive, can it serve, and who am I?"""

from typing import Annotated, Any

import msgspec
from litestar import Controller, Response, get

from ibex.entrypoints.http.access import ANY_OPERATOR
from ibex.entrypoints.http.lifecycle import Lifecycle
from ibex.entrypoints.http.refusals import Refusal
from ibex.entrypoints.http.request import ApiRequest
from ibex.entrypoints.http.types import View, encode, text


class Health(View):
    """A state."""

    status: str


class StoreView(View):
    """The caller's store."""

    id: str
    name: str
    currency: Annotated[str, msgspec.Meta(description="ISO 4217", examples=["EUR"])]
    currency_decimals: int
    time_zone: str
    day_starts_at: Annotated[str, msgspec.Meta(description="Local time at which a day of trade begins")]
    prices_include_tax: bool
    cash_rounding: str


class MeView(View):
    """Who the token belongs to, and what it may do."""

    operator_id: str
    operator_name: str
    role: str
    token_id: str
    permissions: list[str]
    store: StoreView


def health_controller(lifecycle: Lifecycle) -> type[Controller]:
    """The controller of a process with this lifecycle."""

    class HealthController(Controller):
        """For the platform, not for shops."""

        path = "/health"
        tags = ("Health",)

        @get("/live", operation_id="is_live", summary="Is the process alive?")
        async def live(self) -> Health:
            """Answers without asking anything, the database least of all."""
            return Health(status="live")

        @get("/ready", operation_id="is_ready", summary="Can requests be sent here?")
        async def ready(self, request: ApiRequest) -> Health:
            """503 without the database or with a schema that this code cannot use, and when shutting down."""
            if lifecycle.draining:
                raise Refusal("draining", "This instance is shutting down.")
            obstacle = await request.services.readiness.obstacle()
            # It may have begun to shut down while the database was asked.
            if lifecycle.draining:
                raise Refusal("draining", "This instance is shutting down.")
            if obstacle is not None:
                raise Refusal("not_ready", obstacle)
            return Health(status="ready")

    return HealthController


class MeController(Controller):
    """Who am I?"""

    path = "/v1/me"
    tags = ("Me",)

    @get(operation_id="get_me", summary="Who am I?", opt={"permission": ANY_OPERATOR})
    async def me(self, request: ApiRequest) -> Response[MeView]:
        """The operator, role, permissions and store of the token."""
        actor = request.actor
        store = actor.store
        view = MeView(
            operator_id=str(actor.operator_id),
            operator_name=actor.operator_name,
            role=actor.role.value,
            token_id=str(actor.token_id),
            permissions=sorted(permission.value for permission in actor.permissions),
            store=StoreView(
                id=str(store.id),
                name=store.name,
                currency=store.currency.code,
                currency_decimals=store.currency.exponent,
                time_zone=store.time_zone,
                day_starts_at=store.day_starts_at.isoformat("minutes"),
                prices_include_tax=store.prices_include_tax,
                cash_rounding=text(store.cash_rounding),
            ),
        )
        response: Response[Any] = Response(encode(view), media_type="application/json")
        return response
