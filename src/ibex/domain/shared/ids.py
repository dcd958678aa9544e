"""Identifiers: UUIDs of version 7, made by the id port or supplied by the client."""

from __future__ import annotations

from typing import NewType, Protocol
from uuid import UUID

StoreId = NewType("StoreId", UUID)
OperatorId = NewType("OperatorId", UUID)
TokenId = NewType("TokenId", UUID)
ProductId = NewType("ProductId", UUID)
CategoryId = NewType("CategoryId", UUID)
CustomerId = NewType("CustomerId", UUID)
InvoiceId = NewType("InvoiceId", UUID)
CreditNoteId = NewType("CreditNoteId", UUID)
PaymentId = NewType("PaymentId", UUID)
ReceiptId = NewType("ReceiptId", UUID)
ShiftId = NewType("ShiftId", UUID)
WebhookId = NewType("WebhookId", UUID)
SecretId = NewType("SecretId", UUID)
ReplayId = NewType("ReplayId", UUID)


class IdSource(Protocol):
    """Makes identifiers."""

    def new(self) -> UUID:
        """A new UUID of version 7: unique, and rising with time."""
        ...

    def placeholder(self) -> int:
        """A large random number that stands in a document where the journal will put the number that it takes.

        At least 10**18, so that no real number and no guess of a client's can collide with it.
        """
        ...
