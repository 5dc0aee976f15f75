"""Values as JSON and arrays: exact, typed, and nothing that is not expected is read."""

import json
import math
import os
import pickle
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from bayes_sandbox.serialization import SCHEMA, SerializationError, Serializer, has_type


@dataclass(frozen=True)
class Point:
    x: float
    weights: np.ndarray


@dataclass(frozen=True)
class Path2:
    name: str
    points: tuple[Point, ...]
    best: Point | None
    counts: dict[str, int]


HEADER = {"name": "x", "identity": "y"}
POINT = Point(math.nan, np.arange(3.0))


def through(path: Path, value: Any, records: Any = (Path2,)) -> Any:
    serializer = Serializer(records)
    serializer.write(path, value, HEADER)
    return serializer.read(path, HEADER)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        -(10**40),
        0.1 + 0.2,
        -0.0,
        5e-324,
        1.7976931348623157e308,
        math.inf,
        -math.inf,
        "",
        "é\0\ud800\n",
        [],
        (),
        {},
        [1, (2.5, [None, ("a",)]), {"k": {"float": "nan"}}],
        {"array": 1, "tuple": [1], "record": "Point", "fields": {}},
    ],
    ids=str,
)
def test_plain_values_come_back_as_they_were(tmp_path: Path, value: Any) -> None:
    assert repr(through(tmp_path / "x", value)) == repr(value)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros(()),
        np.zeros((0, 3)),
        np.asfortranarray(np.random.default_rng(0).normal(size=(3, 4))),
        np.arange(10)[::3],
        np.array([math.nan, -math.inf, -0.0]),
        np.array([True, False]),
        np.array([1 + 2j]),
        np.array(["a", "bé"]),
        np.arange(4, dtype=">i2"),
        np.float32([0.1]),
        np.float64(0.1),
        np.int32(7),
        np.bool_(True),
    ],
)
def test_arrays_come_back_to_the_last_bit(tmp_path: Path, array: Any) -> None:
    found = through(tmp_path / "x", [array])[0]
    assert type(found) is type(array)
    assert (found.dtype, found.shape, found.tobytes()) == (array.dtype, array.shape, array.tobytes())
    if isinstance(found, np.ndarray):
        assert found.flags.writeable


def test_records_come_back_with_what_they_contain(tmp_path: Path) -> None:
    value = Path2("a", (POINT, Point(1, jnp.arange(2))), POINT, {"n": 3})
    found = through(tmp_path / "x", value)
    assert type(found) is Path2
    assert (found.name, found.counts, type(found.points)) == ("a", {"n": 3}, tuple)
    assert math.isnan(found.best.x)
    np.testing.assert_array_equal(found.points[1].weights, [0, 1])


@pytest.mark.parametrize(
    "value",
    [
        object(),
        {1, 2},
        {1: 2},
        len,
        b"bytes",
        np.array([object()]),
        np.ma.masked_array([1.0], [True]),
        np.array(["2020-01-01"], "M8[D]"),
        Point("one", np.zeros(1)),  # type: ignore[arg-type]
        Path2("a", [POINT], None, {}),  # type: ignore[arg-type]
        Path2("a", (), None, {"n": 1.5}),  # type: ignore[dict-item]
        Exception("e"),
    ],
    ids=lambda v: type(v).__name__,
)
def test_what_is_not_known_is_refused(tmp_path: Path, value: Any) -> None:
    with pytest.raises(SerializationError):
        Serializer([Path2]).write(tmp_path / "x", value, HEADER)


class Trap:
    def __reduce__(self) -> Any:
        return os.mkdir, ("trapped",)


def archive(path: Path, document: Any, **members: bytes) -> None:
    with zipfile.ZipFile(path, "w") as sink:
        sink.writestr("value.json", document if isinstance(document, str | bytes) else json.dumps(document))
        for name, data in members.items():
            sink.writestr(name.replace("_", "."), data)


def document(value: Any, **changes: Any) -> dict[str, Any]:
    return {"schema": SCHEMA, "header": HEADER, "value": value, **changes}


def npy(array: np.ndarray) -> bytes:
    import io

    sink = io.BytesIO()
    np.lib.format.write_array(sink, array)
    return sink.getvalue()


BAD = {
    "another schema": document(1, schema=SCHEMA + 1),
    "another header": document(1, header={"name": "other"}),
    "no value": {"schema": SCHEMA, "header": HEADER},
    "a list": [1],
    "no JSON": "{",
    "binary": bytes(range(256)),
    "deep": "[" * 100_000,
    "a record that nobody registered": document({"record": "Popen", "fields": {"args": ["touch", "trapped"]}}),
    "a module": document({"record": "os.system", "fields": {}}),
    "a missing field": document({"record": "Point", "fields": {"x": 1.0}}),
    "a further field": document({"record": "Point", "fields": {"x": 1.0, "weights": {"array": 0}, "z": 1}}),
    "a wrong type": document({"record": "Point", "fields": {"x": "1.0", "weights": {"array": 0}}}),
    "fields that are a list": document({"record": "Point", "fields": []}),
    "an unknown tag": document({"object": 1}),
    "two tags": document({"tuple": [], "dict": {}}),
    "no such array": document({"array": 7}),
    "an array by a path": document({"array": "../../etc/passwd"}),
    "no such number": document({"float": "1e5"}),
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_says_something_else_is_refused(tmp_path: Path, name: str, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    archive(tmp_path / "x", BAD[name], **{"0_npy": npy(np.zeros(2))})
    with pytest.raises(SerializationError):
        Serializer([Point]).read(tmp_path / "x", HEADER)
    assert not (tmp_path / "trapped").exists()


HUGE = b"\x93NUMPY\x01\x00v\x00" + b"{'descr': '<f8', 'fortran_order': False, 'shape': (10**15,), }".ljust(117) + b"\n"
ARRAYS = {
    "object": npy(np.array([Trap()], object)),
    "pickle": pickle.dumps(Trap()),
    "text": b"hello",
    "empty": b"",
    "truncated": npy(np.zeros(10))[:-8],
    "huge": HUGE.replace(b"10**15", b"1" + b"0" * 15),
    "a header that is code": HUGE.replace(b"10**15", b"__import__('os').mkdir('trapped')"),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_that_is_none_is_refused(tmp_path: Path, name: str, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    archive(tmp_path / "x", document({"array": 0}), **{"0_npy": ARRAYS[name]})
    with pytest.raises(SerializationError):
        Serializer().read(tmp_path / "x", HEADER)
    assert not (tmp_path / "trapped").exists()


def test_a_compressed_member_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x", "w", zipfile.ZIP_DEFLATED) as sink:
        sink.writestr("value.json", json.dumps(document({"array": 0})))
        sink.writestr("0.npy", npy(np.zeros(10_000_000)))
    with pytest.raises(SerializationError):
        Serializer().read(tmp_path / "x", HEADER)


def test_every_file_cut_short_or_changed_is_refused_or_read_whole(tmp_path: Path) -> None:
    serializer, path = Serializer([Path2]), tmp_path / "x"
    serializer.write(path, Path2("a", (POINT,), None, {"n": 3}), HEADER)
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(SerializationError):
            serializer.read(path, HEADER)
    rng = np.random.default_rng(0)
    for position in rng.integers(len(whole), size=200):
        changed = bytearray(whole)
        changed[position] ^= 1 << int(rng.integers(8))
        path.write_bytes(changed)
        try:
            assert serializer.read(path, HEADER).name == "a"
        except SerializationError:
            continue


def test_two_records_of_one_name_are_refused() -> None:
    @dataclass(frozen=True)
    class Point:
        x: int

    with pytest.raises(ValueError, match="two record types have the same name"):
        Serializer([Path2, Point])


@pytest.mark.parametrize(
    ("value", "hint", "expected"),
    [
        (True, int, False),
        (True, float, False),
        (1, float, True),
        (1.0, int, False),
        ((1, 2), tuple[int, int], True),
        ((1,), tuple[int, int], False),
        ([1], list[str], False),
        ({"a": [1.0]}, dict[str, list[float]], True),
        (1, set[int], False),
        (1, Any, True),
    ],
)
def test_types_are_checked(value: Any, hint: Any, expected: bool) -> None:
    assert has_type(value, hint) is expected
