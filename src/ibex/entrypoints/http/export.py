"""A store's whole data, to take away."""

from typing import Any, Final, cast

from litestar import Controller, Response, get
from litestar.response import Stream

from ibex.domain.identity.model import Permission
from ibex.entrypoints.http.request import ApiRequest

ZIP: Final = "application/zip"
EXPORT_SECONDS: Final = 1800.0


class ExportController(Controller):
    """The export."""

    path = "/v1/export"
    tags = ("Store",)

    @get(
        opt={"permission": Permission.STORE_EXPORT, "deadline_seconds": EXPORT_SECONDS},
        operation_id="export_store",
        summary="Take the store's whole data away",
        media_type=ZIP,
    )
    async def read(self, request: ApiRequest) -> Response[bytes]:
        """A ZIP of JSON Lines, a file for each table, as they were in one moment, and a manifest with checksums."""
        actor = request.actor
        pieces = await request.services.export_store(actor)
        headers = {
            "content-disposition": f'attachment; filename="ibex-{actor.store_id}.zip"',
            "cache-control": "no-store",
        }
        # Litestar makes the response of a Stream itself, so that it counts as one here.
        return cast(Response[Any], Stream(pieces, media_type=ZIP, headers=headers))
