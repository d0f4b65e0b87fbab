"""Detect: usage events in; alerts, lessons and what is known of each customer, out.

Take a block, decode it, let the detector decide, publish, persist.  Everything
that decides is the detector's; here its answers are given their places in
Kafka.  Which model answered when is kept beside the customers: a partition that
is restored judges a late event by the model of its time, as before.
"""

import time
from collections import Counter
from collections.abc import Sequence
from typing import assert_never

import structlog
from faust.types import TP

from models.timeline import Timeline
from stream.detector.decisions import Decisions
from stream.detector.detector import Detector
from stream.detector.erasures import Erasures
from stream.detector.errors import BadEvent
from stream.detector.events import HOUR_MS, MINUTE_MS, UsageEvent
from stream.detector.identity import Handover, fault
from stream.detector.policy import Policy
from stream.detector.progress import Progress
from stream.detector.roster import Roster
from stream.detector.turnover import Counted
from stream.detector.watermark import check_not_ahead
from stream.engine.flow import Batch, Fold, Output, Record, Row
from stream.wire.customers import CustomerCodec
from stream.wire.erasure import Erasure
from stream.wire.events import Decoder, Heartbeat, Travelled
from stream.wire.lessons import encode_lesson
from stream.wire.retained import encode_retained
from stream.wire.travel import encode_sent
from stream.worker.dead_letters import PutAside
from stream.worker.metrics import Metrics
from stream.worker.model_log import ModelLog
from stream.worker.origins import Origins
from stream.worker.publishing import Desk
from stream.worker.reached import REACHED, Reached
from stream.worker.telling import Teller
from stream.worker.tracing import AlertTraces, muted

log = structlog.get_logger("slipaway.worker")

# Customers' ids are text without null bytes, so no customer has a row of these names.
SWITCH_KEY = b"\x00model\x00"
ERASED_KEY = b"\x00erased\x00"

CUSTOMERS = CustomerCodec()

TICK_SECONDS = 0.05  # longer: a little faster after an outage, later checkpoints


class DetectFold(Fold):
    """The work on one partition of the usage topic."""

    def __init__(
        self,
        tp: TP,
        *,
        policy: Policy,
        decoder: Decoder,
        models: ModelLog,
        desk: Desk,
        put_aside: PutAside,
        metrics: Metrics,
        examples: str | None,
        wall_clock: bool,
        origins: int = 0,
        teller: Teller | None = None,
        app: str = "",
        traces: AlertTraces | None = None,
        retention: str | None = None,
    ) -> None:
        """Prepare; `examples` is where lessons go, None if nobody learns; `retention`, who stays.

        `app` is the application's id: of what customers here say to each other, only its
        own counts.  `origins` is how many partitions of raw sources feed the topic; `teller`
        tells accounts, None if nobody looks at them; `traces`
        hears which records led to alerts, None if nobody traces.
        """
        self._tp = tp
        self._policy = policy
        self._decoder = decoder
        self._models = models
        self._desk = desk
        self._put_aside = put_aside
        self._metrics = metrics
        self._examples = examples
        self._wall_clock = wall_clock
        self._app = app
        self._origins = Origins(origins)
        self._teller = teller
        self._traces = traces
        self._retention = retention
        self._retained: dict[bytes, bytes] = {}  # as last told
        self._customers = Roster(CUSTOMERS)
        self._erased = Erasures()
        self._switched: dict[str, int] = {}  # version -> event time from which it answers here
        self._timeline: Timeline
        self._detector: Detector
        self._models_seen = 0
        self._switching = False  # a model took over, and no rows were saved since
        self._stretch_ms = HOUR_MS  # of event time, worked off at once when the clock is ahead
        self._rows: list[Row] = []
        self._outputs: list[Output] = []

    @property
    def pending(self) -> int:
        """Count what is unsaved."""
        customers = len(self._customers.touched) + self._detector.unsettled
        told = self._teller is None or not self._teller.owes(self._detector.progress.watermark.at)
        return customers + len(self._rows) + len(self._outputs) + (not told)

    # ------------------------------------------------------------ restore

    def load(self, key: bytes, value: bytes | None) -> None:
        """Take a customer, or a switch of models, as it was last saved."""
        if key.startswith(SWITCH_KEY):
            version = key.removeprefix(SWITCH_KEY).decode()
            if value is not None:
                self._switched[version] = int(value)
        elif key.startswith(ERASED_KEY):
            self._erased.load(key.removeprefix(ERASED_KEY), value)
        else:
            self._customers.load(key.decode(), value)

    def begin(self, progress: bytes | None) -> None:
        """Take up the work where the rows leave it."""
        self._timeline = Timeline(self._models.cold)
        for version, start in sorted(self._switched.items(), key=lambda item: item[1]):
            self._timeline.add(self._models.known(version), not_before=start)
        reached = REACHED.decode(progress) if progress else Reached(Progress(), self._origins)
        self._put_aside.begin(reached.failing)
        if self._origins.expected:
            self._origins.heard = reached.origins.heard
        self._detector = Detector(
            self._policy,
            self._timeline,
            customers=self._customers,
            progress=reached.detector,
            erased=self._erased,
            announces=self._tp.partition == 0,
            alone=False,
        )
        self._detector.events_move_time = not self._origins.move_time
        if self._teller is not None:
            self._teller.begin(reached.detector.watermark.at)

    # ------------------------------------------------------------ the work

    def apply(self, records: Sequence[Record]) -> None:
        """Take, decode, decide, publish; a heartbeat has its place in the order."""
        self._follow_models()
        self._take(records)

    def repeat(self, records: Sequence[Record]) -> None:
        """Do so by the models that answered before, if a newer one has come."""
        with muted(self._traces):
            self._take(records)

    def _take(self, records: Sequence[Record]) -> None:
        block = self._decoder.decode_block(
            [record.value for record in records],
            [record.timestamp for record in records],
            [record.headers for record in records],
        )
        if self._traces is not None:
            self._traces.note(block, records)
        results: Counter[str] = Counter()
        refused: list[tuple[Record, BadEvent]] = []
        done = 0

        def decide_until(end: int) -> None:
            decisions = self._detector.on_events(block.events.part(done, end), settle=False)
            results.update(decisions.counts)
            for number, bad in decisions.refused:
                refused.append((records[block.place(done + number)], bad))
            self._publish(decisions)

        for place, other in block.others:
            match other:
                case BadEvent():
                    refused.append((records[place], other))
                case Heartbeat() | Erasure() | Travelled():
                    decide_until(block.before(place))
                    done = block.before(place)
                    try:
                        self._heed(other, records[place].timestamp, results)
                    except BadEvent as bad:
                        refused.append((records[place], bad))
                case None:
                    results["ignored"] += 1
                case _:
                    assert_never(other)
        decide_until(len(block.events))
        refused.sort(key=lambda entry: entry[0].offset)
        del results["refused"]  # counted as dead letters, by code
        self._outputs += self._put_aside.letters(len(records), refused)
        self._metrics.took(self._tp.topic, results)
        self._say_where()

    def _heed(
        self, other: Heartbeat | Erasure | Travelled, received_at: int, results: Counter[str]
    ) -> None:
        """Do what is said by a record that is no event; raise BadEvent where that is wrong."""
        if isinstance(other, Heartbeat):
            self._hear(other, received_at)
            results["heartbeat"] += not other.origin
        elif isinstance(other, Erasure):
            self._erase(other, received_at)
            results["erasure"] += 1
        elif other.app == self._app:
            self._arrive(other.what, results)
        else:
            results["ignored"] += 1

    def _arrive(self, what: UsageEvent | Handover, results: Counter[str]) -> None:
        """Take what another customer's state says to one of ours; raise what is wrong with it."""
        if isinstance(what, Handover):
            self._publish(self._detector.on_handover(what))
            results["handover"] += 1
            wrong = fault(what)
        else:
            decisions = self._detector.on_events([what])
            results.update(decisions.counts)
            self._publish(decisions)
            wrong = decisions.refused[0][1] if decisions.refused else None
        if wrong:
            raise wrong

    def _hear(self, heartbeat: Heartbeat, received_at: int) -> None:
        """Let time pass as far as a heartbeat says."""
        check_not_ahead(heartbeat.watermark, received_at, self._policy.max_future_skew_ms)
        now: int | None = heartbeat.watermark + self._policy.allowed_lateness_ms
        if heartbeat.origin:
            now = self._origins.hear(heartbeat)
            self._detector.events_move_time = not self._origins.move_time
        if now is not None:
            self._publish(self._detector.on_tick(now))

    def _erase(self, erasure: Erasure, received_at: int) -> None:
        """Forget a customer, and have every reader of what was said of it do so, too.

        Also where it is not known: whoever asked waits for the tombstones.
        """
        customer_id, at = erasure.customer_id, erasure.requested_at
        if at is not None:
            check_not_ahead(at, received_at, self._policy.max_future_skew_ms)
        self._publish(self._detector.erase(customer_id, at))
        self._rows.append((customer_id.encode(), None))
        self._outputs += self._desk.erase(customer_id)

    def tick(self, now_ms: int, caught_up: bool) -> int | None:  # noqa: FBT001 - see Fold
        """Let the wall clock carry the watermark, where lag cannot pass for silence.

        Where raw sources are read, only they know whether they lag: their heartbeats tell.
        """
        if not (self._wall_clock and caught_up) or self._origins.move_time:
            return None
        self._follow_models()
        watermark = self._detector.progress.watermark
        before = watermark.at
        self._pass_time(now_ms)
        self._say_where()
        return watermark.at + self._policy.allowed_lateness_ms if watermark.at > before else None

    def repeat_time(self, moment: int) -> None:
        """Let the clock carry the watermark as it did."""
        with muted(self._traces):
            self._publish(self._detector.on_tick(moment))

    def _pass_time(self, now_ms: int) -> None:
        """Let time pass, by so much that it does not take long; the next tick goes on.

        After an outage days of silence fall due at once, for everybody.
        """
        began = time.thread_time()
        lateness, watermark = self._policy.allowed_lateness_ms, self._detector.progress.watermark
        while watermark.at + lateness < now_ms:
            self._publish(
                self._detector.on_tick(min(now_ms, watermark.at + lateness + self._stretch_ms))
            )
            if time.thread_time() - began > TICK_SECONDS:
                self._stretch_ms = max(MINUTE_MS, self._stretch_ms // 2)
                return
            self._stretch_ms *= 2
        self._stretch_ms = HOUR_MS

    def publish(self) -> list[Output] | None:
        """Hand over alerts, lessons and dead letters, unless a model took over meanwhile."""
        if self._switching:
            return None
        outputs, self._outputs = self._outputs, []
        return outputs

    def collect(self) -> Batch:
        """Hand over what is unsaved, down to the customers touched."""
        self._detector.settle()
        self._switching = False
        rows, self._rows = self._rows, []
        outputs, self._outputs = self._outputs, []
        if self._teller is not None:
            outputs += self._teller.beats(self._detector.progress.watermark.at)
        rows += [(customer_id.encode(), row) for customer_id, row in self._customers.save()]
        watermark = self._detector.progress.watermark.at
        rows += [(ERASED_KEY + mark, at) for mark, at in self._erased.save(watermark)]
        reached = Reached(self._detector.progress, self._origins, self._put_aside.kept())
        return Batch(rows, outputs, REACHED.encode(reached))

    # ------------------------------------------------------------ its parts

    def _publish(self, decisions: Decisions) -> None:
        """Give alerts, lessons and what is for other customers their places."""
        self._outputs += self._desk.outputs(decisions.alerts)
        if self._teller is not None:
            self._outputs += self._teller.outputs(decisions.members, decisions.alerts)
        for sent in decisions.sent:
            key, value = encode_sent(sent, self._app)
            self._outputs.append(Output(self._tp.topic, None, key, value))
        self._metrics.identified(decisions.aliases)
        self._metrics.withheld(decisions.withheld)
        if self._examples is not None and decisions.lessons:
            self._outputs += [
                Output(self._examples, 0, None, encode_lesson(lesson, self._tp.partition))
                for lesson in decisions.lessons
            ]
            self._metrics.taught(decisions.lessons)

    def _follow_models(self) -> None:
        """Let new models take over from the watermark on, and remember since when they answer."""
        if self._models_seen == self._models.seen:
            return
        watermark = self._detector.progress.watermark.at
        for model in self._models.after(self._timeline.at(FAR_AHEAD_MS).effective_from):
            start = self._timeline.add(model, not_before=watermark)
            self._switched[model.version] = start
            self._switching = True
            self._rows.append((SWITCH_KEY + model.version.encode(), b"%d" % start))
            log.debug("model switch", partition=self._tp.partition, version=model.version)
        self._models_seen = self._models.seen

    def _say_where(self) -> None:
        """Tell the metrics where this partition stands."""
        watermark = self._detector.progress.watermark.at
        self._metrics.stands(self._tp, watermark, len(self._customers), self._detector.here)
        turnover = self._detector.turnover
        if turnover.changed:
            told = turnover.tell()
            self._metrics.turned(self._tp, turnover)
            self._tell_who_stays(told)

    def _tell_who_stays(self, periods: Sequence[Counted]) -> None:
        """Give what was counted of periods its places; what is as it was told is not told again."""
        if self._retention is None:
            return
        for counted in periods:
            key, value = encode_retained(counted, self._policy, self._tp.partition)
            if self._retained.get(key) != value:
                self._retained = {key: value}
                self._outputs.append(Output(self._retention, None, key, value))


FAR_AHEAD_MS = 1 << 60
"""After every switch: whoever answers there is the last model of a timeline."""
