"""Server-sent events out of a stream of bytes.

Invariant: what is held of an event that has not ended is bounded.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

EVENT_BYTES_MAX = 256 * 1024


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One event; `name` and `id` are empty where it had none."""

    name: str
    id: str
    data: str


class EndlessEvent(ValueError):
    """An event grew beyond its bound."""


def server_sent_events(chunks: Iterable[bytes]) -> Iterator[ServerSentEvent]:
    """The events that end within the stream; what it breaks off in is left out."""
    fields: dict[str, list[str]] = {}
    held = 0
    for line in lines(chunks):
        if line == b"":
            if fields:
                last = {name: values[-1] for name, values in fields.items()}
                yield ServerSentEvent(last.get("event", ""), last.get("id", ""), "\n".join(fields.get("data", ())))
            fields, held = {}, 0
            continue
        held += len(line)
        if held > EVENT_BYTES_MAX:
            raise EndlessEvent
        name, _, value = line.decode("utf-8", "replace").partition(":")
        if name:
            fields.setdefault(name, []).append(value.removeprefix(" "))


def lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Lines that end in LF or CR LF. `str.splitlines` would also cut at characters that JSON may hold as they are."""
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        if len(rest) > EVENT_BYTES_MAX:
            raise EndlessEvent
        for line in whole:
            yield line.removesuffix(b"\r")
