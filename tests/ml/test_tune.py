"""What a tuner asks for: better settings soon, within the memory, the same for the same runs."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arrowetl.ml.surface import Trial
from arrowetl.ml.tune import Bound, Way, ask, recommend
from arrowetl.tunable import Knob

ROWS = Knob("rows", (1_000, 4_000, 16_000, 64_000, 256_000), 64_000)
THREADS = Knob("threads", (1, 2, 4, 8), 8)
MEMORY = Knob("memory", (200, 400, 800, 1600), 1600)
KNOBS = (ROWS, THREADS, MEMORY)


def flat(chosen):
    """Batches of some size are best, threads help less and less, memory hardly matters."""
    off = np.log2(chosen["rows"] / 16_000)
    spill = 1.05 - chosen["memory"] / 64_000
    return (1 + 0.05 * off**2) * (0.3 + 0.7 / chosen["threads"]) * spill


def steep(chosen):
    """Small batches are fifty times as slow; more threads are a burden."""
    return (1 + 50_000 / chosen["rows"]) * (1 + 0.15 * chosen["threads"])


def ridged(chosen):
    """The more threads, the smaller the batches ought to be."""
    return 1 + 0.3 * abs(np.log2(chosen["rows"] * chosen["threads"] / 64_000))


def best_of(surface, knobs=KNOBS):
    names = [knob.name for knob in knobs]
    return min(
        surface(dict(zip(names, point, strict=True)))
        for point in product(*(knob.values for knob in knobs))
    )


def tuned(surface, runs, *, seed=0, noise=0.05, bound=None, start=None, knobs=KNOBS):
    rng = np.random.default_rng(seed)
    trials = []
    for _ in range(runs):
        asked = ask(knobs, trials, bound=bound, start=start)
        cost = surface(asked.settings) * float(np.exp(noise * rng.standard_normal()))
        peak = None if bound is None else bound.predict(asked.settings) * 0.9
        trials.append(Trial(asked.settings, cost, peak))
    return trials


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("surface", [flat, steep, ridged])
def test_within_a_tenth_of_the_best_after_twenty_runs_from_a_bad_start(surface, seed):
    start = {"rows": 1_000, "threads": 1, "memory": 200}
    trials = tuned(surface, 20, seed=seed, start=start)
    assert trials[0].settings == start
    advice = recommend(KNOBS, trials)
    # Beside the ridge nothing is better than 1.3 times the best.
    assert surface(advice.settings) <= (1.3 if surface is ridged else 1.1) * best_of(surface)
    assert 0 <= advice.confidence <= 1


def test_runs_repeat_the_best_more_and_more():
    trials = tuned(flat, 40)
    best = recommend(KNOBS, trials).settings
    late = [trial.settings == best for trial in trials[25:]]
    assert sum(late) > 0.7 * len(late)


def test_a_few_wild_timings_do_not_mislead():
    trials = tuned(flat, 20)
    wild = [Trial(t.settings, t.cost * (8 if n in {5, 11} else 1)) for n, t in enumerate(trials)]
    advice = recommend(KNOBS, wild)
    assert flat(advice.settings) <= 1.2 * best_of(flat)


def test_the_same_runs_give_the_same_answer():
    trials = tuned(ridged, 9)
    assert ask(KNOBS, trials) == ask(KNOBS, list(trials))
    assert recommend(KNOBS, trials) == recommend(KNOBS, list(trials))


def takes(chosen):
    return chosen["memory"] * 1e6 + chosen["threads"] * 100e6 + chosen["rows"] * 1000


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 1000), st.floats(4e8, 4e9), st.integers(1, 14))
def test_nothing_is_asked_for_that_is_expected_over_the_bound(seed, limit, runs):
    bound = Bound(limit, takes)
    trials = tuned(flat, runs, seed=seed, bound=bound)
    asked = ask(KNOBS, trials, bound=bound)
    for chosen in (asked.settings, recommend(KNOBS, trials, bound=bound).settings):
        assert takes(chosen) <= limit or asked.way is Way.SMALLEST


def test_what_took_more_than_expected_is_learned_from():
    bound = Bound(1e9, takes)
    small = {"rows": 1_000, "threads": 1, "memory": 200}
    # It took twice what was expected, so that all are taken to.
    trials = [Trial(small, 1.0, 2 * takes(small))]
    asked = ask(KNOBS, trials, bound=bound)
    assert 2 * takes(asked.settings) <= 1e9
    over = [*trials, Trial({"rows": 4_000, "threads": 1, "memory": 200}, 1.0, 1.5e9)]
    for _ in range(5):
        asked = ask(KNOBS, over, bound=bound)
        assert not (asked.settings["rows"] >= 4_000 and asked.settings["memory"] >= 200)
        over.append(Trial(asked.settings, 1.0, takes(asked.settings)))


def test_where_nothing_fits_the_smallest_is_asked_for():
    asked = ask(KNOBS, [], bound=Bound(1.0, takes))
    assert (asked.settings, asked.way) == (
        {"rows": 1_000, "threads": 1, "memory": 200},
        Way.SMALLEST,
    )


def test_others_tell_where_to_begin():
    others = [Trial(t.settings, t.cost, None, 0.9, "other") for t in tuned(steep, 15)]
    asked = ask(KNOBS, others)
    assert asked.way is Way.TRANSFER
    assert steep(asked.settings) <= 1.3 * best_of(steep)
    strangers = [Trial(t.settings, t.cost, None, 0.2, "other") for t in tuned(steep, 15)]
    assert ask(KNOBS, strangers).way is Way.USUAL


def test_reasons_compare_what_was_tried():
    advice = recommend(KNOBS, tuned(steep, 15))
    worst = advice.compared[0]
    assert worst.knob == "rows"
    assert worst.ratio > 1.5
    assert advice.settings["threads"] == 1


def test_one_knob_with_one_value():
    knob = Knob("only", (7,), 7)
    trials = tuned(lambda chosen: 1.0, 5, knobs=(knob,))
    assert all(trial.settings == {"only": 7} for trial in trials)
    assert recommend((knob,), trials).settings == {"only": 7}
