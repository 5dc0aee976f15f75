"""What does the posterior look like? Draws by NUTS, whitened where a Gaussian fits."""

from .nuts import NUTSFit, fit_nuts

__all__ = ["NUTSFit", "fit_nuts"]
