"""Does a document have the structure that the report reads? A check against a JSON schema, without a library for it.

It knows the keywords that `document.schema.json` uses, and raises an error for any other.
"""

import json
import re
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

from ..errors import UserError

Schema = dict[str, Any]
MAX_INTEGER_DIGITS = 300  # beyond, an integer is no float
TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "null": lambda value: value is None,
}
HANDLED = {"items", "properties", "additionalProperties", "then", "else"}  # beside the keyword that they belong to
NOTES = {"$schema", "$defs", "title", "description"}  # keywords that constrain nothing

NUMBER_OR_TEXT = {"type": ["number", "string", "boolean", "null"]}
STUDY_SCHEMA: Schema = {
    "type": "object",
    "required": ["study", "question", "findings", "settings", "seconds", "tables"],
    "properties": {
        "study": {"type": "string"},
        "question": {"type": "string"},
        "findings": {"type": "array", "items": {"type": "string"}},
        "settings": {"type": "object"},
        "seconds": {"type": "number"},
        "tables": {
            "type": "object",
            "additionalProperties": {
                "type": "array",
                "items": {"type": "object", "additionalProperties": NUMBER_OR_TEXT},
            },
        },
    },
}


class ReportError(UserError):
    """A folder that holds no result that can be read. The sentence says what is missing and what to do."""


class StructureError(ValueError):
    """A document without the expected structure. The sentence names the entry."""


def read_document(path: Path) -> Any:
    """Return the content of a JSON file; raise `ReportError` if it is not JSON as this package writes it."""
    try:
        return json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant, parse_int=_bounded_integer)
    except OSError as error:
        raise ReportError(f"{path} cannot be read ({error.strerror or error})") from error
    except (ValueError, RecursionError) as error:
        raise ReportError(f"{path} cannot be read ({error}): it is damaged; run it again") from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number in JSON")


def _bounded_integer(digits: str) -> int:
    if len(digits) > MAX_INTEGER_DIGITS:
        raise ValueError(f"an integer of {len(digits)} digits")
    return int(digits)


def run_schema() -> Schema:
    """Return the JSON schema of the document of a run."""
    text = resources.files("bayes_sandbox").joinpath("document.schema.json").read_text(encoding="utf-8")
    schema: Schema = json.loads(text)
    return schema


def check_structure(value: Any, schema: Schema, where: str = "the document") -> None:
    """Raise `StructureError` if a value does not conform to a schema.

    >>> check_structure({"a": 1}, {"type": "object", "properties": {"a": {"type": "string"}}})
    Traceback (most recent call last):
    bayes_sandbox.report.structure.StructureError: the document, a: expected string, got int
    """
    _check(value, schema, schema.get("$defs", {}), where)


def _check(value: Any, schema: Schema, definitions: Schema, where: str) -> None:
    for keyword, expected in schema.items():
        if keyword == "$ref":
            _check(value, definitions[expected.removeprefix("#/$defs/")], definitions, where)
        elif keyword == "anyOf":
            _check_any(value, expected, definitions, where)
        elif keyword == "items" and isinstance(value, list):
            for index, item in enumerate(value):
                _check(item, expected, definitions, f"{where}, {index}")
        elif keyword == "if":
            branch = "then" if _conforms(value, expected, definitions) else "else"
            _check(value, schema.get(branch, {}), definitions, where)
        elif keyword in KEYWORDS:
            KEYWORDS[keyword](value, expected, where)
        elif keyword not in HANDLED | NOTES:
            raise NotImplementedError(f"the keyword {keyword} of a JSON schema")
    if isinstance(value, dict):
        _check_properties(value, schema, definitions, where)


def _check_properties(value: dict[str, Any], schema: Schema, definitions: Schema, where: str) -> None:
    properties, others = schema.get("properties", {}), schema.get("additionalProperties", True)
    for name, item in value.items():
        expected = properties.get(name, others)
        if expected is False:
            raise StructureError(f"{where}: unexpected entry {name!r}")
        if expected is not True:
            _check(item, expected, definitions, f"{where}, {name}")


def _conforms(value: Any, schema: Schema, definitions: Schema) -> bool:
    try:
        _check(value, schema, definitions, "")
    except StructureError:
        return False
    return True


def _check_any(value: Any, options: list[Schema], definitions: Schema, where: str) -> None:
    errors = []
    for option in options:
        try:
            _check(value, option, definitions, where)
            return
        except StructureError as error:
            errors.append(error)
    raise errors[-1]


def _check_type(value: Any, expected: str | list[str], where: str) -> None:
    names = [expected] if isinstance(expected, str) else expected
    if not any(TYPES[name](value) for name in names):
        raise StructureError(f"{where}: expected {' or '.join(names)}, got {type(value).__name__}")


def _check_required(value: Any, expected: list[str], where: str) -> None:
    for name in expected if isinstance(value, dict) else ():
        if name not in value:
            raise StructureError(f"{where}: the entry {name!r} is missing")


def _check_length(value: Any, expected: int, where: str) -> None:
    if isinstance(value, str | list) and len(value) < expected:
        raise StructureError(f"{where}: expected at least {expected} items, got {len(value)}")


def _check_minimum(value: Any, expected: float, where: str) -> None:
    if TYPES["number"](value) and value < expected:
        raise StructureError(f"{where}: expected at least {expected}, got {value}")


def _check_positive(value: Any, expected: float, where: str) -> None:
    if TYPES["number"](value) and value <= expected:
        raise StructureError(f"{where}: expected more than {expected}, got {value}")


def _check_constant(value: Any, expected: Any, where: str) -> None:
    if value != expected:
        raise StructureError(f"{where}: expected {expected!r}, got {str(value)[:40]!r}")


def _check_pattern(value: Any, expected: str, where: str) -> None:
    if isinstance(value, str) and not re.search(expected, value):
        raise StructureError(f"{where}: {value[:40]!r} does not match {expected}")


KEYWORDS: dict[str, Callable[[Any, Any, str], None]] = {
    "type": _check_type,
    "required": _check_required,
    "minItems": _check_length,
    "minLength": _check_length,
    "minimum": _check_minimum,
    "exclusiveMinimum": _check_positive,
    "const": _check_constant,
    "pattern": _check_pattern,
}
