"""Tick labels a person would write, ticks that adapt, and colours that stay apart."""

import itertools

import numpy as np
import pytest
import vs_plots as vp
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from vs_plots.ticks import (
    BUDGET,
    DATA,
    LEARNING_RATE,
    SIGMA,
    count_label,
    flops_label,
    plain_label,
    rate_label,
)


@pytest.mark.parametrize(
    ("function", "value", "label"),
    [
        (plain_label, 0.25, "0.25"),
        (plain_label, 0.5, "0.5"),
        (plain_label, 16.0, "16"),
        (plain_label, 4096.0, "4096"),
        (plain_label, 1 / 32, "0.03125"),
        (plain_label, 1 / 64, "2⁻⁶"),
        (plain_label, 2.0**-10, "2⁻¹⁰"),
        (count_label, 0, "0"),
        (count_label, 200_000, "200k"),
        (count_label, 1_000_000, "1M"),
        (count_label, 2_500_000, "2.5M"),
        (count_label, 999_999.9999, "1M"),
        (count_label, 3e9, "3B"),
        (flops_label, 1e15, "10¹⁵"),
        (flops_label, 3e15, "3×10¹⁵"),
        (flops_label, 9.99e15, "10¹⁶"),
        (rate_label, 3e-4, "3e-4"),
        (rate_label, 1.5e-4, "1.5e-4"),
        (rate_label, 1e-3, "1e-3"),
    ],
)
def test_labels(function, value, label):
    assert function(value) == label


def ticks(quantity, low, high, *, width=3.4):
    figure = Figure(figsize=(width, 2))
    ax = figure.subplots()
    vp.log_axis(ax.xaxis, quantity)
    ax.set_xlim(low, high)
    return np.asarray(ax.xaxis.get_majorticklocs())


def test_sigma_ticks_are_powers_of_two():
    np.testing.assert_allclose(ticks(SIGMA, 0.2, 20), [0.25, 0.5, 1, 2, 4, 8, 16])
    np.testing.assert_allclose(ticks(SIGMA, 2**-16.5, 2**-9.5), 2.0 ** np.arange(-16, -9))


def test_ticks_thin_out_in_a_small_panel_and_fill_a_narrow_range():
    np.testing.assert_allclose(ticks(SIGMA, 0.2, 20, width=1.4), [0.25, 1, 4, 16])
    assert len(ticks(SIGMA, 3.1, 5.9)) >= 3
    np.testing.assert_allclose(ticks(DATA, 1.5e5, 2.2e6), [2e5, 5e5, 1e6, 2e6])
    np.testing.assert_allclose(ticks(BUDGET, 5e13, 2e17), 10.0 ** np.arange(14, 18))
    assert len(ticks(LEARNING_RATE, 1e-4, 5e-4)) >= 3
    assert len(ticks(DATA, 1e3, 1e40)) <= 12


@pytest.mark.parametrize(
    ("low", "high", "shown"),
    [
        (2.35e16, 7.7e16, [3e16, 7e16]),
        (5.6e16, 1.35e17, [6e16, 1e17]),
        (1.2e16, 1.8e16, [1.2e16, 1.8e16]),  # no number of one digit
    ],
)
def test_a_narrow_panel_keeps_two_ticks(low, high, shown):
    np.testing.assert_allclose(ticks(BUDGET, low, high, width=1.6), shown)


# Machado, Oliveira & Fernandes 2009, table 1, severity 1.0, on linear RGB.
DEUTERANOPIA = np.array(
    [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ]
)
PROTANOPIA = np.array(
    [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ]
)


def lab(color, matrix):
    """CIELAB (D65) of a colour as it is seen through a colour-vision matrix."""
    rgb = np.array(to_rgb(color))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(matrix @ linear, 0, 1)
    to_xyz = np.array(
        [
            [0.4124564, 0.3575761, 0.1804375],
            [0.2126729, 0.7151522, 0.0721750],
            [0.0193339, 0.1191920, 0.9503041],
        ]
    )
    x = to_xyz @ seen / np.array([0.95047, 1.0, 1.08883])
    f = np.where(x > (6 / 29) ** 3, np.cbrt(x), x / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def least_distance(colors, matrix):
    return min(
        np.linalg.norm(lab(a, matrix) - lab(b, matrix))
        for a, b in itertools.combinations(colors, 2)
    )


@pytest.mark.parametrize("matrix", [np.eye(3), DEUTERANOPIA, PROTANOPIA])
def test_palette_stays_apart(matrix):
    # ΔE*ab of 10 is several times what is just noticeable (2.3)
    assert least_distance(vp.OKABE_ITO, matrix) > 10


def test_red_and_green_would_fail():
    assert least_distance(["#8C5A00", "#4F7000"], DEUTERANOPIA) < 10


@pytest.mark.parametrize("matrix", [np.eye(3), DEUTERANOPIA, PROTANOPIA])
def test_sequential_colors_are_ordered_and_apart(matrix):
    colors = vp.sequential_colors([0.25, 0.5, 1, 2, 4, 8, 16])
    lightness = [lab(color, matrix)[0] for color in colors]
    assert np.all(np.diff(lightness) > 3)
    assert least_distance(colors, matrix) > 5


def test_sequential_colors_follow_values_not_positions():
    a, b, c, again = vp.sequential_colors([4, 1, 2, 4])
    assert a == again
    assert [b, c, a] == vp.sequential_colors([1, 2, 4])
    assert len(vp.sequential_colors([3])) == 1
