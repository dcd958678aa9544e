"""Signatures, checked by the library that receivers use."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from ibex.adapters.system import SystemKeys
from ibex.domain.events.signing import SigningKey, signature_headers
from ibex.domain.shared.errors import InvalidValue

BODY = '{"type":"invoice.issued","data":{"customer":"Zo\u00eb"}}'.encode()
KEY = SigningKey(b"k" * 32)
OTHER = SigningKey(b"o" * 32)


def headers(*keys: SigningKey, at: datetime | None = None) -> dict[str, str]:
    return dict(signature_headers("msg-1", at or datetime.now(UTC), BODY, keys))


def test_the_reference_library_accepts_it() -> None:
    assert Webhook(KEY.reveal()).verify(BODY, headers(KEY))["type"] == "invoice.issued"


def test_with_several_secrets_each_of_them_verifies() -> None:
    sent = headers(KEY, OTHER)
    assert len(sent["webhook-signature"].split(" ")) == 2
    for key in (KEY, OTHER):
        Webhook(key.reveal()).verify(BODY, sent)
    with pytest.raises(WebhookVerificationError):
        Webhook(SigningKey(b"x" * 32).reveal()).verify(BODY, sent)


def test_a_changed_body_an_old_time_and_another_id_are_found_out() -> None:
    hook = Webhook(KEY.reveal())
    with pytest.raises(WebhookVerificationError):
        hook.verify(BODY + b" ", headers(KEY))
    with pytest.raises(WebhookVerificationError):
        hook.verify(BODY, headers(KEY) | {"webhook-id": "msg-2"})
    with pytest.raises(WebhookVerificationError):
        hook.verify(BODY, headers(KEY, at=datetime.now(UTC) - timedelta(minutes=6)))


def test_the_example_of_the_specification() -> None:
    # From the specification's own library: the same id, time, body and secret give this signature.
    key = SigningKey(__import__("base64").b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
    sent = signature_headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek", datetime.fromtimestamp(1614265330, UTC), b'{"test": 2432232314}', [key]
    )
    assert dict(sent)["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_nothing_is_sent_unsigned_and_no_key_shows() -> None:
    with pytest.raises(ValueError, match="unsigned"):
        headers()
    made = SystemKeys().new_signing_key()
    assert made.reveal().startswith("whsec_")
    assert len(made.value) == 32
    assert made.value != SystemKeys().new_signing_key().value
    assert made.reveal() not in repr(made)
    assert repr(made.value) not in repr(made)
    for short in (b"", b"k" * 23, b"k" * 65):
        with pytest.raises(InvalidValue):
            SigningKey(short)
