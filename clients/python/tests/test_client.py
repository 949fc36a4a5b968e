"""The client against a gateway on this machine."""

import json
import unittest
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from unittest import mock

from gateway import Answer, Gateway

from ductus import Client, DuctusError, Refused, Retry, Unavailable
from ductus.retry import retry_after_s
from ductus.sse import EndlessEvent, ServerSentEvent, server_sent_events

KEY = "dk_1_secret"
BATCH = json.loads((Path(__file__).parents[3] / "schemas" / "examples" / "event-batch.json").read_text())
PROBLEM = {
    "type": "urn:ductus:problem:forged_subject",
    "title": "another subject",
    "status": 403,
    "reason": "forged_subject",
}


def event(id: str, risk: float, name: str = "risk") -> bytes:
    return f'event: {name}\nid: {id}\ndata: {{"risk":{risk}}}\n\n'.encode()


class Case(unittest.TestCase):
    def setUp(self) -> None:
        self.waits: list[float] = []
        self.enterContext(mock.patch("ductus.client.time.sleep", self.waits.append))
        self.enterContext(mock.patch("ductus.retry.random.random", lambda: 1.0))

    def at(self, *answers: Answer, **options: object) -> tuple[Gateway, Client]:
        gateway = self.enterContext(Gateway(*answers))
        return gateway, self.enterContext(Client(gateway.url + "/", KEY, **options))  # type: ignore[arg-type]


class Routes(Case):
    def test_each_asks_what_the_contract_says(self) -> None:
        gateway, client = self.at()
        client.send(BATCH)
        client.tokens.mint("s-1", "c1f0e7", ttl_s=60)
        client.tokens.mint("s-1", scopes=["monitor"], enrol=True)
        client.enrol("c1f0e7", [BATCH])
        client.verify("c1/f0", [BATCH])
        client.risk("s-1")
        client.identify([BATCH])
        client.identify([BATCH], among=["a", "b"], candidates_max=1)
        client.feedback("5c1f", "false_alarm")
        client.feedback("5c1f", "confirmed", "seen on camera")
        client.erase("c1f0e7")
        client.erasure("r-1")
        self.assertEqual(
            [(asked.method, asked.path, json.loads(asked.body or b"null")) for asked in gateway.asked],
            [
                ("POST", "/v1/events", BATCH),
                (
                    "POST",
                    "/v1/tokens",
                    {"session": "s-1", "subject": "c1f0e7", "scopes": ["ingest", "monitor"], "ttl_s": 60},
                ),
                ("POST", "/v1/tokens", {"session": "s-1", "scopes": ["monitor"], "ttl_s": 900, "enrol": True}),
                ("POST", "/v1/subjects/c1f0e7/enrolments", {"batches": [BATCH]}),
                ("POST", "/v1/subjects/c1%2Ff0/verify", {"batches": [BATCH]}),
                ("GET", "/v1/sessions/s-1/risk", None),
                ("POST", "/v1/identify", {"batches": [BATCH], "candidates_max": 5}),
                (
                    "POST",
                    "/v1/identify",
                    {"batches": [BATCH], "candidates_max": 1, "pool": {"subjects": ["a", "b"]}},
                ),
                ("POST", "/v1/decisions/5c1f/feedback", {"verdict": "false_alarm"}),
                ("POST", "/v1/decisions/5c1f/feedback", {"verdict": "confirmed", "note": "seen on camera"}),
                ("DELETE", "/v1/subjects/c1f0e7", None),
                ("GET", "/v1/erasures/r-1", None),
            ],
        )
        self.assertEqual({asked.headers["authorization"] for asked in gateway.asked}, {f"Bearer {KEY}"})
        self.assertEqual(gateway.asked[0].headers["content-type"], "application/json")

    def test_answers_are_passed_on(self) -> None:
        verification = {"decision": "insufficient_data", "needed": 12, "added_later": True}
        _, client = self.at(Answer(202, {"accepted": 3}), Answer(200, verification), Answer(202, b""))
        self.assertEqual(client.send(BATCH), {"accepted": 3})
        self.assertEqual(client.verify("c1f0e7", [BATCH]), verification)
        self.assertEqual(client.enrol("c1f0e7", [BATCH]), {})

    def test_several_batches_travel_as_ndjson(self) -> None:
        gateway, client = self.at(Answer(202))
        client.send([BATCH, BATCH | {"seq": 1}])
        self.assertEqual(gateway.asked[0].headers["content-type"], "application/x-ndjson")
        self.assertEqual([json.loads(line)["seq"] for line in gateway.asked[0].body.splitlines()], [BATCH["seq"], 1])


class Failures(Case):
    def test_retries_honour_retry_after_and_double_within_bounds(self) -> None:
        busy, down = Answer(429, headers={"retry-after": "2"}), Answer(503)
        gateway, client = self.at(
            busy, down, Answer(cut=True), down, Answer(202, {"accepted": 3}), retry=Retry(wait_max_s=1.5)
        )
        self.assertEqual(client.send(BATCH), {"accepted": 3})
        self.assertEqual(self.waits, [2.0, 0.5, 1.0, 1.5])
        self.assertEqual({asked.body for asked in gateway.asked}, {gateway.asked[0].body})

    def test_tries_are_bounded(self) -> None:
        gateway, client = self.at(*[Answer(503, {"title": "full"})] * 9, retry=Retry(tries_max=3))
        with self.assertRaises(Unavailable) as caught:
            client.send(BATCH)
        self.assertEqual(
            (caught.exception.tries, caught.exception.status, caught.exception.problem), (3, 503, {"title": "full"})
        )
        self.assertEqual(len(gateway.asked), 3)
        self.assertEqual(len(self.waits), 2)

    def test_a_long_retry_after_is_the_callers_to_wait(self) -> None:
        gateway, client = self.at(Answer(429, headers={"retry-after": "3600"}))
        with self.assertRaises(Unavailable) as caught:
            client.send(BATCH)
        self.assertEqual((caught.exception.retry_after_s, len(gateway.asked), self.waits), (3600.0, 1, []))

    def test_nobody_there(self) -> None:
        client = self.enterContext(Client("http://127.0.0.1:9", KEY, retry=Retry(tries_max=2)))
        with self.assertRaises(Unavailable) as caught:
            client.risk("s-1")
        self.assertIsNone(caught.exception.status)

    def test_a_refusal_is_final_and_carries_the_problem(self) -> None:
        gateway, client = self.at(Answer(403, PROBLEM))
        with self.assertRaises(Refused) as caught:
            client.send(BATCH)
        refused = caught.exception
        self.assertEqual(
            (refused.status, refused.reason, refused.title, refused.problem),
            (403, "forged_subject", "another subject", PROBLEM),
        )
        self.assertEqual(str(refused), "the gateway refused with 403: forged_subject: another subject")
        self.assertIsInstance(refused, DuctusError)
        self.assertEqual(len(gateway.asked), 1)

    def test_a_refusal_without_a_problem(self) -> None:
        _, client = self.at(Answer(400, b"<html>"))
        with self.assertRaisesRegex(Refused, "^the gateway refused with 400$"):
            client.send(BATCH)

    def test_the_key_is_in_no_text(self) -> None:
        _, client = self.at(Answer(401, {"reason": "invalid_key"}))
        with self.assertRaises(Refused) as caught:
            client.send(BATCH)
        self.assertNotIn("secret", f"{caught.exception!r} {caught.exception} {client!r}")

    def test_retry_after_is_seconds_or_a_date(self) -> None:
        now = datetime(2026, 11, 21, 9, tzinfo=UTC)
        cases = {
            None: None,
            " 3 ": 3.0,
            "soon": None,
            "-1": None,
            "Sat, 21 Nov 2026 09:00:05 GMT": 5.0,
            "Sat, 21 Nov 2026 08:00:00 GMT": 0.0,
        }
        for header, expected in cases.items():
            self.assertEqual(retry_after_s(header, now), expected, header)


class Monitor(Case):
    def test_comes_back_where_it_was(self) -> None:
        gateway, client = self.at(
            Answer(chunks=[b": open\n\n", event("3-1", 5)], cut=True),
            Answer(503),
            Answer(chunks=[event("3-2", 6)[:20], event("3-2", 6)[20:], event("x", 0, "missed"), event("3-3", 7)]),
            Answer(chunks=[event("3-4", 8)]),
        )
        risks = list(islice(client.monitor("s-1"), 4))
        self.assertEqual(
            [(risk["risk"], risk["event_id"]) for risk in risks], [(5, "3-1"), (6, "3-2"), (7, "3-3"), (8, "3-4")]
        )
        self.assertEqual([asked.headers.get("last-event-id") for asked in gateway.asked], [None, "3-1", "3-1", "3-3"])
        self.assertEqual({asked.path for asked in gateway.asked}, {"/v1/sessions/s-1/monitor"})
        self.assertEqual(self.waits, [0.25, 0.5, 0.25])

    def test_goes_on_where_another_process_stopped(self) -> None:
        gateway, client = self.at(Answer(chunks=[event("3-9", 5)]))
        next(client.monitor("s-1", last_event_id="3-8"))
        self.assertEqual(gateway.asked[0].headers["last-event-id"], "3-8")

    def test_waits_for_a_session_that_is_not_known_yet(self) -> None:
        _, client = self.at(Answer(404), Answer(chunks=[event("1", 5)]))
        self.assertEqual(next(client.monitor("s-1"))["risk"], 5)

    def test_gives_up_after_its_tries(self) -> None:
        gateway, client = self.at(*[Answer(503)] * 9, retry=Retry(tries_max=3))
        with self.assertRaises(Unavailable):
            next(client.monitor("s-1"))
        self.assertEqual(len(gateway.asked), 3)

    def test_a_refusal_is_final(self) -> None:
        gateway, client = self.at(Answer(403, PROBLEM))
        with self.assertRaises(Refused):
            next(client.monitor("s-1"))
        self.assertEqual(len(gateway.asked), 1)

    def test_an_event_that_cannot_be_read_is_left_behind(self) -> None:
        gateway, client = self.at(
            Answer(chunks=[b"event: risk\nid: 4\ndata: {broken\n\n"]), Answer(chunks=[event("5", 5)])
        )
        self.assertEqual(next(client.monitor("s-1"))["event_id"], "5")
        self.assertEqual(gateway.asked[1].headers["last-event-id"], "4")


class Events(unittest.TestCase):
    def test_are_read_however_they_are_cut(self) -> None:
        stream = 'event: risk\r\nid: 1\r\ndata: "\u2028é"\r\n\r\n: comment\n\ndata:a\ndata: b\n\nid: lost'.encode()
        expected = [ServerSentEvent("risk", "1", '"\u2028é"'), ServerSentEvent("", "", "a\nb")]
        for size in (1, 2, 7, len(stream)):
            chunks = [stream[at : at + size] for at in range(0, len(stream), size)]
            self.assertEqual(list(server_sent_events(chunks)), expected, size)

    def test_without_an_end_are_not_held(self) -> None:
        for chunk in (b"x" * 1024, b"data: " + b"x" * 1024 + b"\n"):
            with self.assertRaises(EndlessEvent):
                list(server_sent_events([chunk] * 300))


if __name__ == "__main__":
    unittest.main()
