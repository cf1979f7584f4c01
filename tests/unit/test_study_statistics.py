"""The statistics of a study agree, to three digits, with the worked examples of those who published them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.study.statistics import (
    agreement,
    cronbach_alpha,
    friedman,
    holm,
    krippendorff_alpha,
    quadratic_kappa,
    wilcoxon,
)

NAN = math.nan

# Krippendorff (2011), Computing Krippendorff's Alpha-Reliability, example D: four observers, twelve units.
OBSERVERS = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
    [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
]

# Shrout and Fleiss (1979), Intraclass Correlations, table 2: six targets (rows), four judges.
TARGETS = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]

# Hollander and Wolfe (1973), p. 140 ff.: three ways of rounding first base, 22 players.
ROUNDING = """5.40 5.50 5.55 5.85 5.70 5.75 5.20 5.60 5.50 5.55 5.50 5.40 5.90 5.85 5.70 5.45 5.55 5.60 5.40 5.40 5.35
5.45 5.50 5.35 5.25 5.15 5.00 5.85 5.80 5.70 5.25 5.20 5.10 5.65 5.55 5.45 5.60 5.35 5.45 5.05 5.00 4.95 5.50 5.50 5.40
5.45 5.55 5.50 5.55 5.55 5.35 5.45 5.50 5.55 5.50 5.45 5.25 5.65 5.60 5.40 5.70 5.65 5.55 6.30 6.30 6.25"""

# Hollander and Wolfe (1973), p. 29 f.: the Hamilton depression scale before and after a tranquilliser.
BEFORE = [1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30]
AFTER = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29]


def test_krippendorffs_own_example() -> None:
    assert krippendorff_alpha(OBSERVERS) == pytest.approx(0.815, abs=5e-4)


def test_shrout_and_fleiss_table() -> None:
    found = agreement(np.array(TARGETS).T)
    assert found
    assert found.single == pytest.approx(0.290, abs=5e-4)  # ICC(2,1)
    assert found.average == pytest.approx(0.620, abs=5e-4)  # ICC(2,4)
    assert found.items == 6


def test_consistency_of_shrout_and_fleiss_judges() -> None:
    """Cronbach's alpha of judges is ICC(3,k), which the same table gives as .91."""
    assert cronbach_alpha(TARGETS) == pytest.approx(0.909, abs=5e-4)


def test_friedman_on_hollander_and_wolfe() -> None:
    found = friedman(np.array(ROUNDING.split(), float).reshape(22, 3))
    assert found
    assert found.statistic == pytest.approx(11.143, abs=5e-4)
    assert found.p == pytest.approx(0.003805, abs=5e-6)


def test_wilcoxon_on_hollander_and_wolfe() -> None:
    found = wilcoxon(BEFORE, AFTER)
    assert found
    assert found.statistic == 5  # of 45; the other sum is the published 40
    assert found.p == pytest.approx(2 * 0.01953, abs=5e-5)


def test_holm() -> None:
    assert holm([0.01, 0.04, 0.03, 0.02]) == pytest.approx([0.04, 0.06, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


RATINGS = st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), min_size=2, max_size=30)


@given(RATINGS)
def test_kappa_is_what_its_table_says(pairs: list[tuple[int, int]]) -> None:
    """Cohen's form, over the table of counts, gives the same as the form that needs no table."""
    table = np.zeros((5, 5))
    for one, other in pairs:
        table[one - 1, other - 1] += 1
    place = np.arange(5)
    weights = (place[:, None] - place) ** 2
    expected = np.outer(table.sum(1), table.sum(0)) / len(pairs)
    found = quadratic_kappa(*zip(*pairs, strict=True))
    if (weights * expected).sum() == 0:
        assert found is None
    else:
        assert found == pytest.approx(1 - (weights * table).sum() / (weights * expected).sum())


@given(RATINGS)
def test_raters_who_agree_fully_agree_fully(pairs: list[tuple[int, int]]) -> None:
    same = [one for one, _ in pairs]
    alpha, icc, kappa = krippendorff_alpha([same, same]), agreement([same, same]), quadratic_kappa(same, same)
    if len(set(same)) == 1:
        assert (alpha, icc, kappa) == (None, None, None)
    else:
        assert icc
        assert (alpha, icc.single, icc.average, kappa) == pytest.approx((1, 1, 1, 1))


def test_too_little_gives_no_figure() -> None:
    assert krippendorff_alpha([[1, 2, NAN], [NAN, NAN, 3]]) is None
    assert agreement([[1, 2, 3]]) is None
    assert cronbach_alpha([[1, 2]]) is None
    assert quadratic_kappa([1, NAN], [NAN, 2]) is None
    assert friedman([[1, 2], [2, 3]]) is None
    assert friedman([[1, 1, 1], [2, 2, 2]]) is None
    assert wilcoxon([1, 2, 3], [1, 2, 3]) is None
