"""The HTTP edge. How a controller is written:

A controller is a class per area in a module of its own (`sales.py`), its schemas in another if they are many.
It declares, translates and presents; what happens is a use case's. No ``from __future__ import annotations``
there: Litestar reads the annotations at run time. Add the class to `app.CONTROLLERS` and its use cases to
`Services` (`services.py`), which `ibex.bootstrap` fills::

    class DraftInput(Request):                      # types.Request: unknown fields are refused
        lines: Annotated[list[LineInput], Meta(min_length=1, max_length=500)]
        note: Note = ""
        id: ClientId | None = None

    class DraftView(View):                          # types.View: amounts are str, made with types.text
        id: UUID
        version: int                                # becomes the ETag
        total: MoneyText

    class DraftsController(Controller):
        path = "/v1/drafts"
        tags = ("Drafts",)

        @post(opt={"permission": Permission.SALES_WRITE}, operation_id="createDraft", summary="Write a draft")
        async def create(self, request: ApiRequest, data: JSONBody[DraftInput]) -> Response[DraftView]:
            async def use_case(reply: Reply) -> Posted:
                return await request.services.write_draft(request.actor, to_draft(data), reply)
            return await answer(request, use_case, draft_view, status=201, location="/v1/drafts")

        @get("/{draft_id:uuid}", opt={"permission": Permission.SALES_READ})
        async def read(self, request: ApiRequest, draft_id: FromPath[UUID]) -> Response[DraftView]:
            found = await request.services.drafts.find(request.actor.store_id, DraftId(draft_id))
            return view(request, draft_view(found), version=found.version)          # ETag and 304

        @get(opt={"permission": Permission.SALES_READ})
        async def list(
            self, request: ApiRequest, limit: Limit = DEFAULT_PAGE, cursor: Cursor = None
        ) -> Response[DraftPage]:
            asked = page_request(limit, cursor, a_time, an_id)
            page = await request.services.drafts.list(request.actor.store_id, asked)
            items, next_cursor = page_view(page, draft_view)
            return view(request, DraftPage(items=items, next_cursor=next_cursor))

- ``opt={"permission": ...}`` is checked when the app is built and enforced in `admission.py`;
``ANY_OPERATOR`` where a valid token is enough. ``opt={"dry_run": True}`` marks a POST that changes nothing
(no Idempotency-Key); ``opt={"deadline_seconds": 120.0}`` gives a long export more time;
  ``request_max_body_size=...`` takes a larger body. For the contract: ``opt={"conditional": True}`` where a
  POST reads If-Match (a PATCH and the GET of one thing are taken to; False where such a GET sends no ETag),
  ``opt={"media_types": ("text/csv",)}`` for what a route can produce besides JSON.
- Writes go through `idempotency.answer`: it reads the key, keeps and recalls the first answer, and passes the
  journal's bytes through. `conditional.expected_version(request)` reads If-Match, `required_version` insists.
- Bodies are decoded strictly by type; parameters of the query that no handler names are refused. Raise
  `refusals.invalid("lines[0].quantity", "...")` for what only the edge can see; let domain errors pass. Every
  exception becomes a problem in `problems.py`, by the table in `codes.py`: add a new domain error's code
  there.
- A response that is not JSON is a plain Litestar ``Response`` or ``Stream`` with its media type.
"""

import importlib
import sys


def _import_litestar_alone() -> None:
    """Import Litestar without advanced-alchemy, which it would import because it is installed, and SQLAlchemy with it:
    half of the time that a start takes, and 44 MiB, for a class that nothing here uses (decision 0003).

    Only for the moment: whoever wants advanced-alchemy later in the process gets it.
    """
    if "advanced_alchemy" in sys.modules:
        return
    sys.modules["advanced_alchemy"] = None  # type: ignore[assignment]  # "not there", for the import system
    try:
        importlib.import_module("litestar.pagination")
    finally:
        del sys.modules["advanced_alchemy"]


_import_litestar_alone()
