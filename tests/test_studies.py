"""Every study: its question, its room, and what is asked for wrongly."""

from pathlib import Path

import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest

import bayes_sandbox as bs
from bayes_sandbox.errors import UserError
from bayes_sandbox.studies import STUDIES, find_study, module_of


@pytest.mark.parametrize("name", STUDIES)
def test_every_question_fits_a_line(name):
    assert len(STUDIES[name]) + max(map(len, STUDIES)) + 2 < 80
    assert getattr(bs, f"study_{name.replace('-', '_')}") is find_study(name)


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_has_a_room_where_it_is_kept_and_drawn(name):
    room = Path(__file__).parent / f"test_study_{module_of(name)}.py"
    assert f'check_kept_and_drawn("{name}", tmp_path)' in room.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "settings", "sentence"),
    [
        ("dimension", {"families": ["rate"]}, "did you mean 'rates'"),
        ("dimension", {"methods": ["sums"]}, "there is no method 'sums'"),
        ("order", {"families": ["polynomials"]}, "did you mean 'polynomial'"),
        ("prior-width", {"parameter": "mue"}, "did you mean 'mu'"),
        ("dimension", {"dimensions": [2, 0]}, "dimensions from 1 to"),
        ("sensitivity", {"powers": [-1.0]}, "expected positive powers"),
        ("sequential", {"num_steps": 1}, "two arrivals"),
        ("problems", {"names": ["eggbax"]}, "did you mean 'eggbox'"),
        ("calibration", {"methods": ["importnce"]}, "did you mean 'importance'"),
        ("calibration", {"names": ["con"]}, "there is no problem 'con'"),
    ],
)
def test_a_wrong_setting_gets_a_sentence(name, settings, sentence):
    with pytest.raises(UserError, match=sentence):
        find_study(name)(**settings)


def factor_alone() -> bs.Model:
    def program():
        numpyro.factor("f", -((numpyro.sample("x", dist.Normal(0, 1)) - 1) ** 2))

    return bs.Model.from_numpyro(program)


TWELVE = bs.Model({"w": dist.Cauchy(0, np.ones(12)).to_event(1)}, lambda w: dist.StudentT(3, w, 1), np.ones(12))


@pytest.mark.parametrize(
    ("study", "model", "sentence"),
    [
        (bs.study_sequential, bs.Model({"p": dist.Beta(1, 1)}, lambda p: dist.Binomial(9, p), 2), "cannot be cut"),
        (bs.study_sequential, factor_alone(), "cannot be cut"),
        (bs.study_sequential, TWELVE.with_prior(w=dist.ImproperUniform(dist.constraints.real, (), (12,))), "proper"),
        (bs.study_sensitivity, factor_alone(), "only numpyro.factor terms"),
        (bs.study_sensitivity, TWELVE, "cannot be summed"),
        (bs.study_prior_width, TWELVE, "one scalar's prior"),
        (bs.study_prior_width, factor_alone(), "only numpyro.factor terms"),
        (bs.study_prior_width, bs.Model({"p": dist.Beta(1, 1)}, lambda p: dist.Binomial(9, p), 2), "unbounded"),
    ],
)
def test_a_model_that_does_not_suit_gets_a_sentence(study, model, sentence):
    with pytest.raises(UserError, match=sentence):
        study(model, fast=True)


def test_an_unknown_study_gets_a_sentence():
    with pytest.raises(UserError, match="did you mean 'order'"):
        find_study("orders")
