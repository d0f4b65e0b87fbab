"""The silence, drawn: how rare one so long is for this customer, and what the model made of it."""

from markupsafe import Markup

from stream.console.chart import Chart
from stream.console.standing import Standing
from stream.detector.reasons import duration

WIDTH, HEIGHT = 720.0, 200.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 44.0, 14.0, 24.0, 30.0
_TICKS = 6
LEAST_TOLD = 0.01


def draw(stands: Standing) -> Markup:
    """Draw the tail of the customer's own silences, and its risk; nothing without a rhythm."""
    curve, rhythm = stands.curve, stands.rhythm
    if not curve or rhythm is None:
        return Markup()
    longest = curve[-1].days or 1.0
    floor, right = HEIGHT - _BOTTOM, WIDTH - _RIGHT
    chart = Chart("silence", WIDTH, HEIGHT, in_words(stands))

    def across(days: float) -> float:
        return _LEFT + (right - _LEFT) * min(days / longest, 1.0)

    def up(share: float) -> float:
        return floor - (floor - _TOP) * share

    for share in (0.0, 0.5, 1.0):
        chart.line(_LEFT, up(share), right, up(share))
        chart.write(_LEFT - 6, up(share) + 4, f"{100 * share:.0f} %", "end")
    for number in range(_TICKS + 1):
        days = longest * number / _TICKS
        anchor = "start" if not number else "end" if number == _TICKS else "middle"
        words, name = duration(days) if number else "0", "between" if number % 2 else ""
        chart.write(across(days), HEIGHT - 8, words, anchor, name)
    today = stands.known.silence
    chart.curve(((across(one.days), up(one.outlasts)) for one in curve), "tail")
    chart.curve(((across(one.days), up(one.risk)) for one in curve if one.risk is not None), "risk")
    for days, name, words in (
        (rhythm.deadline_days, "deadline", "95 of 100 over"),
        (today, "now", "now"),
    ):
        x = across(days)
        chart.line(x, _TOP - 4, x, floor, name)
        chart.write(x, _TOP - 10, words, "start" if x < WIDTH / 2 else "end", name)
    return chart.drawn()


def in_words(stands: Standing) -> str:
    """Say what the drawing shows: for who does not see it, and below it for everybody."""
    rhythm, silence = stands.rhythm, stands.known.silence
    if rhythm is None or not stands.curve:
        return ""
    said = (
        f"Silent for {duration(silence)}: of 100 silences of their own,"
        f" {_of_hundred(rhythm.outlasts)} would last longer, and 5 longer than"
        f" {duration(rhythm.deadline_days)}."
    )
    risks = [point.risk for point in stands.curve if point.risk is not None]
    if not risks:
        return said
    return (
        f"{said} The risk was {100 * risks[0]:.0f} % when the silence began, and is"
        f" {100 * risks[-1]:.0f} % now."
    )


def _of_hundred(share: float) -> str:
    """Say a share; of a rare one, that it is."""
    return "fewer than one" if share < LEAST_TOLD else f"{100 * share:.0f}"
