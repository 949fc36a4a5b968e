//! What must stand in the topics at the end: what the pure line says about the same records, with models and references of
//! others taking effect where the markers say.

use super::super::support::{fake_embedding, fake_model};
use super::world::World;
use crate::config::ScoreConfig;
use crate::marker::Marker;
use ductus_dynamics::compare::ReferenceKey;
use ductus_dynamics::event::Modality;
use ductus_dynamics::line::{Embedded, Ingested, Line, Record};
use ductus_dynamics::wire::{AuditAction, AuditRecord, Decision, ModelRef, Reference};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

#[derive(Default)]
struct Expected {
    decisions: BTreeMap<String, Vec<u8>>,
    audits: Vec<AuditRecord>,
    dead_letters: usize,
}

/// What is wrong, if anything is. With `rounding` every process had other last bits, and only what does not follow from them is
/// compared.
pub(super) fn judge(world: &World, config: &ScoreConfig, rounding: bool) -> Result<(), String> {
    let mut expected = Expected::default();
    for partition in 0..world.events.len() {
        expect_partition(world, config, partition, &mut expected)?;
    }
    let mut said: BTreeMap<String, BTreeSet<&[u8]>> = BTreeMap::new();
    for decision in world.decisions.iter().flatten() {
        let id = serde_json::from_slice::<Decision>(decision)
            .map_err(|error| error.to_string())?
            .id;
        said.entry(id).or_default().insert(decision);
    }
    for (id, contents) in &said {
        if contents.len() > 1 {
            let texts: Vec<_> = contents
                .iter()
                .map(|content| String::from_utf8_lossy(content))
                .collect();
            return Err(format!(
                "decision {id} has {} contents:\n{}",
                contents.len(),
                texts.join("\n")
            ));
        }
        let Some(expected) = expected.decisions.get(id) else {
            return Err(format!("decision {id} is made up"));
        };
        if !rounding && !contents.contains(expected.as_slice()) {
            let found = contents.first().map(|content| String::from_utf8_lossy(content));
            let expected = String::from_utf8_lossy(expected);
            return Err(format!(
                "decision {id} differs:\n{}\n{expected}",
                found.unwrap_or_default()
            ));
        }
    }
    if let Some(lost) = expected.decisions.keys().find(|id| !said.contains_key(*id)) {
        return Err(format!("decision {lost} is lost"));
    }
    let compared = |audit: &AuditRecord| match audit.action {
        AuditAction::ModelLive => false,
        AuditAction::SessionOpened | AuditAction::SessionClosed => true,
        _ => !rounding,
    };
    let ids = |audits: &[AuditRecord]| {
        let mut ids: Vec<String> = audits
            .iter()
            .filter(|it| compared(it))
            .map(|it| it.id.clone())
            .collect();
        ids.sort();
        ids
    };
    let audits = world.audits.iter().map(|audit| serde_json::from_slice(audit));
    let audits: Vec<AuditRecord> = audits.collect::<Result<_, _>>().map_err(|error| error.to_string())?;
    if ids(&audits) != ids(&expected.audits) {
        return Err("audit records are lost, doubled or made up".to_owned());
    }
    if world.dead_letters != expected.dead_letters {
        let (found, expected) = (world.dead_letters, expected.dead_letters);
        return Err(format!("{found} dead letters instead of {expected}"));
    }
    Ok(())
}

fn expect_partition(
    world: &World,
    config: &ScoreConfig,
    partition: usize,
    expected: &mut Expected,
) -> Result<(), String> {
    let markers = world.markers(partition);
    let mut outside = markers.iter().peekable();
    let mut line = Line::new(Arc::new(config.line.clone()), &config.topics.events, partition as i32);
    let (mut models, mut references_next): ([Option<ModelRef>; 2], usize) = ([None, None], 0);
    for (offset, event) in world.events[partition].iter().enumerate() {
        while let Some(marker) = outside.next_if(|marker| marker.events_next <= offset as i64) {
            take_effect(marker, &mut models);
            let until = marker.references_next as usize;
            put_references(&world.references[partition], references_next..until, &mut line);
            references_next = references_next.max(until);
        }
        let mut ingested = Ingested::default();
        let record = Record {
            offset: offset as i64,
            timestamp_us: event.timestamp_us,
            value: &event.value,
        };
        line.ingest(&record, &mut ingested);
        expected.audits.extend(ingested.audits);
        expected.dead_letters += ingested.refused.len();
        for ready in ingested.ready {
            let modality = ready.window.modality;
            let live = models[modality.index()]
                .as_ref()
                .and_then(|model| model.version.strip_prefix("fake-")?.parse().ok())
                .map(|number| fake_model(modality, number));
            let embedding = fake_embedding(modality, &ready.features().values);
            let embedded = live
                .as_ref()
                .filter(|_| line.wants_embedding(&ready))
                .map(|live| Embedded {
                    model: &live.model,
                    back_end: &live.back_end,
                    embedding: &embedding,
                });
            let outcome = line.conclude(ready, embedded);
            expected.audits.extend(outcome.audits);
            let text = serde_json::to_vec(&outcome.decision).map_err(|error| error.to_string())?;
            expected.decisions.insert(outcome.decision.id, text);
        }
    }
    let numbers: Vec<u64> = markers.iter().map(|marker| marker.number).collect();
    if numbers != (1..=numbers.len() as u64).collect::<Vec<_>>() {
        return Err(format!("the checkpoints of partition {partition} are {numbers:?}"));
    }
    let accounting = markers.last().map(|marker| &marker.line.accounting);
    if accounting != Some(line.accounting()) {
        return Err(format!(
            "the accounts of partition {partition} are {accounting:?} instead of {:?}",
            line.accounting()
        ));
    }
    Ok(())
}

fn take_effect(marker: &Marker, models: &mut [Option<ModelRef>; 2]) {
    for modality in Modality::ALL {
        models[modality.index()] = marker.models[modality.index()].as_ref().map(Into::into);
    }
}

fn put_references(stored: &[super::world::Stored], range: std::ops::Range<usize>, line: &mut Line) {
    for stored in stored
        .get(range)
        .unwrap_or_default()
        .iter()
        .filter(|stored| stored.checkpoint.is_none())
    {
        let Some(value) = &stored.value else {
            line.remove_reference(&String::from_utf8_lossy(&stored.key));
            continue;
        };
        let reference: Reference = serde_json::from_slice(value).expect("the simulator wrote it");
        let known = line.reference_version(&ReferenceKey::of(&reference));
        if known.is_none_or(|known| reference.version > known) {
            line.put_reference(reference);
        }
    }
}
