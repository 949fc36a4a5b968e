"""What travels, as types. The gateway's documents are dictionaries as they came: a field that it adds later is there, too."""

from collections.abc import Mapping
from typing import Any, Literal, TypedDict

# One `EventBatch` as `schemas/event-batch.schema.json` describes it; the gateway checks it.
EventBatch = Mapping[str, Any]

Scope = Literal["ingest", "monitor"]

# What a decision was worth: it was the subject, or it was somebody else.
Verdict = Literal["false_alarm", "confirmed"]


class Reason(TypedDict):
    """Why a decision says what it says."""

    measure: str
    text: str
    delta: float
    unit: str
    z: float


class Risk(TypedDict, total=False):
    """The risk of a session after a window was judged."""

    session: str
    subject: str | None
    # 0-100: that it is somebody else.
    risk: float
    # 0-1.
    confidence: float
    action: Literal["allow", "step_up", "terminate", "insufficient_data"]
    reasons: list[Reason]
    # Id of the decision.
    decision: str
    # Microseconds since the Unix epoch.
    time_us: int
    # Of the monitor only: where to go on from.
    event_id: str


class Token(TypedDict):
    """A session token, for the page."""

    token: str
    # The one that batches have to name.
    tenant: str
    # Milliseconds since 1970.
    expires_at_ms: int


class Verification(TypedDict, total=False):
    """Whether samples are of the subject."""

    decision: Literal["same", "different", "insufficient_data"]
    score: float | None
    confidence: float
    reasons: list[Reason]
    # What is missing for a judgement, where there was none.
    needed: Any


class Candidate(TypedDict):
    """Who it may be."""

    # 1 for the most likely.
    rank: int
    subject: str
    score: float
    # 0-1: that it is this subject and nobody else.
    probability: float


class Identification(TypedDict, total=False):
    """Who it may be, most likely first."""

    candidates: list[Candidate]
    # 0-1: that it is none of those who were compared.
    nobody: float
    # Subjects who were compared.
    searched: int
    # What is missing for an answer, where there is none.
    needed: Any


class Receipt(TypedDict, total=False):
    """How far an erasure is."""

    receipt: str
    subject: str
    state: Literal["asked", "running", "done", "failed"]
    # Milliseconds since 1970.
    asked_at_ms: int
    changed_at_ms: int
    detail: str
