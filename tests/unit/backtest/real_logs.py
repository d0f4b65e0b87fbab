"""Real logs: read by our own reader, and by the independent scorer's."""

import importlib
import sys
import time
from pathlib import Path
from types import SimpleNamespace

from stream.backtest.history import History, Recorder
from stream.replay.read import read_log
from stream.replay.refusals import Refusals
from stream.wire.events import Decoder
from stream.wire.policy_file import load

EXAMPLES = Path(__file__).parents[3] / "examples"
LOGS = {
    "cdnow": ("cdnow", ["cdnow/CDNOW_master.txt.gz"]),
    "online_retail": ("online-retail", ["online_retail/online_retail.csv.gz"]),
    "kdd2015": ("kdd-courses", ["kdd2015/usage.csv.gz", "kdd2015/outcomes.csv.gz"]),
}


def our_history(name: str, shared_data: Path) -> History:
    """Return the history of a log as our own reader has it."""
    policy, files = LOGS[name]
    product = load(EXAMPLES / f"{policy}.toml")
    recorder = Recorder(product.policy)
    for batch in read_log(
        [str(shared_data / file) for file in files],
        product.log,
        Decoder(product.mappings),
        received_at=time.time_ns() // 1_000_000,
        refusals=Refusals(),
    ):
        recorder.take(batch)
    return recorder.history()


def independent_scorer(shared_data: Path) -> SimpleNamespace:
    """Return the modules of the independent scorer."""
    folder = str(shared_data.parent / "eval")
    sys.path.insert(0, folder)
    names = (
        "datasets",
        "episodes",
        "score_alerts",
        "visits",
        "baselines",
        "baselines_models",
        "compare",
    )
    try:
        return SimpleNamespace(**{name: importlib.import_module(name) for name in names})
    finally:
        sys.path.remove(folder)
