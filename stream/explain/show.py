"""Show: an explanation on a terminal, in the order in which somebody with a pencil needs it."""

from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from models.working import Target
from stream.detector.stages import Kind, Trigger
from stream.explain.explanation import Explanation
from stream.tap.line import shown

_WIDTH_MIN = 100
"""The table of inputs has seven columns."""


def show(found: Explanation) -> None:
    """Print an explanation to standard output."""
    console = Console(highlight=False, soft_wrap=True)
    console.width = max(console.width, _WIDTH_MIN)
    for part in (_head, _past, _silence, _prior):
        _print(console, part(found))
    _risk(console, found)
    _print(console, _worth(found))
    _print(console, _rest(found))
    for check in found.checks if _asks(found) else ():
        mark = Text("  yes  ", style="green") if check.met else Text("  no   ", style="red")
        console.print(mark.append(f"{check.name:<9} {shown(check.says)}", style="default"))
    console.print(Text(f"\n{shown(found.verdict)}", style="bold"))
    console.print(Text("\n".join(_after(found))))


def _print(console: Console, lines: Iterator[str]) -> None:
    """Print lines; the first is a heading."""
    for number, line in enumerate(lines):
        console.print(Text(line, style="" if number else "bold"))


def _head(found: Explanation) -> Iterator[str]:
    of = f"alert {found.alert.alert_id}" if found.alert else "nothing was said then"
    yield f"{shown(found.customer_id)} at {found.at}: {of}"
    kind = f"segment {shown(found.segment)}" if found.segment else "in no segment"
    yield f"  {kind}; policy {found.policy_version}, model {found.model_version}"
    if found.traits:
        traits = ", ".join(f"{name} = {value}" for name, value in sorted(found.traits.items()))
        yield f"  {shown(traits)}"


def _past(found: Explanation) -> Iterator[str]:
    past = found.past
    yield "\nVisits"
    yield f"  {past.visits} visits, x = {past.gaps} gaps between them"
    yield f"  first {past.first_visit}, last {past.last_visit}, last event {past.last_event}"
    yield f"  t = {past.span:.6f} days from the first to the last"
    yield (
        f"  last gap {past.last_gap:.4f} days, longest {past.longest_gap:.4f}; came back from"
        f" {past.survived} silences of more than half the horizon"
    )
    yield f"  ln(gap): running mean {past.log_gap_mean:.4f}, sd {past.log_gap_sd:.4f}"


def _silence(found: Explanation) -> Iterator[str]:
    silence = found.silence
    yield f"\nThe silence against the own rhythm; the horizon is H = {found.horizon:g} days"
    yield f"  s = {silence.lasts:.6f} days since the last event"
    if silence.not_counted:
        yield (
            f"  of it {silence.not_counted:.6f} do not count (holidays, or everybody was silent):"
            f" {silence.judged:.6f} are judged"
        )
    if silence.usual_gap is not None:
        yield f"  own mean gap t / x = {silence.usual_gap:.4f} days"
    yield f"  shrunk: (t + H/6) / (x + 1) = {silence.shrunk_gap:.4f} days"
    yield f"  n = 1 + x = {silence.shape:g}, B = t + H/6 = {silence.rate:.6f}"
    yield (
        f"  (B / (B + s))^n = {silence.outlasting:.6f} of such silences would last longer;"
        f" one in 20 lasts {silence.overdue_after:.4f} days"
    )


def _prior(found: Explanation) -> Iterator[str]:
    odds = found.working.odds
    yield "\nThe prior"
    yield f"  r = {odds.r:.6f}, alpha = {odds.alpha:.6f}, a = {odds.a:.6f}, b = {odds.b:.6f}"
    yield f"  T = alpha + t + s = {odds.age:.6f}"
    yield f"  odds of being gone: a / (b + x) * (T / (alpha + t))^(r + x) = {odds.gone:.6f}"
    yield f"  alive = 1 / (1 + odds) = {odds.alive:.6f}"
    yield f"  P(lapse) = 1 - alive * (1 - (T / (T + H))^(r + x)) = {odds.p_lapse:.6f}"


def _risk(console: Console, found: Explanation) -> None:
    """Print how the risk is made, input by input, the weightiest first."""
    target = found.working.lapse
    console.print(Text("\nThe risk: P(no visit within the horizon from now)", style="bold"))
    if target.terms:
        console.print(_inputs(target))
    else:
        console.print("  no weights have been learned yet: the prior answers alone")
    console.print(f"  the prior, ln(p / (1 - p))  {target.prior_logit:+14.8f}")
    console.print(f"  intercept                   {target.intercept:+14.8f}")
    console.print(f"  inputs, added up            {target.pushed:+14.8f}")
    console.print(f"  sum                         {target.logit:+14.8f}")
    heading = "P(lapse) by the silence   " if found.warning else "risk = 1 / (1 + e^-sum)   "
    console.print(f"  {heading}  {target.probability:14.6f}", style="bold")
    if found.warning:
        adds, event = found.warning.adds, escape(shown(found.warning.event))
        console.print(
            f"  of {found.warning.resolved:.1f} earlier “{event}” {found.warning.left:.0%} left:"
            f" adds {adds:.6f}"
        )
        says = f"1 - (1 - {target.probability:.6f}) * (1 - {adds:.6f})"
        console.print(f"  risk = {says} = {found.risk:.6f}", style="bold")
    if found.left:
        console.print("  it said that it left: the risk is 1, whatever the sum")


def _inputs(target: Target) -> Table:
    """Give the inputs as a table."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("  input")
    for name in ("value", "mean", "sd", "z", "weight", "z * weight"):
        table.add_column(name, justify="right", no_wrap=True)
    for term in sorted(target.terms, key=lambda term: (-abs(term.push), term.input)):
        table.add_row(
            escape(f"  {term.input}"),
            *(f"{number:.6g}" for number in (term.value, term.mean, term.scale)),
            *(f"{number:+.6f}" for number in (term.standardised, term.weight)),
            f"{term.push:+.8f}",
        )
    return table


def _worth(found: Explanation) -> Iterator[str]:
    worth = found.worth
    yield "\nWhat an alert is worth: ln of the days of earlier notice for one false alarm"
    yield (
        f"  P(lapse) {worth.p_lapse:.6f}, P(this silence outlasts H) {worth.p_gap:.6f},"
        f" P(back within {worth.back_days:g} days) {worth.p_back:.6f}"
    )
    if worth.gain is None or worth.urgency is None:
        yield "  the silence has outlasted the horizon: there is no notice left to gain"
        return
    yield (
        f"  gain = ln({worth.days_left:.6f} days left * {worth.p_gap:.6f} /"
        f" (1 - {worth.p_lapse:.6f})) = {worth.gain:+.4f}"
    )
    yield (
        f"  urgency = ln({worth.p_gap:.6f} / {worth.hazard:.6f} returns a day) ="
        f" {worth.urgency:+.4f}"
    )
    yield f"  worth = the lesser = {worth.value:+.4f}" if worth.value is not None else ""
    of = f"of segment {shown(worth.dial)}" if worth.dial else "of the policy"
    bar = "none yet" if worth.threshold is None else f"{worth.threshold:+.4f}"
    yield f"  threshold by the dial {of}: {bar}"
    if worth.highest is not None:
        yield f"  highest of this silence at a landmark: {worth.highest:+.4f}"


def _rest(found: Explanation) -> Iterator[str]:
    """Say what else is looked at, and head what has to be met."""
    if found.falls:
        yield "\nStill coming, but less (nats of evidence)"
        for fall in found.falls:
            told = "never told of" if fall.told_from is None else f"told from {fall.told_from:g} on"
            yield f"  {fall.fall}: {fall.level:.4f}, {told}"
    if _asks(found):
        yield "\nWhat an alert on the silence asks for"


def _asks(found: Explanation) -> bool:
    """Tell whether the conditions of an alert on the silence have anything to do with it."""
    said = found.alert
    return said is None or (said.kind == Kind.OPENED and said.trigger == Trigger.SILENCE)


def _after(found: Explanation) -> Iterator[str]:
    if found.alert:
        yield from (f"  {shown(reason)}" for reason in found.alert.reasons)
        yield f"  severity {found.alert.severity}"
    if found.held_out:
        yield "  In the policy's holdout: alerts are recorded, and not delivered."
    if found.next_look:
        yield f"  Silences are judged at landmarks; the next one is {found.next_look}."
    yield "  --json has every digit, and the same of the other two probabilities."
