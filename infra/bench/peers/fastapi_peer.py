"""The gateway's `POST /v1/events` as one would write it with FastAPI and confluent-kafka: the yardstick of ingest.

What it does of what the gateway does: checks the batch against the contract (pydantic), produces the body as it came under the
subject's key with the settings that it is told (`acks=all`, idempotent), and answers once Kafka has acknowledged. It knows no
keys, no rates and no limits. Served by uvicorn with uvloop and httptools, one worker a core.

Acknowledgements come from librdkafka's thread through `call_soon_threadsafe`; a handler that flushes after each record, or
the batches of `AIOProducer`, wait longer for them.
"""

import argparse
import asyncio
import json
import os
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Literal

import uvicorn
from confluent_kafka import KafkaError, Message, Producer
from fastapi import FastAPI, Request
from pydantic import BaseModel, ConfigDict, Field

# Workers are processes of their own, which import this file: what they are told stands in the environment.
TASK = "DUCTUS_BENCH_FASTAPI_TASK"
POLL_S = 1.0


class Closed(BaseModel):
    """No field can hold what is not named."""

    model_config = ConfigDict(extra="forbid")


class Timed(Closed):
    t_us: int


class Down(Timed):
    type: Literal["down"]
    press: int
    key_class: str = Field(alias="class")


class Up(Timed):
    type: Literal["up"]
    press: int


class Placed(Timed):
    x: int
    y: int


class Move(Placed):
    type: Literal["move"]


class Button(Placed):
    type: Literal["press", "release"]
    button: Literal["primary", "secondary", "middle", "other"]


class Scroll(Placed):
    type: Literal["scroll"]
    dx: int
    dy: int


class Mark(Timed):
    type: Literal["blur", "end"]


class Clock(Closed):
    origin_us: int
    resolution_us: int


class Device(Closed):
    keyboard: str
    pointer: str
    layout: str
    touch: bool


Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]
Event = Annotated[Down | Up | Move | Button | Scroll | Mark, Field(discriminator="type")]


class EventBatch(Closed):
    v: Literal[1]
    tenant: Id
    subject: Id | None = None
    session: Id
    seq: int
    purpose: Literal["session", "enrol", "collect"]
    consent: Literal["granted"]
    clock: Clock
    device: Device
    detail: Literal["class", "hand"] = "class"
    events: Annotated[list[Event], Field(max_length=2000)]


class Acknowledging:
    """A producer whose acknowledgements are awaited."""

    def __init__(self, topic: str, properties: dict[str, str]) -> None:
        self._topic = topic
        self._producer = Producer(properties)
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._poll, daemon=True).start()

    def _poll(self) -> None:
        while True:
            self._producer.poll(POLL_S)

    async def send(self, key: str, value: bytes) -> None:
        done: asyncio.Future[None] = self._loop.create_future()

        def settle(error: KafkaError | None) -> None:
            if not done.done():
                done.set_exception(RuntimeError(str(error))) if error else done.set_result(None)

        def delivered(error: KafkaError | None, _message: Message) -> None:
            self._loop.call_soon_threadsafe(settle, error)

        self._producer.produce(self._topic, value, key, on_delivery=delivered)
        await done


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    task = json.loads(os.environ[TASK])
    app.state.producer = Acknowledging(task["topic"], task["producer"])
    yield


app = FastAPI(lifespan=lifespan)


@app.get("/readyz")
async def ready() -> str:
    return "ready"


@app.post("/v1/events", status_code=202)
async def take(batch: EventBatch, request: Request) -> dict[str, int]:
    await app.state.producer.send(batch.subject or batch.session, await request.body())
    return {"accepted": len(batch.events), "rejected": 0}


def main() -> None:
    parser = argparse.ArgumentParser(prog="fastapi")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--producer", type=json.loads, required=True, metavar="JSON", help="librdkafka's properties")
    options = parser.parse_args()
    os.environ[TASK] = json.dumps({"topic": options.topic, "producer": options.producer})
    uvicorn.run(
        "fastapi_peer:app",
        app_dir=str(Path(__file__).parent),
        host="127.0.0.1",
        port=options.port,
        workers=os.cpu_count(),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )


if __name__ == "__main__":
    main()
