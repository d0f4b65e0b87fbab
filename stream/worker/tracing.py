"""Traces: spans of the work, and an alert that goes on with the trace of what led to it.

An event comes with its sender's `traceparent`, an alert goes out with one of its own,
and a link joins the two: a batch of events has many traces, so no alert is the child of
one of them (OpenTelemetry's conventions for messaging).  Which record led to what is known
of customers who were heard of lately; of a silence it is the last record before it.

OpenTelemetry is an extra: nothing of it is imported unless traces are asked for.
https://github.com/cloudevents/spec/blob/main/cloudevents/extensions/distributed-tracing.md
"""

import os
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from faust.types import TP

from stream.detector.alerts import Alert
from stream.engine.flow import Record
from stream.settings import Settings, SettingsError
from stream.wire.events import Block

if TYPE_CHECKING:
    from opentelemetry.trace import Link, Tracer

PARENT, STATE = "traceparent", "tracestate"
REMEMBERED = 10_000
"""Customers of a partition whose last record's trace is remembered; more: 300 bytes each."""
HEADER_BYTES_MAX = 512
"""W3C asks for that much at least of a tracestate; whoever writes more is not followed."""

_SECOND_NS = 1_000_000_000
_OTLP = "pip install 'slipaway[otel]', or set traces = \"off\""

Headers = Sequence[tuple[str, bytes | None]]


def of_a_trace(headers: Headers) -> list[tuple[str, bytes]]:
    """Give those of a record's headers that speak of its trace."""
    return [
        (name, value)
        for name, value in headers
        if name in (PARENT, STATE) and value is not None and len(value) <= HEADER_BYTES_MAX
    ]


class Traces:
    """Makes the spans of one worker."""

    def __init__(self, tracer: "Tracer", provider: Any = None) -> None:
        """Make them by `tracer`; `provider` is closed with us."""
        self._tracer = tracer
        self._provider = provider

    def close(self) -> None:
        """Hand over what waits."""
        if self._provider is not None:
            self._provider.shutdown()

    def folded(self, tp: TP, records: int, seconds: float) -> None:
        """Note that records were worked on, until now."""
        self._past("fold", tp, seconds, {"messaging.batch.message_count": records})

    def committed(self, tp: TP, rows: int, outputs: int, seconds: float) -> None:
        """Note that a transaction was committed, just now; one without rows only published."""
        sizes = {"slipaway.rows": rows, "slipaway.outputs": outputs}
        self._past("checkpoint" if rows else "publish", tp, seconds, sizes)

    def alert(self, alert: Alert, cause: Headers) -> list[tuple[str, bytes]]:
        """Make the span of an alert, and give the headers that its readers go on with."""
        from opentelemetry.trace import SpanKind, set_span_in_context  # noqa: PLC0415
        from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415
            TraceContextTextMapPropagator,
        )

        span = self._tracer.start_span(
            f"alert {alert.kind.value}",
            kind=SpanKind.PRODUCER,
            links=_links(cause),
            attributes={
                "messaging.system": "kafka",
                "slipaway.alert_id": alert.alert_id,
                "slipaway.episode_id": alert.episode_id,
                "slipaway.trigger": alert.trigger.value,
            },
        )
        carrier: dict[str, str] = {}
        TraceContextTextMapPropagator().inject(carrier, set_span_in_context(span))
        span.end()
        texts = {**carrier, **{f"ce_{name}": value for name, value in carrier.items()}}
        return [(name, value.encode()) for name, value in texts.items()]

    def _past(self, name: str, tp: TP, seconds: float, attributes: dict[str, int]) -> None:
        """Make the span of what is just over."""
        end = time.time_ns()
        span = self._tracer.start_span(
            f"{name} {tp.topic}",
            start_time=end - round(seconds * _SECOND_NS),
            attributes={
                "messaging.system": "kafka",
                "messaging.source.name": tp.topic,
                "messaging.kafka.source.partition": tp.partition,
                **attributes,
            },
        )
        span.end(end)


class AlertTraces:
    """What led to the alerts of one partition."""

    def __init__(self, traces: Traces) -> None:
        """Remember nothing yet."""
        self._traces = traces
        self._last: OrderedDict[str, Headers] = OrderedDict()
        self.muted = False
        """What is repeated after a restore was said before, and has its spans."""

    def note(self, block: Block, records: Sequence[Record]) -> None:
        """Remember, of every customer in a block, what its last record says of its trace."""
        told = {place: own for place, one in enumerate(records) if (own := of_a_trace(one.headers))}
        if not told:
            return
        for number, customer_id in enumerate(block.events.customer_ids):
            if (place := block.place(number)) in told:
                self._last[customer_id] = told[place]
                self._last.move_to_end(customer_id)
        while len(self._last) > REMEMBERED:
            self._last.popitem(last=False)

    def headers(self, alert: Alert) -> list[tuple[str, bytes]]:
        """Give the headers of an alert's trace."""
        if self.muted:
            return []
        return self._traces.alert(alert, self._last.get(alert.customer_id, ()))


@contextmanager
def muted(traces: AlertTraces | None) -> Iterator[None]:
    """Make no spans meanwhile."""
    if traces is None:
        yield
        return
    traces.muted = True
    try:
        yield
    finally:
        traces.muted = False


def start(settings: Settings) -> Traces | None:
    """Give what the settings ask for; SettingsError where OpenTelemetry is not installed."""
    if settings.traces == "off":
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError as error:
        raise SettingsError([f"traces: OpenTelemetry is not installed: {_OTLP}"]) from error
    resource = Resource.create(
        {
            "service.name": os.environ.get("OTEL_SERVICE_NAME", "slipaway"),
            "service.namespace": settings.app_id,
            "service.instance.id": settings.instance,
        }
    )
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Traces(provider.get_tracer("slipaway"), provider)


def _links(cause: Headers) -> "list[Link]":
    """Give the link to the trace that a record's headers speak of; none if they say nothing."""
    from opentelemetry.trace import Link, get_current_span  # noqa: PLC0415
    from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415
        TraceContextTextMapPropagator,
    )

    carrier = {name: (value or b"").decode("ascii", "replace") for name, value in cause}
    context = get_current_span(TraceContextTextMapPropagator().extract(carrier)).get_span_context()
    return [Link(context)] if context.is_valid else []
