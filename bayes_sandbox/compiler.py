"""Compiling without losing a term.

The CPU compiler of jaxlib 0.12.0 hands large reductions to a library that takes log(c·s) for log(s) where both stand in
one fusion of 4096 elements or more: a normal likelihood over many points loses its constants in silence. Everything
compiled here switches that library off; the package switches it off for the whole process at import, which reaches
NumPyro's own loops if JAX has not been used before. `tests/test_compiler.py` tells when it is mended.
"""

import functools
import importlib.metadata
import os
from collections.abc import Callable
from typing import Any

FLAG = "xla_cpu_experimental_ynn_fusion_type"
AFFECTED = "0.12.0"


@functools.cache
def is_affected() -> bool:
    """Whether this jaxlib is one that loses terms; another might not know the flag."""
    try:
        return importlib.metadata.version("jaxlib").startswith(AFFECTED)
    except importlib.metadata.PackageNotFoundError:
        return False


def protect_process() -> None:
    """Set the flag for all of JAX, unless the user has set it."""
    flags = os.environ.get("XLA_FLAGS", "")
    if FLAG not in flags and is_affected():
        os.environ["XLA_FLAGS"] = f"{flags} --{FLAG}=".strip()


def compiled(function: Callable[..., Any], *, hasty: bool = False, **options: Any) -> Any:
    """Return `jax.jit(function)` with the flag set, however late this package was imported.

    `hasty` is for programs that run a few times only: compiled in a third of the time, for a slower program.
    """
    import jax

    flags: dict[str, Any] = {FLAG: ""} if is_affected() else {}
    if hasty:
        flags["xla_backend_optimization_level"] = 0
    return jax.jit(function, compiler_options=flags or None, **options)
