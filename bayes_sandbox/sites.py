"""Which kind of site of a program is this, and which distribution is inside it?"""

from typing import Any

import numpyro.distributions as dist


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
