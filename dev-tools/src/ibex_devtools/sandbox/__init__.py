"""A disposable PostgreSQL 17: TLS, scram passwords, loopback only, gone when its owner is.

`Sandbox` owns a server; `Cluster` is the address of one and can be handed to other processes.
"""

from __future__ import annotations

from ibex_devtools.sandbox.cluster import Cluster, StatementFailedError
from ibex_devtools.sandbox.server import Sandbox, SandboxError

__all__ = ["Cluster", "Sandbox", "SandboxError", "StatementFailedError"]
