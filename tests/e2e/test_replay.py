"""A real month, sold through the API by the command that the README names, and reconciled."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ibex_devtools.sandbox import Cluster

ROOT = Path(__file__).parents[2]
# A worktree elsewhere may say where the data are.
MONTH = Path(os.environ.get("ONLINE_RETAIL", ROOT.parent / "shared/data/online-retail")) / "2010-12.csv.gz"
HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"


def replay(cluster: Cluster, url: str, file: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | cluster.environment(url.split("?", maxsplit=1)[0].rsplit("/", 1)[1])
    return subprocess.run(
        [sys.executable, "-m", "ibex_devtools.replay", "--json", str(file)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.timeout(600)
@pytest.mark.skipif(not MONTH.exists(), reason=f"the data set is not there: {MONTH}")
def test_december_2010_reconciles_to_the_cent(cluster: Cluster, fresh_database_url: str) -> None:
    done = replay(cluster, fresh_database_url, MONTH)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["agrees"]
    figures = told["figures"]
    assert (figures["invoices"], figures["lines"], figures["total"]) == ("1559", "41480", "823746.14")
    assert figures["SALE"] == figures["total"]
    # What came back: 728 rows of 326 numbers, 289 of them with a sale of the month before them.
    assert (figures["lines that came back"], figures["credited"], figures["net"]) == ("728", "74789.12", "748957.02")
    assert figures["CREDIT_NOTE"] == figures["credited"]


@pytest.mark.timeout(300)
def test_odd_rows_and_a_very_long_invoice_reconcile_too(
    cluster: Cluster, fresh_database_url: str, tmp_path: Path
) -> None:
    rows = [f"9,SKU{n},THING {n},{n % 7 + 1},2011-10-31,0.{n % 9 + 1}5,,France" for n in range(1200)]
    rows += [
        "A563185,B,Adjust bad debt,1,2011-08-12,11062.06,,United Kingdom",
        "A563186,B,Adjust bad debt,1,2011-08-12,-11062.06,,United Kingdom",
        "C1,SKU1,THING,-1,2011-08-12,0.85,17850.0,United Kingdom",
        "1,PADS,PADS TO MATCH ALL CUSHIONS,1,2011-08-12,0.001,17850.0,United Kingdom",
        '2,gift_0001_40,"Dotcomgift, shop ""40""",2,2011-08-12,34.04,17850.0,EIRE',
        "3,M,Manual,3,2011-08-12,0.125,17851.0,EIRE",
        "3,M,,3,2011-08-12,4.161,17851.0,EIRE",
        "4,m,Manual,2,2011-08-12,1.29,17852.0,EIRE",
    ]
    month = tmp_path / "odd.csv"
    month.write_text(HEADER + "\n".join(rows))
    done = replay(cluster, fresh_database_url, month)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["figures"]["invoices"] == "6"


def test_it_touches_no_database_but_a_sandbox(tmp_path: Path) -> None:
    month = tmp_path / "month.csv"
    month.write_text(HEADER + "1,A,THING,1,2010-12-01,1.0,,France")
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    done = subprocess.run(
        [sys.executable, "-m", "ibex_devtools.replay", str(month)],
        env=environment | {"DATABASE_URL": "postgresql://u:p@db.example.com/x"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "ibex-sandbox run -- python -m ibex_devtools.replay" in done.stderr
