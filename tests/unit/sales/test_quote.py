"""A quote is what the sale would be: property-tested in every currency's decimals."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from ibex.domain.sales.model import Invoice
from ibex.domain.sales.pricing import Discount
from ibex.domain.sales.quote import Quote, QuoteRequest, QuoteSale
from ibex.domain.sales.requests import SaleRequest
from ibex.domain.sales.tender import PaymentMethod, Tender
from ibex.domain.shared.money import Currency
from tests.fakes.people import make_actor
from tests.fakes.replies import reply
from tests.fakes.till import FakeTill, line

_PERCENTS = st.none() | st.integers(0, 100).map(lambda percent: Discount(percent=Decimal(percent)))
_LINES = st.lists(
    st.tuples(
        st.decimals("0", "500", places=4),
        st.sampled_from(["0", "4", "8.1", "22"]),
        st.decimals("0.001", "50", places=3),
        _PERCENTS,
    ),
    min_size=1,
    max_size=6,
)


@given(
    currency=st.sampled_from([Currency(code) for code in ("EUR", "JPY", "KWD", "CHF")]),
    included=st.booleans(),
    steps=st.sampled_from([0, 5]),
    wanted=_LINES,
    off=_PERCENTS,
    method=st.sampled_from([PaymentMethod.CASH, PaymentMethod.CARD]),
)
async def test_lines_add_up_to_totals_and_the_quote_is_the_sale(
    currency: Currency,
    included: bool,
    steps: int,
    wanted: list[tuple[Decimal, str, Decimal, Discount | None]],
    off: Discount | None,
    method: PaymentMethod,
) -> None:
    rounding = currency.step * steps
    till = FakeTill(make_actor(currency=currency.code, prices_include_tax=included, cash_rounding=rounding))
    lines = [
        line(till.product(str(price), "1000", tax_rate=Decimal(rate)), str(quantity), discount=discount)
        for price, rate, quantity, discount in wanted
    ]
    tenders = [Tender(method=method)]
    quote: Quote = await QuoteSale(till.products)(till.actor, QuoteRequest(lines=lines, tenders=tenders, discount=off))
    assert not till.books.of(Invoice)
    sums = quote.totals
    assert sums.total == sums.net + sums.tax + sums.rounding
    assert sums.net == sum(one.amounts.net for one in quote.lines)
    assert sums.tax == sum(one.amounts.tax for one in quote.lines) == sum(tax.tax for tax in quote.tax_summary())
    assert sums.subtotal - sums.discount == sum(
        one.amounts.total if included else one.amounts.net for one in quote.lines
    )
    assert all(one.amounts.net >= 0 and one.amounts.tax >= 0 for one in quote.lines)
    for one in quote.lines:
        assert one.amounts.total == one.amounts.total.quantize(currency.step)
    if rounding and tenders[0].method is PaymentMethod.CASH:
        assert sums.total % rounding == 0
        assert abs(sums.rounding) * 2 <= rounding
    else:
        assert sums.rounding == 0
    assert quote.due == 0
    assert quote.change_due == 0
    await till.sell(till.actor, SaleRequest(lines=lines, tenders=tenders, on_credit=False, discount=off), reply())
    (invoice,) = till.books.of(Invoice).values()
    assert (invoice.totals, invoice.lines) == (sums, quote.lines)
