"""What our pages tell somebody to type: all of it, what each answers, and what no test can type.

A command that is in a page and in none of these tables fails a test, and so does a line
of a table that is in no page any more.
"""

import re
from collections.abc import Iterator

from needs import ROOT
from programs import RUNBOOKS
from typed import commands

PAGES = (
    "deploy/README.md",
    *(f"deploy/runbooks/{book.name}" for book in sorted(RUNBOOKS.glob("*.md"))),
    "deploy/METRICS.md",
    "deploy/CAPACITY.md",
    "SECURITY.md",
    "POLICY.md",
    "CONTRIBUTING.md",
)
_PROGRAMS = (
    r"slipaway|just|uv|python3?|pip|npm|node|docker|kubectl|kustomize|helm|promtool|amtool|curl|git"
    r"|apt-get|kafka-[a-z-]+(?:\.sh)?"
)
"""What a command begins with where a page has it in a sentence, or in a block of no language."""

BROKER = "python -m stream.broker run --port 9092"
"""Typed first, at another port."""

IN_ORDER = (
    "slipaway topics create",
    "slipaway demo --past slipaway.usage",
    "slipaway run --policy stream/demo/policy.toml",
    "slipaway demo --present slipaway.usage",
)
"""The ten minutes: typed next. Whatever else is typed finds the worker that these have started."""

ANSWERS = {
    "slipaway doctor --policy policy.toml --bootstrap-servers HOST:9092": (0, "0 failed"),
    "slipaway validate policy.toml": (0, "policy.toml: valid"),
    "slipaway policy init LOG": (0, r"\[events\]"),
    "slipaway backtest LOG --policy policy.toml": (0, "slipaway, by its dial"),
    "slipaway backtest LOG --policy new.toml --against old.toml": (
        0,
        "The policy beside the old one",
    ),
    "slipaway replay events.jsonl --policy policy.toml --save-model models.jsonl": (0, "opened"),
    "slipaway model publish models.jsonl --bootstrap-servers HOST:9092": (0, "published to"),
    "slipaway topics create --set app_id=slipaway-2 --set topics.state=slipaway-2.state": (
        0,
        r'"topics": \["slipaway-2.state"\]',
    ),
    "slipaway topics acls --role ROLE": (0, "kafka-acls .* --operation READ --group slipaway"),
    "slipaway config show": (0, 'app_id = "slipaway"'),
    "slipaway dlq list": (0, "1 +0 +not_json +detect"),
    "slipaway dlq show PARTITION:OFFSET": (0, "fault +the sender's"),
    "slipaway dlq replay --dry-run --policy policy.toml": (0, "0 of 1 letters"),
    "slipaway worklist --policy FILE": (0, '"kind":"opened"'),
    "slipaway deliver endpoints.toml --check": (0, "valid, 1 endpoints"),
    "slipaway deliver endpoints.toml --enable NAME": (0, ""),
    "just": (0, "Available recipes"),
    "just sbom": (0, '"bomFormat": "CycloneDX"'),
    "just rules": (0, ""),
}
"""How each ends, and a word of what it prints, where all is well: typed in this order."""

THE_SAME = {
    "slipaway validate FILE": "slipaway validate policy.toml",
    "slipaway backtest LOG --policy FILE": "slipaway backtest LOG --policy policy.toml",
}
"""In other words."""

ELSEWHERE = {
    "slipaway tap --kind suspended --kind resumed --from-beginning --limit 10"
    " --bootstrap-servers HOST:9092": ("test_outages.py", "SlipawayAlertsSuspended"),
    "just runbooks-at https://wiki.your.company/slipaway": (
        "test_runbook_links.py",
        '"runbooks-at"',
    ),
    "kubectl kustomize deploy/kubernetes/overlays/example": (
        "test_kubernetes.py",
        'KUBERNETES / "overlays" / "example"',
    ),
}
"""Which other test types it, and what of it stands there."""

NEVER = {
    "SLIPAWAY_POLICY=/demo/policy.toml docker compose --profile demo up --build --detach": (
        "it needs a container engine; test_compose_live.py runs its services"
    ),
    "kubectl apply --kustomize deploy/kubernetes/overlays/example": (
        "it needs a cluster; test_kubernetes_live.py runs its pods"
    ),
    "kubectl apply --kustomize": "as above: what of",
    "kubectl rollout status statefulset/slipaway --namespace slipaway": "it needs a cluster",
    "kubectl rollout restart statefulset/slipaway --namespace slipaway": "it needs a cluster",
    "kubectl rollout undo statefulset/slipaway --namespace slipaway": "it needs a cluster",
    "kubectl scale statefulset/slipaway --replicas 4 --namespace slipaway": "it needs a cluster",
    "kafka-transactions.sh --bootstrap-server HOST:9092 find-hanging --topic slipaway.state": (
        "Kafka's own tools are not among the jars of a broker"
    ),
    "python -m stream.broker lock": "it asks the network which jars there are",
    "just reference": "it writes into the checkout what tests/unit/cli/test_reference.py holds",
    "just setup": "it puts hooks into the checkout; CI takes the same steps",
    "just test": "it is this",
    "just integration": "it is this",
    "just fault": "it is this",
    "just check": "it is this",
    "just bench": "it wants a quiet machine for long; tests/bench/test_bench.py runs its parts",
    "just bench metrics": "as above",
    "just audit": "it asks the network",
    "just requirements": "`just lint` holds the file against the same export",
}
"""Why no test types it; its words are checked all the same, as far as they can be without."""


def told() -> dict[str, list[str]]:
    """Return every command, and the pages that have it."""
    found: dict[str, list[str]] = {}
    for page in PAGES:
        for command in commands_of((ROOT / page).read_text(encoding="utf-8")):
            found.setdefault(command, []).append(page)
    return found


def commands_of(text: str) -> Iterator[str]:
    """Give the commands of a page: all lines of its shells' blocks, and what else looks like one.

    Without what only a checkout has to say before it (`uv run`), and dots for what may follow.
    """
    known = re.compile(rf"(?:[A-Z_]+=\S+ )*(?:{_PROGRAMS})(?: [^=].*)?")
    sentences = re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL)
    quoted = [" ".join(words.split()) for words in re.findall(r"`([^`]+)`", sentences)]
    lines = commands(text, "sh", "bash", "console")
    lines += [words for words in (*commands(text, ""), *quoted) if known.fullmatch(words)]
    for line in lines:
        command = line.removeprefix("uv run ").removesuffix("...").strip()
        if command != "slipaway":
            yield command
