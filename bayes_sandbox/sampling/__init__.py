"""What does the posterior look like? Draws by NUTS, whitened where a Gaussian fits."""

from .nuts import NUTSFit, compiled_beside, fit_nuts

__all__ = ["NUTSFit", "compiled_beside", "fit_nuts"]
