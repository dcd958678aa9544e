"""JSON bodies: decoded strictly by type, and refused with the field's name."""

from __future__ import annotations

import re
from typing import Any, Final, TypeVar

import msgspec

from ibex.entrypoints.http.refusals import FieldError, InvalidRequest, Refusal, invalid

T = TypeVar("T")

NUL_MESSAGE: Final = "The NUL character is not allowed."

_PATH: Final = re.compile(r"(?P<message>.*?)(?: - at `(?:\$|key in \$)(?P<path>.*)`)?\Z", re.DOTALL)
_REQUIRED: Final = re.compile(r"Object missing required field `(?P<name>.*)`\Z", re.DOTALL)
_UNKNOWN: Final = re.compile(r"Object contains unknown field `(?P<name>.*)`\Z", re.DOTALL)
_NAMED_TYPE: Final = re.compile(r"`(?P<type>[a-z]+)(?P<nullable> \| null)?`")
_PLAIN_NAMES: Final = {
    "str": "a string",
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
    "uuid": "a UUID",
    "datetime": "a time as in RFC 3339",
    "date": "a date",
}


def require_json(content_type: str | None) -> None:
    """Raises Refusal unless the body is declared to be JSON in UTF-8."""
    kind, _, parameters = (content_type or "").partition(";")
    charset = parameters.strip().lower().replace('"', "")
    if kind.strip().lower() != "application/json" or charset not in ("", "charset=utf-8"):
        raise Refusal("unsupported_media_type", "Send the body as application/json in UTF-8.")


def decode_body(decoder: msgspec.json.Decoder[Any], body: bytes, *, piecemeal: bool = False) -> Any:
    """The body as the decoder's type. Raises InvalidRequest or Refusal (malformed_json).

    ``piecemeal``: its items are looked at by ``decode_item``, each for itself.
    """
    try:
        decoded = decoder.decode(body)
    except msgspec.ValidationError as error:
        raise InvalidRequest(field_error(str(error))) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refusal("malformed_json", f"The body is not valid JSON: {error}.") from None
    except RecursionError:
        raise Refusal("malformed_json", "The body is nested too deeply.") from None
    # PostgreSQL's text cannot hold NUL, so it is refused wherever it stands. The scan of the bytes is cheap,
    # and true for a backslash before "u0000" too: only then is the decoded body searched.
    if not piecemeal and b"\\u0000" in body and (place := _place_of_nul(msgspec.to_builtins(decoded), "")) is not None:
        raise invalid(place or "body", NUL_MESSAGE)
    return decoded


def decode_item(value: Any, kind: type[T]) -> T:
    """An item of a body that was decoded ``piecemeal``, as its type. Raises InvalidRequest."""
    if (place := _place_of_nul(value, "")) is not None:
        raise invalid(place or "body", NUL_MESSAGE)
    try:
        return msgspec.convert(value, kind, strict=True)
    except msgspec.ValidationError as error:
        raise InvalidRequest(field_error(str(error))) from None


def field_error(message: str, *, prefix: str = "") -> FieldError:
    """msgspec's message in plain words, with the path of the field such as ``lines[0].quantity``."""
    match = _PATH.match(message)
    assert match is not None
    text, path = match["message"], (match["path"] or "").removeprefix(".")
    path = ".".join(part for part in (prefix, path) if part)
    if named := _REQUIRED.match(text):
        return FieldError(_join(path, named["name"]), "This field is required.")
    if named := _UNKNOWN.match(text):
        return FieldError(_join(path, named["name"]), "There is no such field.")
    return FieldError(path or "body", plain_words(text))


def plain_words(text: str) -> str:
    """``Expected `int`, got `str``` -> ``Expected an integer, got a string.``"""
    words = _NAMED_TYPE.sub(
        lambda m: _PLAIN_NAMES.get(m["type"], m["type"]) + (" or null" if m["nullable"] else ""), text
    ).replace("`", "")
    return words if words.endswith(".") else f"{words}."


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _place_of_nul(value: object, path: str) -> str | None:
    if isinstance(value, str):
        return path if "\0" in value else None
    if isinstance(value, dict):
        for name, inner in value.items():
            if "\0" in str(name):
                return path
            if (place := _place_of_nul(inner, _join(path, str(name)))) is not None:
                return place
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            if (place := _place_of_nul(inner, f"{path}[{index}]")) is not None:
                return place
    return None
