"""The trainer: what a day of lessons makes of the model, whoever tells them first."""

import random
from math import exp

import msgspec
import pytest

from models.baseline import Prior, unfitted
from models.dial import Dial
from models.fitting import fit
from models.inputs import NAMES, freeze, thaw
from models.online import OnlineModel
from models.protocol import FORGOTTEN, Example, Facts, Lesson, Sighting, Tally
from models.snapshots import ALL_CUSTOMERS, Snapshot, cold
from models.timeline import Timeline
from models.trainer import PENDING, SAMPLE, Trainer, TrainerState

DAY = 86_400_000


def facts(silence: float, repeats: int = 5) -> Facts:
    """Give a customer of a two-day rhythm, silent for so long."""
    return Facts(
        silence=silence,
        repeats=repeats,
        span=2.0 * repeats,
        longest_gap=3.0,
        last_gap=2.0,
        log_gap_mean=0.7,
        log_gap_variance=0.2,
        gap_spread=0.2,
        long_gaps=0,
        gap_trend=0.0,
        decline_sharp=0.0,
        decline_slow=0.0,
        volume=1.0,
        volume_usual=1.0,
        kinds=2.0,
        kinds_usual=2.0,
        volume_total=3.0,
        weekday=2,
        last_weekday=1,
    )


def lessons(days: int, seed: int = 1) -> list[Lesson]:
    """Give days of lessons in which a long silence means a lapse."""
    chance = random.Random(seed)
    model = OnlineModel(cold(30.0, 2.5))
    told: list[Lesson] = []
    for day in range(1, days + 1):
        for number in range(60):
            silence = chance.uniform(0.5, 29)
            judged = model.assess(facts(silence, chance.randrange(1, 20)))
            gone = int(chance.random() < silence / 30)
            at = day * DAY - chance.randrange(1, DAY)
            who = f"c{number}"
            told.append(Example("back", at, who, at - DAY, judged.inputs, (1 - gone,)))
            told.append(Example("lapse", at, who, at - 9 * DAY, judged.inputs, (gone, gone)))
            told.append(Sighting(at, chance.randrange(1 << 32), 0, at, chance.randrange(9)))
        crossings = {i: chance.random() for i in range(0, 300, 10)}
        told.append(Tally(day * DAY, 60, 900.0, crossings, 60, chance.randrange(3)))
    return told


def trained(told: list[Lesson], days: int) -> tuple[Trainer, list[Snapshot]]:
    """Teach a trainer and turn every day."""
    trainer = Trainer(Dial(0.1, 30.0))
    for lesson in told:
        trainer.learn(lesson)
    return trainer, [trainer.turn(day * DAY) for day in range(1, days + 1)]


def test_a_cold_start_says_so_and_a_warm_model_too() -> None:
    """Whoever reads an alert sees whether anything had been learned."""
    _, snapshots = trained(lessons(12), 12)
    assert OnlineModel(cold(30.0, 2.5)).version == "cold"
    assert snapshots[0].version.startswith("cold-")
    assert snapshots[-1].version.startswith("warm-")
    assert snapshots[-1].effective_from == 12 * DAY


def test_longer_silence_is_learned_to_be_worse_than_the_prior_thought() -> None:
    """The labels say so, whatever the prior says."""
    _, snapshots = trained(lessons(12), 12)
    model = OnlineModel(snapshots[-1])
    assert model.assess(facts(1)).p_lapse < 0.3
    assert model.assess(facts(28)).p_lapse > 0.7


def test_a_holiday_does_not_say_that_everybody_comes_less() -> None:
    """Nor that they come more afterwards."""

    class Holidays:
        time_zone = "UTC"

        def offset_ms(self, at: int) -> int:  # noqa: ARG002 - always
            return 0

        def holidays_ms(self, since: int, until: int) -> int:
            return max(0, min(until, 15 * DAY) - max(since, 10 * DAY))

    def activity(trainer: Trainer) -> list[float]:
        for day in range(1, 31):
            visits = 2 if 10 < day <= 15 else 60
            trainer.learn(Tally(day * DAY, visits, 900.0, {}, 60, 0))
        found = [trainer.turn(day * DAY) for day in range(1, 31)]
        return [one.population_short for one in found[9:20]]

    knowing = activity(Trainer(Dial(0.1, 30.0), zone=Holidays()))
    assert min(activity(Trainer(Dial(0.1, 30.0)))) < -1
    assert knowing[:6] == [knowing[0]] * 6


def test_the_order_in_which_partitions_speak_within_a_day_is_irrelevant() -> None:
    """Lessons of a day are put in order before they are learned."""
    told = lessons(10)
    shuffled = list(told)
    random.Random(5).shuffle(shuffled)
    assert trained(told, 10)[1] == trained(shuffled, 10)[1]


def test_a_resumed_trainer_goes_on_as_if_it_had_not_stopped() -> None:
    """Its state is plain numbers, through bytes and back."""
    told = lessons(10)
    trainer = Trainer(Dial(0.1, 30.0))
    for lesson in told:
        trainer.learn(lesson)
    for day in range(1, 6):
        trainer.turn(day * DAY)
    packed = msgspec.json.encode(trainer.state())
    resumed = Trainer.resume(msgspec.json.decode(packed, type=TrainerState), Dial(0.1, 30.0))
    rest = [resumed.turn(day * DAY) for day in range(6, 11)]
    assert rest == trained(told, 10)[1][5:]


def test_the_sample_of_customers_stays_bounded_and_fair() -> None:
    """The lowest hashes stay, whoever came first."""
    trainer = Trainer(Dial(0.1, 30.0))
    hashes = random.Random(2).sample(range(1 << 32), SAMPLE + 500)
    for customer_hash in hashes:
        trainer.learn(Sighting(5, customer_hash, 0, 5, 1))
    snapshot = trainer.turn(DAY)
    assert sorted(trainer.state().sightings) == sorted(hashes)[:SAMPLE]
    assert snapshot.sample_below == sorted(hashes)[SAMPLE - 1] + 1


def test_the_prior_recovers_what_it_was_simulated_from() -> None:
    """MBG/NBD customers in, MBG/NBD parameters out."""
    chance = random.Random(7)
    summaries = []
    for _ in range(3_000):
        rate, death = chance.gammavariate(2.0, 1 / 20.0), chance.betavariate(1.0, 3.0)
        at, last, repeats = 0.0, 0.0, 0
        alive = chance.random() > death
        while alive:
            at += chance.expovariate(rate)
            if at > 200:
                break
            last, repeats = at, repeats + 1
            alive = chance.random() > death
        summaries.append((repeats, last, 200.0))
    fitted = fit(summaries)
    assert fitted is not None
    assert fitted.r / fitted.alpha == pytest.approx(2.0 / 20.0, rel=0.15)
    assert fitted.a / (fitted.a + fitted.b) == pytest.approx(0.25, abs=0.05)


def test_too_few_customers_fit_nothing() -> None:
    """An unfitted prior knows the horizon only."""
    assert fit([(1, 2.0, 3.0)] * 10) is None
    assert fit([]) is None
    assert unfitted(30.0) == Prior(0.5, 5.0, 0.5, 1.5)


def test_the_priors_chances_are_chances() -> None:
    """More silence: more likely gone, less likely back."""
    prior = Prior(0.8, 20.0, 0.6, 2.0)
    chances = [prior.p_silent(5, 40.0, silence, 30.0) for silence in (1, 5, 20, 60)]
    assert chances == sorted(chances)
    assert all(0 < p < 1 for p in chances)
    assert prior.hazard(5, 40.0, 1.0) > prior.hazard(5, 40.0, 30.0)


def test_frozen_inputs_thaw_to_what_they_were() -> None:
    """To the precision of 16 bits, always the same."""
    values = [i / 7 for i in range(len(NAMES))]
    frozen = freeze(values, (1.0, 2.0, 3.0))
    assert thaw(frozen) == pytest.approx([*values, 1.0, 2.0, 3.0], rel=5e-4)
    assert freeze(list(thaw(frozen)[: len(NAMES)]), (1.0, 2.0, 3.0)) == frozen


def test_contributions_add_up_to_what_the_model_adds_to_its_prior() -> None:
    """A reason is arithmetic, not decoration."""
    _, snapshots = trained(lessons(12), 12)
    model = OnlineModel(snapshots[-1])
    judged = model.assess(facts(14))
    pushes = sum(push for _, push in model.contributions(judged.inputs))
    offset = thaw(judged.inputs)[len(NAMES)]
    logit = offset + pushes + snapshots[-1].lapse.intercept  # type: ignore[union-attr]
    assert 1 / (1 + exp(-logit)) == pytest.approx(judged.p_lapse, rel=1e-3)


def test_models_take_over_at_their_time_or_where_the_partition_is() -> None:
    """A snapshot that comes late does not rewrite the past."""
    first = OnlineModel(cold(30.0, 2.5))
    second = OnlineModel(msgspec.structs.replace(cold(30.0, 2.5), version="2", effective_from=100))
    third = OnlineModel(msgspec.structs.replace(cold(30.0, 2.5), version="3", effective_from=200))
    timeline = Timeline(first)
    assert timeline.add(second) == 100
    assert timeline.add(third, not_before=250) == 250
    assert timeline.add(second) == 100
    assert [timeline.at(moment).version for moment in (0, 99, 100, 249, 250, 9_999)] == [
        "cold",
        "cold",
        "2",
        "2",
        "3",
        "3",
    ]
    assert timeline.switches() == [(0, "cold"), (100, "2"), (250, "3")]


def taught_by(judged_a_day: list[int]) -> list[float]:
    """Give the share of customers learned from after each day with so many landmarks judged."""
    trainer = Trainer(Dial(0.1, 30.0))
    shares = []
    for day, judged in enumerate(judged_a_day, 1):
        trainer.learn(Tally(day * DAY, 0, 0.0, {}, 0, 0, judged))
        trainer = Trainer.resume(trainer.state(), Dial(0.1, 30.0))
        shares.append(trainer.turn(day * DAY).teach_below / ALL_CUSTOMERS)
    return shares


def test_everybody_teaches_while_few_landmarks_wait() -> None:
    """A sample of a small product would teach less, and save nothing."""
    assert taught_by([PENDING // 30] * 9) == [1.0] * 9


def test_a_fair_sample_teaches_where_many_landmarks_would_wait() -> None:
    """Memory stays where it is when a product grows, and whom it learns from seldom changes."""
    many = 4 * PENDING // 30
    assert taught_by([many] * 3) == pytest.approx([0.25] * 3, rel=1e-3)
    assert taught_by([many] * 7 + [many * 3 // 4] * 7)[6:] == pytest.approx([0.25] * 8, rel=1e-3)
    assert taught_by([many] * 7 + [many // 8] * 14)[-1] == 1.0


def test_who_is_to_be_forgotten_is_in_no_sample() -> None:
    """Sightings of an erased customer are dropped, and come again only with itself."""
    trainer = Trainer(Dial(0.1, 30.0))
    for number in range(3):
        trainer.learn(Sighting(DAY - 3, number, 0, DAY - 3, 5))
    trainer.learn(Sighting(DAY - 2, 1, 0, 0, FORGOTTEN))
    trainer.learn(Sighting(DAY - 1, 7, 0, 0, FORGOTTEN))  # of whom nothing was known
    trainer.turn(DAY)
    assert sorted(trainer._sightings) == [0, 2]
    trainer.learn(Sighting(DAY + 1, 1, DAY, DAY + 1, 0))
    trainer.turn(2 * DAY)
    assert sorted(trainer._sightings) == [0, 1, 2]


def test_examples_of_one_moment_are_learned_in_one_order() -> None:
    """Whichever partition tells first, and whether or not a release before named the customer."""
    told = lessons(20)
    assert trained(told, 20)[1][-1].lapse == trained(told[::-1], 20)[1][-1].lapse
