"""The courier: takes alerts to one endpoint until each is delivered, or put aside.

It knows neither Kafka nor HTTP: both are given to it, and so are the time and chance.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

import structlog

from stream.delivery.answers import Answer, Meaning, meaning
from stream.delivery.endpoints import Endpoint
from stream.delivery.lanes import Lanes, Waiting
from stream.delivery.pace import Pace
from stream.delivery.request import Request
from stream.delivery.schedule import SECOND_MS, asked_ms, next_delay_ms
from stream.delivery.signing import signed
from stream.wire.alerts import decode_alert

log = structlog.get_logger("slipaway.delivery")

WAITING_MAX = 1_000
"""Alerts read and not settled; about a kilobyte each."""
AT_ONCE = 8
REST_MS_MAX = 500

Send = Callable[[Request, dict[str, str]], Awaitable[Answer]]


class Failure(NamedTuple):
    """Why an alert is put aside."""

    code: str
    why: str
    attempts: int
    first_failed_at: int
    """Milliseconds since 1970 UTC."""


PutAside = Callable[[Any, Failure], Awaitable[None]]
"""Writes a record to the dead letters."""

UNDELIVERABLE = "undeliverable"
"""Every attempt failed."""
NO_ALERT = "no_alert"
"""What was read is none of this version's."""


class Courier:
    """The way to one endpoint."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        send: Send,
        put_aside: PutAside,
        clock: Callable[[], int],
        chance: Callable[[], float],
    ) -> None:
        """Begin with nothing to deliver; `clock` gives ms since 1970, `chance` 0 to 1."""
        self.endpoint = endpoint
        self.lanes = Lanes(WAITING_MAX)
        self.counts: Counter[str] = Counter()
        """By outcome: delivered, retried, put_aside, passed_over, erased."""
        self.gone = ""
        """Why the endpoint wants nothing any more; empty while it does."""
        self._send = send
        self._put_aside = put_aside
        self._clock = clock
        self._chance = chance
        self._pace = Pace(at_once=AT_ONCE)
        self._under_way: set[asyncio.Task[None]] = set()
        self._news = asyncio.Event()

    @property
    def down(self) -> bool:
        """Whether the endpoint takes nothing at present."""
        return self._pace.down

    async def read(self, records: Sequence[Any]) -> None:
        """Take records of the topic of alerts, in their order."""
        for record in records:
            if self.lanes.knows(record):
                self.lanes.passed(record)
                continue
            try:
                alert = None if record.value is None else decode_alert(record.value)
            except ValueError as error:
                why = f"endpoint {self.endpoint.name}: this is no alert of this version: {error}"
                await self._put_aside(record, Failure(NO_ALERT, why, 1, self._clock()))
                self.counts["put_aside"] += 1
                self.lanes.passed(record)
                continue
            if record.value is None and record.key is not None:
                self._erase(record)
            if alert is None or not self.endpoint.wants(alert):
                self.lanes.passed(record)
                self.counts["passed_over"] += 1
                continue
            self.lanes.add(Waiting(alert=alert, record=record))
        self._news.set()

    def _erase(self, record: Any) -> None:
        """Let a customer who was erased hear nothing more; what is under way cannot be held."""
        customer_id = record.key.decode(errors="replace")
        self.counts["erased"] += self.lanes.erase(record.partition, customer_id)

    async def work(self) -> None:
        """Deliver until the endpoint wants nothing any more; raise what went wrong."""
        while not self.gone:
            self.start_due()
            await self.rest()
        while self._under_way:
            await self.rest()

    def start_due(self) -> None:
        """Begin with what is due, as much as the endpoint bears."""
        self._reap()
        now = self._clock()
        for waiting in self.lanes.take(now, self._pace.room(now, len(self._under_way))):
            self._under_way.add(asyncio.create_task(self._attempt(waiting)))

    async def rest(self) -> None:
        """Wait until an attempt has ended, or there is news, or something may be due."""
        news = asyncio.create_task(self._news.wait())
        try:
            await asyncio.wait(
                {news, *self._under_way},
                timeout=self._pause_ms() / SECOND_MS,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            news.cancel()
        self._news.clear()
        self._reap()

    async def finish(self, seconds: float) -> None:
        """Let what is under way end, within so many seconds; begin with nothing."""
        if self._under_way:
            _, late = await asyncio.wait(self._under_way, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
            self._under_way -= late
        self._reap()

    def _reap(self) -> None:
        """Take note of attempts that have ended; raise what went wrong in one."""
        for task in [task for task in self._under_way if task.done()]:
            self._under_way.discard(task)
            task.result()

    def _pause_ms(self) -> int:
        """Say how long nothing can be due."""
        now = self._clock()
        due_at = self.lanes.next_due_at()
        if due_at is None or (due_at <= now and self._under_way):
            return REST_MS_MAX  # an attempt that ends makes room
        return max(0, min(max(due_at, self._pace.quiet_until) - now, REST_MS_MAX))

    async def _attempt(self, waiting: Waiting) -> None:
        """Try once, and draw the consequence."""
        alert = waiting.alert
        request = self.endpoint.template(alert, self.endpoint.event)
        if request is None:
            self.counts["passed_over"] += 1
            self.lanes.settle(waiting)
            return
        headers = dict(self.endpoint.headers)
        if self.endpoint.secrets:
            at_seconds = self._clock() // SECOND_MS
            headers |= signed(alert.alert_id, at_seconds, request.body, self.endpoint.secrets)
        answer = await self._send(request, headers)
        match meaning(answer):
            case Meaning.DELIVERED:
                self._delivered(waiting)
            case Meaning.GONE:
                self.gone = f"{answer} at alert {alert.alert_id}"
                self.lanes.again(waiting, waiting.due_at)
            case Meaning.LATER:
                now = self._clock()
                self._pace.failed(now, asked_ms(answer.retry_after, now), self._chance())
                await self._failed(waiting, answer)
            case Meaning.REFUSED:
                self._works()
                await self._failed(waiting, answer)

    def _delivered(self, waiting: Waiting) -> None:
        self.counts["delivered"] += 1
        self.lanes.settle(waiting)
        self._works()

    def _works(self) -> None:
        """Let nobody wait any longer for an endpoint that is back."""
        if self._pace.took():
            log.info("endpoint is back", endpoint=self.endpoint.name)
            self.lanes.hurry(self._clock())

    async def _failed(self, waiting: Waiting, answer: Answer) -> None:
        """Let an alert wait for its next try, or put it aside after the last."""
        if waiting.erased:
            self.counts["erased"] += 1
            self.lanes.settle(waiting)
            return
        now = self._clock()
        waiting.failures += 1
        waiting.first_failed_at = waiting.first_failed_at or now
        delay = next_delay_ms(waiting.failures, now - waiting.record.timestamp, self._chance())
        log.warning(
            "not delivered",
            endpoint=self.endpoint.name,
            alert=waiting.alert.alert_id,
            attempt=waiting.failures,
            answer=str(answer),
            again_after_seconds=None if delay is None else delay // SECOND_MS,
        )
        if delay is not None:
            self.counts["retried"] += 1
            self.lanes.again(waiting, now + max(delay, asked_ms(answer.retry_after, now)))
            return
        why = f"endpoint {self.endpoint.name}: {waiting.failures} attempts; the last: {answer}"
        failure = Failure(UNDELIVERABLE, why, waiting.failures, waiting.first_failed_at)
        await self._put_aside(waiting.record, failure)
        self.counts["put_aside"] += 1
        self.lanes.settle(waiting)
