"""Traces: an event's trace goes on in the alert that it led to; and nothing at all while off."""

import subprocess
import sys
from typing import Any

import pytest
from faust.types import TP
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from stream.detector.policy import Policy
from stream.settings import Settings
from stream.wire.events import Decoder, Heartbeat, encode_heartbeat
from stream.wire.times import iso
from stream.worker.dead_letters import PutAside
from stream.worker.detect import DetectFold
from stream.worker.engine_report import EngineReport
from stream.worker.failing import StopRule
from stream.worker.ingest import IngestFold
from stream.worker.metrics import Metrics
from stream.worker.model_log import ModelLog
from stream.worker.publishing import Desk
from stream.worker.tracing import AlertTraces, Traces, start

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01".encode()
USAGE, RAW = TP("usage", 0), TP("raw", 2)
AT = 1_767_225_600_000
POLICY = Policy(warning=frozenset({"cancel"}), allowed_lateness_ms=1_000)


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    """Return what keeps the spans."""
    return InMemorySpanExporter()


@pytest.fixture
def traces(exporter: InMemorySpanExporter) -> Traces:
    """Return traces whose spans are kept."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return Traces(provider.get_tracer("test"))


def warned(record: Any, headers: list[tuple[str, bytes]]) -> list[Any]:
    """Return the records that lead to a warning of one customer."""
    said = '{"type":"track","userId":"ann","event":"%s","timestamp":"%s"}'
    return [
        record((said % ("cancel", iso(AT))).encode(), headers=headers),
        record(encode_heartbeat(Heartbeat(AT + 1)), offset=1),
    ]


def detecting(metrics: Metrics, traces: AlertTraces | None) -> DetectFold:
    """Return the work on a partition."""
    desk = Desk(
        topic="alerts", holdout_topic="holdout", customers="customers", clock_kind="event",
        max_age_ms=0, publish_backfill=False, lateness_ms=0, metrics=metrics, clock=lambda: AT,
        trace=None if traces is None else traces.headers,
    )  # fmt: skip
    fold = DetectFold(
        USAGE, policy=POLICY, decoder=Decoder(), models=ModelLog(POLICY, metrics), desk=desk,
        put_aside=aside(metrics, USAGE), metrics=metrics, examples=None, wall_clock=False,
        traces=traces,
    )  # fmt: skip
    fold.begin(None)
    return fold


def aside(metrics: Metrics, tp: TP) -> PutAside:
    """Return what puts dead letters aside."""
    return PutAside(
        topic="dead", source=tp, stage="detect", rule=StopRule(), metrics=metrics, clock=lambda: AT
    )


def test_an_alert_goes_on_with_the_trace_of_what_led_to_it(
    metrics: Metrics, record: Any, traces: Traces, exporter: InMemorySpanExporter
) -> None:
    """Its span links to the event's; its headers name its span, for whoever reads it."""
    fold = detecting(metrics, AlertTraces(traces))
    fold.apply(warned(record, [("traceparent", PARENT), ("tracestate", b"vendor=1")]))
    outputs = {output.topic: dict(output.headers or ()) for output in fold.collect().outputs}
    (span,) = exporter.get_finished_spans()
    assert span.name == "alert opened"
    (link,) = span.links
    assert f"{link.context.trace_id:032x}" == TRACE
    own = f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}-".encode()
    for topic in ("alerts", "customers"):
        assert outputs[topic]["traceparent"].startswith(own)
        assert outputs[topic]["traceparent"] == outputs[topic]["ce_traceparent"]
    assert f"{span.context.trace_id:032x}" != TRACE


@pytest.mark.parametrize(
    "headers", [[], [("traceparent", b"\xff nonsense")], [("traceparent", b"x" * 9_999)]]
)
def test_an_alert_without_a_known_cause_has_a_trace_of_its_own(
    metrics: Metrics,
    record: Any,
    traces: Traces,
    exporter: InMemorySpanExporter,
    headers: list[tuple[str, bytes]],
) -> None:
    """What a sender writes into its headers is nobody's trouble but its own."""
    fold = detecting(metrics, AlertTraces(traces))
    fold.apply(warned(record, headers))
    assert "traceparent" in dict(fold.collect().outputs[0].headers or ())
    (span,) = exporter.get_finished_spans()
    assert not span.links


def test_what_is_repeated_after_a_restore_has_its_spans_already(
    metrics: Metrics, record: Any, traces: Traces, exporter: InMemorySpanExporter
) -> None:
    """It was published before the kill; a second span would be of an alert that nobody gets."""
    fold = detecting(metrics, AlertTraces(traces))
    fold.repeat(warned(record, [("traceparent", PARENT)]))
    assert exporter.get_finished_spans() == ()


def test_without_traces_alerts_are_as_they_were(metrics: Metrics, record: Any) -> None:
    """No header more, whatever the events say."""
    fold = detecting(metrics, None)
    fold.apply(warned(record, [("traceparent", PARENT)]))
    headers = dict(fold.collect().outputs[0].headers or ())
    assert headers
    assert not any("trace" in name for name in headers)


@pytest.mark.parametrize("traced", [True, False])
def test_ingest_hands_on_whose_trace_an_event_is_of(
    metrics: Metrics,
    record: Any,
    traced: bool,  # noqa: FBT001 - both ways
) -> None:
    """And none of its other headers, which are the raw topic's."""
    fold = IngestFold(
        RAW, usage="usage", usage_partitions=1, origins=1, wall_clock=False, decoder=Decoder(),
        future_skew_ms=0, put_aside=aside(metrics, RAW), metrics=metrics, traced=traced,
    )  # fmt: skip
    fold.begin(None)
    fold.apply(warned(record, [("other", b"x"), ("traceparent", PARENT)])[:1])
    assert fold.collect().outputs[0].headers == ([("traceparent", PARENT)] if traced else None)


def test_turns_and_transactions_are_spans_of_their_length(
    metrics: Metrics, traces: Traces, exporter: InMemorySpanExporter
) -> None:
    """From where they began to where the engine said that they are over."""
    report = EngineReport(metrics, traces=traces)
    report.applied(USAGE, 100, 0.25, AT)
    report.checkpointed(USAGE, 0.5, rows=3, outputs=1)
    report.checkpointed(USAGE, 0.5, rows=0, outputs=1)
    spans = exporter.get_finished_spans()
    assert [span.name for span in spans] == ["fold usage", "checkpoint usage", "publish usage"]
    lengths = [(span.end_time or 0) - (span.start_time or 0) for span in spans]
    assert lengths == [250_000_000, 500_000_000, 500_000_000]
    assert (spans[0].attributes or {})["messaging.batch.message_count"] == 100


def test_while_off_nothing_of_opentelemetry_is_imported() -> None:
    """It costs nothing, and need not be installed."""
    assert start(Settings()) is None
    code = (
        "import sys; import stream.worker.app;"
        "sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
