"""The example of the quick start, as a new developer runs it: against DUCTUS_GATEWAY with DUCTUS_KEY where both are set."""

import contextlib
import io
import os
import runpy
import unittest
from pathlib import Path
from unittest import mock

from gateway import Answer, Gateway

EXAMPLE = Path(__file__).parents[1] / "examples" / "quickstart.py"
RISK = b'event: risk\nid: 3-1\ndata: {"risk":12.2,"action":"insufficient_data","reasons":[{"text":"learning"}]}\n\n'


class Quickstart(unittest.TestCase):
    def test_sends_typing_and_prints_its_risk(self) -> None:
        real = {"DUCTUS_GATEWAY", "DUCTUS_KEY"} <= os.environ.keys()
        printed = io.StringIO()
        with Gateway(*[Answer(202)] * 8, Answer(chunks=[RISK])) as gateway, contextlib.redirect_stdout(printed):
            environment = {} if real else {"DUCTUS_GATEWAY": gateway.url, "DUCTUS_KEY": "dk_1_secret"}
            with mock.patch.dict(os.environ, environment):
                runpy.run_path(str(EXAMPLE), run_name="__main__")
        self.assertRegex(printed.getvalue(), r"^risk \d+: (allow|step_up|terminate|insufficient_data)\n")
        if not real:
            batches = [asked.json for asked in gateway.asked if asked.path == "/v1/events"]
            self.assertEqual([batch["seq"] for batch in batches], list(range(8)))
            self.assertEqual(sum(event["type"] == "down" for batch in batches for event in batch["events"]), 80)


if __name__ == "__main__":
    unittest.main()
