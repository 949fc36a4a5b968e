//! Reading a topic and nothing else: as our source does it, as a loop in C would, and as a `StreamConsumer` does by default.
#![allow(unsafe_code, reason = "the yardstick is librdkafka's C interface itself")]

use crate::Anyhow;
use crate::fill::{RAW_PARTITIONS, kafka, topics};
use crate::process::{Measured, Stopwatch, Task};
use ductus_stream::{ScoreConfig, read_events};
use rdkafka::bindings as native;
use rdkafka::consumer::{BaseConsumer, Consumer as _, StreamConsumer};
use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};
use std::ffi::CString;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// So long nothing came: that was all.
const QUIET: Duration = Duration::from_secs(2);

/// As a shard does it, membership of the group and all.
pub(crate) fn ours(task: &Task) -> Anyhow<Measured> {
    let config = ScoreConfig {
        kafka: kafka()?,
        topics: topics(&task.prefix, RAW_PARTITIONS),
        group: format!("{}-{}", task.prefix, task.what),
        ..ScoreConfig::default()
    };
    let (mut count, mut bytes, watch) = (0, 0, Stopwatch::start());
    read_events(&config, |value| {
        count += 1;
        bytes += value.len();
        count < task.count
    })?;
    black_box(bytes);
    watch.stop(count)
}

/// `rd_kafka_consume_batch_queue` in a loop, with the same settings of the client and no group.
pub(crate) fn bare(task: &Task) -> Anyhow<Measured> {
    let topic = topics(&task.prefix, RAW_PARTITIONS).events;
    let config = kafka()?.consumer(&format!("{}-{}", task.prefix, task.what), "bare");
    let consumer: BaseConsumer = config.create()?;
    let name = CString::new(topic.as_str())?;
    let (mut count, mut bytes, watch) = (0_u64, 0, Stopwatch::start());
    // SAFETY: the client outlives the queue, and every record is destroyed once, after it was read.
    unsafe {
        let client = consumer.client().native_ptr();
        let queue = native::rd_kafka_queue_new(client);
        for partition in 0..RAW_PARTITIONS {
            let of_partition = native::rd_kafka_queue_get_partition(client, name.as_ptr(), partition);
            native::rd_kafka_queue_forward(of_partition, queue);
            native::rd_kafka_queue_destroy(of_partition);
        }
        consumer.assign(&everything(&topic, RAW_PARTITIONS)?)?;
        let mut records = [std::ptr::null_mut(); 1_024];
        while count < task.count {
            let _ = consumer.poll(Duration::ZERO);
            let got = native::rd_kafka_consume_batch_queue(queue, 10, records.as_mut_ptr(), records.len());
            for record in &records[..usize::try_from(got).unwrap_or(0)] {
                bytes += (**record).len;
                count += 1;
                native::rd_kafka_message_destroy(*record);
            }
        }
        let measured = watch.stop(count);
        native::rd_kafka_queue_destroy(queue);
        black_box(bytes);
        measured
    }
}

/// As the examples of rdkafka read, with default settings.
pub(crate) fn stream_consumer(task: &Task) -> Anyhow<Measured> {
    let topic = topics(&task.prefix, RAW_PARTITIONS).events;
    let servers = kafka()?
        .consumer("-", "-")
        .get("bootstrap.servers")
        .unwrap_or_default()
        .to_owned();
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", servers)
        .set("group.id", format!("{}-{}", task.prefix, task.what))
        .set("auto.offset.reset", "earliest");
    let (mut count, mut bytes, watch) = (0, 0, Stopwatch::start());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let consumer: StreamConsumer = config.create()?;
        consumer.subscribe(&[&topic])?;
        while count < task.count {
            bytes += consumer.recv().await?.payload().map_or(0, <[u8]>::len);
            count += 1;
        }
        Ok::<(), rdkafka::error::KafkaError>(())
    })?;
    black_box(bytes);
    watch.stop(count)
}

/// All session states, by a plain consumer; `count` is the bytes.
pub(crate) fn states(task: &Task) -> Anyhow<Measured> {
    let topic = topics(&task.prefix, 1).session_state;
    let consumer: BaseConsumer = kafka()?.consumer(&format!("{}-states", task.prefix), "bare").create()?;
    let watch = Stopwatch::start();
    let partitions = consumer.fetch_metadata(Some(&topic), QUIET)?;
    let partitions = partitions.topics().first().map_or(0, |topic| topic.partitions().len());
    consumer.assign(&everything(&topic, partitions as i32)?)?;
    let (mut bytes, mut last, mut measured) = (0_u64, Instant::now(), watch.stop(1)?);
    while last.elapsed() < QUIET {
        if let Some(Ok(record)) = consumer.poll(Duration::from_millis(50)) {
            bytes += (record.key_len() + record.payload_len()) as u64;
            last = Instant::now();
            measured.wall_s = watch.seconds();
        }
    }
    measured.count = bytes;
    Ok(measured)
}

fn everything(topic: &str, partitions: i32) -> Anyhow<TopicPartitionList> {
    let mut list = TopicPartitionList::new();
    for partition in 0..partitions {
        list.add_partition_offset(topic, partition, Offset::Beginning)?;
    }
    Ok(list)
}
