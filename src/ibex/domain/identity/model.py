"""Stores, the people who work in them, and what each may do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, time
from decimal import Decimal
from enum import StrEnum
from typing import Final

from ibex.domain.shared.clock import business_date, day_begins, time_zone
from ibex.domain.shared.errors import InvalidValue, PermissionRefused
from ibex.domain.shared.ids import OperatorId, StoreId, TokenId
from ibex.domain.shared.money import Currency, money
from ibex.domain.shared.text import label


class Role(StrEnum):
    """What an operator is in the store."""

    OWNER = "OWNER"
    MANAGER = "MANAGER"
    CASHIER = "CASHIER"
    AUDITOR = "AUDITOR"


class Permission(StrEnum):
    """One thing that a route lets an operator do. Also the scopes that a token may be narrowed to."""

    SALES_WRITE = "sales:write"
    SALES_READ = "sales:read"
    SALES_OVERRIDE = "sales:override"
    """Go beyond a rule with a reason: a credit limit, a price, an unlinked return."""
    REFUNDS_WRITE = "refunds:write"
    PAYMENTS_WRITE = "payments:write"
    CATALOG_READ = "catalog:read"
    CATALOG_WRITE = "catalog:write"
    STOCK_READ = "stock:read"
    STOCK_WRITE = "stock:write"
    CUSTOMERS_READ = "customers:read"
    CUSTOMERS_WRITE = "customers:write"
    LEDGER_READ = "ledger:read"
    LEDGER_WRITE = "ledger:write"
    """Enter what customers owed before the shop moved in."""
    SHIFTS_WRITE = "shifts:write"
    SHIFTS_READ = "shifts:read"
    REPORTS_READ = "reports:read"
    PEOPLE_READ = "people:read"
    PEOPLE_WRITE = "people:write"
    AUDIT_READ = "audit:read"
    EVENTS_READ = "events:read"
    WEBHOOKS_WRITE = "webhooks:write"
    STORE_WRITE = "store:write"
    STORE_EXPORT = "store:export"


_READS: Final = frozenset(p for p in Permission if p.value.endswith(":read"))
_CASHIER: Final = frozenset(
    {
        Permission.SALES_WRITE,
        Permission.SALES_READ,
        Permission.REFUNDS_WRITE,
        Permission.PAYMENTS_WRITE,
        Permission.CATALOG_READ,
        Permission.STOCK_READ,
        Permission.CUSTOMERS_READ,
        Permission.CUSTOMERS_WRITE,
        Permission.SHIFTS_WRITE,
        Permission.SHIFTS_READ,
    }
)
_OWNER_ONLY: Final = frozenset(
    {Permission.PEOPLE_WRITE, Permission.STORE_WRITE, Permission.STORE_EXPORT, Permission.WEBHOOKS_WRITE}
)

PERMISSIONS_BY_ROLE: Final[dict[Role, frozenset[Permission]]] = {
    Role.OWNER: frozenset(Permission),
    Role.MANAGER: frozenset(Permission) - _OWNER_ONLY,
    Role.CASHIER: _CASHIER,
    Role.AUDITOR: _READS,
}
"""The one table of who may do what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """A shop: its currency, its calendar, and how its prices are meant."""

    id: StoreId
    name: str
    currency: Currency
    time_zone: str
    day_starts_at: time = time(0, 0)
    """Local time at which a day of trade begins; a sale before it belongs to the day before."""
    prices_include_tax: bool = True
    cash_rounding: Decimal = Decimal(0)
    """Cash totals are rounded to a multiple of this amount (0.05 in Switzerland); 0 rounds nothing."""
    version: int = 1

    def __post_init__(self) -> None:
        label(self.name, field="name")
        time_zone(self.time_zone)
        money(self.cash_rounding, self.currency, field="cash_rounding")

    def business_date(self, moment: datetime) -> date:
        """The day of trade that ``moment`` belongs to here."""
        return business_date(moment, time_zone(self.time_zone), self.day_starts_at)

    def day_begins(self, day: date) -> datetime:
        """The moment, in UTC, at which the day of trade begins here. Raises InvalidValue out of the calendar."""
        return day_begins(day, time_zone(self.time_zone), self.day_starts_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """A person (or a program) that acts in a store."""

    id: OperatorId
    store_id: StoreId
    name: str
    role: Role
    active: bool = True
    version: int = 1
    created_at: datetime | None = None
    updated_at: datetime | None = None

    def __post_init__(self) -> None:
        label(self.name, field="name")


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who is asking: an operator in a store, through a token that may be narrower than the role."""

    store: Store
    operator_id: OperatorId
    operator_name: str
    role: Role
    token_id: TokenId
    scopes: frozenset[Permission] | None = None
    """None: all that the role may."""
    request_id: str = ""
    address: str = ""

    @property
    def store_id(self) -> StoreId:
        """The only store that this actor can see or touch."""
        return self.store.id

    @property
    def permissions(self) -> frozenset[Permission]:
        """What the role allows, less what the token leaves out."""
        allowed = PERMISSIONS_BY_ROLE[self.role]
        return allowed if self.scopes is None else allowed & self.scopes

    def may(self, permission: Permission) -> bool:
        """Whether the actor has the permission."""
        return permission in self.permissions

    def require(self, permission: Permission) -> None:
        """Raises PermissionRefused without the permission."""
        if not self.may(permission):
            raise PermissionRefused(
                f"This needs the permission {permission.value}, which your role or token does not have.",
                permission=permission.value,
            )

    def seen_from(self, *, request_id: str, address: str) -> Actor:
        """The same actor in a certain request."""
        return replace(self, request_id=request_id, address=address)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiToken:
    """A bearer token as it is kept: never its secret, only the SHA-256 of it and the beginning to know it by."""

    id: TokenId
    store_id: StoreId
    operator_id: OperatorId
    label: str
    prefix: str
    secret_hash: bytes
    scopes: frozenset[Permission] | None
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    version: int = 1

    def __post_init__(self) -> None:
        label(self.label, field="label")
        if len(self.secret_hash) != 32:
            raise InvalidValue("A token is kept as a SHA-256 of 32 bytes.", field="secret_hash")
