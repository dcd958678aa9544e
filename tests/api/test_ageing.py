"""How old debts are, today and as of any day before: always what the ledger said then."""

from __future__ import annotations

import random
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from ibex.domain.identity.model import Role
from ibex.domain.shared.errors import DomainError
from tests.api.client import Api, Foreign, Json, Shop, problem
from tests.api.money import assert_accounts_add_up
from tests.api.past import ACCOUNT, CASH, PastShop

NEW_YEAR = date(2026, 1, 1)
BUCKETS = ("not_due", "days_1_30", "days_31_60", "days_61_90", "over_90")
LATEST = {"not_due": 0, "days_1_30": 30, "days_31_60": 60, "days_61_90": 90}


def day(number: int) -> date:
    """So many days after New Year."""
    return NEW_YEAR + timedelta(days=number)


async def ages(api: Api, customer: Json, as_of: date) -> Json:
    """The customer's debts by age, which must add up."""
    found = await api.get(f"/v1/customers/{customer['id']}/ageing", params={"as_of": as_of.isoformat()})
    assert found["as_of"] == as_of.isoformat()
    of: Json = found["ages"]
    assert Decimal(of["total"]) == sum(Decimal(of[bucket]) for bucket in BUCKETS)
    assert Decimal(of["balance"]) == Decimal(of["total"]) - Decimal(of["account_credit"])
    return of


def shown(of: Json) -> dict[str, str]:
    """The buckets that hold something."""
    return {bucket: of[bucket] for bucket in BUCKETS if Decimal(of[bucket])}


async def test_a_debt_ages_from_its_due_date(shop: Shop, api: Api) -> None:
    past = await PastShop.of(shop, day(0))
    customer, product = await shop.make_customer(), await shop.make_product(unit_price="1.00", stock="100")
    await past.sell(customer, product, 7, due=day(30))
    for after, bucket in (
        (0, "not_due"),
        (30, "not_due"),
        (31, "days_1_30"),
        (60, "days_1_30"),
        (61, "days_31_60"),
        (90, "days_31_60"),
        (91, "days_61_90"),
        (120, "days_61_90"),
        (121, "over_90"),
    ):
        assert shown(await ages(api, customer, day(after))) == {bucket: "7.00"}, after
    assert shown(await ages(api, customer, day(-1))) == {}


async def test_without_a_due_date_a_debt_ages_from_its_issue(shop: Shop, api: Api) -> None:
    past = await PastShop.of(shop, day(0))
    customer, product = await shop.make_customer(), await shop.make_product(unit_price="1.00", stock="100")
    await past.sell(customer, product, 7)
    assert shown(await ages(api, customer, day(0))) == {"not_due": "7.00"}
    assert shown(await ages(api, customer, day(1))) == {"days_1_30": "7.00"}


async def test_the_past_stays_as_it_was(shop: Shop, api: Api) -> None:
    past = await PastShop.of(shop, day(0))
    customer, product = await shop.make_customer(), await shop.make_product(unit_price="1.00", stock="1000")
    await past.open_balance(customer, day(-100), debit="50.00")
    first = await past.sell(customer, product, 30, due=day(10))
    past.go_to(day(20))
    await past.receive(customer, "60.00")
    past.go_to(day(40))
    await past.take_back(first, 5)
    past.go_to(day(45))
    await past.receive(customer, "25.00")
    assert shown(await ages(api, customer, day(0))) == {"over_90": "50.00", "not_due": "30.00"}
    assert shown(await ages(api, customer, day(19))) == {"over_90": "50.00", "days_1_30": "30.00"}
    assert shown(await ages(api, customer, day(20))) == {"days_1_30": "20.00"}
    assert shown(await ages(api, customer, day(40))) == {"days_1_30": "15.00"}
    now = await ages(api, customer, day(45))
    assert (shown(now), now["account_credit"], now["balance"]) == ({}, "10.00", "-10.00")
    assert (await ages(api, customer, day(44)))["account_credit"] == "0.00"


async def test_the_stores_list_adds_up_page_by_page(shop: Shop, api: Api) -> None:
    past = await PastShop.of(shop, day(0))
    product = await shop.make_product(unit_price="1.00", stock="1000")
    for name, quantity in (("Bo", 1), ("Ann", 2), ("Cleo", 3), ("Ann", 4)):
        await past.sell(await shop.make_customer(name=name), product, quantity)
    rich = await shop.make_customer(name="Dora")
    await past.receive(rich, "9.00")
    await shop.make_customer(name="Nobody owes")
    items: list[Json] = []
    cursor = None
    while True:
        params: dict[str, Any] = {"as_of": day(5).isoformat(), "limit": 2} | ({"cursor": cursor} if cursor else {})
        page = await api.get("/v1/receivables", params=params)
        assert (page["totals"]["days_1_30"], page["totals"]["total"]) == ("10.00", "10.00")
        assert (page["totals"]["account_credit"], page["totals"]["balance"]) == ("9.00", "1.00")
        items += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert [item["customer_name"] for item in items] == ["Ann", "Ann", "Bo", "Cleo", "Dora"]
    assert sorted(item["ages"]["total"] for item in items) == ["0.00", "1.00", "2.00", "3.00", "4.00"]
    empty = await api.get("/v1/receivables", params={"as_of": "2020-01-01"})
    assert (empty["items"], empty["next_cursor"], empty["totals"]["total"]) == ([], None, "0.00")


async def test_who_may_look_and_at_what(shop: Shop, api: Api, foreign: Foreign) -> None:
    customer = await shop.make_customer()
    path = f"/v1/customers/{customer['id']}/ageing"
    assert (await api.get(path))["ages"]["total"] == "0.00"
    cashier = await shop.as_role(Role.CASHIER)
    problem(await cashier.request("GET", path), 403, "permission_refused")
    problem(await cashier.request("GET", "/v1/receivables"), 403, "permission_refused")
    await (await shop.as_role(Role.AUDITOR)).get("/v1/receivables")
    problem(await api.request("GET", f"/v1/customers/{uuid4()}/ageing"), 404, "not_found")
    problem(await api.request("GET", f"/v1/customers/{foreign.ids['customer_id']}/ageing"), 404, "not_found")
    problem(await api.request("GET", path, params={"as_of": "yesterday"}), 422, "invalid_request")
    problem(await api.request("GET", "/v1/receivables", params={"cursor": "x"}), 422, "invalid_request")
    assert (await api.get("/v1/receivables"))["items"] == []


class Model:
    """The same figures, worked out the long way from every row."""

    def __init__(self, rows: dict[str, list[Json]]) -> None:
        self._rows = rows

    def ages(self, customer_id: UUID, as_of: date) -> dict[str, Decimal]:
        """By bucket, with ``account_credit`` and ``balance``."""
        debts = [
            ((as_of - (i["due_date"] or i["business_date"])).days, self._owed(i["id"], i["total"], as_of))
            for i in self._of("invoices", customer_id, as_of)
        ]
        entries = self._of("ledger_entries", customer_id, as_of)
        payments = self._of("payments", customer_id, as_of)
        left = sum((p["amount"] for p in payments if p["for_opening"]), Decimal(0))
        for entry in sorted((e for e in entries if e["debit"] and e["type"] == "OPENING"), key=_by_day):
            paid = min(left, entry["debit"])
            left -= paid
            debts.append(((as_of - entry["business_date"]).days, entry["debit"] - paid))
        sums = dict.fromkeys((*BUCKETS, "account_credit"), Decimal(0))
        for days, owed in debts:
            sums[next((b for b, last in LATEST.items() if days <= last), "over_90")] += owed
        sums["account_credit"] = sum((e["credit"] for e in entries if e["type"] == "OPENING"), Decimal(0))
        for payment in payments:
            on_account = payment["method"] == "ACCOUNT"
            if on_account or not (payment["invoice_id"] or payment["credit_note_id"] or payment["for_opening"]):
                comes = (payment["kind"] == "RECEIPT") != on_account
                sums["account_credit"] += payment["amount"] if comes else -payment["amount"]
        sums["balance"] = sum((e["debit"] - e["credit"] for e in entries), Decimal(0))
        return sums

    def _of(self, table: str, customer_id: UUID, as_of: date) -> list[Json]:
        return [r for r in self._rows[table] if r["customer_id"] == customer_id and r["business_date"] <= as_of]

    def _owed(self, invoice_id: UUID, total: Decimal, as_of: date) -> Decimal:
        owed = total
        for payment in self._rows["payments"]:
            if payment["invoice_id"] == invoice_id and payment["business_date"] <= as_of:
                owed += -payment["amount"] if payment["kind"] == "RECEIPT" else payment["amount"]
        for note in self._rows["credit_notes"]:
            if note["invoice_id"] == invoice_id and note["business_date"] <= as_of:
                owed -= note["total"]
        return owed


def _by_day(entry: Json) -> tuple[date, int]:
    return entry["business_date"], entry["seq"]


@pytest.mark.parametrize("seed", range(4))
async def test_any_history_ages_as_its_rows_say(shop: Shop, api: Api, seed: int) -> None:
    chance = random.Random(seed)
    past = await PastShop.of(shop, day(0))
    product = await shop.make_product(unit_price="3.35", tax_rate="22", stock="100000")
    customers = [await shop.make_customer(name=f"Customer {n}") for n in range(3)]
    sold: list[tuple[UUID, int]] = []
    done = 0
    for number in range(0, 150, 3):
        past.go_to(day(number))
        for _ in range(chance.randint(0, 2)):
            done += await _something(past, chance, chance.choice(customers), product, sold, day(number))
    assert done > 20
    await assert_accounts_add_up(shop)
    tables = ("invoices", "payments", "credit_notes", "ledger_entries")
    model = Model({table: await shop.rows(f"SELECT * FROM ibex.{table} WHERE store_id = $1") for table in tables})
    for number in (-10, 0, 13, 47, 90, 120, 149, 200):
        as_of = day(number)
        totals = dict.fromkeys((*BUCKETS, "account_credit", "balance"), Decimal(0))
        for customer in customers:
            expected = model.ages(UUID(customer["id"]), as_of)
            found = await ages(api, customer, as_of)
            assert {name: Decimal(found[name]) for name in expected} == expected, (customer["name"], as_of)
            totals = {name: totals[name] + expected[name] for name in totals}
        store = await api.get("/v1/receivables", params={"as_of": as_of.isoformat()})
        assert {name: Decimal(store["totals"][name]) for name in totals} == totals


async def _something(
    past: PastShop, chance: random.Random, customer: Json, product: Json, sold: list[tuple[UUID, int]], on: date
) -> bool:
    """One thing that happens in a shop; False if the shop refuses it."""
    what = chance.choice(("sale", "sale", "sale", "receipt", "receipt", "account", "pay out", "opening", "return"))
    try:
        if what == "sale":
            due = None if chance.random() < 0.5 else on + timedelta(days=chance.randint(-5, 60))
            pieces = chance.randint(1, 9)
            sold.append((await past.sell(customer, product, pieces, due=due), pieces))
        elif what == "receipt":
            await past.receive(customer, f"{chance.randint(1, 6000) / 100:.2f}")
        elif what == "account":
            await past.receive(customer, None, method=ACCOUNT)
        elif what == "pay out":
            await past.pay_out(customer, "1.00")
        elif what == "opening":
            side = chance.choice(("debit", "credit"))
            await past.open_balance(customer, on - timedelta(days=chance.randint(0, 100)), **{side: "7.77"})
        elif sold:
            invoice_id, pieces = chance.choice(sold)
            await past.take_back(invoice_id, chance.randint(1, pieces), method=chance.choice((CASH, ACCOUNT)))
    except DomainError:
        return False
    return True
