"""FastAPI, pydantic and the SQLAlchemy ORM, as their tutorials put them together."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import DateTime, ForeignKey, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, selectinload

from ibex_devtools.bench.peers.connection import database_url, engine_options

CENT = Decimal("0.01")
engine = create_async_engine(database_url(), **engine_options())
Session = async_sessionmaker(engine, expire_on_commit=False)


def now() -> datetime:
    """The present moment."""
    return datetime.now(UTC)


class Base(DeclarativeBase):
    """Tables in a schema of their own, which the bench makes and drops."""

    __table_args__ = {"schema": "peer_fastapi"}  # noqa: RUF012
    type_annotation_map = {datetime: DateTime(timezone=True)}  # noqa: RUF012


class Product(Base):
    """An article."""

    __tablename__ = "products"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    sku: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    unit_price: Mapped[Decimal]
    tax_rate: Mapped[Decimal]
    stock: Mapped[Decimal]


class Invoice(Base):
    """A sale."""

    __tablename__ = "invoices"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    status: Mapped[str]
    net_total: Mapped[Decimal]
    tax_total: Mapped[Decimal]
    total: Mapped[Decimal]
    created_at: Mapped[datetime] = mapped_column(default=now, index=True)
    lines: Mapped[list["Line"]] = relationship(order_by="Line.line_no", cascade="all, delete-orphan")
    payments: Mapped[list["Payment"]] = relationship(cascade="all, delete-orphan")


class Line(Base):
    """A line of a sale."""

    __tablename__ = "invoice_lines"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
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


class Payment(Base):
    """Money for a sale."""

    __tablename__ = "payments"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    invoice_id: Mapped[uuid.UUID] = mapped_column(ForeignKey(Invoice.id), index=True)
    method: Mapped[str]
    amount: Mapped[Decimal]


class StockMovement(Base):
    """Goods that left."""

    __tablename__ = "stock_movements"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    product_id: Mapped[uuid.UUID] = mapped_column(ForeignKey(Product.id), index=True)
    invoice_id: Mapped[uuid.UUID] = mapped_column(ForeignKey(Invoice.id))
    quantity: Mapped[Decimal]
    balance: Mapped[Decimal]


class LedgerEntry(Base):
    """A line of the books."""

    __tablename__ = "ledger_entries"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    type: Mapped[str]
    debit: Mapped[Decimal]
    credit: Mapped[Decimal]
    invoice_id: Mapped[uuid.UUID] = mapped_column(ForeignKey(Invoice.id), index=True)
    created_at: Mapped[datetime] = mapped_column(default=now, index=True)


class LineIn(BaseModel):
    """A line as asked for."""

    product_id: uuid.UUID
    quantity: Decimal = Field(gt=0)


class SaleIn(BaseModel):
    """A sale as asked for."""

    lines: list[LineIn] = Field(min_length=1)
    payment_method: str


class LineOut(BaseModel):
    """A line as answered."""

    model_config = ConfigDict(from_attributes=True)
    line_no: int
    product_id: uuid.UUID
    name: str
    quantity: Decimal
    unit_price: Decimal
    tax_rate: Decimal
    net: Decimal
    tax: Decimal
    total: Decimal


class PaymentOut(BaseModel):
    """A payment as answered."""

    model_config = ConfigDict(from_attributes=True)
    id: uuid.UUID
    method: str
    amount: Decimal


class InvoiceOut(BaseModel):
    """A sale as answered."""

    model_config = ConfigDict(from_attributes=True)
    id: uuid.UUID
    status: str
    net_total: Decimal
    tax_total: Decimal
    total: Decimal
    created_at: datetime
    lines: list[LineOut]
    payments: list[PaymentOut]


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Connections are closed at the end."""
    yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)


async def get_session() -> AsyncIterator[AsyncSession]:
    """A session for each request."""
    async with Session() as session:
        yield session


SessionDep = Annotated[AsyncSession, Depends(get_session)]


@app.get("/ready")
async def ready(session: SessionDep) -> dict[str, str]:
    """Whether it serves."""
    await session.execute(select(1))
    return {"status": "ready"}


@app.post("/sales", status_code=201)
async def record_sale(sale: SaleIn, session: SessionDep) -> InvoiceOut:
    """Prices the lines, guards the stock, writes the books."""
    async with session.begin():
        wanted = {line.product_id for line in sale.lines}
        # Locked in one order, so that two sales never wait for each other in a circle.
        found = await session.scalars(
            select(Product).where(Product.id.in_(wanted)).order_by(Product.id).with_for_update()
        )
        products = {product.id: product for product in found}
        invoice = Invoice(id=uuid.uuid4(), status="PAID", net_total=Decimal(0), tax_total=Decimal(0), total=Decimal(0))
        for number, line in enumerate(sale.lines, 1):
            product = products.get(line.product_id)
            if product is None:
                raise HTTPException(404, "There is no such product.")
            if product.stock < line.quantity:
                raise HTTPException(409, "There is less in stock than was asked for.")
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
            session.add(
                StockMovement(
                    product_id=product.id, invoice_id=invoice.id, quantity=-line.quantity, balance=product.stock
                )
            )
            invoice.net_total += net
            invoice.tax_total += total - net
            invoice.total += total
        invoice.payments.append(Payment(method=sale.payment_method, amount=invoice.total))
        session.add(invoice)
        await session.flush()
        session.add_all(
            [
                LedgerEntry(type="SALE", debit=invoice.total, credit=Decimal(0), invoice_id=invoice.id),
                LedgerEntry(type="RECEIPT", debit=Decimal(0), credit=invoice.total, invoice_id=invoice.id),
            ]
        )
    return InvoiceOut.model_validate(invoice)


@app.get("/invoices/{invoice_id}")
async def read_invoice(invoice_id: uuid.UUID, session: SessionDep) -> InvoiceOut:
    """An invoice with its lines and payments."""
    invoice = await session.get(
        Invoice, invoice_id, options=[selectinload(Invoice.lines), selectinload(Invoice.payments)]
    )
    if invoice is None:
        raise HTTPException(404, "There is no such invoice.")
    return InvoiceOut.model_validate(invoice)
