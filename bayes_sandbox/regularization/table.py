"""The tables of losses, penalties and strengths, as the documentation shows them: written by what they describe."""

from collections.abc import Sequence

from .libraries import CONVENTIONS
from .losses import LOSSES
from .penalties import PENALTIES


def tables() -> str:
    """Return three Markdown tables: losses and likelihoods, penalties and priors, whose strength means which prior.

    >>> "| `l1` | ‖w‖₁ | Laplace(0, b) |" in tables()
    True
    """
    losses = [(f"`{x.name}`", x.formula, x.law_name, _weight(x.power, x.law is None), x.note) for x in LOSSES.values()]
    penalties = [(f"`{x.name}`", x.formula, x.prior_name, _scale(x.name), x.note) for x in PENALTIES.values()]
    libraries = [
        (f"`{c.name}`", c.objective, *(_strength(c.name, p) if p in c.penalties else "" for p in ("l2", "l1")))
        for c in CONVENTIONS.values()
    ]
    return "\n\n".join(
        (
            _markdown(("loss", "l(f, y)", "likelihood", "−log p(y given f) is", "note"), losses),
            _markdown(("penalty", "h(w)", "prior", "its scale, λ in nats", "note"), penalties),
            _markdown(
                ("whose strength", "minimises", "with a Normal(0, τ) prior", "with a Laplace(0, b) prior"), libraries
            ),
        )
    )


def _weight(power: int, is_none: bool) -> str:
    return "" if is_none else {0: "l", 1: "l / b", 2: "l / σ²"}[power]


def _scale(penalty: str) -> str:
    name, power = PENALTIES[penalty].scale_name, PENALTIES[penalty].power
    return f"{name} = {'1/λ' if power == 1 else '1/√λ'}" if name else ""


def _strength(name: str, penalty: str) -> str:
    """Return the strength as a formula: λ in nats, times the loss's σ² or b, over c/a, which may hold n or σ."""
    whose = CONVENTIONS[name]
    loss = LOSSES[whose.losses[0]]
    if not whose.call:
        return f"λ = {_ratio(penalty, 'σ²', 'n' if name == 'mean' else '')}"
    weight = {0: "", 1: "b_y", 2: "σ²"}[loss.power]
    n, one = whose.factor(7, 1.0) == 7.0, whose.factor(1, 3.0) == 3.0
    top = "σ" if one else weight
    if whose.inverse:
        return "C = " + {"l2": "τ²", "l1": "b"}[penalty]
    return f"α = {_ratio(penalty, top, 'n' if n else '')}"


def _ratio(penalty: str, top: str, n: str) -> str:
    below = f"{n} {'τ²' if penalty == 'l2' else 'b'}".strip()
    return f"{top or '1'} / {f'({below})' if ' ' in below else below}"


def _markdown(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines)


if __name__ == "__main__":
    print(tables())
