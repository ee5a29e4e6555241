"""Figures as people read them. Knows numbers and words; decides nothing."""

from __future__ import annotations

from limbeck.evidence import Interval

MINUS = "−"
NOTHING = "–"


def percent(share: float | None, digits: int = 1) -> str:
    """A share as percent: "93.3%"."""
    return NOTHING if share is None else f"{100 * share:.{digits}f}%"


def span(interval: Interval | None) -> str:
    """The bounds of a share as percent: "92.5–94.0"."""
    return "" if interval is None else f"{100 * interval.low:.1f}–{100 * interval.high:.1f}"


def points(difference: float, sign: bool = True) -> str:
    """A difference of shares in percentage points with its sign: "+1.2", "−0.8"."""
    return signed(100 * difference, 1) if sign else f"{abs(100 * difference):.1f}"


def signed(value: float, digits: int) -> str:
    """A number with its sign; zero has none."""
    text = f"{abs(value):.{digits}f}"
    return text if float(text) == 0 else f"{'+' if value > 0 else MINUS}{text}"


def point_span(interval: Interval) -> str:
    """The bounds of a difference in percentage points: "−1.5 to −0.2"."""
    return f"{points(interval.low)} to {points(interval.high)}"


def fine(share: float) -> str:
    """A share given as a limit, in percentage points without idle digits: "2", "0.5"."""
    return f"{100 * share:.6g}"


def count(value: float) -> str:
    """A number of rows; with one decimal where it is a mean over repeats."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"


def nats(value: float | None) -> str:
    """A divergence in nats."""
    return NOTHING if value is None else f"{value:.3f}"


def plain(value: float | None, digits: int = 3) -> str:
    """A number with fixed decimals."""
    return NOTHING if value is None else f"{value:.{digits}f}"


def size(bytes_: float | None) -> str:
    """Bytes in decimal units: "1.26 MB", "812 kB"."""
    if bytes_ is None:
        return NOTHING
    for limit, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if bytes_ >= limit:
            value = bytes_ / limit
            return f"{value:,.{2 if value < 10 else 1 if value < 100 else 0}f} {unit}"
    return f"{bytes_:.0f} B"


def duration(seconds: float | None) -> str:
    """Seconds in the unit that suits them: "44 µs", "3.10 ms", "0.41 s"."""
    if seconds is None:
        return NOTHING
    if seconds >= 0.1:
        return f"{seconds:,.2f} s"
    return f"{seconds * 1e3:,.2f} ms" if seconds >= 1e-3 else f"{seconds * 1e6:,.0f} µs"


def whole(value: float | None) -> str:
    """A whole number."""
    return NOTHING if value is None else f"{value:,.0f}"


def ratio(student: float | None, teacher: float | None) -> str:
    """How much smaller the student is ("1/32"), or how much larger ("× 2.5")."""
    if not student or not teacher:
        return NOTHING
    if student > teacher:
        return f"× {student / teacher:,.1f}"
    times = teacher / student
    return f"1/{times:,.0f}" if times >= 9.5 else f"1/{times:.1f}"


def p_value(p: float) -> str:
    """A p that nobody needs to the fourth digit."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def rows(number: int) -> str:
    """A number of rows as a noun."""
    return "1 row" if number == 1 else f"{number:,} rows"


def figure(value: float) -> str:
    """A number of any size without idle digits: "3,000,000", "0.985"."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def limit(name: str, value: float | None) -> str:
    """A gate's limit, or what was found for it, in the unit that it has.

    Example:
        >>> limit("bytes", 3e6), limit("latency_p50", 100.0), limit("ece", 0.05)
        ('3.00 MB', '100 µs', '0.05')
    """
    if value is None:
        return NOTHING
    return size(value) if name == "bytes" else duration(value / 1e6) if name == "latency_p50" else figure(value)


def clean(text: str) -> str:
    """A text in one line that cannot move a cursor: what is not printable becomes U+FFFD."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)


def short(text: str, most: int = 80) -> str:
    """A text in one line, cut where it is longer than anybody reads in a table."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"
