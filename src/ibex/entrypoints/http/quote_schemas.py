"""What a sale would come to, as callers ask for it and get it."""

from uuid import UUID

from ibex.domain.sales.quote import Quote, QuoteRequest
from ibex.entrypoints.http.invoice_schemas import (
    DiscountInput,
    LineInput,
    LineView,
    TaxView,
    TenderChoice,
    discount_of,
    line_view,
    lines_of,
    tax_view,
    tenders_of,
)
from ibex.entrypoints.http.types import View, text


class QuoteInput(TenderChoice, kw_only=True):
    """Lines to price. How they would be paid may be left out; with it, rounding and change are shown."""

    lines: list[LineInput]
    discount: DiscountInput | None = None


class ShortageView(View):
    """A product of which there is less than asked for: the sale would be refused."""

    product_id: UUID
    sku: str
    asked: str
    in_stock: str


class QuoteView(View):
    """What the sale would come to: ``total`` = ``net_total`` + ``tax_total`` + ``rounding``.

    ``cash_total`` is the total if all of it were paid in cash; ``due`` is what the payments given would leave unpaid.
    """

    currency: str
    prices_include_tax: bool
    lines: list[LineView]
    taxes: list[TaxView]
    subtotal: str
    discount_total: str
    net_total: str
    tax_total: str
    rounding: str
    total: str
    cash_total: str
    due: str
    change_due: str
    shortages: list[ShortageView]


def quote_request(data: QuoteInput) -> QuoteRequest:
    """The request in the domain's words. Raises InvalidRequest."""
    unpaid = data.payment_method is None and data.payments is None and data.amount_tendered is None
    tenders, on_credit = ([], False) if unpaid else tenders_of(data)
    return QuoteRequest(
        lines=lines_of(data.lines), tenders=tenders, on_credit=on_credit, discount=discount_of(data.discount)
    )


def quote_view(quote: Quote) -> QuoteView:
    """The quote."""
    sums = quote.totals
    places = f".{quote.currency.exponent}f"
    return QuoteView(
        currency=quote.currency.code,
        prices_include_tax=quote.prices_include_tax,
        lines=[line_view(line, places) for line in quote.lines],
        taxes=[tax_view(one, places) for one in quote.tax_summary()],
        subtotal=format(sums.subtotal, places),
        discount_total=format(sums.discount, places),
        net_total=format(sums.net, places),
        tax_total=format(sums.tax, places),
        rounding=format(sums.rounding, places),
        total=format(sums.total, places),
        cash_total=format(quote.cash.total, places),
        due=format(quote.due, places),
        change_due=format(quote.change_due, places),
        shortages=[
            ShortageView(product_id=one.product_id, sku=one.sku, asked=text(one.asked), in_stock=text(one.in_stock))
            for one in quote.shortages
        ],
    )
