"""Litestar with advanced-alchemy's repository and its plugin, in the usual way."""

import uuid
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal

import msgspec
from advanced_alchemy.extensions.litestar import (
    AsyncSessionConfig,
    EngineConfig,
    SQLAlchemyAsyncConfig,
    SQLAlchemyPlugin,
    base,
    filters,
    repository,
)
from advanced_alchemy.types import DateTimeUTC
from litestar import Controller, Litestar, get, post
from litestar.di import Provide
from litestar.exceptions import ClientException, NotFoundException
from sqlalchemy import ForeignKey, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ibex_devtools.bench.peers.connection import database_url, engine_options

CENT = Decimal("0.01")
SCHEMA = {"schema": "peer_litestar"}


class Product(base.UUIDBase):
    """An article."""

    __tablename__ = "products"
    __table_args__ = SCHEMA
    sku: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    unit_price: Mapped[Decimal]
    tax_rate: Mapped[Decimal]
    stock: Mapped[Decimal]


class Invoice(base.UUIDAuditBase):
    """A sale."""

    __tablename__ = "invoices"
    __table_args__ = SCHEMA
    status: Mapped[str]
    net_total: Mapped[Decimal]
    tax_total: Mapped[Decimal]
    total: Mapped[Decimal]
    lines: Mapped[list["Line"]] = relationship(order_by="Line.line_no", lazy="selectin")
    payments: Mapped[list["Payment"]] = relationship(lazy="selectin")


class Line(base.UUIDBase):
    """A line of a sale."""

    __tablename__ = "invoice_lines"
    __table_args__ = SCHEMA
    invoice_id: Mapped[uuid.UUID] = mapped_column(ForeignKey(Invoice.id), index=True)
    line_no: Mapped[int]
    product_id: Mapped[uuid.UUID] = mapped_column(ForeignKey(Product.id), index=True)
    name: Mapped[str]
    quantity: Mapped[Decimal]
    unit_price: Mapped[Decimal]
    tax_rate: Mapped[Decimal]
    net: Mapped[Decimal]
    tax: Mapped[Decimal]
    total: Mapped[Decimal]


class Payment(base.UUIDBase):
    """Money for a sale."""

    __tablename__ = "payments"
    __table_args__ = SCHEMA
    invoice_id: Mapped[uuid.UUID] = mapped_column(ForeignKey(Invoice.id), index=True)
    method: Mapped[str]
    amount: Mapped[Decimal]


class StockMovement(base.UUIDBase):
    """Goods that left."""

    __tablename__ = "stock_movements"
    __table_args__ = SCHEMA
    product_id: Mapped[uuid.UUID] = mapped_column(ForeignKey(Product.id), index=True)
    invoice_id: Mapped[uuid.UUID] = mapped_column(ForeignKey(Invoice.id))
    quantity: Mapped[Decimal]
    balance: Mapped[Decimal]


class LedgerEntry(base.UUIDBase):
    """A line of the books."""

    __tablename__ = "ledger_entries"
    __table_args__ = SCHEMA
    type: Mapped[str]
    debit: Mapped[Decimal]
    credit: Mapped[Decimal]
    invoice_id: Mapped[uuid.UUID] = mapped_column(ForeignKey(Invoice.id), index=True)
    recorded_at: Mapped[datetime] = mapped_column(
        DateTimeUTC(timezone=True), default=lambda: datetime.now(UTC), index=True
    )


class Products(repository.SQLAlchemyAsyncRepository[Product]):
    """Articles."""

    model_type = Product


class Invoices(repository.SQLAlchemyAsyncRepository[Invoice]):
    """Sales."""

    model_type = Invoice


class Movements(repository.SQLAlchemyAsyncRepository[StockMovement]):
    """Stock movements."""

    model_type = StockMovement


class Entries(repository.SQLAlchemyAsyncRepository[LedgerEntry]):
    """The books."""

    model_type = LedgerEntry


class LineIn(msgspec.Struct):
    """A line as asked for."""

    product_id: uuid.UUID
    quantity: Decimal


class SaleIn(msgspec.Struct):
    """A sale as asked for."""

    lines: list[LineIn]
    payment_method: str


class LineOut(msgspec.Struct):
    """A line as answered."""

    line_no: int
    product_id: uuid.UUID
    name: str
    quantity: Decimal
    unit_price: Decimal
    tax_rate: Decimal
    net: Decimal
    tax: Decimal
    total: Decimal


class PaymentOut(msgspec.Struct):
    """A payment as answered."""

    id: uuid.UUID
    method: str
    amount: Decimal


class InvoiceOut(msgspec.Struct):
    """A sale as answered."""

    id: uuid.UUID
    status: str
    net_total: Decimal
    tax_total: Decimal
    total: Decimal
    created_at: datetime
    lines: list[LineOut]
    payments: list[PaymentOut]


def invoice_out(invoice: Invoice) -> InvoiceOut:
    """From the model to the schema."""
    return msgspec.convert(invoice, InvoiceOut, from_attributes=True)


async def provide_products(db_session: AsyncSession) -> Products:
    """For dependency injection."""
    return Products(session=db_session)


async def provide_invoices(db_session: AsyncSession) -> Invoices:
    """For dependency injection."""
    return Invoices(session=db_session)


async def provide_movements(db_session: AsyncSession) -> Movements:
    """For dependency injection."""
    return Movements(session=db_session)


async def provide_entries(db_session: AsyncSession) -> Entries:
    """For dependency injection."""
    return Entries(session=db_session)


class SalesController(Controller):
    """Sales."""

    dependencies = {  # noqa: RUF012
        "products": Provide(provide_products),
        "invoices": Provide(provide_invoices),
        "movements": Provide(provide_movements),
        "entries": Provide(provide_entries),
    }

    @post("/sales")
    async def record_sale(
        self, data: SaleIn, products: Products, invoices: Invoices, movements: Movements, entries: Entries
    ) -> InvoiceOut:
        """Prices the lines, guards the stock, writes the books."""
        wanted = {line.product_id for line in data.lines}
        # Locked in one order, so that two sales never wait for each other in a circle.
        found = await products.list(
            filters.CollectionFilter("id", wanted),
            statement=select(Product).order_by(Product.id).with_for_update(),  # type: ignore[arg-type]
        )
        known = {product.id: product for product in found}
        invoice = Invoice(id=uuid.uuid4(), status="PAID", net_total=Decimal(0), tax_total=Decimal(0), total=Decimal(0))
        moved = []
        for number, line in enumerate(data.lines, 1):
            product = known.get(line.product_id)
            if product is None:
                raise NotFoundException("There is no such product.")
            if product.stock < line.quantity:
                raise ClientException("There is less in stock than was asked for.", status_code=409)
            product.stock -= line.quantity
            total = (line.quantity * product.unit_price).quantize(CENT, ROUND_HALF_UP)
            net = (total * 100 / (100 + product.tax_rate)).quantize(CENT, ROUND_HALF_UP)
            invoice.lines.append(
                Line(
                    line_no=number,
                    product_id=product.id,
                    name=product.name,
                    quantity=line.quantity,
                    unit_price=product.unit_price,
                    tax_rate=product.tax_rate,
                    net=net,
                    tax=total - net,
                    total=total,
                )
            )
            moved.append(
                StockMovement(
                    product_id=product.id, invoice_id=invoice.id, quantity=-line.quantity, balance=product.stock
                )
            )
            invoice.net_total += net
            invoice.tax_total += total - net
            invoice.total += total
        invoice.payments.append(Payment(method=data.payment_method, amount=invoice.total))
        # Nothing is left to be read back: the repository would otherwise refresh what it has added.
        await invoices.add(invoice, auto_refresh=False)
        await movements.add_many(moved)
        await entries.add_many(
            [
                LedgerEntry(type="SALE", debit=invoice.total, credit=Decimal(0), invoice_id=invoice.id),
                LedgerEntry(type="RECEIPT", debit=Decimal(0), credit=invoice.total, invoice_id=invoice.id),
            ]
        )
        return invoice_out(invoice)

    @get("/invoices/{invoice_id:uuid}")
    async def read_invoice(self, invoice_id: uuid.UUID, invoices: Invoices) -> InvoiceOut:
        """An invoice with its lines and payments."""
        return invoice_out(await invoices.get(invoice_id))


@get("/ready")
async def ready(db_session: AsyncSession) -> dict[str, str]:
    """Whether it serves."""
    await db_session.execute(select(1))
    return {"status": "ready"}


# Commits before the answer is sent, where the handler did not fail: the plugin's usual setting.
config = SQLAlchemyAsyncConfig(
    connection_string=database_url().render_as_string(hide_password=False),
    engine_config=EngineConfig(**engine_options()),
    session_config=AsyncSessionConfig(expire_on_commit=False),
    before_send_handler="autocommit",
)
app = Litestar(route_handlers=[SalesController, ready], plugins=[SQLAlchemyPlugin(config=config)])
