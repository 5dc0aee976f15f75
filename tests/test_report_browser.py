"""Does a real browser show the report: no network, no errors, every figure, on a phone and on paper?"""

from collections.abc import Iterator
from pathlib import Path

import numpyro.distributions as dist
import pytest

import bayes_sandbox as bs

sync_api = pytest.importorskip("playwright.sync_api")

pytestmark = pytest.mark.browser

PHONE, DESK = 400, 1200


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = bs.Model(
        {"mean": dist.Normal(0, 10), "spread": dist.HalfNormal(5)},
        lambda mean, spread: dist.Normal(mean, spread).expand([6]).to_event(1),
        observed=[1.0, 2.5, 0.3, 1.9, 1.1, 2.2],
        name="browser",
    )
    result = bs.compare(model, num_warmup=200, num_samples=200, evidence=("laplace", "grid"))
    return result.report(tmp_path_factory.mktemp("run"))


@pytest.fixture
def page(browser: "sync_api.Browser", report: Path) -> Iterator["sync_api.Page"]:
    """Open the report, and fail afterwards if the console complained or anything else was asked for."""
    opened = browser.new_page(viewport={"width": DESK, "height": 900})
    said: list[str] = []
    asked: list[str] = []
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("request", lambda request: asked.append(request.url))
    opened.goto(report.as_uri(), wait_until="load")
    yield opened
    opened.close()
    assert said == []
    assert [url for url in asked if not url.startswith("data:")] == [report.as_uri()]


def test_every_figure_has_a_size(page: "sync_api.Page", report: Path) -> None:
    sizes = page.eval_on_selector_all(
        "figure img", "all => all.map(i => [i.naturalWidth, i.getBoundingClientRect().width, i.alt.length])"
    )
    assert len(sizes) == len(list((report.parent / "plots").iterdir()))
    assert len(sizes) >= 8
    assert all(natural > 0 and shown > 200 and words > 0 for natural, shown, words in sizes)


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_nothing_makes_the_page_scroll_sideways(page: "sync_api.Page", width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    # Whatever is wider than the screen scrolls inside its own box.
    outside = page.eval_on_selector_all(
        "table, figure img", "all => all.filter(e => !e.closest('.scroll')).map(e => e.tagName)"
    )
    assert outside == []


def test_headings_and_alerts_come_in_order(page: "sync_api.Page") -> None:
    assert page.locator("h1").all_inner_texts() == ["browser"]
    assert page.locator("main > *").first.get_attribute("id") == "alerts"
    sections = page.eval_on_selector_all("main > section", "all => all.map(s => s.id)")
    assert sections == ["alerts", "model", "parameters", "nuts", "predictive", "evidence", "curse", "blind"]


def test_paper_shows_the_text(page: "sync_api.Page") -> None:
    page.emulate_media(media="print")
    for words in ("The evidence", "Can the draws be believed?", "What no check can see"):
        assert page.get_by_role("heading", name=words).is_visible()
    assert page.locator("table").first.is_visible()
    assert len(page.pdf()) > 10_000
