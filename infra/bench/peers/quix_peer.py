"""The same windows in Quix Streams, with its defaults: state in RocksDB with a changelog topic, a checkpoint every 5 s.

`--guarantee exactly-once` (what we compare with) writes output, changelog and offsets in one transaction a checkpoint;
`at-least-once` is its default. Quix hands over one record at a time, so the network sees one window at a time.
"""

import tempfile
import uuid
from importlib.metadata import version
from typing import Any

from common import IDLE_S, Meter, Network, Place, absent, arguments, records

try:
    import orjson
    from quixstreams import Application, State, message_context
except ImportError as error:
    absent("quixstreams", error)

from windows import Session


def main() -> None:
    parser = arguments("quix")
    parser.add_argument("--guarantee", choices=("exactly-once", "at-least-once"), default="exactly-once")
    options = parser.parse_args()
    peer = "quix" if options.guarantee == "exactly-once" else f"quix-{options.guarantee}"
    meter = Meter(peer, version("quixstreams"), options.records)
    network = Network(options.model) if options.model else None
    with tempfile.TemporaryDirectory(prefix="ductus-quix-") as folder:
        run(options, meter, network, folder)
    meter.end()


def run(options: Any, meter: Meter, network: Network | None, folder: str) -> None:
    def on_message(_topic: str, _partition: int, _offset: int) -> None:
        if meter.complete():
            app.stop()

    app = Application(
        broker_address=options.bootstrap,
        consumer_group=f"quix-{uuid.uuid4()}",
        auto_offset_reset="latest" if options.live else "earliest",
        processing_guarantee=options.guarantee,
        state_dir=folder,
        on_message_processed=on_message,
        loglevel="WARNING",
    )

    def take(value: bytes, state: State) -> list[dict[str, Any]]:
        batch = orjson.loads(value)
        meter.on_records(1, len(batch["events"]))
        if batch["v"] != 1 or batch["consent"] != "granted":
            return []
        # Records of a session have one key, so its state lies below that; a subject may have several sessions.
        name = f"{batch['tenant']}/{batch['session']}"
        plain = state.get(name)
        session = Session.from_plain(plain) if plain else Session(batch)
        windows = session.take(batch)
        state.set(name, session.plain())
        if not windows:
            return []
        context = message_context()
        place = Place(context.partition, context.offset)
        meter.windows += len(windows)
        return records([(window, place) for window in windows], network)

    events = app.topic(options.events, key_deserializer="bytes", value_deserializer="bytes")
    output = app.topic(options.output, key_serializer="str", value_serializer="json")
    written = app.dataframe(events).apply(take, stateful=True, expand=True)
    written.to_topic(output, key=lambda record: record["session"])
    # A topic that holds fewer records than announced must not hold the benchmark.
    app.run(timeout=0.0 if options.live else IDLE_S, collect=False)


if __name__ == "__main__":
    main()
