"""Specs: what a TOML file stands for, and one sentence for whatever is wrong in it."""

import pytest
from vs_train import TrainConfig
from vs_train.sweep.child import decoded, encoded
from vs_train.sweep.spec import load_spec, parse_spec, preset_names

GOOD = """
algo = "sac"
seeds = 3
first_seed = 5

[axes]
utd = [0.5, 2]
batch_size = [16, 64]
learning_rate = [1e-3, 3e-3]
critic_width = [8, 32]
actor_width = "critic_width"

[tasks."dmc/cartpole-swingup"]
steps = 2_000
eval_every = 500
steps_at_utd = { 2 = 1_000 }

[tasks."dmc/pendulum-swingup"]
steps = 3_000
eval_every = 100
learning_rate = [1e-2]

[constants]
warmup_steps = 10
diagnostics = "memory"
target_entropy_per_action = 1
"""


def test_every_combination_is_one_cell():
    cells = parse_spec(GOOD, source="a.toml").cells()
    axes = [(c.env, c.utd, c.batch_size, c.critic_width) for c in cells]
    assert axes == [
        (env, utd, batch, width)
        for env in ("dmc/cartpole-swingup", "dmc/pendulum-swingup")
        for utd in (0.5, 2.0)
        for batch in (16, 64)
        for width in (8, 32)
    ]
    assert all(c.actor_width == c.critic_width for c in cells)
    assert all((c.seeds, c.first_seed, c.warmup_steps) == (3, 5, 10) for c in cells)
    assert {c.diagnostics for c in cells} == {"memory"}
    assert {(c.env, c.utd, c.steps, c.eval_every) for c in cells} == {
        ("dmc/cartpole-swingup", 0.5, 2000, 500),
        ("dmc/cartpole-swingup", 2.0, 1000, 500),
        ("dmc/pendulum-swingup", 0.5, 3000, 100),
        ("dmc/pendulum-swingup", 2.0, 3000, 100),
    }
    assert {c.critic_depth for c in cells} == {2}
    deeper = GOOD.replace("[8, 32]", "[8, 32]\ncritic_depth = [1, 3]")
    shapes = [(c.critic_width, c.critic_depth) for c in parse_spec(deeper, source="a.toml").cells()]
    assert shapes == [(8, 1), (8, 3), (32, 1), (32, 3)] * 8
    rates = {c.env: c.learning_rates for c in cells}
    assert rates == {"dmc/cartpole-swingup": (1e-3, 3e-3), "dmc/pendulum-swingup": (1e-2,)}


def test_a_quoted_key_may_have_a_dot():
    cells = parse_spec(GOOD.replace("{ 2 =", '{ "0.5" ='), source="a.toml").cells()
    assert {c.steps for c in cells if c.utd == 0.5} == {1000, 3000}


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('algo = "sac"', 'algo = "ppo"', "a.toml: algo = 'ppo': expected one of sac, bro"),
        ('algo = "sac"', "", "a.toml: algo is missing: expected a text"),
        ("seeds = 3", "seeds = 0", "a.toml: seeds = 0: expected an integer of at least 1"),
        ("seeds = 3", "seeds = true", "a.toml: seeds = True: expected an integer of at least 1"),
        ("seeds = 3", "seed = 3", "a.toml: seed is not known here: expected one of algo, seeds"),
        ("first_seed = 5", "first_seed = -1", "first_seed = -1: expected an integer of at least 0"),
        ("[0.5, 2]", "[0.5, 0.5]", "[axes] utd = [0.5, 0.5]: expected a list of distinct positive"),
        ("[0.5, 2]", "[-1]", "[axes] utd = [-1]: expected a list of distinct positive numbers"),
        ("[0.5, 2]", "2", "[axes] utd = 2: expected a list of distinct positive numbers"),
        ("[16, 64]", "[16.5]", "[axes] batch_size = [16.5]: expected a list of distinct positive"),
        ("[8, 32]", "[]", "[axes] critic_width = []: expected a list"),
        ('"critic_width"', '"wide"', "[axes] actor_width = 'wide': expected an integer or"),
        ("learning_rate = [1e-3, 3e-3]", "", "[axes] learning_rate is missing: expected a list"),
        ("steps = 2_000", "", '[tasks."dmc/cartpole-swingup"] steps is missing'),
        ("eval_every = 500", "eval_every = 1500", "eval_every = 1500: expected no more than the"),
        ("{ 2 = 1_000 }", "{ 3 = 1_000 }", "steps_at_utd] 3 = 1000: expected as key one of the"),
        (
            "{ 2 = 1_000 }",
            "{ 0.5 = 1_000, 0.25 = 9 }",
            "steps_at_utd] 0 = {'5': 1000, '25': 9}: expected a number; quote the key "
            '("0.5", "0.25"): TOML takes',
        ),
        ("cartpole-swingup", "cartpole", "[tasks] dmc/cartpole = "),
        ("warmup_steps = 10", "warmup = 10", "[constants] warmup is not known here"),
        ("warmup_steps = 10", 'backend = "auto"', "backend = 'auto': expected one of python, env"),
        ("warmup_steps = 10", 'dtype = "float16"', "[constants] dtype = 'float16': expected one"),
        ("= 1\n", '= "x"\n', "target_entropy_per_action = 'x': expected a positive number"),
        ("seeds = 3", "seeds =", "a.toml: not TOML (Invalid value (at line 3, column 8))"),
        ("first_seed = 5", "first_seed = 999999", "a.toml: first_seed = 999999: expected seeds"),
    ],
)
def test_bad_input_is_one_sentence(old, new, sentence):
    assert old in GOOD
    with pytest.raises(ValueError) as error:
        parse_spec(GOOD.replace(old, new, 1), source="a.toml")
    assert sentence in str(error.value)
    assert str(error.value).startswith("a.toml: ")
    assert "\n" not in str(error.value)


def test_no_such_spec():
    with pytest.raises(ValueError, match=r"nothing: no such file; expected .*\(paper1-dmc, "):
        load_spec("nothing")


def test_presets_are_the_papers_grids():
    grids = {}
    for name in preset_names():
        spec = load_spec(name)
        agents = sum(len(cell.learning_rates) * cell.seeds for cell in spec.cells())
        grids[name] = (spec.algo, len(spec.tasks), len(spec.cells()), agents)
    assert grids == {
        "paper1-dmc": ("bro", 7, 7 * 4 * 5, 7 * 4 * 5 * 4 * 8),
        "paper1-gym": ("sac", 4, 4 * 4 * 3, 4 * 4 * 3 * 3 * 8),
        "paper2-widths": ("bro", 4, 4 * 4 * 9 * 5, 4 * 4 * 9 * 5 * 5),
        "quickstart": ("sac", 1, 3 * 3, 3 * 3 * 3 * 6),
    }


def test_a_cell_survives_the_way_to_its_process():
    cell = TrainConfig(algo="bro-full", learning_rates=(1e-3, 3e-3), reset_steps=(5, 9))
    assert decoded(encoded(cell)) == cell


def test_the_algorithms_constants_may_be_set():
    text = GOOD.replace("[constants]", "[constants]\ndiscount = 0.9\nn_step = 3\nreset_every = 0")
    (cell, *_) = parse_spec(text, source="a.toml").cells()
    assert (cell.discount, cell.n_step, cell.reset_every) == (0.9, 3, 0)
