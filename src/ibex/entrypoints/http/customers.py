"""Customers."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Response, get, patch, post
from litestar.params import Body, FromPath, QueryParameter
from msgspec import UNSET as MISSING
from msgspec import UnsetType

from ibex.domain.customers.model import Customer
from ibex.domain.customers.queries import CustomerFilter
from ibex.domain.customers.use_cases import CustomerChange, CustomerRequest
from ibex.domain.identity.model import Permission
from ibex.domain.shared.change import UNSET
from ibex.domain.shared.errors import NotFound
from ibex.domain.shared.ids import CustomerId
from ibex.domain.shared.money import Currency
from ibex.domain.shared.paging import DEFAULT_PAGE
from ibex.entrypoints.http.conditional import expected_version, view
from ibex.entrypoints.http.cursors import Cursor, Limit, a_text, an_id, page_request, page_view
from ibex.entrypoints.http.idempotency import answer
from ibex.entrypoints.http.request import ApiRequest
from ibex.entrypoints.http.types import ClientId, Label, MoneyText, Note, Request, View, decimal_or_none

READ = {"permission": Permission.CUSTOMERS_READ}
WRITE = {"permission": Permission.CUSTOMERS_WRITE}


class CustomerInput(Request):
    """A new customer. Without ``credit_limit`` the customer may owe any amount."""

    name: Label
    id: ClientId | None = None
    phone: Label | None = None
    email: Label | None = None
    address: Note | None = None
    credit_limit: MoneyText | None = None


class CustomerPatch(Request):
    """What to change of a customer; a field that is left out stays as it is."""

    name: Label | UnsetType = MISSING
    phone: Label | UnsetType | None = MISSING
    email: Label | UnsetType | None = MISSING
    address: Note | UnsetType | None = MISSING
    credit_limit: MoneyText | UnsetType | None = MISSING
    active: bool | UnsetType = MISSING


class CustomerView(View):
    """A customer. ``balance`` is what is owed to the store: open invoices and ``opening_due`` (debts from before the
    shop moved in), less ``account_credit`` (money that no invoice has used yet).
    """

    id: UUID
    name: str
    phone: str | None
    email: str | None
    address: str | None
    credit_limit: str | None
    balance: str
    account_credit: str
    opening_due: str
    active: bool
    created_at: datetime | None
    updated_at: datetime | None
    version: int


class CustomerPage(View):
    """A page of customers."""

    items: list[CustomerView]
    next_cursor: str | None


def customer_view(customer: Customer, currency: Currency) -> CustomerView:
    """A customer."""
    places = f".{currency.exponent}f"
    limit = customer.credit_limit
    return CustomerView(
        id=customer.id,
        name=customer.name,
        phone=customer.phone,
        email=customer.email,
        address=customer.address,
        credit_limit=None if limit is None else format(limit, places),
        balance=format(customer.balance, places),
        account_credit=format(customer.account_credit, places),
        opening_due=format(customer.opening_due, places),
        active=customer.active,
        created_at=customer.created_at,
        updated_at=customer.updated_at,
        version=customer.version,
    )


def customer_change(data: CustomerPatch) -> CustomerChange:
    """The change in the domain's words."""
    limit = data.credit_limit
    return CustomerChange(
        name=UNSET if isinstance(data.name, UnsetType) else data.name,
        phone=UNSET if isinstance(data.phone, UnsetType) else data.phone,
        email=UNSET if isinstance(data.email, UnsetType) else data.email,
        address=UNSET if isinstance(data.address, UnsetType) else data.address,
        credit_limit=UNSET if isinstance(limit, UnsetType) else decimal_or_none(limit),
        active=UNSET if isinstance(data.active, UnsetType) else data.active,
    )


class CustomersController(Controller):
    """Customers."""

    path = "/v1/customers"
    tags = ("Customers",)

    @post(opt=WRITE, operation_id="create_customer", summary="Add a customer")
    async def create(
        self, request: ApiRequest, data: Annotated[CustomerInput, Body(title="Customer")]
    ) -> Response[CustomerView]:
        """Adds a customer."""
        asked = CustomerRequest(
            id=None if data.id is None else CustomerId(data.id),
            name=data.name,
            phone=data.phone,
            email=data.email,
            address=data.address,
            credit_limit=decimal_or_none(data.credit_limit),
        )
        currency = request.actor.store.currency

        def present(customer: Customer) -> CustomerView:
            return customer_view(customer, currency)

        async def use_case(reply: Any) -> Any:
            return await request.services.create_customer(request.actor, asked, reply)

        return await answer(request, use_case, present, location="/v1/customers")

    @get(opt=READ, operation_id="list_customers", summary="List and search customers")
    async def list(
        self,
        request: ApiRequest,
        search: Annotated[
            str | None, QueryParameter(min_length=1, max_length=100, description="Name or phone.")
        ] = None,
        phone: Annotated[str | None, QueryParameter(max_length=40, description="Just this phone number.")] = None,
        active: Annotated[bool | None, QueryParameter(description="Only active ones, or only archived ones.")] = None,
        limit: Limit = DEFAULT_PAGE,
        cursor: Cursor = None,
    ) -> Response[CustomerPage]:
        """A page of customers by name."""
        page = await request.services.customer_queries.list(
            request.actor.store_id,
            CustomerFilter(search=search, phone=phone, active=active),
            page_request(limit, cursor, a_text, an_id),
        )
        currency = request.actor.store.currency
        items, next_cursor = page_view(page, lambda c: customer_view(c, currency))
        return view(request, CustomerPage(items=items, next_cursor=next_cursor))

    @get(
        "/{customer_id:uuid}",
        opt=READ | {"conditional": False},
        operation_id="get_customer",
        summary="Read a customer",
    )
    async def read(self, request: ApiRequest, customer_id: FromPath[UUID]) -> Response[CustomerView]:
        """The customer and what is owed."""
        customer = await request.services.customers.get(request.actor.store_id, CustomerId(customer_id))
        if customer is None:
            raise NotFound("There is no such customer in this store.", field="customer_id")
        found = customer_view(customer, request.actor.store.currency)
        return view(request, found, version=customer.version, moving=True)

    @patch("/{customer_id:uuid}", opt=WRITE, operation_id="change_customer", summary="Change a customer")
    async def change(
        self,
        request: ApiRequest,
        customer_id: FromPath[UUID],
        data: Annotated[CustomerPatch, Body(title="Change of a customer")],
    ) -> Response[CustomerView]:
        """Changes a customer; with ``If-Match`` only if it is still at that version."""
        change, version = customer_change(data), expected_version(request)
        currency = request.actor.store.currency

        def present(customer: Customer) -> CustomerView:
            return customer_view(customer, currency)

        async def use_case(reply: Any) -> Any:
            return await request.services.change_customer(
                request.actor, CustomerId(customer_id), change, reply, expected_version=version
            )

        return await answer(request, use_case, present, status=200)
