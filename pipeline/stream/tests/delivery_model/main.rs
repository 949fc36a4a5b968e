//! The delivery protocol of `docs/delivery.md`, checked as a model: every interleaving of a small world is walked through.
//!
//! The world is one partition: a log of three or four records, of which most close a window; three instances that own it one
//! after the other, two of them possibly as zombies; the group's coordinator; transactions that are open, decided, and then
//! readable in one topic after the other. A decision is known by its bytes: the model, the last bits of the machine that made
//! it, and a hash of all that its line had seen before, so that whatever was made from a wrong state differs. Models stand for
//! everything that comes from outside (references of others take effect by the same rule). Left out are windows, networks and
//! compaction; a crash takes with it what is in flight, each decision in order written before or never.
//!
//! The promise is checked as [`promise`] says, on machines that round alike with zombies, on machines that round differently
//! with crashes, and with both, where the page promises less. Then each rule is left out ([`broken`]), and the search must find
//! what that breaks: the tables below say which property, and after how many steps.

mod broken;
mod effects;
mod explorer;
mod promise;
mod protocol;
mod rules;
mod step;
mod world;

use broken::Broken;
use expect_test::expect;
use explorer::{Breach as _, Explored, explore};
use promise::Breach;
use protocol::{Bounds, Machines, Protocol};
use world::Faults;

const NO_FAULTS: Faults = Faults {
    all: 0,
    crashes: 0,
    evictions: 0,
    releases: 0,
    aborts: 0,
};
/// Any two faults, one of them a zombie.
const ZOMBIE: Faults = Faults {
    all: 2,
    crashes: 1,
    evictions: 1,
    releases: 1,
    aborts: 1,
};
/// Two zombies, one after the other or at once.
const ZOMBIES: Faults = Faults {
    all: 2,
    evictions: 2,
    ..NO_FAULTS
};
/// Any two faults but zombies.
const CRASHES: Faults = Faults {
    all: 2,
    crashes: 2,
    evictions: 0,
    releases: 1,
    aborts: 1,
};
/// One fault of any kind: enough for most planted bugs.
const ONE: Faults = Faults { all: 1, ..ZOMBIE };

const fn page(windows: &'static [bool], models: u8, machines: Machines, faults: Faults) -> Protocol {
    Protocol {
        bounds: Bounds {
            windows,
            models,
            faults,
        },
        machines,
        late_may_differ: false,
        broken: None,
    }
}

/// With zombies among machines that round alike.
const ALIKE: Protocol = page(&[true, true], 2, Machines::Same, ONE);
/// With crashes among machines that round differently.
const DIFFERENT: Protocol = page(&[true, true], 2, Machines::Other, CRASHES);

/// Searches, and writes a line: what was seen, or what is broken and after how many steps.
fn line(table: &mut String, name: &str, protocol: &Protocol) -> Explored<Breach> {
    let explored = explore(protocol);
    assert!(!explored.endless, "{name}: a run goes on for ever");
    let said: Vec<String> = (explored.found.iter())
        .map(|it| format!("{}: {} ({} steps)", it.breach.property(), it.breach, it.trace.len()))
        .collect();
    let said = if said.is_empty() {
        let Explored {
            states,
            transitions,
            rests,
            depth,
            ..
        } = explored;
        format!("holds: {states} states, {transitions} steps, {rests} where a run may rest, depth {depth}")
    } else {
        said.join("; ")
    };
    *table += &format!("{name}\n    {said}\n");
    explored
}

fn told(explored: &Explored<Breach>) -> String {
    let mut told = String::new();
    for counterexample in &explored.found {
        told += &format!("{}:\n", counterexample.breach);
        for (number, step) in (1..).zip(&counterexample.trace) {
            told += &format!("{number:4} {step}\n");
        }
    }
    told
}

#[test]
fn the_page_keeps_its_promise() {
    let with_gap: &[bool] = &[true, false, true];
    let cases = [
        (
            "a zombie, machines alike",
            page(&[true, true, true], 2, Machines::Same, ZOMBIE),
        ),
        (
            "two zombies, machines alike",
            page(with_gap, 2, Machines::Same, ZOMBIES),
        ),
        ("two promotions, machines alike", page(with_gap, 3, Machines::Same, ONE)),
        (
            "crashes, machines differ",
            page(&[true, true, false, true], 2, Machines::Other, CRASHES),
        ),
        (
            "a zombie, machines differ: what owners wrote",
            Protocol {
                late_may_differ: true,
                ..page(with_gap, 2, Machines::Other, ZOMBIE)
            },
        ),
    ];
    let mut table = String::new();
    for (name, protocol) in &cases {
        let explored = line(&mut table, name, protocol);
        assert!(explored.found.is_empty(), "{name}: {}", told(&explored));
    }
    expect![[r#"
        a zombie, machines alike
            holds: 514304 states, 1149505 steps, 31319 where a run may rest, depth 39
        two zombies, machines alike
            holds: 164598 states, 444888 steps, 7606 where a run may rest, depth 36
        two promotions, machines alike
            holds: 89233 states, 154178 steps, 7340 where a run may rest, depth 33
        crashes, machines differ
            holds: 193933 states, 324260 steps, 11560 where a run may rest, depth 41
        a zombie, machines differ: what owners wrote
            holds: 215422 states, 427205 steps, 14934 where a run may rest, depth 37
    "#]]
    .assert_eq(&table);
}

/// Leaves each of the rules out: the table, and those that the search found missing.
fn without(base: Protocol, rules: &[Broken]) -> (String, Vec<Broken>) {
    let (mut table, mut found) = (String::new(), Vec::new());
    for &rule in rules {
        let broken = Some(rule);
        let explored = line(&mut table, &rule.to_string(), &Protocol { broken, ..base });
        if !explored.found.is_empty() {
            found.push(rule);
        }
    }
    (table, found)
}

#[test]
fn every_planted_bug_is_found() {
    let (table, zombies) = without(ALIKE, &Broken::RULES);
    println!("with zombies, machines alike:\n{table}");
    expect![[r#"
        decisions are not read back
            2: the decision about record 0 is repeated without a zombie (16 steps)
        known decisions are left out, but not adopted
            holds: 9741 states, 15981 steps, 1030 where a run may rest, depth 27
        commit before decisions are acknowledged
            1: the decision about record 0 is lost (17 steps)
        D taken after S
            2: the decision about record 1 is repeated without a zombie (21 steps)
        offset committed without the assignment's generation
            3: no undisturbed run says that about record 0 (15 steps); 2: two models decided about record 0 (17 steps); 4: record 0 is audited twice (20 steps)
        load without waiting for a pending transaction
            3: no undisturbed run says that about record 0 (14 steps); 2: two models decided about record 0 (16 steps); 4: record 0 is audited twice (19 steps)
        load up to any marker, not the one named
            3: no undisturbed run says that about record 0 (15 steps); 2: two models decided about record 0 (17 steps)
        no first checkpoint where there is no marker
            3: no undisturbed run says that about record 0 (6 steps); 2: two models decided about record 0 (14 steps)
        model takes effect when it arrives
            3: no undisturbed run says that about record 0 (6 steps); 2: two models decided about record 0 (14 steps)
        deciding while a model's checkpoint is under way
            3: no undisturbed run says that about record 0 (11 steps); 2: two models decided about record 0 (18 steps)
        model takes effect before F
            3: no undisturbed run says that about record 0 (16 steps); 2: two models decided about record 0 (18 steps)
        marker without models replaced before F
            3: no undisturbed run says that about record 0 (16 steps); 2: two models decided about record 0 (18 steps)
        reading on after the session is over
            3: no undisturbed run says that about record 0 (17 steps); 2: two models decided about record 0 (18 steps)
        given back with decisions in flight
            2: the decision about record 0 is repeated without a zombie (16 steps)
        audit records produced at once
            4: record 0 is audited twice (13 steps)
    "#]].assert_eq(&table);
    let (table, crashes) = without(DIFFERENT, &Broken::RULES);
    println!("with crashes, machines differ:\n{table}");
    expect![[r#"
        decisions are not read back
            2: two contents for the decision about record 0 (16 steps)
        known decisions are left out, but not adopted
            3: no undisturbed run says that about record 1 (17 steps); 4: audit and decision differ about record 0 (18 steps)
        commit before decisions are acknowledged
            1: the decision about record 0 is lost (17 steps)
        D taken after S
            2: two contents for the decision about record 1 (21 steps)
        offset committed without the assignment's generation
            holds: 13349 states, 19457 steps, 1447 where a run may rest, depth 32
        load without waiting for a pending transaction
            3: no undisturbed run says that about record 0 (15 steps); 4: record 0 is audited twice (19 steps)
        load up to any marker, not the one named
            3: no undisturbed run says that about record 0 (16 steps)
        no first checkpoint where there is no marker
            3: no undisturbed run says that about record 0 (6 steps)
        model takes effect when it arrives
            3: no undisturbed run says that about record 0 (6 steps)
        deciding while a model's checkpoint is under way
            3: no undisturbed run says that about record 0 (11 steps)
        model takes effect before F
            3: no undisturbed run says that about record 0 (17 steps)
        marker without models replaced before F
            3: no undisturbed run says that about record 0 (17 steps)
        reading on after the session is over
            holds: 13349 states, 19457 steps, 1447 where a run may rest, depth 32
        given back with decisions in flight
            2: two contents for the decision about record 0 (16 steps)
        audit records produced at once
            4: record 0 is audited twice (14 steps)
    "#]].assert_eq(&table);
    for rule in Broken::RULES {
        let missed = zombies.contains(&rule) || crashes.contains(&rule);
        assert!(missed, "nothing breaks with: {rule}");
    }
}

/// A last checkpoint saves the next owner a replay. The promise needs only that nothing is in flight.
#[test]
fn a_last_checkpoint_is_a_courtesy() {
    for base in [ALIKE, DIFFERENT] {
        let (table, found) = without(base, &[Broken::ReleasedUnsaved]);
        assert!(found.is_empty(), "{table}");
    }
}

/// Without what the page rests on, the promise does not hold; the page says so.
#[test]
fn what_the_promise_rests_on() {
    let mut table = String::new();
    let differing_zombie = page(&[true, true], 2, Machines::Other, ONE);
    line(
        &mut table,
        "a zombie on a machine that rounds differently",
        &differing_zombie,
    );
    let broken = Some(Broken::Gap);
    line(&mut table, &Broken::Gap.to_string(), &Protocol { broken, ..DIFFERENT });
    expect![[r#"
        a zombie on a machine that rounds differently
            2: two contents for the decision about record 0 (15 steps)
        a decision given up, later ones written
            3: no undisturbed run says that about record 1 (18 steps)
    "#]]
    .assert_eq(&table);
}

#[test]
fn a_counterexample_reads_as_a_list_of_steps() {
    let broken = Some(Broken::NotAcknowledged);
    expect![[r#"
        the decision about record 0 is lost:
           1 A is assigned the partition, F = 0
           2 A asks the group: no checkpoint
           3 A loads, reads back from D = 0, replays from S = 0
           4 A prepares a checkpoint: S = 0, D = 0, model 0
           5 A sends the transaction with its offset
           6 A's transaction is committed
           7 A decides about record 0 by model 0
           8 A decides about record 1 by model 0
           9 A prepares a checkpoint: S = 2, D = 0, model 0
          10 A sends the transaction with its offset
          11 A's transaction is committed
          12 A crashes
          13 A is assigned the partition, F = 2
          14 the committed group offset can be read
          15 A asks the group: the checkpoint with S = 2
          16 the committed marker and session states can be read
          17 A loads, reads back from D = 0, replays from S = 2
    "#]]
    .assert_eq(&told(&explore(&Protocol { broken, ..ALIKE })));
}
