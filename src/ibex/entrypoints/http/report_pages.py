"""/reports: figures and charts for owners who would rather look than read. Read-only, without a script.

A browser signs in with a token once: a form takes it, so that it stands in no URL and no log, and a cookie that
scripts and other sites cannot use takes its place for eight hours. The cookie's secret is random, kept as its
SHA-256, and ends with the token.
"""

from datetime import date, timedelta
from typing import Annotated, Any, Final
from urllib.parse import parse_qs, urlsplit

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter

from ibex.domain.identity.model import Permission, Store
from ibex.domain.identity.secrets import hash_secret
from ibex.domain.identity.sessions import SESSION_LIFE
from ibex.domain.reporting.model import GroupBy, Period, TopBy
from ibex.domain.shared.errors import InvalidValue, PermissionRefused, Unauthenticated
from ibex.entrypoints.http.auth import Authenticator
from ibex.entrypoints.http.cookies import SIGN_IN, session_cookie, session_header
from ibex.entrypoints.http.negotiation import HTML
from ibex.entrypoints.http.refusals import Refusal
from ibex.entrypoints.http.report_html import (
    LISTED,
    Figures,
    content_security_policy,
    report_page,
    sign_in_page,
)
from ibex.entrypoints.http.request import ApiRequest

PAGE: Final = {"permission": Permission.REPORTS_READ, "page": True}
MAX_FORM_BYTES: Final = 4096
DEFAULT_DAYS: Final = 30
_REPORTS: Final = "/reports"
_FORM: Final = "application/x-www-form-urlencoded"


def page_handlers(authenticator: Authenticator) -> list[HTTPRouteHandler]:
    """The handlers of the pages. ``authenticator`` knows the tokens that people sign in with."""

    @get("/reports/sign-in", include_in_schema=False)
    async def ask() -> Response[bytes]:
        """The form."""
        return _page(sign_in_page())

    @post("/reports/sign-in", include_in_schema=False, request_max_body_size=MAX_FORM_BYTES, status_code=303)
    async def sign_in(request: ApiRequest) -> Response[bytes]:
        """Takes the token and gives the cookie."""
        _must_be_ours(request)
        token = await _token(request)
        try:
            actor = await authenticator.actor(b"Bearer " + token, request.exchange.address)
            actor = actor.seen_from(request_id=request.exchange.request_id, address=request.exchange.address)
            secret = await request.services.open_report_session(actor)
        except Unauthenticated:
            return _page(sign_in_page("This token is not valid."), status=401)
        except PermissionRefused:
            return _page(sign_in_page("This token may not read reports."), status=403)
        seconds = int(SESSION_LIFE.total_seconds())
        return _go(_REPORTS, session_cookie(secret.text, seconds=seconds, secure=_is_secure(request)))

    @post("/reports/sign-out", opt=PAGE, include_in_schema=False, request_max_body_size=MAX_FORM_BYTES, status_code=303)
    async def sign_out(request: ApiRequest) -> Response[bytes]:
        """Ends the session and takes the cookie back."""
        _must_be_ours(request)
        header = session_header(request.exchange) or b""
        await request.services.report_sessions.close(hash_secret(header.removeprefix(b"Bearer ").decode("latin-1")))
        return _go(SIGN_IN, session_cookie("", seconds=0, secure=_is_secure(request)))

    @get(_REPORTS, opt=PAGE, include_in_schema=False)
    async def reports(
        request: ApiRequest,
        date_from: Annotated[date | None, QueryParameter(name="from")] = None,
        date_to: Annotated[date | None, QueryParameter(name="to")] = None,
    ) -> Response[bytes]:
        """The figures of a period, by default of the last 30 days."""
        store = request.actor.store
        today = store.business_date(request.services.clock.now())
        last = date_to or today
        period = Period(date_from or last - timedelta(DEFAULT_DAYS - 1), last)
        return _page(report_page(store, await _figures(request, store, period, today)))

    return [ask, sign_in, sign_out, reports]


async def _figures(request: ApiRequest, store: Store, period: Period, today: date) -> Figures:
    # One after the other: a page that somebody looks at must not take ten connections from the tills.
    queries, exponent = request.services.reports, store.currency.exponent
    return Figures(
        period=period,
        today=today,
        days=await queries.sales(store.id, period, GroupBy.DAY),
        before=await queries.sales(store.id, _before(period), GroupBy.DAY),
        hours=await queries.sales(store.id, period, GroupBy.HOUR),
        categories=await queries.sales(store.id, period, GroupBy.CATEGORY),
        operators=await queries.sales(store.id, period, GroupBy.OPERATOR),
        methods=await queries.money(store.id, period),
        top=await queries.top(store.id, period, TopBy.NET, LISTED),
        stock=await queries.valuation(store.id, exponent=exponent),
        owed=await queries.receivables(store.id, today, LISTED),
    )


def _before(period: Period) -> Period:
    try:
        length = period.last - period.first
        return Period(period.first - length - timedelta(1), period.first - timedelta(1))
    except OverflowError:
        raise InvalidValue("The period lies out of the calendar.", field="from") from None


async def _token(request: ApiRequest) -> bytes:
    if (request.exchange.header(b"content-type") or "").partition(";")[0].strip().lower() != _FORM:
        raise Refusal("unsupported_media_type", "Send the form as a browser does.")
    fields = parse_qs((await request.body()).decode("latin-1"), max_num_fields=10)
    return fields.get("token", [""])[0].strip().encode("latin-1", "replace")


def _must_be_ours(request: ApiRequest) -> None:
    """Another site's page must not sign anybody in or out: browsers say where a form stood."""
    site, origin = request.exchange.header(b"sec-fetch-site"), request.exchange.header(b"origin")
    if site is not None:
        ours = site == "same-origin"
    else:  # an old browser, or no browser at all
        ours = origin is None or urlsplit(origin).netloc == request.exchange.header(b"host")
    if not ours:
        raise Refusal("permission_refused", "This form belongs to another site.")


def _is_secure(request: ApiRequest) -> bool:
    return request.url.scheme == "https" or request.exchange.header(b"x-forwarded-proto") == "https"


def _page(body: bytes, *, status: int = 200) -> Response[Any]:
    # Within this host the address of a page is no secret, and without it browsers do not say where a form stood.
    headers = {"content-security-policy": content_security_policy(), "referrer-policy": "same-origin"}
    return Response(body, status_code=status, media_type=HTML, headers=headers)


def _go(path: str, cookie: str) -> Response[Any]:
    return Response(b"", status_code=303, headers={"location": path, "set-cookie": cookie})
