import io
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from vs_laws.td_error import fit_td_error, largest_batch, mean_slopes, width_slopes

CURVES = Path(__file__).resolve().parents[3] / "../shared/curves"
B, N, S = (
    v.ravel()
    for v in np.meshgrid([64.0, 256, 1024, 4096], [2e5, 2e6, 2e7], [1.0, 2, 4], indexing="ij")
)


def error(b, n, s):
    """Overfits with B below N = 2e6, improves above."""
    return 0.1 * (b / 512) ** (-0.1 * np.log(n / 2e6)) * (n / 2e6) ** -0.3 * s**0.2


def test_recovers_the_interaction():
    fit = fit_td_error(B, N, S, error(B, N, S))
    assert fit.coefficients["batch_size:critic_params"].value == pytest.approx(-0.1)
    assert fit.coefficients["sigma"].value == pytest.approx(0.2)
    assert fit.r2 == pytest.approx(1.0)
    np.testing.assert_allclose(fit.predict(300, 1e6, 3.0).value, error(300, 1e6, 3.0))
    slopes = fit.batch_slope([2e5, 2e6, 2e7]).value
    np.testing.assert_allclose(slopes, [0.1 * np.log(10), 0.0, -0.1 * np.log(10)], atol=1e-9)
    # small critics: the smallest batch; large ones: the largest; in between all are within 5 %
    batches = [64, 256, 1024, 4096]
    np.testing.assert_array_equal(largest_batch(fit, [2e5, 2e6, 2e7], batches), [64, 4096, 4096])
    wide = largest_batch(fit, [2e5], batches, tolerance=4.0 ** (0.1 * np.log(10)) - 1 + 1e-6)
    assert wide.tolist() == [256.0]


def test_robust_errors_against_their_definition():
    rng = np.random.default_rng(0)
    y = error(B, N, S) * np.exp(0.2 * rng.normal(size=B.size) * np.sqrt(B / 512))
    fit = fit_td_error(B, N, S, y)
    b, n, s = (np.log(v) - np.log(v).mean() for v in (B, N, S))
    X = np.stack([np.ones_like(b), b, n, s, b * n], axis=1)
    beta = np.linalg.lstsq(X, np.log(y), rcond=None)[0]
    np.testing.assert_allclose([e.value for e in fit.coefficients.values()], beta, atol=1e-12)
    r, bread = np.log(y) - X @ beta, np.linalg.inv(X.T @ X)
    hat = np.diag(X @ bread @ X.T)
    cov = bread @ (X.T * (r / (1 - hat)) ** 2) @ X @ bread
    np.testing.assert_allclose(
        [e.std_error for e in fit.coefficients.values()], np.sqrt(np.diag(cov))
    )
    point = fit.predict(512, 2e6, 2.0)
    assert point.low < point.value < point.high
    one_sigma = fit_td_error(B[S == 1], N[S == 1], S[S == 1], y[S == 1])
    assert "sigma" not in one_sigma.coefficients
    assert one_sigma.to_dict()["n"] == 12


def test_refusals_and_missing_points():
    y = error(B, N, S)
    y[0] = np.nan
    assert fit_td_error(B, N, S, y).notes == ("1 of 36 points are missing",)
    with pytest.raises(ValueError, match="error must be positive"):
        fit_td_error(B, N, S, -y)
    with pytest.raises(ValueError, match="must both vary"):
        fit_td_error(np.full(36, 8.0), N, S, y)
    with pytest.raises(ValueError, match="two distinct values"):
        width_slopes({"main": [1.0, 1.0]}, [1.0, 2.0])


def test_width_slopes_are_least_squares():
    rng = np.random.default_rng(3)
    w = np.array([128.0, 256, 512, 1024, 2048])
    y = w**-0.4 * np.exp(0.1 * rng.normal(size=5))
    coefficients, cov = np.polyfit(np.log(w), np.log(y), 1, cov=True)
    found = width_slopes({"main": w}, y)["main"]
    assert found.value == pytest.approx(coefficients[0])
    assert found.std_error == pytest.approx(np.sqrt(cov[0, 0]))
    main, passive = np.tile(w, 5), np.repeat(w, 5)
    both = width_slopes({"main": main, "passive": passive}, main**-0.5 * passive**-0.2)
    assert both["main"].value == pytest.approx(-0.5)
    assert both["passive"].value == pytest.approx(-0.2)


def test_mean_slopes_are_the_means_of_single_fits():
    rng = np.random.default_rng(4)
    w = np.array([128.0, 256, 512])
    main, passive = np.tile(w, 3), np.repeat(w, 3)
    y = main**-0.4 * passive**-0.1 * np.exp(0.1 * rng.normal(size=9))
    y[0] = np.nan
    found = mean_slopes({"main": main, "passive": passive}, y)
    for name, (own, other) in {"main": (main, passive), "passive": (passive, main)}.items():
        slopes = []
        for value in w:
            here = (other == value) & np.isfinite(y)
            slopes.append(np.polyfit(np.log(own[here]), np.log(y[here]), 1)[0])
        assert found[name] == pytest.approx(np.mean(slopes))


@pytest.mark.parametrize(
    ("task", "main", "passive"),
    [("h1-crawl-v0", -0.55, -0.33), ("h1-pole-v0", -0.27, -0.11), ("h1-stand-v0", -0.39, -0.11)],
)
def test_published_passive_critics(task, main, passive):
    """Slopes of the mean validation error over 720k-800k steps (arXiv:2508.14881 §4)."""
    path = CURVES / "side_critic.zip"
    if not path.exists():
        pytest.skip("the published runs (../shared/curves) are not beside this checkout")
    name = re.compile(
        rf".*w(\d+)p\d+/utd_[\d.]+/{task}/sep_validation_critic_loss/.*sep_True_w(\d+)p\d+.*\.npy"
    )
    cells = {}
    with zipfile.ZipFile(path) as archive:
        for member in archive.namelist():
            if found := name.fullmatch(member):
                rows = np.load(io.BytesIO(archive.read(member)), allow_pickle=False)
                late = (rows[:, 0] >= 720_000) & (rows[:, 0] <= 800_000)
                key = float(found[1]), float(found[2])
                cells.setdefault(key, []).append(np.nanmean(rows[late, 1:]))
    error = [np.mean(runs) for runs in cells.values()]  # runs of the same two widths count once
    widths = np.transpose(list(cells))
    slopes = width_slopes({"main": widths[0], "passive": widths[1]}, error)
    assert round(slopes["main"].value, 2) == main
    assert round(slopes["passive"].value, 2) == passive
