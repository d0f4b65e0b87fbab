"""The watch over the policy file: what is taken up, what is refused, and what is no change."""

from collections.abc import Callable
from pathlib import Path

import pytest

from stream.wire import policy_file
from stream.worker.metrics import Metrics
from stream.worker.policy_watch import PolicyWatch

FIRST = '[slipping]\nhorizon = "30d"\nvisits_min = 3\n'
SECOND = FIRST.replace("3\n", "4\n")
BROKEN = FIRST.replace("visits_min", "visit_min") + 'gap = "1h"\n'

Watch = Callable[..., tuple[PolicyWatch, list[str]]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a policy file that is in force."""
    path = tmp_path / "policy.toml"
    path.write_text(FIRST)
    return path


@pytest.fixture
def watch(path: Path, metrics: Metrics) -> Watch:
    """Return what makes a watch, and the texts that it takes up."""

    def make(*, learns: bool = False) -> tuple[PolicyWatch, list[str]]:
        taken: list[str] = []
        product = policy_file.load(path)
        metrics.obeys(product.policy.version)
        made = PolicyWatch(path, product, learns=learns, metrics=metrics, take_up=taken.append)
        return made, taken

    return make


def value(metrics: Metrics, name: str) -> float | None:
    """Return a metric without labels."""
    return metrics.registry.get_sample_value(f"slipaway_{name}")


def test_what_is_half_written_is_not_taken_up(watch: Watch, path: Path) -> None:
    """Half a file may be valid, and mean something else: it has to stand for two looks."""
    watching, taken = watch()
    watching.look()
    for text in (SECOND[:20], SECOND[:-6], SECOND):
        path.write_text(text)
        watching.look()
        assert taken == []
    watching.look()
    assert taken == [SECOND]
    watching.look()
    assert taken == [SECOND]  # once: the rest is the restart's


def test_who_says_that_it_is_whole_does_not_wait(watch: Watch, path: Path) -> None:
    """As by SIGHUP."""
    watching, taken = watch()
    path.write_text(SECOND)
    watching.look(told=True)
    assert taken == [SECOND]


@pytest.mark.parametrize("text", [FIRST, "# why\n" + FIRST, FIRST.replace("30d", "720h")])
def test_what_means_the_same_is_no_change(
    watch: Watch, path: Path, metrics: Metrics, text: str
) -> None:
    """A comment restarts nobody."""
    watching, taken = watch()
    path.write_text(text)
    watching.look(told=True)
    assert taken == []
    assert value(metrics, "policies_refused_total") == 0


def test_a_mapping_is_part_of_the_policy(watch: Watch, path: Path) -> None:
    """Though alerts do not say it: it decides what is read."""
    watching, taken = watch()
    text = FIRST + '\n[[mapping]]\ncustomer = "c"\ntime = "t"\nevent = "e"\n'
    path.write_text(text)
    watching.look(told=True)
    assert taken == [text]


def test_a_broken_file_is_refused_once_and_may_be_mended(
    watch: Watch, path: Path, metrics: Metrics
) -> None:
    """Whatever is wrong with it, the policy in force goes on."""
    watching, taken = watch()
    for number, break_it in enumerate(
        (
            lambda: path.write_text(BROKEN),
            lambda: path.write_bytes(b"\xff\xfe"),
            path.unlink,
            lambda: path.write_text("[slipping"),
        ),
        1,
    ):
        break_it()
        for _ in range(3):
            watching.look()
        assert value(metrics, "policies_refused_total") == number
        assert value(metrics, "policy_file_in_force") == 0
    assert taken == []
    path.write_text(FIRST)
    watching.look(told=True)
    assert value(metrics, "policy_file_in_force") == 1
    assert taken == []
    path.write_text(SECOND)
    watching.look(told=True)
    assert taken == [SECOND]


@pytest.mark.parametrize("learns", [True, False])
def test_what_was_learned_is_not_dropped_in_passing(
    watch: Watch, path: Path, metrics: Metrics, *, learns: bool
) -> None:
    """Another horizon makes the trainer begin anew: nobody's typing should."""
    watching, taken = watch(learns=learns)
    text = FIRST.replace("30d", "40d")
    path.write_text(text)
    watching.look(told=True)
    assert taken == ([] if learns else [text])
    assert value(metrics, "policies_refused_total") == learns


@pytest.mark.parametrize(
    ("horizon", "refused"),
    [("14d", True), ("", True), ("7d", False)],
    ids=["another", "none", "the same"],
)
def test_nor_is_what_was_learned_of_a_segments_horizon(
    watch: Watch, path: Path, metrics: Metrics, horizon: str, *, refused: bool
) -> None:
    """What is new may be learned beside it; what nobody has any more would be lost."""
    segment = '[[segment]]\nname = "trial"\nwhere = { plan = "trial" }\n'
    path.write_text(FIRST + segment + 'horizon = "7d"\n')
    watching, taken = watch(learns=True)
    more = '[[segment]]\nname = "large"\nhorizon = "60d"\n'
    text = FIRST + segment + (f'horizon = "{horizon}"\n' if horizon else "") + more
    path.write_text(text)
    watching.look(told=True)
    assert taken == ([] if refused else [text])
    assert value(metrics, "policies_refused_total") == refused
