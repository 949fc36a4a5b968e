"""What can go wrong, by what the caller does next. No text of these holds a key or what was sent."""

from typing import Any


class DuctusError(Exception):
    """Anything that this package raises."""


class Refused(DuctusError):
    """The gateway will not do this; asking again would change nothing."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        self.status = status
        # The problem document (RFC 9457); empty where the answer held none.
        self.problem = problem
        # Code for programs, such as `forged_subject`.
        self.reason: str | None = problem.get("reason")
        # Sentences for people.
        self.title: str | None = problem.get("title")
        self.detail: str | None = problem.get("detail")
        said = ": ".join(part for part in (self.reason, self.title, self.detail) if part)
        super().__init__(f"the gateway refused with {status}" + (f": {said}" if said else ""))


class Unavailable(DuctusError):
    """The gateway could not be reached, or was busy, for as many tries as the policy allows; later it may work."""

    def __init__(
        self, tries: int, status: int | None, problem: dict[str, Any], retry_after_s: float | None = None
    ) -> None:
        self.tries = tries
        # Of the last try; None where no answer came.
        self.status = status
        self.problem = problem
        self.retry_after_s = retry_after_s
        last = "no answer" if status is None else f"status {status}"
        super().__init__(f"the gateway was not available in {tries} tries, the last with {last}")
