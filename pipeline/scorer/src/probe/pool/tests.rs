//! Tests of the pool: whatever is fed and removed, it holds what a plain map would, and its galleries what is mature.

use super::*;
use ductus_dynamics::backend::{Calibration, Whitening};
use ductus_dynamics::wire::Sample;
use expect_test::expect;
use proptest::prelude::*;
use std::collections::BTreeMap;

const DIMS: usize = 12;

fn vector(seed: u32, dims: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12_345);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..dims).map(|_| next()).collect()
}

/// A set of `windows` embeddings.
fn reference(tenant: &str, subject: &str, device: &str, version: u32, windows: usize, dims: usize) -> Reference {
    let sample = |at: usize| Sample {
        embedding: vector(version * 100 + at as u32, dims),
        session: "x".to_owned(),
        sequence: at as u64,
        end_us: at as i64,
    };
    Reference {
        v: 1,
        tenant: tenant.to_owned(),
        subject: subject.to_owned(),
        modality: Modality::Keystroke,
        device: device.to_owned(),
        model: ModelRef {
            id: "keystroke".to_owned(),
            version: "1".to_owned(),
            sha256: "ab".repeat(32),
        },
        version,
        anchors: (0..windows.min(5)).map(sample).collect(),
        recent: (5..windows).map(sample).collect(),
        usual: Vec::new(),
        sketches: Vec::new(),
        updated_us: i64::from(version),
    }
}

fn pool(policy: PoolPolicy) -> ReferencePool {
    ReferencePool::new(policy, ReferencePolicy::default())
}

fn feed(pool: &ReferencePool, reference: &Reference) -> Fed {
    let key = ReferenceKey::of(reference).record_key();
    pool.feed(key.as_bytes(), Some(&serde_json::to_vec(reference).unwrap()))
}

fn whitened(seed: u32) -> BackEnd {
    let whitening = Whitening::new(vector(seed, DIMS), vector(seed + 1, DIMS * DIMS)).unwrap();
    BackEnd {
        space: Space::of(whitening),
        ..plain()
    }
}

fn plain() -> BackEnd {
    BackEnd::identity(Calibration {
        slope: 10.0,
        intercept: -5.0,
    })
}

/// What is in a tenant's gallery: names and products with one probe.
fn searched(pool: &ReferencePool, tenant: &str, device: &str, back_end: &BackEnd) -> Option<Vec<(String, u32)>> {
    let wanted = [(Modality::Keystroke, device, &*"ab".repeat(32))];
    let snapshot = pool.snapshot(tenant, &wanted, &[&back_end.space], None).ok()?;
    let mut found = Vec::new();
    if let Some(rows) = &snapshot.galleries[0] {
        rows.search(
            &vector(7, DIMS),
            |_| true,
            |number, cosine| {
                let name = snapshot.names[number as usize].as_deref().unwrap();
                found.push((name.to_owned(), cosine.to_bits()));
            },
        );
    }
    found.sort();
    Some(found)
}

/// The same of a plain list of sets, one comparison at a time.
fn expected<'a>(sets: impl Iterator<Item = &'a Reference>, back_end: &BackEnd) -> Vec<(String, u32)> {
    let mut found: Vec<_> = sets
        .filter(|reference| reference.anchors.len() >= 5)
        .map(|reference| {
            let mut set = ReferenceSet::from_stored(reference.clone());
            set.prepare(back_end);
            let product = ductus_dynamics::compare::dot(set.mean(), &vector(7, DIMS));
            (reference.subject.clone(), product.to_bits())
        })
        .collect();
    found.sort();
    found
}

#[derive(Clone, Debug)]
enum Change {
    Put {
        subject: u8,
        device: u8,
        windows: usize,
    },
    Remove {
        subject: u8,
        device: u8,
    },
    Forget {
        subject: u8,
    },
    Live(u8),
    /// Another network goes live.
    Elsewhere,
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        8 => (0_u8..40, 0_u8..2, 0_usize..9).prop_map(|(subject, device, windows)| Change::Put { subject, device, windows }),
        3 => (0_u8..40, 0_u8..2).prop_map(|(subject, device)| Change::Remove { subject, device }),
        1 => (0_u8..40).prop_map(|subject| Change::Forget { subject }),
        1 => (0_u8..3).prop_map(Change::Live),
        1 => Just(Change::Elsewhere),
    ]
}

proptest! {
    #![proptest_config(crate::proptest_config(48))]

    #[test]
    fn it_holds_what_a_map_would(changes in prop::collection::vec(change(), 1..200)) {
        const DEVICES: [&str; 2] = ["physical", "virtual"];
        let pool = pool(PoolPolicy::default());
        let back_ends = [plain(), whitened(1), whitened(5)];
        let mut live = &back_ends[0];
        let mut held: BTreeMap<(u8, u8), Reference> = BTreeMap::new();
        for (version, change) in (1..).zip(changes) {
            match change {
                Change::Put { subject, device, windows } => {
                    let device_name = DEVICES[device as usize];
                    let reference = reference("acme", &format!("s-{subject}"), device_name, version, windows, DIMS);
                    prop_assert!(matches!(feed(&pool, &reference), Fed::Put));
                    held.insert((subject, device), reference);
                }
                Change::Remove { subject, device } => {
                    let name = format!("s-{subject}");
                    let key = ReferenceKey::of(&reference("acme", &name, DEVICES[device as usize], 1, 0, DIMS));
                    let fed = pool.feed(key.record_key().as_bytes(), None);
                    prop_assert_eq!(matches!(fed, Fed::Removed), held.remove(&(subject, device)).is_some());
                }
                Change::Forget { subject } => {
                    let before = held.len();
                    held.retain(|(other, _), _| *other != subject);
                    prop_assert_eq!(pool.forget("acme", &format!("s-{subject}")), before - held.len());
                }
                Change::Live(number) => {
                    live = &back_ends[number as usize];
                    pool.go_live(Modality::Keystroke, &"ab".repeat(32), live);
                }
                Change::Elsewhere => pool.go_live(Modality::Keystroke, &"cd".repeat(32), &back_ends[1]),
            }
            let physical = held.iter().filter(|((_, device), _)| *device == 0).map(|(_, reference)| reference);
            if let Some(found) = searched(&pool, "acme", "physical", live) {
                prop_assert_eq!(found, expected(physical, live));
            }
        }
        pool.go_live(Modality::Keystroke, &"ab".repeat(32), live);
        prop_assert_eq!(pool.len(), held.len());
        prop_assert_eq!(pool.bytes(), held.values().map(bytes_of).sum::<usize>());
        for (number, device) in (0..).zip(DEVICES) {
            let of_device = held.iter().filter(|((_, other), _)| *other == number).map(|(_, reference)| reference);
            prop_assert_eq!(searched(&pool, "acme", device, live), Some(expected(of_device, live)));
        }
        prop_assert_eq!(searched(&pool, "other", "physical", live), Some(Vec::new()));
    }
}

#[test]
fn a_subject_is_told_what_there_is() {
    let pool = pool(PoolPolicy::default());
    for (device, windows) in [("virtual", 2), ("physical", 8)] {
        feed(&pool, &reference("acme", "s-1", device, 3, windows, DIMS));
    }
    let said: Vec<String> = pool
        .subject("acme", "s-1")
        .iter()
        .map(|held| {
            format!(
                "{} {} version {}: {} windows, {} missing, maturity {}, mature {}, at {}",
                held.modality.name(),
                held.device,
                held.version,
                held.windows,
                held.windows_missing,
                held.maturity,
                held.mature,
                held.updated_us
            )
        })
        .collect();
    expect![[r#"
        keystroke physical version 3: 8 windows, 0 missing, maturity 65, mature true, at 3
        keystroke virtual version 3: 2 windows, 3 missing, maturity 20, mature false, at 3"#]]
    .assert_eq(&said.join("\n"));
    assert_eq!(pool.subject("acme", "s-2"), []);
    assert_eq!(pool.subject("other", "s-1"), []);
}

#[test]
fn bounds_hold_and_say_so() {
    let one = bytes_of(&reference("acme", "s-1", "physical", 1, 5, DIMS));
    let pool = pool(PoolPolicy {
        references_max: 2,
        bytes_max: 2 * one + 100,
        record_bytes_max: 4_000,
    });
    let say = |reference: &Reference| match feed(&pool, reference) {
        Fed::Refused(error) => error.to_string(),
        other => format!("{other:?}, {} sets", pool.len()),
    };
    let said = [
        say(&reference("acme", "s-1", "physical", 1, 5, DIMS)),
        say(&reference("acme", "s-2", "physical", 1, 5, DIMS)),
        say(&reference("acme", "s-3", "physical", 1, 5, DIMS)),
        say(&reference("acme", "s-2", "physical", 2, 6, DIMS)),
        say(&reference("acme", "s-2", "physical", 3, 10, DIMS)),
        say(&reference("acme", "s-3", "physical", 1, 5, DIMS + 1)),
        say(&reference("acme", "s-3", "physical", 1, 60, DIMS)),
        say(&Reference {
            v: 2,
            ..reference("acme", "s-3", "physical", 1, 5, DIMS)
        }),
    ];
    expect![[r#"
        Put, 1 sets
        Put, 2 sets
        Full, 2 sets
        Full, 1 sets
        Full, 1 sets
        its embeddings have 13 dimensions, but those of the same model have 12
        the record has 11636 bytes, but at most 4000 are taken
        its version is 2, but this build knows only 1"#]]
    .assert_eq(&said.join("\n"));
}

/// While sets are brought into another space one by one, nobody searches a gallery of two spaces.
#[test]
fn a_gallery_of_two_spaces_is_not_searched() {
    let pool = pool(PoolPolicy::default());
    for subject in 0..3 {
        feed(
            &pool,
            &reference("acme", &format!("s-{subject}"), "physical", 1, 5, DIMS),
        );
    }
    let back_end = whitened(1);
    assert!(searched(&pool, "acme", "physical", &back_end).is_none(), "not live yet");
    let concerned = pool.write().go_live(Modality::Keystroke, &"ab".repeat(32), &back_end);
    assert_eq!(concerned.len(), 3);
    assert!(searched(&pool, "acme", "physical", &back_end).is_none());
    // One is replaced meanwhile, one is removed, and the last is moved.
    feed(&pool, &reference("acme", "s-0", "physical", 2, 6, DIMS));
    assert!(searched(&pool, "acme", "physical", &back_end).is_none());
    pool.forget("acme", "s-1");
    assert!(searched(&pool, "acme", "physical", &back_end).is_none());
    let old = pool.sets("acme", "s-2").remove(0);
    let mut moved = (*old).clone();
    moved.prepare(&back_end);
    let (_, subject, key) = &concerned[concerned
        .iter()
        .position(|(_, subject, _)| &**subject == "s-2")
        .unwrap()];
    pool.write().exchange("acme", subject, key, &old, moved);
    let left = [
        reference("acme", "s-0", "physical", 2, 6, DIMS),
        reference("acme", "s-2", "physical", 1, 5, DIMS),
    ];
    let found = searched(&pool, "acme", "physical", &back_end);
    assert_eq!(found, Some(expected(left.iter(), &back_end)));
}
