"""The peers cut the windows that `pipeline/dynamics` cuts: `python3 -m unittest` in this folder."""

import json
import struct
import unittest
from pathlib import Path
from typing import Any

import numpy as np

from windows import HOP, STEPS, Session, Window

GOLDEN = Path(__file__).parents[3] / "schemas" / "golden"


def cut(batches: list[dict[str, Any]], through_json: bool, end: bool = False) -> list[Window]:
    """The windows of one session's batches; its state goes through JSON between two batches, as it does in Quix."""
    session = Session(batches[0])
    windows: list[Window] = []
    for batch in batches:
        if through_json:
            session = Session.from_plain(json.loads(json.dumps(session.plain())))
        windows += session.take(batch)
    if end:
        session.close("end", windows)
    return windows


def batch(events: list[dict[str, Any]], seq: int = 0, origin_us: int = 1_763_700_000_000_000) -> dict[str, Any]:
    return {"session": "s", "seq": seq, "clock": {"origin_us": origin_us}, "events": events}


def presses(count: int, start: int = 0, t_us: int = 0) -> list[dict[str, Any]]:
    """Presses of 80 ms, 200 ms apart."""
    events = []
    for press in range(start, start + count):
        down_us = t_us + (press - start) * 200_000
        events.append({"type": "down", "t_us": down_us, "press": press, "class": "letter"})
        events.append({"type": "up", "t_us": down_us + 80_000, "press": press})
    return events


class Windows(unittest.TestCase):
    def test_golden(self) -> None:
        for name in ("keystroke", "keystroke-awkward"):
            golden = json.loads((GOLDEN / f"{name}.json").read_text())
            for through_json in (False, True):
                found = cut(golden["batches"], through_json, end=True)
                self.assertEqual(len(found), len(golden["windows"]), name)
                for window, expected in zip(found, golden["windows"], strict=True):
                    told = (window.sequence, window.closed, window.first_us, window.last_us)
                    self.assertEqual(told, tuple(expected[k] for k in ("sequence", "closed", "start_us", "end_us")))
                    rows = [bytes.fromhex(row) for row in expected["features_f32_bits"]]
                    values = [struct.unpack(f">{len(row) // 4}f", row) for row in rows]
                    np.testing.assert_allclose(window.features, values, atol=1e-6, rtol=0)

    def test_a_window_every_hop(self) -> None:
        windows = cut([batch([event], seq) for seq, event in enumerate(presses(75))], False)
        self.assertEqual([window.sequence for window in windows], [0, 1, 2])
        self.assertEqual([len(window.features) for window in windows], [STEPS] * 3)
        self.assertEqual(windows[1].first_us - windows[0].first_us, HOP * 200_000)

    def test_what_closes_early(self) -> None:
        later = batch(presses(1, 60, 60_000_000), 1)
        for second, closed in [
            (later, ["count", "pause"]),
            (batch([{"type": "end", "t_us": 20_000_000}], 1), ["count", "end"]),
            (batch(presses(1, 60), 1, 1_763_700_001_000_000), ["count", "clock_step"]),
        ]:
            windows = cut([batch(presses(55)), second], True)
            self.assertEqual([window.closed for window in windows], closed)
            self.assertEqual([len(window.features) for window in windows], [50, 45])

    def test_a_lost_release_holds_a_window_only_for_a_while(self) -> None:
        events = presses(80)
        del events[2 * 49 + 1]  # The release of press 49, at 9.8 s.
        windows = cut([batch(events)], False)
        self.assertEqual(len(windows), 4)
        self.assertEqual(cut([batch(events[: 2 * 74])], False), [])
        self.assertEqual(len(cut([batch(events[: 2 * 60] + [{"type": "blur", "t_us": 12_100_000}])], False)), 2)


if __name__ == "__main__":
    unittest.main()
