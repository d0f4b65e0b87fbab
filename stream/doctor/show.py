"""Show: findings for people, one a line; what is not good says whose it is and what to do."""

from collections import Counter
from collections.abc import Iterator

from stream.doctor.findings import Finding, Verdict

_WIDTH = max(map(len, Verdict))
_COLOURS = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.FAILURE: "bold red"}


def show(findings: list[Finding]) -> None:
    """Print findings to standard output, in colour on a terminal."""
    from rich.console import Console  # noqa: PLC0415 - machines want none of it
    from rich.text import Text  # noqa: PLC0415

    console = Console(soft_wrap=True)
    for finding in findings:
        first, *more = lines(finding)
        text = Text(first)
        text.stylize(_COLOURS[finding.verdict], 0, _WIDTH)
        console.print(text)
        for line in more:
            console.print(Text(line))
    console.print(Text(summary(findings)))


def lines(finding: Finding) -> Iterator[str]:
    """Say a finding in lines."""
    yield f"{finding.verdict:<{_WIDTH}}  {finding.check}: {finding.reason}"
    if finding.action:
        yield f"{'':<{_WIDTH}}  cause: {finding.fault}; to do: {finding.action}"


def summary(findings: list[Finding]) -> str:
    """Count findings by how good they are."""
    counts = Counter(finding.verdict for finding in findings)
    return (
        f"{counts[Verdict.FAILURE]} failed, {counts[Verdict.WARNING]} to be warned of,"
        f" {counts[Verdict.OK]} ok"
    )
