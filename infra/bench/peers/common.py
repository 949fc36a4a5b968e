"""What the Python peers share: the command line, the network, the record that is written, and the counting of CPU.

Invariant: CPU is counted for the whole process from its first instruction; what was spent before the first record arrived
is told apart as start-up.
"""

import argparse
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any, NoReturn

# What a yardstick ends with where its library is absent (infra/xtask/src/bench.rs).
EXIT_ABSENT = 3
# A topic without a new record for so long holds no more.
IDLE_S = 60.0
# Windows that go through the network together at most, as in pipeline/scorer.
BATCH_WINDOWS_MAX = 64


def absent(library: str, error: ImportError) -> NoReturn:
    """Ends the program because the library that it measures is not here."""
    print(f"{library} is not installed, so there is nothing to compare with: {error}", file=sys.stderr)
    sys.exit(EXIT_ABSENT)


try:
    import numpy as np
    from numpy.typing import NDArray

    from windows import Features, Window
except ImportError as error:
    absent("numpy", error)


def arguments(peer: str) -> argparse.ArgumentParser:
    """The command line that all peers have in common."""
    parser = argparse.ArgumentParser(prog=peer)
    parser.add_argument("--bootstrap", required=True, metavar="HOST:PORT")
    parser.add_argument("--events", required=True, metavar="TOPIC")
    parser.add_argument("--output", required=True, metavar="TOPIC")
    until = parser.add_mutually_exclusive_group(required=True)
    until.add_argument("--records", type=int, default=0, metavar="N", help="end after N records: all that the topic holds")
    until.add_argument("--live", action="store_true", help="start at the end of the topic and run until SIGTERM")
    parser.add_argument("--model", metavar="PATH", help="the network (ONNX) that embeds the windows")
    return parser


@dataclass(slots=True)
class Place:
    """The record that closed a window."""

    partition: int
    offset: int


class Network:
    """The default LSTM in ONNX Runtime on one thread, as `pipeline/scorer` runs it."""

    def __init__(self, path: str) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            absent("onnxruntime", error)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def embed(self, windows: list[Features]) -> NDArray[np.float32]:
        """One row a window, at most `BATCH_WINDOWS_MAX`; they are padded to the longest."""
        lengths = np.array([len(window) for window in windows], dtype=np.int32)
        padded = np.zeros((len(windows), lengths.max(), windows[0].shape[1]), dtype=np.float32)
        for row, window in zip(padded, windows, strict=True):
            row[: len(window)] = window
        (embeddings,) = self._session.run(["embedding"], {"x": padded, "lengths": lengths})
        return np.asarray(embeddings, dtype=np.float32)


def records(windows: list[tuple[Window, Place]], network: Network | None) -> list[dict[str, Any]]:
    """What is written of each window, under its session as the key."""
    rows: list[NDArray[np.float32]] = []
    for start in range(0, len(windows), BATCH_WINDOWS_MAX):
        values = [window.features for window, _ in windows[start : start + BATCH_WINDOWS_MAX]]
        rows.extend(network.embed(values) if network else values)
    return [
        {
            "session": window.session,
            "sequence": window.sequence,
            "closed": window.closed,
            "steps": len(window.features),
            "first_us": window.first_us,
            "last_us": window.last_us,
            "mean": float(row.mean()),
            "partition": place.partition,
            "offset": place.offset,
        }
        for (window, place), row in zip(windows, rows, strict=True)
    ]


def cpu_s() -> float:
    """CPU of this process and its children so far, user and system."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def rss_bytes_max() -> int:
    """The most memory that this process had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


class Meter:
    """Counts what passes, and what it cost."""

    def __init__(self, peer: str, version: str, expected: int) -> None:
        self._peer, self._version, self._expected = peer, version, expected
        self.records = self.events = self.windows = 0
        self._startup = self._half = 0.0
        self._rss_startup = 0
        self._started = 0.0

    def on_records(self, count: int, events: int) -> None:
        """Called before or after each batch of records, as the library allows."""
        if not self._started:
            self._started, self._startup, self._rss_startup = time.monotonic(), cpu_s(), rss_bytes_max()
        self.records += count
        self.events += events
        if not self._half and 0 < self._expected <= 2 * self.records:
            self._half = cpu_s()

    def complete(self) -> bool:
        """Whether as many records passed as were announced."""
        return 0 < self._expected <= self.records

    def tell(self) -> None:
        """Prints the result; the last thing a peer does."""
        result = {
            "peer": self._peer,
            "version": self._version,
            "records": self.records,
            "events": self.events,
            "windows": self.windows,
            "cpu_s": cpu_s(),
            "cpu_startup_s": self._startup,
            "cpu_half_s": self._half,
            "wall_s": time.monotonic() - self._started if self._started else 0.0,
            "rss_bytes_startup": self._rss_startup,
            "rss_bytes_max": rss_bytes_max(),
        }
        print(json.dumps(result), flush=True)

    def end(self) -> NoReturn:
        """Tells the result and ends the program; a failure where records are missing."""
        self.tell()
        sys.exit(0 if self._expected in (0, self.records) else 1)


def on_sigterm(act: Callable[[], None]) -> None:
    """Runs `act` and ends the program when it is told to end."""

    def end(_signal: int, _frame: FrameType | None) -> None:
        act()
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
