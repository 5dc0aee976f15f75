"""What regularized loss is this model, and who else fits it? In text, LaTeX and HTML."""

import html
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from ..coordinates import coordinates_of
from ..model import Model, require_model
from ..sites import bare, is_masked
from .calls import library_calls
from .families import FAMILIES, FLAT, LOSS_WORDS, PENALTY_WORDS, Family
from .predictors import predictor_of
from .reading import is_known, points_of, read

LOGITS, RATE = "logits = f", "eᶠ"
OF_DATA = {  # how a likelihood that has no loc takes its prediction
    "BernoulliLogits": LOGITS,
    "BernoulliProbs": LOGITS,
    "BinomialLogits": f"n, {LOGITS}",
    "BinomialProbs": f"n, {LOGITS}",
    "CategoricalLogits": LOGITS,
    "Poisson": RATE,
}


@dataclass(frozen=True)
class Term:
    """One site of a model, read twice: as a term of a loss, and as a distribution."""

    site: str
    is_loss: bool
    words: str
    formula: str
    latex: str
    statement: str


@dataclass(frozen=True)
class Explanation:
    """A model as a regularized loss and as Bayes.

    `terms` add up, with `constant`, to −log p(D, θ); `calls` are what other libraries are asked for the same mode, on
    `design`, where they have it; `notes` say what differs. Prints as text, shows as HTML in a notebook.
    """

    name: str
    parameters: tuple[str, ...]
    num_observations: int
    terms: tuple[Term, ...]
    constant: float | None
    design: np.ndarray | None
    calls: tuple[str, ...]
    notes: tuple[str, ...]

    def __str__(self) -> str:
        width = max(len(t.formula) for t in self.terms)
        signs = ["", *["+ "] * (len(self.terms) - 1)]
        lines = [f"{self.name}: {self.num_observations} observations", "", "As a regularized loss"]
        lines += [f"  minimise over {', '.join(self.parameters)}"]
        lines += [f"    {s:2}{t.formula:{width}}  {t.words}" for s, t in zip(signs, self.terms)]
        if self.constant is not None:
            lines += [f"    {_signed(self.constant)}: no mode depends on it, the evidence does"]
        lines += ["", "As Bayes"]
        lines += [f"  {'likelihood' if t.is_loss else 'prior':10}  {t.statement}" for t in self.terms]
        lines += [f"  posterior   {_bayes(self.parameters, 'D')}"]
        if self.calls:
            lines += ["", "The same mode elsewhere", *(f"  {call}" for call in self.calls)]
        return "\n".join([*lines, *(["", *(f"Note: {note}" for note in self.notes)] if self.notes else [])])

    @property
    def latex(self) -> str:
        """The loss and the posterior, as two aligned equations."""
        rows = [
            ("" if i == 0 else "+ ") + rf"\underbrace{{{t.latex}}}_{{\text{{{_plain(t.words)}}}}}"
            for i, t in enumerate(self.terms)
        ]
        symbols = ", ".join(rf"\mathrm{{{_plain(p)}}}" for p in self.parameters)
        loss = r" \\ &\quad ".join(rows)
        return (
            rf"\begin{{aligned}} \hat\theta &= \arg\min_{{{symbols}}} {loss} \\ "
            r"p(\theta \mid D) &= \frac{p(D \mid \theta)\, p(\theta)}{p(D)}, \quad "
            r"p(D) = \int p(D \mid \theta)\, p(\theta)\, d\theta \end{aligned}"
        )

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{'+ ' if i else ''}{html.escape(t.formula)}</td><td>{html.escape(t.words)}</td>"
            f"<td>{html.escape(t.statement)}</td><td>{'likelihood' if t.is_loss else 'prior'}</td></tr>"
            for i, t in enumerate(self.terms)
        )
        constant = (
            ""
            if self.constant is None
            else f"<tr><td>{_signed(self.constant)}</td><td>constants</td><td></td><td></td></tr>"
        )
        calls = "".join(f"<pre>{html.escape(call)}</pre>" for call in self.calls)
        notes = "".join(f"<p>{html.escape(note)}</p>" for note in self.notes)
        return (
            f"<p><b>{html.escape(self.name)}</b>: minimise over {html.escape(', '.join(self.parameters))}</p>"
            "<table><thead><tr><th>−log density</th><th>as a loss</th><th>as a distribution</th><th></th></tr></thead>"
            f"<tbody>{rows}{constant}</tbody></table>"
            + (f"<p>The same mode elsewhere:</p>{calls}" if calls else "")
            + notes
        )


def explain(model: Model) -> Explanation:
    """Say what a model is as a regularized loss, as Bayes, and as a call of scikit-learn or statsmodels.

    Each site's −log density is a term: an observed site's is a loss, a latent one's a penalty. That they add up to
    −log p(D, θ) with one constant is checked at three points before it is said.

    Raises
    ------
    ModelError
        Where `model` is not a `Model`.

    Examples
    --------
    >>> import numpyro.distributions as dist
    >>> from bayes_sandbox import Model, explain
    >>> model = Model(
    ...     prior={"w": dist.Normal(0, 2)}, likelihood=lambda w, x: dist.Normal(w * x, 0.5),
    ...     inputs={"x": [1.0, 2.0]}, observed=[0.9, 2.1], name="line",
    ... )
    >>> print(explain(model))
    line: 2 observations
    <BLANKLINE>
    As a regularized loss
      minimise over w
          Σ ½ ((y − f)/0.5)²  squared loss
        + ½ (w/2)²            L2 (ridge, weight decay) penalty
        + 2.06367: no mode depends on it, the evidence does
    <BLANKLINE>
    As Bayes
      likelihood  y ~ Normal(f, 0.5)
      prior       w ~ Normal(0, 2)
      posterior   p(w | D) = p(D | w) p(w) / p(D)
    <BLANKLINE>
    The same mode elsewhere
      sklearn.linear_model.Ridge(alpha=0.0625, fit_intercept=False)
      sklearn.linear_model.SGDRegressor(alpha=0.03125, fit_intercept=False)
      statsmodels.api.OLS(y, X).fit_regularized(alpha=0.03125, L1_wt=0)
    """
    model = require_model(model)
    coords = coordinates_of(model)
    points = points_of(coords)
    traces = [model.trace_at(p) for p in points]
    sites = [*model.structure.data, *model.structure.shapes]
    terms = tuple(_term(model, name, traces, points) for name in sites)
    factors = tuple(
        Term(n, True, "numpyro.factor", f"−{n}", f"-{n}", f"{n}: a numpyro.factor term")
        for n in model.structure.factors
    )
    predictor = predictor_of(model, points)
    constant = _constant(model, traces, points)
    calls, notes = library_calls(model, traces, points, predictor)
    return Explanation(
        name=model.name,
        parameters=tuple(model.structure.shapes),
        num_observations=model.num_observations,
        terms=(*terms[: len(model.structure.data)], *factors, *terms[len(model.structure.data) :]),
        constant=constant,
        design=None if predictor is None else predictor.design,
        calls=tuple(calls),
        notes=(*notes, *_open_ends(model, traces, constant)),
    )


def _open_ends(model: Model, traces: list[Any], constant: float | None) -> list[str]:
    """Return what the terms leave out, where they leave out something."""
    masked = [n for n in (*model.structure.data, *model.structure.shapes) if is_masked(traces[0][n]["fn"])]
    said = [f"some elements of {n} are masked: they are in its term, and not in the density" for n in masked]
    if constant is None and not masked and not model.structure.factors:
        said.append("the terms do not add up to −log p(D, θ) with one constant: something in it has no name here")
    return said


def _term(model: Model, name: str, traces: list[Any], points: list[Any]) -> Term:
    is_loss = name in model.structure.data
    fns = [bare(t[name]["fn"]) for t in traces]
    family = FAMILIES.get(type(fns[0]))
    kind = type(fns[0]).__name__
    size = int(np.size(traces[0][name]["value"]))
    value = "y" if is_loss else name
    if family is None:
        what = "loss" if is_loss else "penalty"
        return Term(
            name, is_loss, f"{kind} {what}", f"−log p({value}|·)", rf"-\log p({_plain(value)})", f"{value} ~ {kind}(…)"
        )
    shown = {a: read([getattr(fn, a) for fn in fns], points) for a in family.arguments}
    if is_loss and "loc" in shown:
        shown["loc"] = "f"
    return Term(
        name,
        is_loss,
        _words(family, is_loss),
        _formula(family, value, shown, size),
        _formula(family, value, shown, size, latex=True),
        _statement(kind, value, shown, is_loss, tuple(np.shape(traces[0][name]["value"]))),
    )


def _words(family: Family, is_loss: bool) -> str:
    if is_loss:
        return f"{LOSS_WORDS.get(family.words, family.words)} loss"
    if family.words in FLAT:
        return "a constraint" if family.words == "constraint" else "no penalty"
    return f"{PENALTY_WORDS.get(family.words, family.words)} penalty"


def _formula(family: Family, value: str, read: dict[str, str], size: int, latex: bool = False) -> str:
    def symbol(text: str) -> str:
        return rf"\mathrm{{{_plain(text)}}}" if latex and len(text) > 1 and not is_known(text) else text

    name, shown = symbol(value), {k: symbol(v) for k, v in read.items()}
    loc, minus = shown.get("loc", "0"), "-" if latex else "−"
    r = name if loc == "0" else f"({name} {minus} {loc})"
    text = (family.latex if latex else family.term).format(v=name, r=r, **shown)
    for long, short in (("/1)", ")"), ("|/1", "|"), ("‖/1", "‖"), (f"({name})", name), (f"({r})", r)):
        text = text.replace(long, short)  # a scale of one is not written
    if size > 1 and text != "0":
        text = (r"\sum " if latex else "Σ ") + (f"({text})" if _is_sum(text) else text)
    if family.log_of and not is_known(read[family.log_of]):  # a scale that is a parameter
        text += f" + {f'{size} ' if size > 1 else ''}{chr(92) if latex else ''}log {shown[family.log_of]}"
    where = family.where.format(v=name, **shown)
    if not where or latex:
        return text
    return f"{text}, {where if where.startswith('‖') else f'{name} {where}'}"


def _is_sum(text: str) -> bool:
    """Whether a formula adds or subtracts outside its brackets.

    >>> _is_sum("eᶠ − y f"), _is_sum("½ ((y − f)/2)²")
    (True, False)
    """
    depth = np.cumsum([(c in "([{") - (c in ")]}") for c in text])
    return any(c in "+−-" and d == 0 and i > 0 for i, (c, d) in enumerate(zip(text, depth)))


def _statement(kind: str, value: str, read: dict[str, str], is_loss: bool, shape: tuple[int, ...]) -> str:
    inside = ", ".join(read.values()) or (OF_DATA.get(kind, "f") if is_loss else "")
    size = f", {' × '.join(map(str, shape))} of them" if np.prod(shape) > 1 and not is_loss else ""
    if kind == "ImproperUniform":
        return f"{value}: flat (improper){size}"
    return f"{value} ~ {kind.removesuffix('Logits').removesuffix('Probs')}({inside}){size}"


def _constant(model: Model, traces: list[Any], points: list[Any]) -> float | None:
    """Return what is left of −log p(D, θ) beside the terms, if it is the same at all points."""
    if model.structure.factors:
        return None
    sites = [*model.structure.data, *model.structure.shapes]
    counted = [_counts_log(n, traces, points) for n in sites]
    left = [
        -float(model.log_joint(p)) - sum(_value(t[n], c) for n, c in zip(sites, counted))
        for t, p in zip(traces, points)
    ]
    same = np.allclose(left, left[0], rtol=1e-9, atol=1e-9 * max(1, model.num_observations))
    return float(left[0]) if same else None


def _counts_log(name: str, traces: list[Any], points: list[Any]) -> bool:
    """Whether the scale of a site is a parameter, whose log is then part of its term."""
    fns = [bare(t[name]["fn"]) for t in traces]
    family = FAMILIES.get(type(fns[0]))
    return bool(family and family.log_of and not is_known(read([getattr(f, family.log_of) for f in fns], points)))


def _value(site: Any, with_log: bool) -> float:
    """Return the term of one site."""
    fn, value = bare(site["fn"]), site["value"]
    family = FAMILIES.get(type(fn))
    if family is None:
        return -float(jnp.sum(site["fn"].log_prob(value)))
    total = float(jnp.sum(family.value(fn, value)))
    if with_log:
        total += float(jnp.sum(jnp.broadcast_to(jnp.log(getattr(fn, family.log_of)), np.shape(value))))
    return total


def _signed(value: float) -> str:
    """Return a number as a summand.

    >>> _signed(2.5), _signed(-0.25)
    ('+ 2.5', '− 0.25')
    """
    return f"{'+' if value >= 0 else '−'} {abs(value):.6g}"


def _bayes(parameters: tuple[str, ...], data: str) -> str:
    theta = ", ".join(parameters) if len(parameters) < 3 else "θ"
    return f"p({theta} | {data}) = p({data} | {theta}) p({theta}) / p({data})"


def _plain(text: str) -> str:
    return text.replace("_", r"\_")
