"""Values as a zip file of JSON and NumPy arrays: exact, typed and without pickle.

This module is not a general object store. It writes plain values, arrays and a fixed set of frozen dataclasses, and it
reads a file only if every part of the file has the type that the code expects.
"""

import dataclasses
import io
import json
import math
import types
import typing
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

SCHEMA = 1  # increase it whenever the layout of the file changes
DOCUMENT = "value.json"
ARRAY_KINDS = "biufcU"  # NumPy's dtype kinds whose bytes are the value; object arrays would need pickle
SPECIAL_FLOATS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}

Header = dict[str, str]


class SerializationError(ValueError):
    """A value that cannot be written, or a file that does not hold the expected value."""


class Serializer:
    """Writes and reads values that may contain the given dataclasses.

    Parameters
    ----------
    records : iterable of type, default ()
        Frozen dataclasses. Dataclasses in the annotations of their fields are included. A file names a dataclass, and
        only a name from this set is accepted: nothing is imported on behalf of a file.

    Notes
    -----
    The values are None, booleans, integers, floats, strings, lists, tuples, dictionaries with string keys, NumPy
    arrays and scalars of numbers, booleans or text, and the given dataclasses. JAX arrays are read back as NumPy's.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "value.npz"
    >>> serializer = Serializer()
    >>> serializer.write(path, {"a": (1, float("inf"))}, {"name": "example"})
    >>> serializer.read(path, {"name": "example"})
    {'a': (1, inf)}
    """

    def __init__(self, records: Iterable[type] = ()):
        self._fields: dict[type, dict[str, Any]] = {}
        for record in records:
            self._add(record)
        self._by_name = {record.__name__: record for record in self._fields}
        if len(self._by_name) < len(self._fields):
            raise ValueError("two record types have the same name")

    def _add(self, record: type) -> None:
        if record in self._fields:
            return
        hints = typing.get_type_hints(record)
        self._fields[record] = {field.name: hints[field.name] for field in dataclasses.fields(record)}
        for hint in self._fields[record].values():
            for nested in _dataclasses_in(hint):
                self._add(nested)

    def write(self, path: Path, value: Any, header: Header) -> None:
        """Write a value and its header to a file; raise `SerializationError` for a value of another type."""
        arrays: list[np.ndarray] = []
        document = {"schema": SCHEMA, "header": header, "value": self._encode(value, arrays)}
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr(DOCUMENT, json.dumps(document, allow_nan=False))
            for index, array in enumerate(arrays):
                with archive.open(f"{index}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, array, version=(1, 0), allow_pickle=False)

    def read(self, path: Path, header: Header) -> Any:
        """Return the value of a file; raise `SerializationError` if the file is damaged or has another header."""
        try:
            with zipfile.ZipFile(path) as archive:
                document = json.loads(_member(archive, DOCUMENT, path))
                if document["schema"] != SCHEMA or document["header"] != header:
                    raise SerializationError(f"{path} holds another value")
                return self._decode(document["value"], lambda index: _array(archive, index, path))
        except Exception as error:  # a damaged file may raise any error
            raise SerializationError(f"{path} cannot be read: {type(error).__name__}: {error}") from error

    def _encode(self, value: Any, arrays: list[np.ndarray]) -> Any:
        if value is None or type(value) in (bool, int, str):
            return value
        if type(value) is float:
            return value if math.isfinite(value) else {"float": repr(value)}
        if type(value) in (list, tuple):
            items = [self._encode(item, arrays) for item in value]
            return items if type(value) is list else {"tuple": items}
        if type(value) is dict:
            return {"dict": self._encode_items(value, arrays)}
        if type(value) in self._fields:
            values = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
            self._check_fields(type(value), values)
            return {"record": type(value).__name__, "fields": self._encode_items(values, arrays)}
        return self._encode_array(value, arrays)

    def _encode_items(self, values: dict[Any, Any], arrays: list[np.ndarray]) -> dict[str, Any]:
        if not all(type(key) is str for key in values):
            raise SerializationError("a dictionary with a key that is not a string cannot be kept")
        return {key: self._encode(item, arrays) for key, item in values.items()}

    def _encode_array(self, value: Any, arrays: list[np.ndarray]) -> Any:
        is_scalar = isinstance(value, np.generic)
        is_plain = is_scalar or type(value) is np.ndarray or type(value).__module__.startswith("jax")
        array = np.asarray(value) if is_plain else None
        if array is None or array.dtype.kind not in ARRAY_KINDS:
            raise SerializationError(f"a value of type {type(value).__name__} cannot be kept")
        arrays.append(array)
        return {"scalar" if is_scalar else "array": len(arrays) - 1}

    def _decode(self, value: Any, array: typing.Callable[[int], np.ndarray]) -> Any:
        if value is None or isinstance(value, bool | int | str | float):
            return value
        if isinstance(value, list):
            return [self._decode(item, array) for item in value]
        match value:
            case {"float": name} if len(value) == 1:
                return SPECIAL_FLOATS[name]
            case {"tuple": list() as items} if len(value) == 1:
                return tuple(self._decode(item, array) for item in items)
            case {"dict": dict() as items} if len(value) == 1:
                return {key: self._decode(item, array) for key, item in items.items()}
            case {"array": int() as index} if len(value) == 1:
                return array(index)
            case {"scalar": int() as index} if len(value) == 1:
                return array(index)[()]
            case {"record": str() as name, "fields": dict() as items} if len(value) == 2:
                fields = {key: self._decode(item, array) for key, item in items.items()}
                self._check_fields(self._by_name[name], fields)
                return self._by_name[name](**fields)
        raise SerializationError(f"unknown entry {str(value)[:80]}")

    def _check_fields(self, record: type, values: dict[str, Any]) -> None:
        hints = self._fields[record]
        if set(values) != set(hints):
            raise SerializationError(f"{record.__name__} has other fields")
        for name, hint in hints.items():
            if not has_type(values[name], hint):
                kind = type(values[name]).__name__
                raise SerializationError(f"{record.__name__}.{name} is a {kind}, expected {hint}")


def _dataclasses_in(hint: Any) -> Iterator[type]:
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        yield hint
    for argument in typing.get_args(hint):
        yield from _dataclasses_in(argument)


def has_type(value: Any, hint: Any) -> bool:
    """Return whether a value has the type of an annotation; False for an annotation that this module does not know.

    >>> has_type((1.0, 2), tuple[float, ...]), has_type({"a": "b"}, dict[str, float]), has_type(None, int | None)
    (True, False, True)
    """
    arguments = typing.get_args(hint)
    match typing.get_origin(hint):
        case typing.Union | types.UnionType:
            return any(has_type(value, option) for option in arguments)
        case builtin if builtin is tuple:
            return isinstance(value, tuple) and _has_types(value, arguments)
        case builtin if builtin is list:
            return isinstance(value, list) and all(has_type(item, arguments[0]) for item in value)
        case builtin if builtin is dict:
            return isinstance(value, dict) and all(
                has_type(key, arguments[0]) and has_type(item, arguments[1]) for key, item in value.items()
            )
        case None:
            return _is_instance(value, hint)
    return False


def _has_types(values: tuple[Any, ...], hints: tuple[Any, ...]) -> bool:
    if len(hints) == 2 and hints[1] is Ellipsis:
        return all(has_type(item, hints[0]) for item in values)
    return len(values) == len(hints) and all(map(has_type, values, hints))


def _is_instance(value: Any, hint: Any) -> bool:
    if hint is Any:
        return True
    if hint is None or hint is types.NoneType:
        return value is None
    if hint is float:
        return isinstance(value, float | int | np.floating | np.integer) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int | np.integer) and not isinstance(value, bool)
    if hint is bool:
        return isinstance(value, bool | np.bool_)
    if hint is np.ndarray:  # a mean over chains and draws of a scalar parameter is a NumPy scalar
        return isinstance(value, np.ndarray | np.generic) or type(value).__module__.startswith("jax")
    return isinstance(hint, type) and isinstance(value, hint)


def _member(archive: zipfile.ZipFile, name: str, path: Path) -> bytes:
    """Return the bytes of a member; refuse a member that claims more bytes than the file has."""
    info = archive.getinfo(name)
    if info.compress_type != zipfile.ZIP_STORED or info.file_size > path.stat().st_size:
        raise SerializationError(f"{name} is compressed or longer than the file")
    return archive.read(info)


def _array(archive: zipfile.ZipFile, index: int, path: Path) -> np.ndarray:
    stream = io.BytesIO(_member(archive, f"{index}.npy", path))
    if np.lib.format.read_magic(stream) != (1, 0):
        raise SerializationError("unknown version of an array")
    shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    data = bytearray(stream.read())
    if dtype.kind not in ARRAY_KINDS or len(data) != math.prod(shape) * dtype.itemsize:
        raise SerializationError("an array has another size or dtype than its header says")
    return np.ndarray(shape, dtype, data, order="F" if is_fortran else "C")
