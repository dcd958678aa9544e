"""The types that every schema of the API is made of.

Money and quantities are strings, never JSON numbers: a float cannot hold 0.10. The patterns bound length and
decimals; what a currency or a rule allows is checked by the domain.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any, Final, dataclass_transform
from uuid import UUID

import msgspec
from msgspec import Meta

MoneyText = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]{1,12}(\.[0-9]{1,4})?$",
        max_length=17,
        description="An amount of the store's currency, as a decimal string: zero or more.",
        examples=["12.50"],
    ),
]
SignedMoneyText = Annotated[
    str,
    Meta(
        pattern=r"^-?[0-9]{1,12}(\.[0-9]{1,4})?$",
        max_length=18,
        description="An amount of the store's currency, as a decimal string; it may be negative.",
        examples=["-12.50"],
    ),
]
PriceText = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]{1,12}(\.[0-9]{1,4})?$",
        max_length=17,
        description="The price of one unit, as a decimal string with up to four decimals.",
        examples=["1.4590"],
    ),
]
QuantityText = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]{1,9}(\.[0-9]{1,3})?$",
        max_length=13,
        description="An amount of goods, as a decimal string with up to three decimals.",
        examples=["2", "0.375"],
    ),
]
SignedQuantityText = Annotated[
    str,
    Meta(
        pattern=r"^-?[0-9]{1,9}(\.[0-9]{1,3})?$",
        max_length=14,
        description="A change of an amount of goods, as a decimal string; it may be negative.",
        examples=["-3"],
    ),
]
PercentText = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]{1,3}(\.[0-9]{1,4})?$",
        max_length=8,
        description="A percentage from 0 to 100, as a decimal string with up to four decimals.",
        examples=["22"],
    ),
]
Label = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=200,
        pattern=r"^[^\u0000-\u001f\u007f]+$",
        description="A name or code: 1 to 200 characters, no control characters, no spaces around it.",
    ),
]
Note = Annotated[
    str,
    Meta(
        max_length=2000,
        pattern=r"^[^\u0000-\u0008\u000b-\u001f\u007f]*$",
        description="Free text of up to 2000 characters; of the control characters, tabs and line feeds.",
    ),
]
ClientId = Annotated[
    UUID,
    Meta(description="An id of your own, a UUID of any version (7 is best); left out, the service makes one."),
]


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(msgspec.field,))
class _SchemaMeta(msgspec.StructMeta):
    """Structs that are frozen and take keywords only, without each of them saying so."""

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any) -> type:
        return super().__new__(cls, name, bases, namespace, **{"kw_only": True, "frozen": True, **options})


class Request(msgspec.Struct, metaclass=_SchemaMeta, forbid_unknown_fields=True):
    """Base of what callers send: a field that is not known is refused, so that no typing error is lost."""


class View(msgspec.Struct, metaclass=_SchemaMeta):
    """Base of what callers get. Amounts are fields of type str, filled by `text`."""


def decimal(value: str) -> Decimal:
    """The number in a string that one of the patterns above has let through."""
    return Decimal(value)


def decimal_or_none(value: str | None) -> Decimal | None:
    """The same for a field that may be left out."""
    return None if value is None else Decimal(value)


def text(value: Decimal) -> str:
    """A number for a view: plain notation, never an exponent."""
    return format(value, "f")


def text_or_none(value: Decimal | None) -> str | None:
    """The same for a value that may be missing."""
    return None if value is None else format(value, "f")


def _encode_other(value: Any) -> Any:
    raise TypeError(f"a view cannot hold a {type(value).__name__}")


# Decimals as strings, times of UTC with a Z, UUIDs with dashes, enumerations by value.
_ENCODER: Final = msgspec.json.Encoder(enc_hook=_encode_other, decimal_format="string")
encode: Final[Callable[[Any], bytes]] = _ENCODER.encode
"""A view as the JSON that callers get."""
