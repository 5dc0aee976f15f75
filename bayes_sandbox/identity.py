"""What a result depends on, as text and hashes: two runs with the same identity ask the same question.

The identity covers the code, the versions, the arguments and the density itself. It does not cover what a model reads
while its density is evaluated (a callback to Python), which no hash of the program can see.
"""

import functools
import hashlib
import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from .checkpoints import fingerprint
from .document import versions
from .model import Model
from .program import OBSERVED

ADDRESS = re.compile(r" at 0x[0-9a-f]+")  # of an object in this process: another process has another one
CALLS_OUT = {"pure_callback", "io_callback", "infeed", "outfeed"}  # primitives whose values come from elsewhere
UNKNOWN_DENSITY = "calls Python while it is evaluated"
LAYOUT = ("ft_in", "ft_out")  # how a scan's arguments and results are grouped
VERSIONED = ("jax", "numpyro", "numpy", "scipy", "python")  # whose releases change numbers

Identity = dict[str, str]


def code_identity() -> Identity:
    """Return the versions of everything that computes numbers, and where it runs."""
    found = versions()
    return {
        "bayes_sandbox": f"{found['bayes_sandbox']} ({_package_hash()[:12]})",
        **{name: found[name] for name in VERSIONED},
        "backend": f"{jax.default_backend()}, {jnp.zeros(1).dtype}",
    }


@functools.cache
def _package_hash() -> str:
    """Hash the source of this package: two checkouts of one version may compute different numbers."""
    digest = hashlib.sha256()
    root = Path(__file__).parent
    for path in sorted(root.rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def model_identity(model: Model) -> Identity:
    """Return what a model depends on: its parameters, its data, each of its arguments, and its density.

    The density covers what the arguments do not, for example an array that a script loads and a likelihood uses.
    """
    traced = jax.make_jaxpr(model.log_parts)(model.structure.example)
    digest = hashlib.sha256()
    _add_jaxpr(digest, traced)
    return {
        "parameters": fingerprint(model.parameters),
        "observed data": str(model.data_sha256),
        **{f"input {name}": _hash_of(value) for name, value in _arguments(model).items()},
        "density": digest.hexdigest() if CALLS_OUT.isdisjoint(_primitives(traced.jaxpr)) else UNKNOWN_DENSITY,
    }


def _arguments(model: Model) -> dict[str, Any]:
    """Return the arguments of the model's program by name; the observed data of the pair form are not among them."""
    signature = inspect.signature(model._program)
    found: dict[str, Any] = {}
    for name, value in signature.bind(*model._args, **model._kwargs).arguments.items():
        several = signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD
        found.update(value if several else {name: value})
    return {name: value for name, value in found.items() if model._pair is None or name != OBSERVED}


def is_comparable(identity: Identity) -> bool:
    """Return whether an identity covers all that results depend on."""
    return identity.get("density") != UNKNOWN_DENSITY


def _primitives(traced: Any) -> Iterator[str]:
    for equation in traced.eqns:
        yield equation.primitive.name
        for inner in core.jaxprs_in_params(equation.params):
            yield from _primitives(inner)


def file_identity(name: str, path: Path | None) -> Identity:
    """Return the hash of a file's content under a name; nothing if there is no file."""
    if path is None or not path.is_file():
        return {}
    return {name: hashlib.sha256(path.read_bytes()).hexdigest()}


def changes(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return what differs between two identities, in words; short values are shown.

    >>> changes({"seed": "0", "input x": "a" * 64}, {"seed": "1", "input x": "b" * 64})
    ['seed (0, now 1)', 'input x']
    """
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    if "density" in names and len(names) > 1:
        names.remove("density")  # it changes with whatever it is made of, which is named
    return [_change(name, before.get(name, "nothing"), now.get(name, "nothing")) for name in names]


def _change(name: str, before: str, now: str) -> str:
    return name if max(len(before), len(now)) > 40 else f"{name} ({before}, now {now})"


def _hash_of(value: Any) -> str:
    digest = hashlib.sha256()
    _add_value(digest, value)
    return digest.hexdigest()


def _add_value(digest: Any, value: Any) -> None:
    """Add a value to a hash. Functions and other objects count by type: the density covers what they compute."""
    digest.update(f"{type(value).__name__}:".encode())
    if isinstance(value, Mapping):
        for key, item in value.items():
            _add_value(digest, key)
            _add_value(digest, item)
    elif isinstance(value, list | tuple):
        _add_all(digest, value)
    elif isinstance(value, core.ClosedJaxpr | core.Jaxpr):
        _add_jaxpr(digest, value)
    elif value is None or isinstance(value, bool | int | float | complex | str | bytes):
        digest.update(repr(value).encode("utf-8", "backslashreplace"))
    elif hasattr(value, "dtype"):
        _add_array(digest, value)
    digest.update(b";")


def _add_all(digest: Any, values: Iterable[Any]) -> None:
    for value in values:
        _add_value(digest, value)


def _add_array(digest: Any, value: Any) -> None:
    if jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
        value = jax.random.key_data(value)
    array = np.asarray(value)
    content = ADDRESS.sub("", repr(array.tolist())).encode() if array.dtype.hasobject else array.tobytes()
    digest.update(f"{array.dtype.str}{array.shape}".encode() + content)


def _add_jaxpr(digest: Any, traced: Any) -> None:
    """Add a traced program to a hash, every constant to the last bit; what no result depends on does not count."""
    for result in _results(traced):
        digest.update(result)


def _results(traced: Any) -> list[bytes]:
    """Return for each output of a traced program a hash, 32 bytes, of what it is computed from, and how."""
    known: dict[Any, bytes] = {}
    if isinstance(traced, core.ClosedJaxpr):
        known = {v: _hashed(_hash_of(value)) for v, value in zip(traced.jaxpr.constvars, traced.consts)}
        traced = traced.jaxpr
    for i, variable in enumerate(v for v in (*traced.constvars, *traced.invars) if v not in known):
        known[variable] = _hashed(f"v{i} {variable.aval}")

    def named(atom: Any) -> bytes:
        return _hashed(_hash_of(np.asarray(atom.val))) if isinstance(atom, core.Literal) else known[atom]

    for equation in traced.eqns:
        known.update(zip(equation.outvars, _made(equation, [named(atom) for atom in equation.invars])))
    return [named(atom) for atom in traced.outvars]


def _made(equation: Any, inputs: list[bytes]) -> list[bytes]:
    """Return a hash for each output of an equation."""
    digest = hashlib.sha256(equation.primitive.name.encode() + b"".join(inputs))
    bodies: list[list[bytes]] = []
    for name, parameter in sorted(equation.params.items()):
        if name not in LAYOUT:
            digest.update(name.encode())
            _add_parameter(digest, parameter, bodies)
    free = _free(equation, bodies)
    for body in bodies:
        digest.update(b"".join(out for k, out in enumerate(body) if k not in free))
        digest.update(b"".join(sorted(body[k] for k in free)))
    return [
        hashlib.sha256(digest.digest() + (b"".join(body[k] for body in bodies) if k in free else b"%d" % k)).digest()
        for k in range(len(equation.outvars))
    ]


def _free(equation: Any, bodies: list[list[bytes]]) -> set[int]:
    """Return which outputs stand where they do by chance, so that what they are computed from is all that counts.

    What NumPyro's `scan` and `cond` hand on of a distribution comes in the order of a set of names, which every
    process shuffles anew. What a loop carries from step to step keeps its place, and its shape.
    """
    if equation.primitive.name not in ("scan", "cond") or any(len(b) != len(equation.outvars) for b in bodies):
        return set()
    step = equation.params["jaxpr"].out_avals if equation.primitive.name == "scan" else [None] * len(bodies[0])
    return {k for k, variable in enumerate(equation.outvars) if variable.aval != step[k]}


def _add_parameter(digest: Any, parameter: Any, bodies: list[list[bytes]]) -> None:
    """Add a parameter of an equation to a hash, and the results of the programs in it to `bodies`."""
    if isinstance(parameter, list | tuple):
        digest.update(f"{type(parameter).__name__}{len(parameter)}".encode())
        for item in parameter:
            _add_parameter(digest, item, bodies)
    elif isinstance(parameter, core.ClosedJaxpr | core.Jaxpr):
        bodies.append(_results(parameter))
    elif hasattr(parameter, "dtype"):
        _add_value(digest, parameter)
    elif callable(parameter):
        digest.update(getattr(parameter, "__qualname__", type(parameter).__name__).encode())
    else:
        digest.update(ADDRESS.sub("", str(parameter)).encode())


def _hashed(text: str) -> bytes:
    return hashlib.sha256(ADDRESS.sub("", text).encode()).digest()
