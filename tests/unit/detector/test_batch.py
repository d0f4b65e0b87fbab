"""Events in columns are the events they were made of."""

from hypothesis import given
from hypothesis import strategies as st

from stream.detector.batch import EventBatch
from stream.detector.events import UsageEvent

EVENTS = st.lists(
    st.builds(
        UsageEvent,
        customer_id=st.text(max_size=3),
        name=st.sampled_from("ab"),
        occurred_at=st.integers(0, 5),
        received_at=st.integers(0, 2**60),
        message_id=st.text(max_size=3),
        volume=st.floats(0, 9),
        account_id=st.text(max_size=3),
    ),
    max_size=9,
)


@given(EVENTS, EVENTS, st.integers(0, 9), st.integers(0, 9))
def test_columns_hold_what_the_events_held(
    first: list[UsageEvent], second: list[UsageEvent], begin: int, end: int
) -> None:
    """Singly, together, joined and in part."""
    batch = EventBatch.of(first)
    assert list(batch) == first == [batch[place] for place in range(len(batch))]
    assert list(EventBatch.joined([batch, EventBatch.of(second)])) == first + second
    assert list(EventBatch.joined([batch])) == first
    assert list(EventBatch.joined([])) == []
    assert list(batch.part(begin, end)) == first[begin:end]
    backwards = batch.occurred_at.argsort()[::-1]
    assert list(batch.taken(backwards)) == [first[place] for place in backwards]


@given(EVENTS, st.integers(0, 6))
def test_what_is_before_a_moment_is_counted(events: list[UsageEvent], moment: int) -> None:
    """An event at the very moment is not before it."""
    events.sort(key=lambda event: event.occurred_at)
    earlier = sum(event.occurred_at < moment for event in events)
    assert EventBatch.of(events).before(moment) == earlier
