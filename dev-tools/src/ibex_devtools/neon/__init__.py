"""A stand-in for Neon's proxy before the sandbox: its TLS, its host names, its network, and its bad days.

async with NeonStandIn(cluster) as neon:
    with local_names(), neon.arm(Fault.CUT_AFTER_COMMIT, statement=r"ibex\\.post"):
        ...  # asyncpg.connect(**neon.connect_arguments())
"""

from __future__ import annotations

from ibex_devtools.neon.conversation import Statement, Traffic
from ibex_devtools.neon.faults import Fault, Injected, Injection
from ibex_devtools.neon.line import Network
from ibex_devtools.neon.names import local_names
from ibex_devtools.neon.pgbouncer import PgBouncer, PgBouncerError
from ibex_devtools.neon.stand_in import NeonStandIn, StandInError

__all__ = [
    "Fault",
    "Injected",
    "Injection",
    "NeonStandIn",
    "Network",
    "PgBouncer",
    "PgBouncerError",
    "StandInError",
    "Statement",
    "Traffic",
    "local_names",
]
