"""The committed fingerprint of the schema, and the readable difference between two catalogs."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FILE_NAME = "fingerprint.json"
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What the catalog looks like after `revision`; `files_sha256` is the digest of its files."""

    revision: str
    files_sha256: str
    objects: Mapping[str, str]


def catalog_sha256(objects: Mapping[str, str]) -> str:
    """A digest of a whole catalog."""
    return hashlib.sha256(json.dumps(dict(objects), sort_keys=True).encode()).hexdigest()


def load_fingerprint(directory: Path) -> Fingerprint | None:
    """The committed fingerprint of a migrations directory; None where there is none or it cannot be read."""
    try:
        raw = json.loads((directory / FILE_NAME).read_text(encoding="utf-8"))
        if raw["format"] != _FORMAT:
            return None
        return Fingerprint(
            str(raw["revision"]), str(raw["files"]), {str(k): _joined(v) for k, v in raw["objects"].items()}
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def render_fingerprint(fingerprint: Fingerprint) -> str:
    """The text of the file: sorted, long definitions split by line, so that a review shows what changed."""
    objects = {key: value.split("\n") if "\n" in value else value for key, value in sorted(fingerprint.objects.items())}
    head = {"format": _FORMAT, "revision": fingerprint.revision, "files": fingerprint.files_sha256}
    body = head | {"objects": objects}
    return json.dumps(body, indent=1, ensure_ascii=True) + "\n"


def difference(expected: Mapping[str, str], live: Mapping[str, str]) -> tuple[str, ...]:
    """Lines for an operator, empty when nothing differs: `-` is what should be, `+` is what is."""
    lines: list[str] = []
    for key in sorted(expected.keys() | live.keys()):
        should, is_ = expected.get(key), live.get(key)
        if should == is_:
            continue
        if is_ is None:
            lines.append(f"missing: {key}")
            lines.extend(f"  - {line}" for line in (should or "").split("\n")[:12])
        elif should is None:
            lines.append(f"unexpected: {key}")
            lines.extend(f"  + {line}" for line in is_.split("\n")[:12])
        else:
            lines.append(f"changed: {key}")
            delta = difflib.unified_diff(should.split("\n"), is_.split("\n"), lineterm="", n=1)
            lines.extend(f"  {line}" for line in list(delta)[2:] if not line.startswith("@@"))
    return tuple(lines)


def _joined(value: object) -> str:
    return "\n".join(str(line) for line in value) if isinstance(value, list) else str(value)
