"""The trainer: lessons in, one snapshot a day of event time out.

There is one trainer, whatever the number of partitions.  Lessons wait in the
event day they belong to until the shell turns that day; within a day they are
put in order, so that it does not matter which partition spoke first.
"""

from collections.abc import Iterator, Mapping

import msgspec
import numpy as np
import pandas as pd
from river import compose, preprocessing

from models import inputs
from models.baseline import Prior, unfitted
from models.calibration import Calibration
from models.challengers import ADAGRAD, Race, RaceState, chances, log_losses
from models.dial import Dial
from models.dials import Dials
from models.drift import Returns, ReturnsState, Watch, WatchState
from models.falls import Falls
from models.fitting import fit
from models.newton import OnlineNewton
from models.protocol import FORGOTTEN, Example, Hour, Lesson, Sighting, Tally
from models.snapshots import ALL_CUSTOMERS, BACK_SHARE, SegmentDial, Snapshot, Weights, name
from models.standardise import Standardise
from models.warned import WARNED, Warnings
from models.zone import UTC, Zone

DAY_MS = 86_400_000
FORGET = {"lapse": 0.997, "gap": 0.997, "back": 0.95, "rank": 0.997}
"""Information kept a day, by target: the one whose labels come early can follow the times."""
RIDGE = 20.0
WARM_ROWS = 300
WARM_OF_EACH = 30
"""Labels, and labels of the rarer class, below which the prior answers alone."""
SAMPLE = 4_000
"""Customers the prior is refitted on: those with the lowest hashes, a fair sample."""
PENDING = 400_000
"""Landmarks that wait for their outcome at any time, about, over all customers: beyond that many
a fair sample of the customers is learned from.  More: memory, and hardly any more precision."""
JUDGED_DAYS = 7
REFIT_DAYS = 5.0
REFIT_SHARE = 6
"""The prior is refitted every horizon/6, at least five days."""
_COLUMNS = pd.Index(inputs.NAMES, dtype=object)
TARGETS = ("lapse", "gap", "back", "rank")
OFFSET = {"lapse": 0, "gap": 1, "back": 2, "rank": 0}
"""Which of the prior's logits each target is added to."""
OPENS_BY = ("lapse", "gap", "back")
"""Targets that an alert's value is made of."""
WATCHED = ("lapse", "back")
"""Targets whose log-loss is watched for drift."""
RETURNS = "returns"
"""What is said to have drifted where more or fewer come back than were expected to."""
RANK_ROWS = 2.0
"""What a horizon of silence is worth to `rank`, in rows."""


class TargetState(msgspec.Struct):
    """One regression, as plain numbers."""

    counts: dict[str, float]
    means: dict[str, float]
    variances: dict[str, float]
    names: list[str]
    weights: list[float]
    information: list[list[float]]
    rows: int
    positives: int


class TrainerState(msgspec.Struct):
    """Everything a trainer needs to go on, as plain numbers."""

    horizon_days: float
    turned: int
    """Last day turned (ms); 0 before the first."""
    fitted: int
    prior: Prior
    dial: Dial
    sightings: dict[int, Sighting]
    sample_below: int
    daily_visits: list[int]
    targets: dict[str, TargetState]
    waiting: dict[int, list[Lesson]]
    daily_judged: list[int] = msgspec.field(default_factory=list)
    teach_below: int = ALL_CUSTOMERS
    race: RaceState = msgspec.field(default_factory=RaceState)
    watches: dict[str, WatchState] = msgspec.field(default_factory=dict)
    falls: Falls | None = None
    calibration: Calibration = msgspec.field(default_factory=Calibration)
    returns: ReturnsState = msgspec.field(default_factory=ReturnsState)
    segment_dials: dict[str, Dial] = msgspec.field(default_factory=dict)
    answering: list[str] | None = None
    """Targets whose weights answer; None: nobody had noted it yet."""
    warnings: Warnings | None = None
    """What came of warnings; None: as by a release that did not learn of any."""
    horizons: dict[int, "TrainerState"] | msgspec.UnsetType = msgspec.UNSET
    """By horizon (ms), of those that segments have of their own: the trainers of their customers.
    Unset where there are none."""

    @property
    def of_segments(self) -> "dict[int, TrainerState]":
        """Give `horizons`; empty where there are none."""
        return {} if self.horizons is msgspec.UNSET else self.horizons


class Trainer:
    """Learns from every partition's lessons."""

    def __init__(
        self,
        dial: Dial,
        falls: Falls | None = None,
        *,
        zone: Zone = UTC,
        segments: Mapping[str, Dial] | None = None,
        promote: bool = False,
        with_forest: bool = False,
    ) -> None:
        """Start cold for the product that the dial was made for, and whose holidays `zone` knows.

        `segments`: those that have a dial of their own.
        `falls`: what comes of customers who come less is recorded there, and may take its share
        of the dial.  `promote`: a challenger that has earned it answers in the champion's place.
        """
        self.horizon_days = dial.horizon_days
        self.back_days = max(1.0, dial.horizon_days / BACK_SHARE)
        self._prior = unfitted(dial.horizon_days)
        self._dials = Dials(dial, dict(segments or {}))
        self._falls = falls
        self._zone = zone
        self._sightings: dict[int, Sighting] = {}
        self._sample_below = ALL_CUSTOMERS
        self._daily_visits: list[int] = []
        self._daily_judged: list[int] = []
        self._teach_below = ALL_CUSTOMERS
        self._targets = {target: _pipeline(target) for target in TARGETS}
        self._waiting: dict[int, list[Lesson]] = {}
        self._turned = 0
        self._fitted = 0
        self._promote = promote
        self.race = Race(dial.horizon_days, with_forest=with_forest)
        self.calibration = Calibration()
        self._watches = {target: Watch() for target in WATCHED}
        self._returns = Returns()
        self._warnings = Warnings(dial.horizon_days)
        self._drifted: list[str] = []
        self._answering: list[str] = []
        self.renewed = False
        """Whether somebody else answers since the last day turned: weights for the prior."""

    def learn(self, lesson: Lesson) -> None:
        """Keep a lesson for the event day it belongs to (or the next one to be turned)."""
        if isinstance(lesson, Tally):
            day_end = lesson.day_end
        elif isinstance(lesson, Hour):
            return  # is the guard's
        else:
            day_end = (lesson.at // DAY_MS + 1) * DAY_MS
        self._waiting.setdefault(max(day_end, self._turned + DAY_MS), []).append(lesson)

    def turn(self, day_end: int) -> Snapshot:
        """Learn everything of the days up to `day_end` (ms, a midnight); give what then answers."""
        lessons = list(self._due(day_end))
        tallies = [lesson for lesson in lessons if isinstance(lesson, Tally)]
        for lesson in lessons:
            if isinstance(lesson, Sighting):
                self._see(lesson)
        self._cut_sample()
        self._refit(day_end)
        examples = [lesson for lesson in lessons if isinstance(lesson, Example)]
        self._drifted = []
        examples.sort(key=lambda e: (e.at, str(e.customer), e.landmark_at, e.inputs))
        self._learn_late([e for e in examples if e.target == "lapse"])
        self._learn_target("back", [e for e in examples if e.target == "back"], label=0)
        self._turn_falls(tallies)
        self._warnings.turn([e for e in examples if e.target == WARNED])
        self._note_who_answers()
        self._dials.turn(tallies, self.silence_part, renewed=self.renewed)
        if 2 * self._zone.holidays_ms(day_end - DAY_MS, day_end) < DAY_MS:
            self._count_visits(sum(tally.visits for tally in tallies))
        self._choose_teachers(sum(tally.judged for tally in tallies))
        self._turned = day_end
        return self.current()

    def _see(self, sighting: Sighting) -> None:
        """Keep what is known of a sampled customer, or forget it."""
        if sighting.repeats == FORGOTTEN:
            self._sightings.pop(sighting.customer_hash, None)
        else:
            self._sightings[sighting.customer_hash] = sighting

    def _note_who_answers(self) -> None:
        """Find out whether weights, or other weights, have come into the place of who answered."""
        answering = [t for t in OPENS_BY if _is_warm(_parts(self._targets[t])[1])]
        if self._promotes:
            answering.append(ADAGRAD)
        self.renewed = answering != self._answering
        self._answering = answering

    @property
    def _promotes(self) -> bool:
        """Whether the challenger answers in the champion's place."""
        return self._promote and self.race.state.answering == ADAGRAD

    def _turn_falls(self, tallies: list[Tally]) -> None:
        """Record what came of falls; while they are told of, silence has less of the dial."""
        if self._falls is not None:
            self._falls.turn(tallies, self._dials.own.observation.factor)

    @property
    def dials(self) -> dict[str, Dial]:
        """Give the dials by segment, the policy's under an empty name."""
        return self._dials.each

    @property
    def silence_part(self) -> float:
        """Give what silence has of the dial, 0 to 1."""
        falls = self._falls
        shares = falls is not None and falls.tells and falls.fixed_level is None
        return 1 - falls.rate_most / self._dials.own.target if falls and shares else 1.0

    def current(self) -> Snapshot:
        """Give what answers since the last day turned."""
        return self._snapshot(self._turned)

    def _due(self, day_end: int) -> Iterator[Lesson]:
        """Take out the lessons of the days up to `day_end`."""
        for day in sorted(day for day in self._waiting if day <= day_end):
            yield from self._waiting.pop(day)

    def _learn_late(self, examples: list[Example]) -> None:
        """Learn both labels that are released at the horizon, and the first once more for rankings.

        Past the horizon a silence is a lapse by definition, which `gap` must not learn from.
        """
        self._learn_target("lapse", examples, label=0)
        self._learn_rank(examples)
        within = [e for e in examples if inputs.thaw(e.inputs)[inputs.SILENCE_SHARE] <= 1]
        self._learn_target("gap", within, label=1)

    def _learn_target(self, target: str, examples: list[Example], *, label: int) -> None:
        """Take one Newton step on the day's labels of a target."""
        if examples:
            rows, labels = _rows(target, examples, label)
            if target in WATCHED:
                self._watch(target, rows, labels)
            self._hurry(target)
            self._targets[target].learn_many(rows, labels)

    def _hurry(self, target: str) -> None:
        """Let a regression forget as fast as the labels it shares with a watched one demand."""
        watched = "back" if target == "back" else "lapse"
        _, newton = self._targets[target].steps.values()
        newton.forget = self._watches[watched].forget(FORGET[target])

    def _watch(self, target: str, rows: pd.DataFrame, labels: pd.Series) -> None:
        """Hold what is answered now against labels that have not been learned yet."""
        standardise, newton = self._targets[target].steps.values()
        scaled = standardise.transform_many(rows)
        warm = _is_warm(newton)
        p = chances(rows["offset"].to_numpy())
        p = newton.predict_proba_many(scaled)[True].to_numpy() if warm else p
        if self._watches[target].hear(float(log_losses(p, labels.to_numpy()).mean())):
            self._drifted.append(target)
        truth = labels.to_numpy(dtype=float)
        if target == "back" and warm and self._returns.hear(p, truth):
            self._drifted.append(RETURNS)
        if target == "lapse":
            self.race.turn(scaled, p, labels)
            self.calibration.turn(p, truth, 0.5 ** (1 / self.horizon_days))

    def _learn_rank(self, examples: list[Example]) -> None:
        """Learn lapses once more, each landmark worth the silence that it stands for."""
        examples = [e for e in examples if e.share > 0]
        if not examples:
            return
        rows, labels = _rows("rank", examples, label=0)
        worth = RANK_ROWS * np.array([e.share for e in examples])
        self._hurry("rank")
        standardise, newton = self._targets["rank"].steps.values()
        standardise.learn_weighted(rows, worth)
        newton.learn_many(standardise.transform_many(rows), labels, worth)

    def _cut_sample(self) -> None:
        """Keep the customers with the lowest hashes, and stop asking for the others."""
        if len(self._sightings) > SAMPLE:
            kept = sorted(self._sightings)[:SAMPLE]
            self._sightings = {key: self._sightings[key] for key in kept}
            self._sample_below = kept[-1] + 1

    def _refit(self, day_end: int) -> None:
        """Refit the prior where it is due."""
        every = max(REFIT_DAYS, self.horizon_days / REFIT_SHARE) * DAY_MS
        self._fitted = self._fitted or day_end
        if day_end - self._fitted < every:
            return
        self._fitted = day_end
        summaries = []
        for key in sorted(self._sightings):
            seen = self._sightings[key]
            span = (seen.last_at - seen.first_at) / DAY_MS
            age = ((seen.until_at or day_end) - seen.first_at) / DAY_MS
            summaries.append((seen.repeats, span, max(age, span)))
        self._prior = fit(summaries) or self._prior

    def _count_visits(self, visits: int) -> None:
        """Add a day to the population's recent activity, and forget what no window reaches.

        A holiday is no such day: that few come on it says nothing of those who are silent.
        """
        self._daily_visits.append(visits)
        del self._daily_visits[: -4 * self._windows()[1]]

    def _choose_teachers(self, judged: int) -> None:
        """Learn from so many customers that about `PENDING` landmarks wait; seldom change who."""
        self._daily_judged.append(judged)
        del self._daily_judged[:-JUDGED_DAYS]
        mean = sum(self._daily_judged) / len(self._daily_judged)
        wanted = round(ALL_CUSTOMERS * min(1.0, PENDING / max(1.0, mean * self.horizon_days)))
        if wanted == ALL_CUSTOMERS or not wanted / 2 <= self._teach_below <= wanted:
            self._teach_below = wanted

    def _windows(self) -> tuple[int, int]:
        """Give the days of the short and the long window of the population's activity."""
        return max(3, round(self.horizon_days / 12)), max(7, round(self.horizon_days / 4))

    def _activity(self, window: int) -> float:
        """Give ln of the visits in the last window over those usual in the three before."""
        now = sum(self._daily_visits[-window:])
        before = sum(self._daily_visits[-4 * window : -window])
        return float(np.log((now + 3) / (before / 3 + 3)))

    def _snapshot(self, day_end: int) -> Snapshot:
        """Say what has been learned, effective from the end of the day."""
        short, long = self._windows()
        weights = {target: _weights(self._targets[target]) for target in TARGETS}
        if self._promotes and weights["lapse"]:
            weights["lapse"] = self._linear(weights["lapse"])
        return name(
            Snapshot(
                version="",
                effective_from=day_end,
                horizon_days=self.horizon_days,
                back_days=self.back_days,
                prior=self._prior,
                sample_below=self._sample_below,
                teach_below=self._teach_below,
                population_short=self._activity(short),
                population_long=self._activity(long),
                threshold=self._dials.own.threshold,
                false_alarms_set=self._dials.own.target,
                false_alarms_expected=self._dials.own.rate,
                lapse=weights["lapse"],
                gap=weights["gap"],
                back=weights["back"],
                rank=weights["rank"],
                log_losses=self.race.log_losses(),
                drifted=tuple(self._drifted),
                falls=dict(self._falls.found) if self._falls else {},
                segments={
                    segment: SegmentDial(
                        threshold=dial.threshold,
                        false_alarms_set=dial.target,
                        false_alarms_expected=dial.rate,
                        false_alarms_measured=dial.measured,
                    )
                    for segment, dial in self._dials.segments.items()
                },
                false_alarms_measured=self._dials.own.measured,
                reliability=self.calibration.told(),
                warnings=self._warnings.found or msgspec.UNSET,
            )
        )

    def _linear(self, champion: Weights) -> Weights:
        """Put the challenger's regression in the champion's place: it has the same inputs."""
        intercept, weights = self.race.linear()
        return msgspec.structs.replace(
            champion,
            intercept=intercept,
            weights=tuple(float(weights.get(n, 0.0)) for n in inputs.NAMES),
        )

    def state(self) -> TrainerState:
        """Give everything needed to go on later."""
        return TrainerState(
            horizon_days=self.horizon_days,
            turned=self._turned,
            fitted=self._fitted,
            prior=self._prior,
            dial=self._dials.own,
            sightings=self._sightings,
            sample_below=self._sample_below,
            daily_visits=self._daily_visits,
            targets={target: _save(pipeline) for target, pipeline in self._targets.items()},
            waiting=self._waiting,
            daily_judged=self._daily_judged,
            teach_below=self._teach_below,
            race=self.race.save(),
            watches={target: watch.state for target, watch in self._watches.items()},
            falls=self._falls,
            calibration=self.calibration,
            returns=self._returns.state,
            segment_dials=self._dials.segments,
            answering=self._answering,
            warnings=self._warnings,
        )

    @classmethod
    def resume(
        cls,
        state: TrainerState,
        dial: Dial,
        falls: Falls | None = None,
        *,
        zone: Zone = UTC,
        segments: Mapping[str, Dial] | None = None,
        promote: bool = False,
        with_forest: bool = False,
    ) -> "Trainer":
        """Go on from a saved state; what dials and `falls` are set to is in force from now on."""
        dials = Dials(dial, dict(segments or {})).follow(Dials(state.dial, state.segment_dials))
        if falls is not None and state.falls is not None:
            state.falls.rate_most = falls.rate_most
            state.falls.fixed_level = falls.fixed_level
            falls = state.falls
        trainer = cls(
            dials.own,
            falls,
            zone=zone,
            segments=dials.segments,
            promote=promote,
            with_forest=with_forest,
        )
        trainer._turned = state.turned
        trainer._fitted = state.fitted
        trainer._prior = state.prior
        trainer._sightings = state.sightings
        trainer._sample_below = state.sample_below
        trainer._daily_visits = state.daily_visits
        trainer._waiting = state.waiting
        trainer._daily_judged = state.daily_judged
        trainer._teach_below = state.teach_below
        trainer.race = Race(state.horizon_days, state.race, with_forest=with_forest)
        trainer.calibration = state.calibration
        trainer._returns = Returns(state.returns)
        trainer._warnings = state.warnings or trainer._warnings
        trainer._watches |= {target: Watch(saved) for target, saved in state.watches.items()}
        trainer._targets |= {
            target: _load(target, saved) for target, saved in state.targets.items()
        }
        trainer._note_who_answers()
        if state.answering is not None:
            trainer._answering = state.answering
        trainer.renewed = False
        return trainer


def _rows(target: str, examples: list[Example], label: int) -> tuple[pd.DataFrame, pd.Series]:
    """Give what a target learns: n rows of inputs with its offset, and n labels."""
    table = inputs.thaw_many([e.inputs for e in examples])
    rows = pd.DataFrame(table[:, : len(inputs.NAMES)], columns=_COLUMNS)
    rows["offset"] = table[:, len(inputs.NAMES) + OFFSET[target]]
    return rows, pd.Series([e.labels[label] for e in examples])


def _pipeline(target: str) -> compose.Pipeline:
    """Compose one target's model: standardise everything but the offset, then learn."""
    return compose.Pipeline(Standardise("offset"), OnlineNewton(l2=RIDGE, forget=FORGET[target]))


def _parts(pipeline: compose.Pipeline) -> tuple[preprocessing.StandardScaler, OnlineNewton]:
    """Find the scaler and the regression in a pipeline."""
    standardise, newton = pipeline.steps.values()
    return standardise.scaler, newton


def _is_warm(newton: OnlineNewton) -> bool:
    """Tell whether a regression has seen enough of both classes to answer."""
    rarer = min(newton.positives, newton.rows - newton.positives)
    return newton.rows >= WARM_ROWS and rarer >= WARM_OF_EACH


def _weights(pipeline: compose.Pipeline) -> Weights | None:
    """Give a target's regression once it has seen enough of both classes."""
    scaler, newton = _parts(pipeline)
    if not _is_warm(newton):
        return None
    weight = dict(zip(newton.names, newton.weights[1:], strict=True))
    return Weights(
        rows=newton.rows,
        means=tuple(float(scaler.means[n]) for n in inputs.NAMES),
        scales=tuple(float(scaler.vars[n]) ** 0.5 for n in inputs.NAMES),
        weights=tuple(float(weight.get(n, 0.0)) for n in inputs.NAMES),
        intercept=float(newton.weights[0]),
    )


def _save(pipeline: compose.Pipeline) -> TargetState:
    """Give a pipeline as plain numbers."""
    scaler, newton = _parts(pipeline)
    return TargetState(
        counts=dict(scaler.counts),
        means={n: float(v) for n, v in scaler.means.items()},
        variances={n: float(v) for n, v in scaler.vars.items()},
        names=[str(n) for n in newton.names],
        weights=newton.weights.tolist(),
        information=newton.information.tolist(),
        rows=newton.rows,
        positives=newton.positives,
    )


def _load(target: str, saved: TargetState) -> compose.Pipeline:
    """Give back the pipeline of its numbers."""
    pipeline = _pipeline(target)
    scaler, newton = _parts(pipeline)
    scaler.counts.update(saved.counts)
    scaler.means.update(saved.means)
    scaler.vars.update(saved.variances)
    newton.names = list(saved.names)
    newton.weights = np.array(saved.weights)
    newton.information = np.array(saved.information)
    newton.rows = saved.rows
    newton.positives = saved.positives
    return pipeline
