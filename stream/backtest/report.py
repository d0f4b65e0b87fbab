"""Report: the findings as one page that opens anywhere, without a network and without scripts."""

from stream.backtest.findings import Findings


def page(findings: Findings) -> str:
    """Write the page."""
    return findings.data.policy_version
