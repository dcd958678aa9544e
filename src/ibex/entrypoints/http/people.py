"""The store's settings, its operators and their tokens."""

from datetime import datetime, time
from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Response, get, patch, post
from litestar.params import Body, FromPath, QueryParameter
from msgspec import UNSET as MISSING
from msgspec import UnsetType

from ibex.domain.identity.model import ApiToken, Operator, Permission, Role, Store
from ibex.domain.identity.people import OperatorChange, OperatorRequest, PostedToken, StoreChange, TokenRequest
from ibex.domain.shared.change import UNSET
from ibex.domain.shared.errors import InvalidValue, NotFound
from ibex.domain.shared.ids import OperatorId, TokenId
from ibex.domain.shared.journal import Posted
from ibex.domain.shared.paging import DEFAULT_PAGE
from ibex.entrypoints.http.access import ANY_OPERATOR
from ibex.entrypoints.http.conditional import expected_version, view
from ibex.entrypoints.http.cursors import Cursor, Limit, a_text, a_time, an_id, page_request, page_view
from ibex.entrypoints.http.idempotency import answer
from ibex.entrypoints.http.request import ApiRequest
from ibex.entrypoints.http.types import ClientId, Label, MoneyText, Request, View, decimal

READ = {"permission": Permission.PEOPLE_READ}
WRITE = {"permission": Permission.PEOPLE_WRITE}


class OperatorInput(Request):
    """A new operator."""

    name: Label
    role: Role
    id: ClientId | None = None


class OperatorPatch(Request):
    """What to change of an operator; a field that is left out stays as it is."""

    name: Label | UnsetType = MISSING
    role: Role | UnsetType = MISSING
    active: bool | UnsetType = MISSING


class OperatorView(View):
    """An operator."""

    id: UUID
    name: str
    role: str
    active: bool
    created_at: datetime | None
    updated_at: datetime | None
    version: int


class OperatorPage(View):
    """A page of operators."""

    items: list[OperatorView]
    next_cursor: str | None


class TokenInput(Request):
    """A new token. Without ``scopes`` it may do all that the operator's role may; without ``expires_at`` for ever."""

    label: Label
    scopes: list[Permission] | None = None
    expires_at: datetime | None = None


class RotationInput(Request):
    """How long the old token lives on beside the new one; without it, it ends now."""

    old_expires_at: datetime | None = None


class TokenView(View):
    """A token. ``token`` is its secret: shown in the first answer to its making, and never again."""

    id: UUID
    operator_id: UUID
    label: str
    prefix: str
    scopes: list[str] | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    token: str | None


class TokenPage(View):
    """A page of tokens."""

    items: list[TokenView]
    next_cursor: str | None


class StorePatch(Request):
    """What to change of the store; a field that is left out stays as it is. The currency never changes."""

    name: Label | UnsetType = MISSING
    time_zone: Label | UnsetType = MISSING
    day_starts_at: str | UnsetType = MISSING
    """HH:MM, the local time at which a day of trade begins."""
    prices_include_tax: bool | UnsetType = MISSING
    cash_rounding: MoneyText | UnsetType = MISSING


class StoreSettingsView(View):
    """The store and its settings."""

    id: UUID
    name: str
    currency: str
    time_zone: str
    day_starts_at: str
    prices_include_tax: bool
    cash_rounding: str
    version: int


def operator_view(operator: Operator) -> OperatorView:
    """An operator."""
    return OperatorView(
        id=operator.id,
        name=operator.name,
        role=operator.role.value,
        active=operator.active,
        created_at=operator.created_at,
        updated_at=operator.updated_at,
        version=operator.version,
    )


def token_view(token: ApiToken) -> TokenView:
    """A token, without its secret."""
    return TokenView(
        id=token.id,
        operator_id=token.operator_id,
        label=token.label,
        prefix=token.prefix,
        scopes=None if token.scopes is None else sorted(scope.value for scope in token.scopes),
        created_at=token.created_at,
        expires_at=token.expires_at,
        revoked_at=token.revoked_at,
        token=None,
    )


def store_view(store: Store) -> StoreSettingsView:
    """A store."""
    return StoreSettingsView(
        id=store.id,
        name=store.name,
        currency=store.currency.code,
        time_zone=store.time_zone,
        day_starts_at=store.day_starts_at.isoformat("minutes"),
        prices_include_tax=store.prices_include_tax,
        cash_rounding=format(store.cash_rounding, f".{store.currency.exponent}f"),
        version=store.version,
    )


def with_secret(made: PostedToken) -> Posted:
    """The answer with the secret in it. It is put in here, so that the journal never holds it: a replay shows none."""
    if made.secret is None:
        return made.posted
    posted = made.posted
    shown = posted.document.replace(b'"token":null', b'"token":"%s"' % made.secret.text.encode())
    return Posted(document=shown, status=posted.status, numbers=posted.numbers)


def store_change(data: StorePatch) -> StoreChange:
    """The change in the domain's words. Raises InvalidValue."""
    starts: Any = UNSET
    if not isinstance(data.day_starts_at, UnsetType):
        try:
            starts = time.fromisoformat(data.day_starts_at)
        except ValueError:
            raise InvalidValue("Give a time of day as HH:MM.", field="day_starts_at") from None
        if starts.tzinfo is not None or starts.second or starts.microsecond:
            raise InvalidValue("Give a time of day as HH:MM.", field="day_starts_at")
    return StoreChange(
        name=UNSET if isinstance(data.name, UnsetType) else data.name,
        time_zone=UNSET if isinstance(data.time_zone, UnsetType) else data.time_zone,
        day_starts_at=starts,
        prices_include_tax=UNSET if isinstance(data.prices_include_tax, UnsetType) else data.prices_include_tax,
        cash_rounding=UNSET if isinstance(data.cash_rounding, UnsetType) else decimal(data.cash_rounding),
    )


class StoreController(Controller):
    """The store's settings."""

    path = "/v1/store"
    tags = ("Store",)

    @get(
        opt={"permission": ANY_OPERATOR, "conditional": True},
        operation_id="get_store",
        summary="Read the store's settings",
    )
    async def read(self, request: ApiRequest) -> Response[StoreSettingsView]:
        """The store that the token belongs to."""
        store = await request.services.people.store(request.actor.store_id)
        if store is None:
            raise NotFound("There is no such store.", field="store")
        return view(request, store_view(store), version=store.version)

    @patch(
        opt={"permission": Permission.STORE_WRITE}, operation_id="change_store", summary="Change the store's settings"
    )
    async def change(
        self, request: ApiRequest, data: Annotated[StorePatch, Body(title="Change of the store")]
    ) -> Response[StoreSettingsView]:
        """For documents from now on; every instance knows within 10 seconds."""
        change, version = store_change(data), expected_version(request)

        async def use_case(reply: Any) -> Any:
            return await request.services.change_store(request.actor, change, reply, expected_version=version)

        return await answer(request, use_case, store_view, status=200)


class OperatorsController(Controller):
    """Operators."""

    path = "/v1/operators"
    tags = ("People",)

    @post(opt=WRITE, operation_id="add_operator", summary="Add an operator")
    async def create(
        self, request: ApiRequest, data: Annotated[OperatorInput, Body(title="Operator")]
    ) -> Response[OperatorView]:
        """Adds an operator; a token is issued apart."""
        asked = OperatorRequest(id=None if data.id is None else OperatorId(data.id), name=data.name, role=data.role)

        async def use_case(reply: Any) -> Any:
            return await request.services.add_operator(request.actor, asked, reply)

        return await answer(request, use_case, operator_view, location="/v1/operators")

    @get(opt=READ, operation_id="list_operators", summary="List operators")
    async def list(
        self, request: ApiRequest, limit: Limit = DEFAULT_PAGE, cursor: Cursor = None
    ) -> Response[OperatorPage]:
        """A page of operators by name."""
        page = await request.services.people.operators(
            request.actor.store_id, page_request(limit, cursor, a_text, an_id)
        )
        items, next_cursor = page_view(page, operator_view)
        return view(request, OperatorPage(items=items, next_cursor=next_cursor))

    @get("/{operator_id:uuid}", opt=READ, operation_id="get_operator", summary="Read an operator")
    async def read(self, request: ApiRequest, operator_id: FromPath[UUID]) -> Response[OperatorView]:
        """The operator."""
        operator = await request.services.people.operator(request.actor.store_id, OperatorId(operator_id))
        if operator is None:
            raise NotFound("There is no such operator in this store.", field="operator_id")
        return view(request, operator_view(operator), version=operator.version)

    @patch("/{operator_id:uuid}", opt=WRITE, operation_id="change_operator", summary="Change an operator")
    async def change(
        self,
        request: ApiRequest,
        operator_id: FromPath[UUID],
        data: Annotated[OperatorPatch, Body(title="Change of an operator")],
    ) -> Response[OperatorView]:
        """Changes name or role, or lets the operator go; every instance knows within 10 seconds."""
        change = OperatorChange(
            name=UNSET if isinstance(data.name, UnsetType) else data.name,
            role=UNSET if isinstance(data.role, UnsetType) else data.role,
            active=UNSET if isinstance(data.active, UnsetType) else data.active,
        )
        version = expected_version(request)

        async def use_case(reply: Any) -> Any:
            return await request.services.change_operator(
                request.actor, OperatorId(operator_id), change, reply, expected_version=version
            )

        return await answer(request, use_case, operator_view, status=200)

    @post("/{operator_id:uuid}/tokens", opt=WRITE, operation_id="issue_token", summary="Issue a token")
    async def issue(
        self, request: ApiRequest, operator_id: FromPath[UUID], data: Annotated[TokenInput, Body(title="Token")]
    ) -> Response[TokenView]:
        """The answer shows the token's secret: this once. A replay of the same Idempotency-Key shows none."""
        asked = TokenRequest(
            label=data.label,
            scopes=None if data.scopes is None else frozenset(data.scopes),
            expires_at=aware(data.expires_at, "expires_at"),
        )

        async def use_case(reply: Any) -> Any:
            return with_secret(await request.services.issue_token(request.actor, OperatorId(operator_id), asked, reply))

        return await answer(request, use_case, token_view)


class TokensController(Controller):
    """Tokens."""

    path = "/v1/tokens"
    tags = ("People",)

    @get(opt=READ, operation_id="list_tokens", summary="List tokens")
    async def list(
        self,
        request: ApiRequest,
        operator_id: Annotated[UUID | None, QueryParameter(description="Only this operator's.")] = None,
        limit: Limit = DEFAULT_PAGE,
        cursor: Cursor = None,
    ) -> Response[TokenPage]:
        """A page of tokens in the order of issue, without their secrets."""
        whose = None if operator_id is None else OperatorId(operator_id)
        page = await request.services.people.tokens(
            request.actor.store_id, whose, page_request(limit, cursor, a_time, an_id)
        )
        items, next_cursor = page_view(page, token_view)
        return view(request, TokenPage(items=items, next_cursor=next_cursor))

    @post("/{token_id:uuid}/rotate", opt=WRITE, operation_id="rotate_token", summary="Rotate a token")
    async def rotate(
        self, request: ApiRequest, token_id: FromPath[UUID], data: Annotated[RotationInput, Body(title="Rotation")]
    ) -> Response[TokenView]:
        """A successor with the same label and scopes; the old one ends now, or at ``old_expires_at``."""
        until = aware(data.old_expires_at, "old_expires_at")

        async def use_case(reply: Any) -> Any:
            return with_secret(
                await request.services.rotate_token(request.actor, TokenId(token_id), reply, old_expires_at=until)
            )

        return await answer(request, use_case, token_view)

    @post("/{token_id:uuid}/revoke", opt=WRITE, operation_id="revoke_token", summary="Revoke a token", status_code=200)
    async def revoke(self, request: ApiRequest, token_id: FromPath[UUID]) -> Response[TokenView]:
        """Refused everywhere within 10 seconds."""

        async def use_case(reply: Any) -> Any:
            return await request.services.revoke_token(request.actor, TokenId(token_id), reply)

        return await answer(request, use_case, token_view, status=200)


def aware(moment: datetime | None, field: str) -> datetime | None:
    """The moment, which must say its offset. Raises InvalidValue."""
    if moment is not None and moment.tzinfo is None:
        raise InvalidValue("Give a time with its offset, such as 2027-01-31T12:00:00Z.", field=field)
    return moment
