"""Tills that were offline: what they sold is recorded once, whatever order and however often it is sent."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from ibex.adapters.system import Uuid7Source
from ibex.domain.identity.model import Role
from ibex.domain.sales.model import MAX_LINES
from tests.api.client import Foreign, Json, Service, Shop, open_shop, problem

PATH = "/v1/sales/batch"
_IDS = Uuid7Source()


def moment(minutes_ago: float = 10) -> str:
    """A time in the past."""
    return (datetime.now(UTC) - timedelta(minutes=minutes_ago)).isoformat()


def item(*lines: tuple[Json, str, str], at: str | None = None, **fields: Any) -> Json:
    """A sale of ``(product, quantity, unit_price)`` lines as a till sends it."""
    return {
        "id": str(_IDS.new()),
        "occurred_at": at or moment(),
        "lines": [{"product_id": p["id"], "quantity": quantity, "unit_price": price} for p, quantity, price in lines],
        "payment_method": "CASH",
    } | fields


async def send(shop: Shop, *items: Json, key: str | None = None) -> Json:
    """The answer to a batch."""
    answer: Json = await shop.api.post(PATH, {"items": list(items)}, expect=200, key=key)
    assert [one["index"] for one in answer["items"]] == list(range(len(items)))
    for name in ("created", "exists", "conflict", "invalid"):
        assert answer[name] == sum(one["result"] == name for one in answer["items"])
    return answer


def results(answer: Json) -> list[str]:
    """What became of each."""
    return [one["result"] for one in answer["items"]]


async def test_a_sale_of_the_morning_is_recorded_as_it_was(shop: Shop) -> None:
    product = await shop.make_product(unit_price="9.99", tax_rate="22", stock="10")
    sale = item((product, "2", "5.00"), at="2026-01-02T03:04:05+00:00", note="market stall")
    sale["occurred_at"] = moment(3 * 24 * 60)
    (one,) = (await send(shop, sale))["items"]
    assert (one["result"], one["id"], one["number"], one["total"], one["oversold"], one["problem"]) == (
        "created",
        sale["id"],
        1,
        "10.00",
        False,
        None,
    )
    invoice = await shop.api.get(f"/v1/invoices/{sale['id']}")
    happened = datetime.fromisoformat(sale["occurred_at"])
    assert (invoice["offline"], invoice["total"], invoice["status"], invoice["note"]) == (
        True,
        "10.00",
        "PAID",
        "market stall",
    )
    assert datetime.fromisoformat(invoice["occurred_at"]) == happened
    assert datetime.fromisoformat(invoice["created_at"]) > happened + timedelta(days=2)
    assert invoice["business_date"] < invoice["created_at"][:10]
    assert await shop.stock_of(product) == 8
    assert [(e["type"], e["business_date"]) for e in await shop.ledger()] == [
        ("SALE", invoice["business_date"]),
        ("RECEIPT", invoice["business_date"]),
    ]


async def test_sent_again_in_another_order_changes_nothing(shop: Shop) -> None:
    product, other = await shop.make_product(), await shop.make_product(unit_price="1.10")
    sales = [item((product, "1", "10.00"), (other, str(n), "1.10"), at=moment(60 - n)) for n in range(1, 21)]
    shuffled = random.Random(7).sample(sales, len(sales))
    first = await send(shop, *shuffled)
    assert results(first) == ["created"] * 20
    # Numbers rise with the time of the sale, not with the place in the batch.
    numbers = {one["id"]: one["number"] for one in first["items"]}
    assert [numbers[sale["id"]] for sale in sales] == list(range(1, 21))
    ledger, stock = await shop.ledger(), await shop.stock_of(other)
    again = await send(shop, *sales)
    assert results(again) == ["exists"] * 20
    assert {one["id"]: one["number"] for one in again["items"]} == numbers
    assert (await shop.ledger(), await shop.stock_of(other)) == (ledger, stock)


async def test_the_same_content_written_otherwise_is_the_same(shop: Shop) -> None:
    product = await shop.make_product()
    sale = item((product, "1.50", "10.00"), discount={"percent": "10.0"})
    assert results(await send(shop, sale)) == ["created"]
    utc = datetime.fromisoformat(sale["occurred_at"])
    rewritten = sale | {
        "occurred_at": utc.astimezone().isoformat().replace("+00:00", "Z"),
        "discount": {"percent": "10"},
        "note": "",
        "lines": [{"product_id": product["id"], "quantity": "1.5", "unit_price": "10"}],
    }
    assert results(await send(shop, rewritten)) == ["exists"]


async def test_the_same_id_with_other_content_is_a_conflict(shop: Shop) -> None:
    product = await shop.make_product()
    sale = item((product, "1", "10.00"))
    other = sale | {"lines": [{"product_id": product["id"], "quantity": "2", "unit_price": "10.00"}]}
    answer = await send(shop, sale, other, sale)
    assert sorted(results(answer)) == ["conflict", "created", "exists"] or results(answer) == [
        "conflict",
        "created",
        "conflict",
    ]
    for change in (
        {"payment_method": "CARD"},
        {"occurred_at": moment(11)},
        {"discount": {"amount": "1.00"}},
        {"note": "!"},
    ):
        again = await send(shop, (sale if results(answer)[0] == "created" else other) | change)
        assert results(again) == ["conflict"], change
        assert again["items"][0]["number"] == 1
    assert len(await shop.api.all("/v1/invoices")) == 1


async def test_goods_that_were_not_there_are_sold_and_flagged(shop: Shop) -> None:
    product = await shop.make_product(stock="3")
    answer = await send(shop, item((product, "2", "10.00"), at=moment(30)), item((product, "2", "10.00")))
    assert [one["oversold"] for one in answer["items"]] == [False, True]
    assert await shop.stock_of(product) == -1
    assert (await shop.api.get(f"/v1/products/{product['id']}"))["oversold"] is True
    invoice = await shop.api.get(f"/v1/invoices/{answer['items'][1]['id']}")
    assert invoice["oversold"] is True
    problem(
        await shop.api.request(
            "POST",
            "/v1/sales",
            json={"lines": [{"product_id": product["id"], "quantity": "1"}], "payment_method": "CASH"},
        ),
        409,
        "insufficient_stock",
    )


async def test_each_bad_sale_is_told_apart_and_the_good_ones_are_kept(shop: Shop, foreign: Foreign) -> None:
    product = await shop.make_product()
    customer = await shop.make_customer()
    archived = await shop.make_customer()
    await shop.api.patch(f"/v1/customers/{archived['id']}", {"active": False}, headers={"if-match": "*"})
    good = (product, "1", "10.00")
    cases: list[tuple[Json, str, str | None]] = [
        (item((foreign.things["product"], "1", "1.00")), "not_found", "lines[0]"),
        (item(), "invalid_value", "lines"),
        (item((product, "0", "10.00")), "invalid_value", "lines[0].quantity"),
        (item((product, "1.0001", "10.00")), "invalid_request", "lines[0].quantity"),
        (item((product, "1", "10.00"), payment_method="CREDIT"), "invalid_value", "customer_id"),
        (item(good, payment_method="CREDIT", customer_id=foreign.ids["customer_id"]), "not_found", "customer_id"),
        (item(good, payment_method="CREDIT", customer_id=archived["id"]), "customer_inactive", "customer_id"),
        (item(good, payment_method="ACCOUNT", customer_id=customer["id"]), "insufficient_account_credit", None),
        (item(good, amount_tendered="9.99"), "insufficient_tender", None),
        (item(good, payment_method="CARD", amount_tendered="10.01"), "overpayment", None),
        (item(good, payment_method="IOU"), "invalid_request", "payment_method"),
        (item(good, at=moment(-30)), "invalid_value", "occurred_at"),
        (item(good, at=moment(60 * 24 * 100)), "invalid_value", "occurred_at"),
        (item(good, at="2026-11-24T10:00:00"), "invalid_request", "occurred_at"),
        (item(good, shift_id=str(_IDS.new())), "shift_closed", "shift_id"),
        (item(good, discount={"amount": "10.01"}), "invalid_value", "discount.amount"),
        (item(good, note="a\u0000b"), "invalid_request", "note"),
        (item(good, id="not an id"), "invalid_request", "id"),
        ({}, "invalid_request", "id"),
        (item(good, nonsense=1), "invalid_request", "nonsense"),
    ]
    fine = [item(good), item(good)]
    answer = await send(shop, fine[0], *(bad for bad, _, _ in cases), fine[1])
    assert results(answer) == ["created", *["invalid"] * len(cases), "created"]
    for (bad, code, field), one in zip(cases, answer["items"][1:-1], strict=True):
        assert (one["problem"]["code"], one["number"]) == (code, None), (bad, one)
        if field is not None:
            assert one["problem"]["field"] == field, (bad, one)
    assert sorted(i["number"] for i in await shop.api.all("/v1/invoices")) == [1, 2]
    assert len(await shop.ledger()) == 4
    # Once the cause is gone, the same sale is taken.
    await shop.api.patch(f"/v1/customers/{archived['id']}", {"active": True}, headers={"if-match": "*"})
    assert results(await send(shop, cases[6][0])) == ["created"]


async def test_what_cannot_be_judged_any_more_is_still_known(shop: Shop) -> None:
    product = await shop.make_product()
    sale = item((product, "1", "10.00"), at=moment(60 * 24 * 80))
    assert results(await send(shop, sale)) == ["created"]
    # Months later the sale is too old to be recorded, but it was.
    await shop.service.database.write(
        "UPDATE ibex.products SET sku = 'gone', active = false WHERE store_id = $1 RETURNING id",
        shop.store_id,
        repeatable=True,
    )
    by_sku = item((product, "1", "10.00"))
    by_sku["lines"] = [{"sku": product["sku"], "quantity": "1", "unit_price": "10.00"}]
    assert results(await send(shop, sale, by_sku)) == ["exists", "invalid"]


async def test_a_limit_does_not_undo_what_was_given_away(shop: Shop) -> None:
    customer = await shop.make_customer(credit_limit="15.00")
    product = await shop.make_product()
    sales = [item((product, "1", "10.00"), payment_method="CREDIT", customer_id=customer["id"]) for _ in range(2)]
    assert results(await send(shop, *sales)) == ["created", "created"]
    assert await shop.balance_of(customer) == 20


async def test_a_sale_that_came_online_first_is_known(shop: Shop) -> None:
    product = await shop.make_product(unit_price="10.00")
    own = str(_IDS.new())
    await shop.sell([(product, "2")], id=own)
    answer = await send(
        shop,
        item((product, "2", "10.00"), id=own),
        item((product, "3", "10.00"), id=own),
    )
    assert sorted(results(answer)) == ["conflict", "exists"]
    draft = await shop.draft([(product, "2")], id=str(_IDS.new()))
    assert results(await send(shop, item((product, "2", "10.00"), id=draft["id"]))) == ["conflict"]


async def test_an_id_is_taken_once_by_a_sale_without_a_key(shop: Shop) -> None:
    product = await shop.make_product()
    own = str(_IDS.new())
    body = {"id": own, "lines": [{"product_id": product["id"], "quantity": "1"}], "payment_method": "CASH"}
    assert (await shop.api.post("/v1/sales", body))["id"] == own
    problem(await shop.api.request("POST", "/v1/sales", json=body), 409, "already_exists", field="id")
    assert await shop.stock_of(product) == 99


async def test_the_same_key_gives_the_first_answer(shop: Shop) -> None:
    product = await shop.make_product()
    body = {"items": [item((product, "1", "10.00")), {"id": "?"}]}
    first = await shop.api.request("POST", PATH, json=body, key="batch-1")
    again = await shop.api.request("POST", PATH, json=body, key="batch-1")
    assert (first.status_code, again.content) == (200, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    other = await shop.api.request("POST", PATH, json={"items": body["items"][:1]}, key="batch-1")
    problem(other, 422, "idempotency_key_reused")


async def test_two_tills_send_the_same_batch_at_once(shop: Shop) -> None:
    products = [await shop.make_product() for _ in range(4)]
    sales = [item((products[n % 4], "1", "10.00"), (products[(n + 1) % 4], "1", "10.00")) for n in range(30)]
    orders = [sales, sales[::-1], sales[15:] + sales[:15]]
    answers = await asyncio.gather(
        *(shop.api.post(PATH, {"items": order}, expect=200) for order in orders),
        *(shop.sell([(products[3], "1"), (products[0], "1")]) for _ in range(10)),
    )
    batches = [answer for answer in answers if "created" in answer]
    assert sum(batch["created"] for batch in batches) == 30
    assert sum(batch["exists"] for batch in batches) == 60
    numbers = sorted(i["number"] for i in await shop.api.all("/v1/invoices"))
    assert numbers == list(range(1, 41))
    assert sum([await shop.stock_of(p) for p in products], Decimal(0)) == 400 - 80


async def test_bounds(shop: Shop) -> None:
    product = await shop.make_product()
    problem(await shop.api.request("POST", PATH, json={"items": []}), 422, "invalid_value", field="items")
    many = [item((product, "1", "10.00"))] * 501
    problem(await shop.api.request("POST", PATH, json={"items": many}), 422, "limit_exceeded", field="items")
    wide = [item(*[(product, "1", "1.00")] * 450) for _ in range(12)]
    problem(await shop.api.request("POST", PATH, json={"items": wide}), 422, "limit_exceeded", field="items")
    big = b'{"items":[{"note":"' + b"x" * (9 * 1024 * 1024) + b'"}]}'
    problem(await shop.api.request("POST", PATH, content=big), 413, "body_too_large")
    problem(await shop.api.request("POST", PATH, json={"items": [1]}), 422, "invalid_request", field="items[0]")
    over = await send(shop, item(*[(product, "1", "1.00")] * (MAX_LINES + 1)))
    assert over["items"][0]["problem"]["code"] == "limit_exceeded"
    auditor = await shop.as_role(Role.AUDITOR)
    problem(await auditor.request("POST", PATH, json={"items": many[:1]}), 403, "permission_refused")


async def test_five_hundred_at_once(service: Service) -> None:
    shop = await open_shop(service, currency="CHF", cash_rounding=Decimal("0.05"))
    products = [await shop.make_product(tax_rate="8.1", stock="10") for _ in range(20)]
    chance = random.Random(1)
    sales = [
        item(*((product, str(chance.randint(1, 3)), "1.03") for product in chance.sample(products, 3)))
        for _ in range(500)
    ]
    answer = await send(shop, *sales)
    assert results(answer) == ["created"] * 500
    assert {one["number"] for one in answer["items"]} == set(range(1, 501))
    total = sum(Decimal(one["total"]) for one in answer["items"])
    assert all(Decimal(one["total"]) % Decimal("0.05") == 0 for one in answer["items"])
    (row,) = await shop.rows(
        "SELECT sum(debit) FILTER (WHERE type = 'SALE') AS sold, sum(credit) AS paid FROM ibex.ledger_entries "
        "WHERE store_id = $1"
    )
    assert row == {"sold": total, "paid": total}
    sold = sum(int(line["quantity"]) for sale in sales for line in sale["lines"])
    assert sum([await shop.stock_of(p) for p in products], Decimal(0)) == 200 - sold
    assert UUID(answer["items"][0]["id"]) == UUID(sales[0]["id"])
