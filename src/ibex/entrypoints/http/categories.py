"""Categories of the catalogue."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Response, get, patch, post
from litestar.params import Body, FromPath, QueryParameter
from msgspec import UNSET as LEFT_OUT
from msgspec import Meta, UnsetType

from ibex.domain.catalog.categories import CategoryChange, CategoryRequest
from ibex.domain.catalog.model import Category
from ibex.domain.identity.model import Permission
from ibex.domain.shared.change import UNSET
from ibex.domain.shared.errors import NotFound
from ibex.domain.shared.ids import CategoryId
from ibex.domain.shared.paging import DEFAULT_PAGE
from ibex.entrypoints.http.conditional import expected_version, view
from ibex.entrypoints.http.cursors import Cursor, Limit, a_text, page_request, page_view
from ibex.entrypoints.http.idempotency import answer
from ibex.entrypoints.http.request import ApiRequest
from ibex.entrypoints.http.types import ClientId, Request, View

READ = {"permission": Permission.CATALOG_READ}
WRITE = {"permission": Permission.CATALOG_WRITE}
CategoryName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=100,
        pattern=r"^[^\u0000-\u001f\u007f]+$",
        description="1 to 100 characters, no control characters, no spaces around it; unique in the store.",
        examples=["Dairy"],
    ),
]


class CategoryInput(Request):
    """A new category."""

    name: CategoryName
    id: ClientId | None = None


class CategoryPatch(Request):
    """What to change of a category; a field that is left out stays as it is. ``active: false`` archives it."""

    name: CategoryName | UnsetType = LEFT_OUT
    active: bool | UnsetType = LEFT_OUT


class CategoryView(View):
    """A category."""

    id: UUID
    name: str
    active: bool
    created_at: datetime | None
    updated_at: datetime | None
    version: int


class CategoryPage(View):
    """A page of categories."""

    items: list[CategoryView]
    next_cursor: str | None


def category_view(category: Category) -> CategoryView:
    """A category."""
    return CategoryView(
        id=category.id,
        name=category.name,
        active=category.active,
        created_at=category.created_at,
        updated_at=category.updated_at,
        version=category.version,
    )


class CategoriesController(Controller):
    """Categories."""

    path = "/v1/categories"
    tags = ("Categories",)

    @post(opt=WRITE, operation_id="create_category", summary="Add a category")
    async def create(
        self, request: ApiRequest, data: Annotated[CategoryInput, Body(title="Category")]
    ) -> Response[CategoryView]:
        """Adds a category; its name must be new in the store."""
        asked = CategoryRequest(id=None if data.id is None else CategoryId(data.id), name=data.name)

        async def use_case(reply: Any) -> Any:
            return await request.services.create_category(request.actor, asked, reply)

        return await answer(request, use_case, category_view, location="/v1/categories")

    @get(opt=READ, operation_id="list_categories", summary="List categories")
    async def list(
        self,
        request: ApiRequest,
        active: Annotated[bool | None, QueryParameter(description="Only those in use, or only archived ones.")] = None,
        limit: Limit = DEFAULT_PAGE,
        cursor: Cursor = None,
    ) -> Response[CategoryPage]:
        """A page of categories by name."""
        asked = page_request(limit, cursor, a_text)
        page = await request.services.category_queries.list(request.actor.store_id, active, asked)
        items, next_cursor = page_view(page, category_view)
        return view(request, CategoryPage(items=items, next_cursor=next_cursor))

    @get("/{category_id:uuid}", opt=READ, operation_id="get_category", summary="Read a category")
    async def read(self, request: ApiRequest, category_id: FromPath[UUID]) -> Response[CategoryView]:
        """The category, with its ETag."""
        category = await request.services.catalogue.category(request.actor.store_id, CategoryId(category_id))
        if category is None:
            raise NotFound("There is no such category in this store.", field="category_id")
        return view(request, category_view(category), version=category.version)

    @patch("/{category_id:uuid}", opt=WRITE, operation_id="change_category", summary="Rename or archive a category")
    async def change(
        self,
        request: ApiRequest,
        category_id: FromPath[UUID],
        data: Annotated[CategoryPatch, Body(title="Change of a category")],
    ) -> Response[CategoryView]:
        """Renames or archives a category; with ``If-Match`` only if it is still at that version."""
        change = CategoryChange(
            name=UNSET if isinstance(data.name, UnsetType) else data.name,
            active=UNSET if isinstance(data.active, UnsetType) else data.active,
        )
        version = expected_version(request)

        async def use_case(reply: Any) -> Any:
            return await request.services.change_category(
                request.actor, CategoryId(category_id), change, reply, expected_version=version
            )

        return await answer(request, use_case, category_view, status=200)
