"""Which kind of site of a program is this, and which distribution is inside it?"""

import sys
from typing import Any

import numpyro.distributions as dist


def _mend_numpyro() -> None:
    """Give NumPyro's packages the modules that they lost, for whoever imported ArviZ before it.

    ArviZ 1.3 has NumPyro loaded lazily, by `importlib.util.LazyLoader`: `import numpyro.distributions` then makes that
    package twice, and the second time its modules are there already and become nobody's attributes. What NumPyro
    itself looks up there, `numpyro.factor` its distribution of no extent, is not found.
    """
    for name in [n for n in sys.modules if n.startswith("numpyro.")]:
        package, _, module = name.rpartition(".")
        if package in sys.modules and not hasattr(sys.modules[package], module):
            setattr(sys.modules[package], module, sys.modules[name])


_mend_numpyro()


def is_latent(site: Any) -> bool:
    """Whether a site is a parameter."""
    return bool(site["type"] == "sample" and not site["is_observed"])


def is_data(site: Any) -> bool:
    """Whether a site is observed, or a numpyro.factor term."""
    return bool(site["type"] == "sample" and site["is_observed"])


def bare(fn: Any) -> Any:
    """Return the distribution inside what expands, masks or makes events of it.

    >>> type(bare(dist.Normal(0, 1).expand([3]).to_event(1))).__name__
    'Normal'
    """
    while isinstance(fn, dist.Independent | dist.ExpandedDistribution | dist.MaskedDistribution):
        fn = fn.base_dist
    return fn


def is_masked(fn: Any) -> bool:
    """Whether some of a distribution's elements do not count.

    >>> is_masked(dist.Normal(0, 1).expand([3]).mask(False).to_event(1))
    True
    """
    while isinstance(fn, dist.Independent | dist.ExpandedDistribution):
        fn = fn.base_dist
    return isinstance(fn, dist.MaskedDistribution)
