"""Usage over the API: what the books hold, by the store's own days."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from ibex.domain.identity.model import Role
from tests.api.client import Api, Foreign, Json, Service, Shop, open_shop, problem
from tests.api.past import PastShop

ZERO = {"invoices": 0, "credit_notes": 0, "ledger_entries": 0, "active_customers": 0, "active_operators": 0}


async def usage(api: Api, first: str, last: str) -> Any:
    return await api.get("/v1/usage", params={"from": first, "to": last})


async def test_days_months_and_the_whole(shop: Shop) -> None:
    past = await PastShop.of(shop, date(2026, 1, 31))
    product = await shop.make_product(stock="100")
    ann, bea = await shop.make_customer(), await shop.make_customer()
    first = await past.sell(ann, product, 2)
    await past.sell(ann, product, 1)
    past.go_to(date(2026, 2, 1))
    await past.sell(ann, product, 1)
    await past.sell(bea, product, 1)
    await past.receive(bea, "5.00")
    await past.take_back(first, 1)
    found = await usage(shop.api, "2026-01-30", "2026-02-02")
    days = {day.pop("date"): day for day in found["days"]}
    assert days == {
        "2026-01-30": ZERO,
        "2026-01-31": ZERO | {"invoices": 2, "ledger_entries": 2, "active_customers": 1, "active_operators": 1},
        "2026-02-01": {
            "invoices": 2,
            "credit_notes": 1,
            "ledger_entries": days["2026-02-01"]["ledger_entries"],
            "active_customers": 2,
            "active_operators": 1,
        },
        "2026-02-02": ZERO,
    }
    ledger = await shop.ledger(**{"from": "2026-02-01", "to": "2026-02-01"})
    assert days["2026-02-01"]["ledger_entries"] == len(ledger)
    january, february = found["months"]
    assert (january["month"], january["invoices"], january["active_customers"]) == ("2026-01", 2, 1)
    assert (february["month"], february["invoices"], february["active_customers"]) == ("2026-02", 2, 2)
    # Of the whole, each customer once.
    assert found["total"]["active_customers"] == 2
    assert found["total"]["invoices"] == 4
    assert found["total"]["ledger_entries"] == len(await shop.ledger(**{"from": "2026-01-30", "to": "2026-02-02"}))
    assert (await usage(shop.api, "2026-02-01", "2026-02-01"))["months"][0]["invoices"] == 2


async def test_what_people_do_counts_to_the_stores_day(service: Service) -> None:
    """The night of the last Sunday in March has an hour less, and the day of trade begins at 04:00."""
    shop = await open_shop(service, day_starts_at=datetime.strptime("04:00", "%H:%M").time())  # noqa: DTZ007 - a time of day
    past = await PastShop.of(shop, date(2026, 3, 28))
    product, customer = await shop.make_product(), await shop.make_customer()
    # 04:00 in Rome is 03:00 UTC on the 28th, and 02:00 UTC on the 29th, when the clocks are ahead.
    for hour, minute in ((1, 59), (2, 0)):
        past.clock.time = datetime(2026, 3, 29, hour, minute, tzinfo=UTC)
        await past.sell(customer, product, 1)
    found = await usage(shop.api, "2026-03-28", "2026-03-29")
    assert [(day["invoices"], day["active_operators"]) for day in found["days"]] == [(1, 1), (1, 1)]


async def test_operators_are_counted_once_and_drafts_not_at_all(shop: Shop) -> None:
    product = await shop.make_product()
    cashier = await shop.as_role(Role.CASHIER)
    await shop.sell(product)
    await shop.sell(product, by=cashier)
    await shop.sell(product, by=cashier)
    await shop.draft(product)
    found = await shop.api.get("/v1/usage")
    assert found["total"] == {
        "invoices": 3,
        "credit_notes": 0,
        "ledger_entries": 6,
        "active_customers": 0,
        "active_operators": 2,
    }
    assert found["days"][-1]["invoices"] == 3


@pytest.mark.parametrize(
    ("params", "code", "field"),
    [
        ({"from": "2026-02-02", "to": "2026-02-01"}, "invalid_value", "to"),
        ({"from": "2025-01-01", "to": "2026-01-02"}, "invalid_value", "to"),
        ({"from": "yesterday"}, "invalid_request", "from"),
        ({"since": "2026-01-01"}, "invalid_request", "since"),
        ({"from": "9999-12-31", "to": "9999-12-31"}, "invalid_value", None),
        ({"from": "0001-01-01", "to": "0001-01-02"}, "invalid_value", None),
    ],
)
async def test_questions_that_are_refused(api: Api, params: Json, code: str, field: str | None) -> None:
    problem(await api.request("GET", "/v1/usage", params=params), 422, code, field=field)


async def test_others_neither_see_nor_count(shop: Shop, foreign: Foreign) -> None:
    assert (await shop.api.get("/v1/usage"))["total"] == ZERO | {"active_operators": 1}
    assert (await foreign.shop.api.get("/v1/usage"))["total"]["invoices"] > 0
    cashier = await shop.as_role(Role.CASHIER)
    problem(await cashier.request("GET", "/v1/usage"), 403, "permission_refused")
