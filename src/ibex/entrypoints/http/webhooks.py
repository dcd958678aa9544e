"""Webhooks, their secrets, and the log of deliveries."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Response, get, patch, post
from litestar.params import Body, FromPath, QueryParameter
from msgspec import UnsetType

from ibex.domain.events.webhooks import PostedKey, WebhookChange, WebhookRequest
from ibex.domain.identity.model import Permission
from ibex.domain.shared.change import UNSET
from ibex.domain.shared.errors import NotFound
from ibex.domain.shared.ids import ReplayId, SecretId, WebhookId
from ibex.domain.shared.journal import Posted
from ibex.domain.shared.paging import DEFAULT_PAGE
from ibex.entrypoints.http.conditional import expected_version, view
from ibex.entrypoints.http.cursors import Cursor, Limit, a_number, a_time, an_id, page_request, page_view
from ibex.entrypoints.http.idempotency import answer
from ibex.entrypoints.http.people import aware
from ibex.entrypoints.http.request import ApiRequest
from ibex.entrypoints.http.webhook_schemas import (
    MAX_SEQ,
    DeliveryDetails,
    DeliveryPage,
    DeliveryStatus,
    ReplayInput,
    ReplayView,
    SecretEnd,
    SecretList,
    SecretView,
    WebhookInput,
    WebhookPage,
    WebhookPatch,
    WebhookView,
    asked_replay_view,
    delivery_details,
    delivery_view,
    replay_view,
    secret_view,
    webhook_view,
)

READ = {"permission": Permission.EVENTS_READ}
WRITE = {"permission": Permission.WEBHOOKS_WRITE}


def with_key(made: PostedKey) -> Posted:
    """The answer with the secret in it. It is put in here, so that the journal never holds it: a replay shows none."""
    posted = made.posted
    if made.key is None:
        return posted
    # In JSON no text can hold these bytes: its quotes would be escaped.
    shown = posted.document.replace(b'"secret":null', b'"secret":"%s"' % made.key.reveal().encode())
    return Posted(document=shown, status=posted.status, numbers=posted.numbers)


def webhook_change(data: WebhookPatch) -> WebhookChange:
    """The change in the domain's words."""
    types = data.event_types
    return WebhookChange(
        url=UNSET if isinstance(data.url, UnsetType) else data.url,
        description=UNSET if isinstance(data.description, UnsetType) else data.description,
        event_types=UNSET if isinstance(types, UnsetType) else (None if types is None else tuple(types)),
        enabled=UNSET if isinstance(data.enabled, UnsetType) else data.enabled,
    )


class WebhooksController(Controller):
    """Webhooks."""

    path = "/v1/webhooks"
    tags = ("Webhooks",)

    @post(opt=WRITE, operation_id="add_webhook", summary="Add a webhook")
    async def create(
        self, request: ApiRequest, data: Annotated[WebhookInput, Body(title="Webhook")]
    ) -> Response[WebhookView]:
        """It hears of what happens from now on. The answer shows its secret: this once."""
        asked = WebhookRequest(
            id=None if data.id is None else WebhookId(data.id),
            url=data.url,
            description=data.description,
            event_types=None if data.event_types is None else tuple(data.event_types),
        )

        async def use_case(reply: Any) -> Any:
            return with_key(await request.services.add_webhook(request.actor, asked, reply))

        return await answer(request, use_case, webhook_view, location="/v1/webhooks")

    @get(opt=READ, operation_id="list_webhooks", summary="List webhooks")
    async def list(
        self,
        request: ApiRequest,
        archived: Annotated[bool, QueryParameter(description="The archived ones too.")] = False,
        limit: Limit = DEFAULT_PAGE,
        cursor: Cursor = None,
    ) -> Response[WebhookPage]:
        """A page of webhooks, the oldest first."""
        asked = page_request(limit, cursor, a_time, an_id)
        page = await request.services.webhook_queries.list(request.actor.store_id, asked, archived=archived)
        items, next_cursor = page_view(page, webhook_view)
        return view(request, WebhookPage(items=items, next_cursor=next_cursor))

    @get("/{webhook_id:uuid}", opt=READ, operation_id="get_webhook", summary="Read a webhook")
    async def read(self, request: ApiRequest, webhook_id: FromPath[UUID]) -> Response[WebhookView]:
        """The webhook."""
        webhook = await must_exist(request, webhook_id)
        # Whether it is failing changes without a new version.
        return view(request, webhook_view(webhook), version=webhook.version, moving=True)

    @patch(
        "/{webhook_id:uuid}", opt=WRITE, operation_id="change_webhook", summary="Change, disable or enable a webhook"
    )
    async def change(
        self,
        request: ApiRequest,
        webhook_id: FromPath[UUID],
        data: Annotated[WebhookPatch, Body(title="Change of a webhook")],
    ) -> Response[WebhookView]:
        """One that is enabled again goes on where it stopped: nothing is lost meanwhile."""
        change, version = webhook_change(data), expected_version(request)

        async def use_case(reply: Any) -> Any:
            return await request.services.change_webhook(
                request.actor, WebhookId(webhook_id), change, reply, expected_version=version
            )

        return await answer(request, use_case, webhook_view, status=200)

    @post("/{webhook_id:uuid}/archive", opt=WRITE, operation_id="archive_webhook", summary="End a webhook")
    async def archive(self, request: ApiRequest, webhook_id: FromPath[UUID]) -> Response[WebhookView]:
        """Nothing is sent to it any more, and it cannot be enabled again."""

        async def use_case(reply: Any) -> Any:
            return await request.services.archive_webhook(request.actor, WebhookId(webhook_id), reply)

        return await answer(request, use_case, webhook_view, status=200)

    @get(
        "/{webhook_id:uuid}/secrets", opt=READ, operation_id="list_webhook_secrets", summary="List a webhook's secrets"
    )
    async def secrets(self, request: ApiRequest, webhook_id: FromPath[UUID]) -> Response[SecretList]:
        """When each was made and ends; never what it is."""
        await must_exist(request, webhook_id)
        found = await request.services.webhook_queries.secrets(request.actor.store_id, WebhookId(webhook_id))
        return view(request, SecretList(items=[secret_view(secret) for secret in found]))

    @post("/{webhook_id:uuid}/secrets", opt=WRITE, operation_id="add_webhook_secret", summary="Add a secret")
    async def add_secret(self, request: ApiRequest, webhook_id: FromPath[UUID]) -> Response[SecretView]:
        """Every request is signed with it too from now on. The answer shows it: this once."""

        async def use_case(reply: Any) -> Any:
            return with_key(await request.services.add_webhook_secret(request.actor, WebhookId(webhook_id), reply))

        return await answer(request, use_case, secret_view)

    @post(
        "/{webhook_id:uuid}/secrets/{secret_id:uuid}/expire",
        opt=WRITE,
        operation_id="expire_webhook_secret",
        summary="End a secret",
    )
    async def expire_secret(
        self,
        request: ApiRequest,
        webhook_id: FromPath[UUID],
        secret_id: FromPath[UUID],
        data: Annotated[SecretEnd, Body(title="End of a secret")],
    ) -> Response[SecretView]:
        """Now, or at ``expires_at``; the last one without an end stays."""
        at = aware(data.expires_at, "expires_at")

        async def use_case(reply: Any) -> Any:
            return await request.services.expire_webhook_secret(
                request.actor, WebhookId(webhook_id), SecretId(secret_id), reply, at=at
            )

        return await answer(request, use_case, secret_view, status=200)


class DeliveriesController(Controller):
    """The log of deliveries, and replays."""

    path = "/v1/webhooks/{webhook_id:uuid}"
    tags = ("Webhooks",)

    @get("/deliveries", opt=READ, operation_id="list_deliveries", summary="List what was sent to a webhook")
    async def list(
        self,
        request: ApiRequest,
        webhook_id: FromPath[UUID],
        status: Annotated[DeliveryStatus | None, QueryParameter(description="Only these.")] = None,
        limit: Limit = DEFAULT_PAGE,
        cursor: Cursor = None,
    ) -> Response[DeliveryPage]:
        """A page of deliveries, the newest event first. Those that ended are kept for 30 days."""
        await must_exist(request, webhook_id)
        page = await request.services.webhook_queries.deliveries(
            request.actor.store_id, WebhookId(webhook_id), page_request(limit, cursor, a_number), status=status
        )
        items, next_cursor = page_view(page, delivery_view)
        return view(request, DeliveryPage(items=items, next_cursor=next_cursor))

    @get(
        "/deliveries/{event_seq:int}",
        opt=READ | {"conditional": False},
        operation_id="get_delivery",
        summary="Read a delivery and its attempts",
    )
    async def read(
        self, request: ApiRequest, webhook_id: FromPath[UUID], event_seq: FromPath[int]
    ) -> Response[DeliveryDetails]:
        """Every attempt: when, how long, and what came back."""
        found = await request.services.webhook_queries.delivery(
            request.actor.store_id, WebhookId(webhook_id), known_seq(event_seq)
        )
        if found is None:
            raise NotFound("The log holds no delivery of that event.", field="event_seq")
        return view(request, delivery_details(*found))

    @post(
        "/deliveries/{event_seq:int}/replay",
        opt=WRITE,
        operation_id="replay_delivery",
        summary="Deliver one event again",
    )
    async def replay_one(
        self, request: ApiRequest, webhook_id: FromPath[UUID], event_seq: FromPath[int]
    ) -> Response[ReplayView]:
        """Whatever became of it before; the receiver knows it by its ``webhook-id``, which stays the same."""
        seq = known_seq(event_seq)

        async def use_case(reply: Any) -> Any:
            return await request.services.replay_events(
                request.actor, WebhookId(webhook_id), reply, from_seq=seq, to_seq=seq, must_be_logged=True
            )

        return await answer(request, use_case, asked_replay_view, status=202)

    @post("/replay", opt=WRITE, operation_id="replay_events", summary="Deliver events again")
    async def replay(
        self,
        request: ApiRequest,
        webhook_id: FromPath[UUID],
        data: Annotated[ReplayInput, Body(title="Replay")],
    ) -> Response[ReplayView]:
        """All events of the webhook's types from ``from_seq`` on, those from before it was made included."""

        async def use_case(reply: Any) -> Any:
            return await request.services.replay_events(
                request.actor, WebhookId(webhook_id), reply, from_seq=data.from_seq, to_seq=data.to_seq
            )

        return await answer(request, use_case, asked_replay_view, status=202)

    @get(
        "/replays/{replay_id:uuid}",
        opt=READ | {"conditional": False},
        operation_id="get_replay",
        summary="See how far a replay has come",
    )
    async def read_replay(
        self, request: ApiRequest, webhook_id: FromPath[UUID], replay_id: FromPath[UUID]
    ) -> Response[ReplayView]:
        """``finished_at`` is when the last of it was put in line to be sent."""
        found = await request.services.webhook_queries.replay(
            request.actor.store_id, WebhookId(webhook_id), ReplayId(replay_id)
        )
        if found is None:
            raise NotFound("There is no such replay.", field="replay_id")
        return view(request, replay_view(found))


async def must_exist(request: ApiRequest, webhook_id: UUID) -> Any:
    """The webhook, or NotFound."""
    webhook = await request.services.webhooks.get(request.actor.store_id, WebhookId(webhook_id))
    if webhook is None:
        raise NotFound("There is no such webhook in this store.", field="webhook_id")
    return webhook


def known_seq(seq: int) -> int:
    """A number that an event can have. Raises NotFound for others."""
    if not 0 < seq <= MAX_SEQ:
        raise NotFound("The log holds no delivery of that event.", field="event_seq")
    return seq
