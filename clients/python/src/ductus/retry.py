"""When to try again, and how long to wait before."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

RETRIED = frozenset({408, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Retry:
    """Bounds of the tries. Every request may be repeated: the gateway knows a batch by its session and number."""

    # Tries of a request, and failed connections in a row of a monitor.
    tries_max: int = 6
    # The first wait; it doubles up to `wait_max_s`.
    wait_min_s: float = 0.25
    wait_max_s: float = 30.0
    # A `Retry-After` beyond it is not waited for: the caller is told instead.
    retry_after_max_s: float = 60.0

    def wait_s(self, failures: int, asked_s: float | None) -> float | None:
        """The wait after this many failures; None where it is time to give up."""
        if failures >= self.tries_max or (asked_s or 0.0) > self.retry_after_max_s:
            return None
        doubled_s = min(self.wait_max_s, self.wait_min_s * 2.0 ** (failures - 1))
        # Spread, so that many back ends do not return all at once.
        return max(asked_s or 0.0, doubled_s * (0.5 + random.random() / 2))


def retry_after_s(header: str | None, now: datetime | None = None) -> float | None:
    """`Retry-After` as seconds or as a date; None where it is neither."""
    if header is None:
        return None
    if header.strip().isdigit():
        return float(header)
    try:
        until = parsedate_to_datetime(header)
    except ValueError:
        return None
    return max(0.0, (until - (now or datetime.now(UTC))).total_seconds())
