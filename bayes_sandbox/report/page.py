"""How does a run read as one page? Everything in one HTML file that needs no network."""

import base64
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template, select_autoescape

from .captions import CAPTIONS, alternative
from .numbers import NONE, brief, count, duration, number, plus_minus, rounded, typeset
from .tables import Document, best_sentence, evidence_rows, parameter_rows

if TYPE_CHECKING:
    from .figures.style import Picture

MOST_ROWS = 60
HEIGHTS = (("log p(D, θ)", "log_joint"), ("log p(θ)", "log_prior"), ("log p(D|θ)", "log_likelihood"))
AGREEMENT = {True: "agree", False: "disagree", None: "cannot be held against one another"}


def render(doc: Document, pictures: Mapping[str, "Picture"]) -> str:
    """Return the report of a run."""
    figures = {name: _embedded(name, picture, doc) for name, picture in pictures.items()}
    return template("report.html.jinja").render(doc=doc, figures=figures, brief=brief, count=count, **_contents(doc))


def template(name: str) -> Template:
    """Return one of this folder's templates, with whatever it is given escaped."""
    environment = Environment(
        loader=PackageLoader("bayes_sandbox.report", ""),
        autoescape=select_autoescape(["html", "jinja"], default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["typeset"] = typeset
    return environment.get_template(name)


def data_uri(picture: "Picture") -> str:
    """Return a figure as a URI: it keeps the ids inside one SVG from meeting another's."""
    return f"data:image/svg+xml;base64,{base64.b64encode(picture.svg).decode()}"


def _contents(doc: Document) -> dict[str, Any]:
    """Return every table and sentence of the page."""
    rows = parameter_rows(doc)
    return {
        "card": _card(doc),
        "fits": _fits(doc),
        "best": best_sentence(doc),
        "agreement": {key: AGREEMENT[doc["agreement"][key]] for key in ("evidence", "posterior")},
        "rows": rows[:MOST_ROWS],
        "hidden": max(len(rows) - MOST_ROWS, 0),
        "modes_differ": [r.label for r in rows if r.point(r.map_unconstrained) not in (NONE, r.point(r.map))],
        "modes": _modes(doc),
        "sampler": _sampler(doc),
        "evidence": evidence_rows(doc),
        "integrals": _integrals(doc),
        "curse": _curse(doc),
    }


def _embedded(name: str, picture: "Picture", doc: Document) -> dict[str, Any]:
    """Return what the template needs of a figure."""
    return {
        "uri": data_uri(picture),
        "width": picture.width,
        "alt": alternative(name, doc),
        "caption": CAPTIONS[name],
    }


def _card(doc: Document) -> list[tuple[str, list[str]]]:
    """Return what was fitted to what, as names and lines."""
    model, settings = doc["model"], doc["settings"]
    description = model.get("description") or {}
    known = ("dtype", "backend", "versions", "command")
    lines = {
        "prior": description.get("prior", []),
        "likelihood": description.get("likelihood", []),
        "dimension": [f"{model['dimension']} unconstrained coordinates, {len(model['parameters'])} components"],
        "observations": [count(model["num_observations"])],
        "SHA-256 of the data": [model["data_sha256"] or "no observed values, only factors"],
        "file": [model["file"]] if model["file"] else [],
        "command": [settings["command"]],
        "settings": [", ".join(f"{k} = {v}" for k, v in settings.items() if k not in known)],
        "arithmetic": [f"{settings['dtype']} on {settings['backend']}"],
        "versions": [", ".join(f"{k} {v}" for k, v in settings["versions"].items())],
    }
    return [(name, shown) for name, shown in lines.items() if shown]


def _fits(doc: Document) -> list[tuple[str, str, str]]:
    """Return name, what it says, and time of the three fits; the reason where one was skipped."""
    says = {"map": _map_says, "grid": _grid_says, "nuts": _nuts_says}
    names = {"map": "MAP", "grid": "Grid", "nuts": "NUTS"}
    found = []
    for way, fit in doc["fits"].items():
        if "skipped" in fit:
            found.append((names[way], f"Skipped: {fit['skipped'].rstrip('.')}.", NONE))
        else:
            found.append((names[way], says[way](fit), duration(number(fit["seconds"]))))
    return found


def _map_says(fit: Document) -> str:
    heights = [f"{name} = {brief(number(fit[key]), 6)}" for name, key in HEIGHTS]
    return f"{fit['message']}. {'; '.join(heights)}. {count(fit['num_evaluations'])} evaluations."


def _grid_says(fit: Document) -> str:
    edge = brief(number(fit["edge_mass"]), 2)
    return f"{fit['message']}. {count(fit['num_nodes'])} nodes; {edge} of the mass on the outermost."


def _nuts_says(fit: Document) -> str:
    return f"{fit['message']}."


def _modes(doc: Document) -> list[dict[str, str]]:
    """Return the distinct modes, where there are several."""
    modes = doc["fits"]["map"].get("modes") or []
    rows = {row.label: row for row in parameter_rows(doc)}
    masses = [number(mode.get("log_mass")) for mode in modes]
    known = [mass for mass in masses if math.isfinite(mass)]
    total = max(known, default=0.0)
    total += math.log(sum((math.exp(mass - total) for mass in known), start=0.0) or 1.0)
    return [
        {
            "height": brief(number(mode["log_joint"]), 6),
            "share": f"{brief(100 * math.exp(mass - total), 3)} %" if math.isfinite(mass) else NONE,
            "hits": str(mode["num_hits"]),
            "where": ", ".join(f"{k} = {rows[k].point(number(v))}" for k, v in list(mode["params"].items())[:6]),
        }
        for mode, mass in zip(modes, masses)
        if len(modes) > 1
    ]


def _sampler(doc: Document) -> dict[str, str] | None:
    fit = doc["fits"]["nuts"]
    if "skipped" in fit:
        return None
    bfmi = [rounded(number(b), 0.01, 1) for b in fit["bfmi"]]
    return {
        "divergent transitions": count(fit["num_divergent"]),
        "draws at the largest tree depth": count(fit["num_saturated"]),
        "E-BFMI of the chains": ", ".join(bfmi) or NONE,
    }


def _integrals(doc: Document) -> list[tuple[str, str, str]]:
    lesson, best = doc["lesson"], doc["best"]
    evidence = NONE if best is None else plus_minus(number(best["log_evidence"]), number(best["error"]))
    total, missing = number(lesson["log_likelihood_integral"]), lesson["log_likelihood_integral_missing"]
    return [
        ("log ∫ p(D|θ) p(θ) dθ", evidence, "the evidence, log p(D): the likelihood averaged over the prior"),
        (
            "log ∫ p(D|θ) dθ",
            brief(total, 6),
            missing or "the area under the likelihood: it changes with the units of θ",
        ),
    ]


def _curse(doc: Document) -> list[tuple[str, str, str]]:
    rows = doc["lesson"]["nodes"]
    return [(str(r["dimension"]), count(r["nodes"]), duration(number(r["seconds"]))) for r in rows]
