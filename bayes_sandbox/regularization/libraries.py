"""Which λ does each library mean? The same letter stands for a dozen numbers; the factor of n is the trap."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ..arguments import integer, positive, text
from ..errors import UserError, suggestion
from .losses import LOSSES
from .penalties import PENALTIES


@dataclass(frozen=True)
class Convention:
    """How someone writes a·Σ l + s·c·h: `factor(n, scale)` is c/a, by which their strength s becomes λ in Σ l + λ h.

    `inverse` says that they give 1/s (scikit-learn's C). `call` is their call, its strength a `{strength}` to fill in.
    """

    name: str
    objective: str
    losses: tuple[str, ...]
    penalties: tuple[str, ...]
    factor: Callable[[int, float], float]
    call: str = ""
    inverse: bool = False

    def penalised(self, strength: float, num: int, scale: float = 1.0) -> float:
        """Return λ of Σ l + λ h, for `num` observations and a likelihood of this scale."""
        return (1 / strength if self.inverse else strength) * self.factor(num, scale)

    def theirs(self, penalised: float, num: int, scale: float = 1.0) -> float:
        """Return the strength that they would write for λ of Σ l + λ h."""
        strength = penalised / self.factor(num, scale)
        return 1 / strength if self.inverse else strength


def _sum(num: int, scale: float) -> float:
    return 1.0


def _mean(num: int, scale: float) -> float:
    return float(num)


LIKELIHOODS = tuple(name for name, loss in LOSSES.items() if loss.law is not None)
SK = "sklearn.linear_model."
SM = "statsmodels.api."
_ALL = (
    Convention("sum", "Σ l + λ h", LIKELIHOODS, tuple(PENALTIES), _sum),
    Convention("mean", "(1/n) Σ l + λ h, and the lecture's Σ (l + λ h)", LIKELIHOODS, tuple(PENALTIES), _mean),
    Convention("Ridge", "Σ r² + α ‖w‖²", ("squared",), ("l2",), _sum, SK + "Ridge(alpha={strength})"),
    Convention("Lasso", "Σ r²/(2n) + α ‖w‖₁", ("squared",), ("l1",), _mean, SK + "Lasso(alpha={strength})"),
    Convention(
        "ElasticNet",
        "Σ r²/(2n) + α (r ‖w‖₁ + (1 − r) ½ ‖w‖²)",
        ("squared",),
        ("elastic_net",),
        _mean,
        SK + "ElasticNet(alpha={strength}, l1_ratio={l1_ratio})",
    ),
    Convention(
        "SGDRegressor",
        "Σ r²/(2n) + α ½ ‖w‖²",
        ("squared",),
        ("l2",),
        _mean,
        SK + "SGDRegressor(alpha={strength})",
    ),
    Convention(
        "LogisticRegression",
        "C Σ log-loss + ½ ‖w‖² (or ‖w‖₁)",
        ("logistic", "multinomial"),
        ("l2", "l1", "elastic_net"),
        _sum,
        SK + "LogisticRegression(C={strength}, l1_ratio={l1_ratio})",
        inverse=True,
    ),
    Convention(
        "HuberRegressor",
        "Σ (σ + H(r/σ) σ) + α ‖w‖², H = 2ρ, at its own σ",
        ("huber",),
        ("l2",),
        lambda num, scale: float(scale),
        SK + "HuberRegressor(epsilon={threshold}, alpha={strength})",
    ),
    Convention(
        "QuantileRegressor",
        "(1/n) Σ pinball + α ‖w‖₁",
        ("quantile",),
        ("l1",),
        _mean,
        SK + "QuantileRegressor(quantile={quantile}, alpha={strength})",
    ),
    Convention(
        "PoissonRegressor",
        "(1/2n) Σ deviance + α ½ ‖w‖²",
        ("poisson",),
        ("l2",),
        _mean,
        SK + "PoissonRegressor(alpha={strength})",
    ),
    Convention(
        "OLS.fit_regularized",
        "Σ r²/(2n) + α (L ‖w‖₁ + (1 − L) ½ ‖w‖²)",
        ("squared",),
        ("l2", "l1", "elastic_net"),
        _mean,
        SM + "OLS(y, X).fit_regularized(alpha={strength}, L1_wt={l1_ratio})",
    ),
    Convention(
        "GLM.fit_regularized",
        "−(1/n) log likelihood + α (L ‖w‖₁ + (1 − L) ½ ‖w‖²)",
        ("logistic", "poisson"),
        ("l2", "l1", "elastic_net"),
        _mean,
        SM + "GLM(y, X, family).fit_regularized(alpha={strength}, L1_wt={l1_ratio})",
    ),
)
CONVENTIONS: Mapping[str, Convention] = MappingProxyType({c.name: c for c in _ALL})


def find_convention(name: str) -> Convention:
    """Return a convention by its name; raise `UserError` for one that does not exist."""
    if text(name, "convention") not in CONVENTIONS:
        raise UserError(
            f"there is no convention {name!r}{suggestion(name, CONVENTIONS)}; there are {', '.join(CONVENTIONS)}"
        )
    return CONVENTIONS[name]


def prior_scale(convention: str, strength: float, *, num: int = 1, scale: float = 1.0, penalty: str = "") -> float:
    """Which prior scale does this library's strength mean?

    λ of Σ l + λ h times the loss's weight (1/σ², 1/b or 1) is λ in nats; the prior's scale is 1/√λ for a normal and
    1/λ for a Laplace.

    Parameters
    ----------
    convention
        A library's estimator, or `"sum"`, `"mean"`.
    num
        The number of observations n.
    scale
        The likelihood's own scale: σ of a normal, b of a Laplace.
    penalty
        `"l2"` or `"l1"`, where the library has several.

    Examples
    --------
    >>> prior_scale("Ridge", 0.25, scale=0.5)  # τ² = σ²/α
    1.0
    >>> prior_scale("Lasso", 0.1, num=50, scale=2.0)  # b = σ²/(n α)
    0.8
    """
    strength, scale = positive(strength, "strength"), positive(scale, "scale")
    num = integer(num, "num", at_least=1)
    found, loss, chosen = _sides(convention, penalty)
    return PENALTIES[chosen].scale(found.penalised(strength, num, scale) * LOSSES[loss].weight(scale))


def strength_of(convention: str, prior: float, *, num: int = 1, scale: float = 1.0, penalty: str = "") -> float:
    """Which strength does this library want for a prior of this scale? The inverse of `prior_scale`.

    Examples
    --------
    >>> strength_of("Ridge", 1.0, scale=0.5)
    0.25
    >>> strength_of("LogisticRegression", 2.0, penalty="l2")  # C = τ²
    4.0
    """
    prior, scale = positive(prior, "prior"), positive(scale, "scale")
    num = integer(num, "num", at_least=1)
    found, loss, chosen = _sides(convention, penalty)
    return found.theirs(PENALTIES[chosen].strength(prior) / LOSSES[loss].weight(scale), num, scale)


def _sides(convention: str, penalty: str) -> tuple[Convention, str, str]:
    found = find_convention(convention)
    chosen = penalty or found.penalties[0]
    if chosen not in found.penalties or not PENALTIES[chosen].scale_name:
        named = [p for p in found.penalties if PENALTIES[p].scale_name]
        raise UserError(f"{convention} has one prior scale under {' and '.join(named) or 'no penalty'}, not {chosen!r}")
    return found, found.losses[0], chosen
