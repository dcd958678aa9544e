"""What an archive says of itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

FORMAT: Final = "ibex-archive"
FORMAT_VERSION: Final = 1
MANIFEST: Final = "manifest.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFile:
    """One table: a file of JSON Lines, one row a line. ``sha256`` is of the file's bytes, in hexadecimal."""

    name: str
    file: str
    rows: int
    sha256: str
    columns: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What the archive holds. ``totals`` are counted in the moment of the export, and again after an import."""

    format: str
    format_version: int
    schema_revision: str
    exported_at: datetime
    store_id: UUID
    store_name: str
    currency: str
    tables: Sequence[TableFile]
    left_out: Mapping[str, str]
    """Tables that are not in it, each with the reason."""
    totals: Mapping[str, str]
