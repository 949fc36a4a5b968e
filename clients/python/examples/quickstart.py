"""Sends made-up typing of one session and prints the first judgement of it.

DUCTUS_GATEWAY=http://localhost:8080 DUCTUS_KEY=dk_… python clients/python/examples/quickstart.py
"""

import os
import random
import time
from typing import Any

from ductus import Client

PRESSES = 80
EVENTS_A_BATCH = 20


def typing() -> list[dict[str, Any]]:
    """Presses and releases as a page's SDK would send them: when, and which class of key; never which key."""
    events: list[dict[str, Any]] = []
    t_us = 0
    for press in range(1, PRESSES + 1):
        t_us += random.randint(110_000, 220_000)
        events.append({"type": "down", "t_us": t_us, "press": press, "class": "space" if press % 6 == 0 else "letter"})
        events.append({"type": "up", "t_us": t_us + random.randint(60_000, 100_000), "press": press})
    return events


def main() -> None:
    session = f"python-{time.time_ns()}"
    head = {
        "v": 1,
        "tenant": os.environ.get("DUCTUS_TENANT", "demo"),
        "subject": "python-quickstart",
        "session": session,
        "purpose": "session",
        "consent": "granted",
        "clock": {"origin_us": time.time_ns() // 1000 - 20_000_000, "resolution_us": 1000},
        "device": {"keyboard": "physical"},
    }
    with Client(os.environ["DUCTUS_GATEWAY"], os.environ["DUCTUS_KEY"]) as ductus:
        events = typing()
        for seq in range(len(events) // EVENTS_A_BATCH):
            ductus.send(head | {"seq": seq, "events": events[seq * EVENTS_A_BATCH : (seq + 1) * EVENTS_A_BATCH]})
        for risk in ductus.monitor(session):
            print(
                f"risk {risk['risk']:.0f}: {risk['action']}",
                *(reason["text"] for reason in risk["reasons"]),
                sep="\n  ",
            )
            break


if __name__ == "__main__":
    main()
