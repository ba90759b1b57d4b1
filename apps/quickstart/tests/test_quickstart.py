"""The study's chain on made curves: training is replaced, everything after it is real."""

import io
import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console
from vs_logging import RunWriter
from vs_quickstart import run_study
from vs_quickstart.cli import main
from vs_quickstart.show import print_outcome, verdict
from vs_train import columns, is_finished
from vs_train.sweep.spec import load_spec

ALPHA, SHARE = 0.7, 3.0  # D_J(σ) = D_min (1 + (SHARE/σ)^ALPHA)
BATCH, RATE = 64.0, 2e-3  # the best at σ = 1
BATCH_POWER, RATE_POWER = -0.5, -0.3
PRESET = load_spec("quickstart")
SPEC = replace(PRESET, tasks=tuple(replace(task, eval_every=100) for task in PRESET.tasks))


def scale(utd):
    return 2_000 * (1 + (SHARE / utd) ** ALPHA)


def pretend(*, depends=True, noise=0.1):
    """A trainer: curves 1000 (1 − exp(−t/τ)) whose τ obeys known laws."""

    def train(cells, out):
        for cell in cells:
            if is_finished(cell, out):
                continue
            choices = cell.choices
            for rate in cell.learning_rates:
                best_batch = BATCH * choices.utd**BATCH_POWER
                best_rate = RATE * choices.utd**RATE_POWER
                away = np.log(choices.batch_size / best_batch) ** 2 + np.log(rate / best_rate) ** 2
                time = scale(choices.utd) * (1 + 0.3 * away) if depends else 5_000.0
                facts = {"steps": cell.steps}
                with RunWriter(out, columns(cell, rate), metadata=facts) as writer:
                    for seed in range(cell.first_seed, cell.first_seed + cell.seeds):
                        rng = np.random.default_rng((seed, int(1e6 * rate), choices.batch_size))
                        own = time * np.exp(noise * rng.normal())
                        for step in range(choices.eval_every, cell.steps + 1, choices.eval_every):
                            value = 1000 * (1 - np.exp(-step / own)) + rng.normal()
                            writer.write(seed=seed, env_step=step, return_=float(value))

    return train


def study(tmp_path, sigma=8.0, **how):
    said = []
    outcome = run_study(SPEC, tmp_path, sigma=sigma, train=pretend(**how), say=said.append)
    assert [sentence[:3] for sentence in said] == ["1/4", "2/4", "3/4", "4/4"]
    return outcome


def shown(outcome):
    console = Console(width=200, record=True, file=io.StringIO())
    print_outcome(outcome, console)
    return console.export_text()


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    return study(tmp_path_factory.mktemp("known"))


def test_a_known_law_is_predicted_where_it_was_not_run(known):
    (one,) = known.held_out
    assert one.run.utd == 8
    assert one.predicted.batch_size.value == pytest.approx(BATCH * 8**BATCH_POWER, rel=0.35)
    assert one.predicted.learning_rate.value == pytest.approx(
        RATE * 8**RATE_POWER, rel=0.5
    )  # three rates
    data = [check for check in one.checks if check.quantity == "data"]
    assert len(data) >= 8
    truth = np.array([-scale(8.0) * np.log(1 - check.level / 1000) for check in data])
    predicted = np.array([check.predicted["law"].value for check in data])
    measured = np.array([check.measured.value for check in data])
    assert (np.abs(measured - truth) / truth < 0.25).all()
    assert np.median(np.abs(predicted / truth - 1)) < 0.25
    assert sum(check.covered for check in data) >= len(data) / 2
    assert one.advantage is not None
    assert one.advantage[0] >= 1.0


def test_compute_is_what_the_updates_of_the_run_cost(known):
    (one,) = known.held_out
    for data, compute in zip(one.checks[::2], one.checks[1::2], strict=True):
        assert (data.quantity, compute.quantity) == ("data", "compute")
        factor = 10 * one.run.critic_params * one.run.batch_size * 8
        assert compute.measured.value == pytest.approx(factor * data.measured.value)
        assert compute.predicted["law"].high == pytest.approx(factor * data.predicted["law"].high)


def test_the_held_out_seeds_are_new_and_the_report_is_there(known):
    assert known.page.is_file()
    laws = json.loads((known.page.parent / "laws.json").read_text())
    assert laws["tasks"]
    text = shown(known)
    assert "predicted at utd 8" in text
    assert "env steps" in text
    assert "intervals hold the measurement" in text


def test_a_study_without_a_law_says_so(tmp_path):
    outcome = study(tmp_path, depends=False, noise=0.2)
    (one,) = outcome.held_out
    assert not any(entry.supported for entry in one.predicted.levels)
    assert "does not carry a law" in verdict(one)
    assert "! the data law at level" in shown(outcome)


def test_hyperparameters_that_are_run_stay_near_the_grid(known):
    from vs_laws import Estimate
    from vs_quickstart.study import held_out_cell

    (one,) = known.held_out
    wild = replace(one.predicted, batch_size=Estimate(1e9), learning_rate=Estimate(float("nan")))
    cell = held_out_cell(SPEC, wild, known.study)
    assert cell.choices.batch_size == 2 * max(SPEC.axes.batch_size)
    rates = SPEC.axes.learning_rate
    assert min(rates) <= cell.learning_rates[0] <= max(rates)


def test_a_utd_of_the_grid_cannot_be_held_out(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--out", str(tmp_path), "--hold-out", "2"])
    assert ended.value.code == 2
    assert "expected a positive utd that the grid does not run" in capsys.readouterr().err


@pytest.mark.slow
def test_the_real_thing_in_a_process(tmp_path):
    command = [sys.executable, "-m", "vs_quickstart.cli", "--out", str(tmp_path / "study")]
    code = "from vs_quickstart.cli import main; main()"
    done = subprocess.run(
        [command[0], "-c", code, *command[3:]], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "predicted at utd 8" in done.stdout
    assert (tmp_path / "study" / "report" / "index.html").is_file()
