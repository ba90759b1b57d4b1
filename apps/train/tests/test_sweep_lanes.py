from dataclasses import replace

import pytest
from vs_train import TrainConfig
from vs_train.sweep.calibrate import Speed, kind
from vs_train.sweep.lanes import choose_lanes, program, sizes

CELL = TrainConfig(batch_size=4, critic_width=8, learning_rates=(1e-3, 3e-3), seeds=6, steps=5_000)


def test_sizes_halve_down_to_one():
    assert sizes(12) == [12, 6, 3, 2, 1]
    assert sizes(1) == [1]


class Machine:
    """A step takes 100 and 3 per lane; an update 10 per lane, ten times that beyond ``cache``."""

    def __init__(self, cache):
        self.cache, self.asked = cache, []

    def __call__(self, kinds):
        self.asked += list(kinds)
        return {one: self.speed(one.seeds) for one in self.asked}

    def speed(self, lanes):
        update = 10 * lanes * (10 if lanes > self.cache else 1)
        return Speed(step=100 + 3 * lanes, update=update, start=1.0)


@pytest.mark.parametrize(("cache", "expected"), [(12, 12), (6, 6), (1, 1)])
def test_the_fastest_per_agent_is_chosen(tmp_path, cache, expected):
    cell = replace(CELL, utd=8.0)
    (chosen,) = choose_lanes([cell], tmp_path, measure=Machine(cache))
    assert chosen == replace(cell, lanes_per_program=expected)


def test_the_choice_goes_by_the_cells_own_utd(tmp_path):
    """(103 + σ·10)/1 against (136 + σ·1200)/12: calls dominate at small σ, the cache at large."""
    cells = [replace(CELL, utd=utd) for utd in (0.5, 8.0)]
    machine = Machine(cache=1)
    found = choose_lanes(cells, tmp_path, measure=machine)
    assert [cell.lanes_per_program for cell in found] == [12, 1]
    assert len(machine.asked) == len(sizes(12))  # both are of one kind


def test_what_was_measured_is_kept_and_what_is_set_stays(tmp_path):
    first = choose_lanes([CELL], tmp_path, measure=Machine(12))

    def never(kinds):
        raise AssertionError(f"measured again: {kinds}")

    assert choose_lanes([CELL], tmp_path, measure=never) == first
    own = replace(CELL, lanes_per_program=5, critic_width=16)
    assert choose_lanes([own], tmp_path, measure=never) == [own]


def test_a_program_is_a_kind_of_its_own():
    assert program(CELL, 3) == kind(replace(CELL, seeds=3, learning_rates=(1e-3,)))
