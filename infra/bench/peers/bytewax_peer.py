"""The same windows in Bytewax: one process, one worker, recovery off (no snapshots are written, which favours it).

State lives in the worker's memory; the Kafka connectors are Bytewax's own, with their defaults: the sink flushes each batch.
Windows that are ready together go through the network together. It delivers at most once as it stands: what a crash leaves
is gone.
"""

from importlib.metadata import version

from common import Meter, Network, Place, absent, arguments, on_sigterm, records

try:
    import bytewax.operators as op
    import orjson
    from bytewax.connectors.kafka import KafkaError, KafkaSink, KafkaSinkMessage, KafkaSource, KafkaSourceMessage
    from bytewax.dataflow import Dataflow
    from bytewax.operators import StatefulBatchLogic
    from bytewax.run import cli_main
    from confluent_kafka import OFFSET_BEGINNING, OFFSET_END
except ImportError as error:
    absent("bytewax", error)

from windows import Batch, Session, Window

Record = tuple[Batch, Place]
Ready = tuple[Window, Place]


class SessionLogic(StatefulBatchLogic[Record, Ready, list[object] | None]):
    """One session's state."""

    def __init__(self, plain: list[object] | None) -> None:
        self._session = Session.from_plain(plain) if plain else None

    def on_batch(self, values: list[Record]) -> tuple[list[Ready], bool]:
        ready: list[Ready] = []
        for batch, place in values:
            if self._session is None:
                self._session = Session(batch)
            ready.extend((window, place) for window in self._session.take(batch))
        return ready, StatefulBatchLogic.RETAIN

    def snapshot(self) -> list[object] | None:
        # Bytewax asks for it at the end of every epoch (10 s) although nothing keeps it here.
        return self._session.plain() if self._session else None


def main() -> None:
    options = arguments("bytewax").parse_args()
    meter = Meter("bytewax", version("bytewax"), options.records)
    network = Network(options.model) if options.model else None

    def parse(messages: list[KafkaSourceMessage | KafkaError]) -> list[tuple[str, Record]]:
        keyed = []
        for message in messages:
            if isinstance(message, KafkaError):
                raise RuntimeError(message.err)
            batch = orjson.loads(message.value)
            if batch["v"] == 1 and batch["consent"] == "granted":
                place = Place(message.partition, message.offset)
                keyed.append((f"{batch['tenant']}/{batch['session']}", (batch, place)))
        meter.on_records(len(messages), sum(len(batch["events"]) for _, (batch, _) in keyed))
        return keyed

    def write(ready: list[tuple[str, Ready]]) -> list[KafkaSinkMessage[bytes, bytes]]:
        meter.windows += len(ready)
        written = records([one for _, one in ready], network)
        return [KafkaSinkMessage(record["session"].encode(), orjson.dumps(record)) for record in written]

    brokers = [options.bootstrap]
    start = OFFSET_END if options.live else OFFSET_BEGINNING
    source = KafkaSource(brokers, [options.events], tail=options.live, starting_offset=start)
    flow = Dataflow("windows")
    batches = op.flat_map_batch("parse", op.input("events", flow, source), parse)
    windows = op.stateful_batch("session", batches, SessionLogic)
    op.output("output", op.flat_map_batch("write", windows, write), KafkaSink(brokers, options.output))

    on_sigterm(meter.tell)
    cli_main(flow)
    meter.end()


if __name__ == "__main__":
    main()
