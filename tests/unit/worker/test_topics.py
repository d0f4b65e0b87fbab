"""Topics: which there must be, and what is refused."""

from stream.settings import load, nested
from stream.worker.topics import misfits, specs

SETTINGS = load(nested(["partitions=4", "topics.sources=raw", "usage_retention_days=0"]))


def test_state_has_as_many_partitions_as_what_it_speaks_of() -> None:
    """A raw source has its own number, and a usage topic that exists keeps its own."""
    wanted = {spec.name: spec for spec in specs(SETTINGS, {"raw": 3, "slipaway.usage": 6})}
    assert wanted["slipaway.usage"].partitions == 6
    assert wanted["slipaway.state"].partitions == 6
    assert wanted["slipaway.ingest-state.raw"].partitions == 3
    assert wanted["slipaway.alerts"].partitions == 4
    assert wanted["slipaway.model"].partitions == 1
    assert wanted["slipaway.usage"].config["retention.ms"] == "-1"


def test_what_holds_state_is_compacted_and_nothing_else() -> None:
    """A deleted state row is a forgotten customer."""
    compacted = {spec.name for spec in specs(SETTINGS, {"raw": 3}) if spec.compacted}
    assert compacted == {
        "slipaway.state",
        "slipaway.ingest-state.raw",
        "slipaway.trainer-state",
        "slipaway.model",
        "slipaway.endpoints",
        "slipaway.customers",
        "slipaway.accounts",
        "slipaway.retention",
        "slipaway.accounts-state",
    }


def test_a_changed_number_of_partitions_is_refused_with_the_way_out() -> None:
    """Customers would have moved away from their state."""
    counts = {"slipaway.usage": 6, "slipaway.state": 4, "slipaway.examples": 2}
    counts |= {"slipaway.alerts": 2, "slipaway.customers": 2}  # of which nothing is remembered
    state, examples = misfits(specs(SETTINGS, counts), counts, SETTINGS.topics)
    assert "slipaway.state has 4 partitions, what it speaks of has 6" in state
    assert "set a new app_id" in state
    assert "slipaway.examples has 2 partitions and needs exactly 1" in examples


def test_a_raw_topic_that_grew_takes_its_places_along() -> None:
    """They are no customers: nobody has to start over because a source has more partitions."""
    counts = {"raw": 6, "slipaway.ingest-state.raw": 3}
    (problem,) = misfits(specs(SETTINGS, counts), counts, SETTINGS.topics)
    assert "--topic slipaway.ingest-state.raw --partitions 6" in problem
    (shrunk,) = misfits(specs(SETTINGS, {"raw": 2}), {**counts, "raw": 2}, SETTINGS.topics)
    assert "set a new app_id" in shrunk


def test_topics_without_state_may_have_any_number() -> None:
    """More partitions of alerts change nothing for us."""
    counts = {"slipaway.alerts": 32, "slipaway.dead-letters": 1}
    assert misfits(specs(SETTINGS, counts), counts, SETTINGS.topics) == []
