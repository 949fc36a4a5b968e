"""From event batches to windows and features, as somebody would write it who does this work in Python.

Invariants: for clean data the windows, their numbers and their features are those of `pipeline/dynamics` (the test reads
`schemas/golden`). What a peer is spared: pointer events, repeated, late and refused events, a change of the subject, and
pauses that only the watermark sees; a session notices a pause when its next event comes.

State is plain lists of integers, one a column: appending is cheap, numpy takes them whole, and JSON holds them as they are.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

STEPS, HOP = 50, 10
PAUSE_US = 30_000_000
RELEASE_TIMEOUT_US = 5_000_000
# A session that is first seen in the middle numbers its windows from here, times the batch's number.
BATCH_EVENTS_MAX = 2_000

CLASSES = (
    "letter",
    "letter_left",
    "letter_right",
    "digit",
    "punctuation",
    "space",
    "enter",
    "backspace",
    "modifier",
    "navigation",
    "other",
)
CLASS = {name: number for number, name in enumerate(CLASSES)}
ONE_HOT = np.eye(len(CLASSES), dtype=np.float32)

# Of the six dense features: mean and standard deviation, as in pipeline/dynamics/src/feature.rs.
MEAN = np.array([-2.264, -1.687, 1.531, 0.789, 0.217, 0.226])
SD = np.array([0.407, 0.687, 0.652, 1.011, 0.412, 0.434])
CLIP = 5.0

# What stands in place of a release that has not come, and of one that will not come.
PENDING, LOST = 0, -1

Batch = dict[str, Any]
Features = NDArray[np.float32]


@dataclass(slots=True)
class Window:
    """A closed window; `key` is the session's."""

    session: str
    sequence: int
    closed: str
    first_us: int
    last_us: int
    features: Features


class Session:
    """What is kept of one session between its batches."""

    __slots__ = ("session", "sequence", "origin_us", "last_us", "fresh", "press", "down_us", "up_us", "kind")

    def __init__(self, batch: Batch) -> None:
        self.session: str = batch["session"]
        self.sequence: int = batch["seq"] * BATCH_EVENTS_MAX
        self.origin_us: int = batch["clock"]["origin_us"]
        # Event time of the last press.
        self.last_us = 0
        # Steps that were in no window yet: the last ones.
        self.fresh = 0
        self.press: list[int] = []
        self.down_us: list[int] = []
        self.up_us: list[int] = []
        self.kind: list[int] = []

    def plain(self) -> list[Any]:
        """The state as JSON can hold it."""
        return [getattr(self, name) for name in self.__slots__]

    @classmethod
    def from_plain(cls, plain: list[Any]) -> "Session":
        """The session that `plain` was taken of."""
        session = cls.__new__(cls)
        for name, value in zip(cls.__slots__, plain, strict=True):
            setattr(session, name, value)
        return session

    def take(self, batch: Batch) -> list[Window]:
        """Takes the next batch; the windows that it closes."""
        windows: list[Window] = []
        origin_us = batch["clock"]["origin_us"]
        if origin_us != self.origin_us:
            self.close("clock_step", windows)
            self.origin_us = origin_us
        for event in batch["events"]:
            t_us = origin_us + event["t_us"]
            if self.press and t_us - self.last_us > PAUSE_US:
                self.close("pause", windows)
            match event["type"]:
                case "down":
                    self.press.append(event["press"])
                    self.down_us.append(t_us)
                    self.up_us.append(PENDING)
                    self.kind.append(CLASS[event["class"]])
                    self.last_us = t_us
                    self.fresh += 1
                case "up":
                    try:
                        self.up_us[self.press.index(event["press"])] = t_us
                    except ValueError:
                        continue  # Its press left with a window that gave it up.
                case "blur":
                    self._lose()
                case "end":
                    self.close("end", windows)
                case _:
                    continue
            if len(self.press) >= STEPS:
                self._emit_full(t_us, windows)
        return windows

    def _emit_full(self, t_us: int, windows: list[Window]) -> None:
        while len(self.press) >= STEPS and self._complete(t_us):
            self._emit(STEPS, "count", windows)
            self.fresh = len(self.press) - STEPS
            for column in (self.press, self.down_us, self.up_us, self.kind):
                del column[:HOP]

    def _complete(self, t_us: int) -> bool:
        """Whether the next window waits for no release any more."""
        pending = (down for down, up in zip(self.down_us, self.up_us[:STEPS], strict=False) if up == PENDING)
        return all(t_us - down > RELEASE_TIMEOUT_US for down in pending)

    def _lose(self) -> None:
        self.up_us = [up or LOST for up in self.up_us]

    def close(self, closed: str, windows: list[Window]) -> None:
        """Closes what is open; a recording's end does so, too."""
        self._lose()
        self._emit_full(0, windows)
        if self.fresh:
            self._emit(len(self.press), closed, windows)
        for column in (self.press, self.down_us, self.up_us, self.kind):
            column.clear()
        self.fresh = 0

    def _emit(self, steps: int, closed: str, windows: list[Window]) -> None:
        down, up = np.array(self.down_us[:steps]), np.array(self.up_us[:steps])
        last_us = int(max(up.max(), down[up <= 0].max(initial=0)))
        values = features(down, up, self.kind[:steps])
        windows.append(Window(self.session, self.sequence, closed, self.down_us[0], last_us, values))
        self.sequence += 1


def features(down: NDArray[np.int64], up: NDArray[np.int64], kind: list[int]) -> Features:
    """The features of one window, steps × 17; a value that is not defined is 0, its mean."""
    released = up > 0
    # Columns of values; not a number where there is none.
    dense = np.full((len(down), len(MEAN)), np.nan)
    dense[released, 0] = np.log(np.clip((up - down)[released] / 1e6, 0.01, 1.0))
    dense[1:, 1] = np.log(np.clip(np.diff(down) / 1e6, 0.005, 3.0))
    dense[1:, 2] = np.where(released[1:] & released[:-1], _slog(np.diff(up) / 1e6), np.nan)
    flight = np.where(released[:-1], (down[1:] - up[:-1]) / 1e6, np.nan)
    dense[1:, 3] = _slog(flight)
    dense[1:, 4] = np.where(released[:-1], flight < 0, np.nan)
    still_down = np.zeros(len(down))
    for back in range(1, min(5, len(down))):
        still_down[back:] += up[:-back] > down[back:]
    dense[:, 5] = np.minimum(still_down, 3)
    normal = np.clip((dense - MEAN) / SD, -CLIP, CLIP)
    values = np.empty((len(down), len(MEAN) + len(CLASSES)), dtype=np.float32)
    values[:, : len(MEAN)] = np.nan_to_num(normal, copy=False)
    values[:, len(MEAN) :] = ONE_HOT[kind]
    return values


def _slog(seconds: NDArray[np.float64]) -> NDArray[np.float64]:
    clipped = np.clip(seconds, -1.0, 3.0)
    return np.sign(clipped) * np.log1p(np.abs(clipped) / 0.05)
