"""A gateway, asked from a back end.

Invariants: every call ends: tries, waits and answers are bounded; the key stands in no text and no `repr`.
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, cast
from urllib.parse import quote

import httpx

from ductus.errors import Refused, Unavailable
from ductus.retry import RETRIED, Retry, retry_after_s
from ductus.sse import server_sent_events
from ductus.wire import EventBatch, Identification, Receipt, Risk, Scope, Token, Verdict, Verification

# A monitor on which nothing is said for this long is dead; the gateway speaks every 15 s.
SILENCE_MAX_S = 45.0


class Client:
    """One gateway and one application key; may be shared by threads. Use it as a context manager, or `close()` it."""

    def __init__(self, base_url: str, key: str, *, timeout_s: float = 10.0, retry: Retry | None = None) -> None:
        self._base_url = base_url.rstrip("/")
        self._retry = retry or Retry()
        self._timeout_s = timeout_s
        self._http = httpx.Client(
            base_url=f"{self._base_url}/v1/", headers={"authorization": f"Bearer {key}"}, timeout=timeout_s
        )
        self.tokens = Tokens(self)

    def send(self, batches: EventBatch | Sequence[EventBatch]) -> dict[str, Any]:
        """Sends one batch, or several as NDJSON; returns once they are stored. Repeating a batch changes nothing."""
        if isinstance(batches, Mapping):
            return self._post("events", batches)
        body = "".join(json.dumps(batch, separators=(",", ":")) + "\n" for batch in batches)
        headers = {"content-type": "application/x-ndjson"}
        return _object(self._ask("POST", "events", content=body.encode(), headers=headers))

    def enrol(self, subject: str, batches: Sequence[EventBatch]) -> dict[str, Any]:
        """Makes references of the subject out of samples; they are there a moment later."""
        return self._post(f"subjects/{quote(subject, safe='')}/enrolments", {"batches": list(batches)})

    def verify(self, subject: str, batches: Sequence[EventBatch]) -> Verification:
        """Whether these samples are of the subject, once."""
        answer = self._post(f"subjects/{quote(subject, safe='')}/verify", {"batches": list(batches)})
        return cast(Verification, answer)

    def identify(
        self, batches: Sequence[EventBatch], among: Sequence[str] | None = None, *, candidates_max: int = 5
    ) -> Identification:
        """Who it is: of these subjects, or of all that are enrolled. The tenant must have switched it on; each use is audited."""
        body: dict[str, Any] = {"batches": list(batches), "candidates_max": candidates_max}
        if among is not None:
            body["pool"] = {"subjects": list(among)}
        return cast(Identification, self._post("identify", body))

    def feedback(self, decision: str, verdict: Verdict, note: str | None = None) -> dict[str, Any]:
        """Says what a decision was worth. Said again with this key, the latest word counts."""
        body = {"verdict": verdict} if note is None else {"verdict": verdict, "note": note}
        return self._post(f"decisions/{quote(decision, safe='')}/feedback", body)

    def erase(self, subject: str) -> Receipt:
        """Starts the erasure of a subject. Asked again before it is done, it gives the same receipt."""
        return cast(Receipt, _object(self._ask("DELETE", f"subjects/{quote(subject, safe='')}")))

    def erasure(self, receipt: str) -> Receipt:
        """How far an erasure is."""
        return cast(Receipt, _object(self._ask("GET", f"erasures/{quote(receipt, safe='')}")))

    def risk(self, session: str) -> Risk:
        """The session's risk now."""
        return cast(Risk, _object(self._ask("GET", f"sessions/{quote(session, safe='')}/risk")))

    def monitor(self, session: str, last_event_id: str | None = None) -> Iterator[Risk]:
        """The session's risk as it changes, for as long as it is iterated. A connection that breaks comes back where it was;
        `last_event_id` (the `event_id` of a risk) goes on where another process stopped. `Unavailable` after
        `Retry.tries_max` failures in a row, `Refused` at once where the gateway refuses.
        """
        failures = 0
        while True:
            status, problem, asked_s = None, dict[str, Any](), None
            headers = {"accept": "text/event-stream"} | ({"last-event-id": last_event_id} if last_event_id else {})
            path = f"sessions/{quote(session, safe='')}/monitor"
            try:
                timeout = httpx.Timeout(self._timeout_s, read=SILENCE_MAX_S)
                with self._http.stream("GET", path, headers=headers, timeout=timeout) as response:
                    status = response.status_code
                    if response.is_success:
                        for event in server_sent_events(response.iter_bytes()):
                            last_event_id = event.id or last_event_id
                            if event.name == "risk":
                                failures = 0
                                yield cast(Risk, {**_json_object(event.data), "event_id": event.id})
                    else:
                        response.read()
                        problem, asked_s = _object(response), retry_after_s(response.headers.get("retry-after"))
            except (httpx.TransportError, ValueError):
                pass  # A connection that breaks is one that ends.
            # A session is not known before its first decision.
            if status is not None and status >= 400 and status not in RETRIED | {404}:
                raise Refused(status, problem)
            failures += 1
            self._wait(failures, status, problem, asked_s)

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self._base_url!r})"

    def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return _object(self._ask("POST", path, json=body))

    def _ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        """The answer, once it is a success."""
        failures = 0
        while True:
            try:
                response = self._http.request(method, path, **request)
            except httpx.TransportError:
                status, problem, asked_s = None, dict[str, Any](), None
            else:
                if response.is_success:
                    return response
                status, problem = response.status_code, _object(response)
                if status not in RETRIED:
                    raise Refused(status, problem)
                asked_s = retry_after_s(response.headers.get("retry-after"))
            failures += 1
            self._wait(failures, status, problem, asked_s)

    def _wait(self, failures: int, status: int | None, problem: dict[str, Any], asked_s: float | None) -> None:
        wait_s = self._retry.wait_s(failures, asked_s)
        if wait_s is None:
            raise Unavailable(failures, status, problem, asked_s) from None
        time.sleep(wait_s)


class Tokens:
    """`client.tokens`: what pages carry instead of the key."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def mint(
        self,
        session: str,
        subject: str | None = None,
        *,
        scopes: Sequence[Scope] = ("ingest", "monitor"),
        ttl_s: int = 900,
        enrol: bool = False,
    ) -> Token:
        """A token for one session of one subject, for at most an hour.

        With ``enrol`` what the page sends may also be learned (the purposes ``enrol`` and ``collect``): only
        while you know by other means who sits there.
        """
        body: dict[str, Any] = {"session": session, "scopes": list(scopes), "ttl_s": ttl_s}
        if enrol:
            body["enrol"] = True
        if subject is not None:
            body["subject"] = subject
        return cast(Token, self._client._post("tokens", body))


def _object(response: httpx.Response) -> dict[str, Any]:
    """The JSON object of an answer; empty where there is none."""
    try:
        return _json_object(response.content)
    except ValueError:
        return {}


def _json_object(text: str | bytes) -> dict[str, Any]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004 - as for text that is no JSON
    return value
