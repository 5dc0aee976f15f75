"""Are the numbers beside the sliders right, at every stand of them, and does a real browser move them?"""

import itertools
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import numpy as np
import pytest
from click.testing import CliRunner
from scipy import integrate, stats

import bayes_sandbox as bs
from bayes_sandbox import explorer
from bayes_sandbox.cli import cli
from bayes_sandbox.errors import UserError
from bayes_sandbox.explorer import FAMILIES, Grid, Setting, model_of, scene_at
from bayes_sandbox.report import explorer as drawing

CORNERS = [
    Setting(family, scale, noise, num_points, 12)
    for family in FAMILIES
    for scale, noise, num_points in itertools.product((1.0, 1000.0), (5.0, 100.0), (20, 133))
]


@pytest.mark.slow
@pytest.mark.parametrize("family", ["l1", "student_t", "box"])
def test_the_product_of_lines_is_what_the_grid_finds(family: str) -> None:
    setting = Setting(family, 20.0, 25.0, 60, 2)
    seen, model = scene_at(setting), model_of(setting)
    grid = bs.fit_grid(model)
    assert float(seen.log_evidence) == pytest.approx(grid.evidence.log_evidence, abs=1e-7)
    assert seen.mean == pytest.approx(grid.mean["w"], abs=1e-6)
    assert seen.sd == pytest.approx(grid.sd["w"], abs=1e-6)
    assert seen.mode == pytest.approx(bs.fit_map(model).params["w"], abs=1e-6)
    fit = model.log_likelihood({"w": seen.mode})
    assert float(seen.log_likelihood) == pytest.approx(sum(float(np.sum(v)) for v in fit.values()), abs=1e-9)


@pytest.mark.parametrize("num_points", [20, 133])
@pytest.mark.parametrize("scale", [1.0, 1000.0])
def test_a_normal_prior_has_its_closed_form_in_twelve_dimensions(num_points: int, scale: float) -> None:
    setting = Setting("l2", scale, 15.0, num_points, 12)
    features = explorer.design(num_points, 12)
    assert features.T @ features == pytest.approx(num_points * np.eye(12), abs=1e-9 * num_points)
    y, noise, ratio = explorer.points(num_points)[1], 15.0**2, (scale / 15.0) ** 2
    inner = np.eye(12) + ratio * features.T @ features  # Woodbury: the covariance of y itself loses eight digits here
    projected = features.T @ y
    quadratic = (y @ y - ratio * projected @ np.linalg.solve(inner, projected)) / noise
    exact = -(num_points * np.log(2 * np.pi * noise) + np.linalg.slogdet(inner)[1] + quadratic) / 2
    covariance = noise * np.eye(num_points) + scale**2 * features @ features.T
    assert stats.multivariate_normal.logpdf(y, cov=covariance) == pytest.approx(exact, rel=1e-9)
    seen = scene_at(setting)
    assert abs(float(seen.log_evidence) - exact) <= min(1e-8, float(seen.error))


@pytest.mark.parametrize("setting", CORNERS, ids=lambda s: f"{s.family} {s.scale:g} {s.noise:g} {s.num_points}")
def test_the_lines_hold_in_the_corners(setting: Setting) -> None:
    seen = scene_at(setting)
    assert 0 < seen.error < 1e-3
    for at in (0, 5, 11):
        centre, width, mode = float(seen.estimate[at]), float(seen.width), float(seen.mode[at])
        log_joint = partial(_log_joint, setting, centre, width)
        low, high = min(0.0, centre) - 10 * width, max(0.0, centre) + 10 * width
        if setting.family == "box":
            low, high = max(low, -setting.scale), min(high, setting.scale)
        top = log_joint(np.array(mode))
        assert log_joint(np.linspace(low, high, 4001)).max() <= top + 1e-9
        ends = [0.0, -setting.scale, setting.scale, centre, *(mode + width * np.array([-3, -1, -0.1, 0, 0.1, 1, 3]))]
        ends = np.unique(np.clip([low, *ends, high], low, high))
        whole = _moment(log_joint, top, 0, ends)
        assert float(seen.log_z[at]) == pytest.approx(top + np.log(whole), abs=min(1e-6, float(seen.error) + 1e-11))
        assert float(seen.mean[at]) == pytest.approx(
            _moment(log_joint, top, 1, ends) / whole, abs=1e-6 * max(1, abs(centre))
        )


def _log_joint(setting: Setting, centre: float, width: float, w: np.ndarray) -> np.ndarray:
    return _log_prior(setting.family, setting.scale, w) - (w - centre) ** 2 / (2 * width**2)


def _log_prior(family: str, scale: float, w: np.ndarray) -> np.ndarray:
    if family == "elastic_net":
        constant = 2 * np.sqrt(2 * np.pi) * scale * np.exp(0.5) * stats.norm.sf(1.0)
        return -np.abs(w) / scale - (w / scale) ** 2 / 2 - np.log(constant)
    laws = {"l2": stats.norm, "l1": stats.laplace, "student_t": stats.t(3), "box": stats.uniform(-1, 2)}
    return laws[family].logpdf(w / scale) - np.log(scale)


def _moment(log_joint: Callable[[np.ndarray], np.ndarray], top: float, power: int, ends: np.ndarray) -> float:
    """Return the integral of w^power exp(log_joint(w) − top), piece by piece, by another rule."""
    return integrate.tanhsinh(lambda w: w**power * np.exp(log_joint(w) - top), ends[:-1], ends[1:]).integral.sum()


@pytest.mark.parametrize("box", explorer.BOXES)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_sum_over_the_plane_is_the_product_that_is_shown(family: str, box: str) -> None:
    setting, grid = Setting(family, 10.0, 30.0, 40, 2), Grid(7, box)
    seen = scene_at(setting)
    edges = [grid.edges(seen, at) for at in range(2)]
    middles = np.stack(np.meshgrid(*((e[1:] + e[:-1]) / 2 for e in edges), indexing="ij"), -1).reshape(-1, 2)
    logs = np.asarray(jax.vmap(lambda w: model_of(setting).log_joint({"w": w}))(middles))
    areas = np.log([e[1] - e[0] for e in edges]).sum()
    assert grid.log_sum(seen) == pytest.approx(np.logaddexp.reduce(logs) + areas, abs=1e-9)


def test_the_lasso_has_the_zeros_of_soft_thresholding_and_no_posterior_mean_has() -> None:
    setting = Setting("l1", 3.0, 40.0, 60, 12)
    seen = scene_at(setting)
    threshold = 40.0**2 / (60 * 3.0)
    expected = np.sign(seen.estimate) * np.maximum(np.abs(seen.estimate) - threshold, 0)
    assert seen.mode == pytest.approx(expected, abs=1e-9)
    assert np.array_equal(seen.mode == 0, expected == 0)  # exactly
    assert 0 < (seen.mode == 0).sum() < 12
    assert np.all(seen.mean != 0)


def test_what_the_page_says_to_try_happens() -> None:
    seen = scene_at(Setting())
    assert np.all(np.diff(seen.fits[0]) > 0)  # the fit only rises with τ
    assert 0 < np.argmax(seen.evidences[0]) < len(explorer.SCALES) - 1
    by_order = [float(scene_at(Setting(num_weights=d)).log_evidence) for d in range(1, 13)]
    assert 0 < np.argmax(by_order) < 11
    errors = [
        abs(Grid(20).log_sum(s) - float(s.log_evidence)) for s in (scene_at(Setting(num_weights=d)) for d in (1, 12))
    ]
    assert errors[0] < errors[1]
    few, many = (scene_at(Setting(num_points=n, scale=1000.0)).sd[0] for n in (30, 120))
    assert few / many == pytest.approx(2, rel=1e-3)  # 1/√n


def test_evidence_against_the_scale_is_that_of_each_scale() -> None:
    own = list(FAMILIES).index("student_t")
    seen = scene_at(Setting("student_t", 5.0))
    for at in (0, 13, 30):
        there = scene_at(Setting("student_t", float(explorer.SCALES[at])))
        assert seen.evidences[own, at] == pytest.approx(float(there.log_evidence), abs=1e-9)
        assert seen.fits[own, at] == pytest.approx(float(there.log_likelihood), abs=1e-9)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"family": "ridge"}, "there is no family 'ridge'"),
        ({"scale": 0.0}, "more than zero"),
        ({"num_points": 5}, "expected 20 to 133"),
        ({"num_weights": 13}, "expected 1 to 12"),
    ],
)
def test_a_setting_outside_the_sliders_is_refused(wrong: dict[str, object], words: str) -> None:
    with pytest.raises(UserError, match=re.escape(words)):
        Setting(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("setting", [Setting(), *CORNERS[::3]], ids=str)
def test_every_picture_can_be_drawn(setting: Setting, recwarn: pytest.WarningsRecorder) -> None:
    seen, grid = scene_at(setting), Grid(9, "posterior")
    pictures = [
        drawing.draw_weight(setting, seen, grid, 11),
        drawing.draw_curve(setting, seen),
        drawing.draw_evidence(setting, seen),
        drawing.draw_error(setting, seen, grid, 1e6),
    ]
    assert all(p.png.startswith(b"\x89PNG") and len(p.png) > 10_000 and "nan" not in p.words for p in pictures)
    assert [w.message for w in recwarn] == []


def test_the_command_refuses_what_it_cannot_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        taken = CliRunner().invoke(cli, ["explore", "--no-browser", "--no-cache", "--port", port])
    assert taken.exit_code == 2
    assert f"port {port} is taken" in taken.output
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    without = CliRunner().invoke(cli, ["explore", "--no-browser", "--no-cache"])
    assert without.exit_code == 2
    assert "pip install 'bayes-sandbox[explore]'" in without.output


# In a browser ---------------------------------------------------------------------------------------------------------

PATIENCE = 90_000  # ms


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Serve the page as the command does, and end it as Ctrl-C does."""
    command = [sys.executable, "-m", "bayes_sandbox", "explore", "--no-browser", "--no-cache"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as served:
        assert served.stdout is not None
        said = served.stdout.readline()
        found = re.match(r"page: (http://127\.0\.0\.1:\d+)", said)
        assert found, said
        yield found[1]
        served.send_signal(signal.SIGINT)
        try:
            assert served.wait(20) == 0
        finally:
            served.kill()


@pytest.mark.browser
def test_a_slider_moves_and_the_numbers_are_the_right_ones(browser: Any, address: str) -> None:
    page = browser.new_page(viewport={"width": 1400, "height": 1500})
    asked: list[str] = []
    broken: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: broken.append(str(error)))
    page.goto(address)

    def shown(setting: Setting, grid: Grid) -> list[str]:
        """Wait until the page shows this setting's numbers, and return what it said of its pictures."""
        expected = list(drawing.numbers(setting, scene_at(setting), grid).values())
        page.wait_for_function(
            "expected => JSON.stringify([...document.querySelectorAll('#numbers output')].map(o => o.textContent))"
            " == JSON.stringify(expected)",
            arg=expected,
            timeout=PATIENCE,
        )
        sizes = page.eval_on_selector_all("figure img", "all => all.map(i => i.naturalWidth)")
        assert sizes == [728] * 4
        words = page.eval_on_selector_all("figure img", "all => all.map(i => i.alt)")
        seen = scene_at(setting)
        drawn = [drawing.draw_weight(setting, seen, grid, 1), drawing.draw_curve(setting, seen)]
        assert words[:3] == [p.words for p in [*drawn, drawing.draw_evidence(setting, seen)]]
        return words

    first = shown(Setting(), Grid())
    scale, noise, num_points, num_weights, num_nodes, _ = page.get_by_role("slider").all()
    scale.focus()
    page.keyboard.press("ArrowLeft")
    second = shown(Setting(scale=40.0), Grid())
    assert second[2] != first[2]
    num_nodes.focus()
    page.keyboard.press("End")
    third = shown(Setting(scale=40.0), Grid(explorer.MOST_NODES))
    assert third[:3] == second[:3]
    assert third[3] != second[3]
    noise.focus()
    page.keyboard.press("Home")
    num_points.focus()
    page.keyboard.press("End")
    num_weights.focus()
    page.keyboard.press("Home")
    page.get_by_text("posterior", exact=True).first.click()
    page.locator("select").first.select_option(label=FAMILIES["l1"].label)
    shown(Setting("l1", 40.0, 5.0, explorer.MOST_POINTS, 1), Grid(explorer.MOST_NODES, "posterior"))
    page.get_by_text("L1 (lasso) penalty").wait_for(timeout=PATIENCE)
    page.close()
    assert broken == []
    own = (address, address.replace("http", "ws"), "data:", "blob:")
    assert [url for url in asked if not url.startswith(own)] == []
