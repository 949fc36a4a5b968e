//! What a caller sees: answers in words, what is needed, and what is refused.

use crate::support::*;
use ductus_dynamics::event::InputEvent;
use ductus_dynamics::line::LineConfig;
use ductus_dynamics::wire::{Consent, Device, EventBatch, Keyboard, Purpose};
use ductus_scorer::probe::{
    Claim, Crowd, MissingReferences, MissingSteps, ProbeError, ProbePolicy, Prober, ReferencePool, Verification,
};
use expect_test::{Expect, expect};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn set_up(policy: ProbePolicy) -> (Prober, ReferencePool) {
    let config = Arc::new(LineConfig::default());
    let pool = pool(&config);
    feed(&pool, &enrolled(&config, "s-1", 1, 600, 0));
    feed(&pool, &enrolled(&config, "s-2", 2, 130, 0));
    (prober(&config, policy), pool)
}

fn ask(
    prober: &Prober,
    pool: &ReferencePool,
    subject: &str,
    batches: &[EventBatch],
) -> Result<Verification, ProbeError> {
    let values: Vec<Vec<u8>> = batches.iter().map(bytes).collect();
    let claim = Claim {
        tenant: "acme",
        subject,
    };
    prober.verify(pool, claim, &slices(&values))
}

fn one(events: &[InputEvent]) -> EventBatch {
    batch(None, "x", 0, events)
}

fn show(found: &Verification) -> String {
    let mut lines = vec![match found.numbers {
        None => format!("{}: nothing was compared", found.answer.code()),
        Some(numbers) => format!(
            "{}: score {:+.0}, risk {:.0}, {:?}",
            found.answer.code(),
            numbers.score,
            numbers.risk,
            numbers.action
        ),
    }];
    lines.extend(found.compared.iter().map(|(compared, reference)| {
        format!(
            "  compared {} windows, {} steps, {} on {} with {} references",
            compared.windows,
            compared.steps,
            compared.instrument.modality.name(),
            compared.instrument.device,
            reference.count
        )
    }));
    let states = found.reasons.iter().filter(|reason| reason.unit.is_empty());
    lines.extend(states.map(|reason| format!("  {}: {}", reason.measure, reason.text)));
    for MissingReferences {
        instrument,
        have,
        need,
        steps,
    } in &found.needed.references
    {
        let modality = instrument.modality.name();
        lines.push(format!(
            "  needed: {steps} steps to enrol {modality} on {}, {have} of {need}",
            instrument.device
        ));
    }
    for MissingSteps { modality, steps } in &found.needed.steps {
        lines.push(format!("  needed: {steps} steps, {}", modality.name()));
    }
    lines.join("\n")
}

#[test]
fn answers_say_what_is_needed() {
    let (prober, pool) = set_up(ProbePolicy::default());
    let mut said = Vec::new();
    let mut say = |what: &str, subject: &str, batches: &[EventBatch]| {
        let found = ask(&prober, &pool, subject, batches).unwrap();
        said.push(format!("{what}: {}", show(&found)));
    };
    let own = typed(1, 5, 160, SECOND_US, 1);
    say("the same person", "s-1", &[one(&own)]);
    say("somebody else", "s-1", &[one(&typed(92, 5, 160, SECOND_US, 1))]);
    say("somebody in between", "s-1", &[one(&typed(95, 5, 160, SECOND_US, 1))]);
    say("a little", "s-1", &[one(&typed(1, 5, 60, SECOND_US, 1))]);
    say("hardly anything", "s-1", &[one(&typed(1, 5, 8, SECOND_US, 1))]);
    say("nothing", "s-1", &[one(&[])]);
    say("half enrolled", "s-2", &[one(&typed(2, 5, 160, SECOND_US, 1))]);
    say("nobody knows", "s-3", &[one(&own)]);
    let device = Device {
        keyboard: Keyboard::Virtual,
        ..DEVICE
    };
    say("on another keyboard", "s-1", &[EventBatch { device, ..one(&own) }]);
    say("with the mouse", "s-1", &[one(&pointed(1, 5, 400, SECOND_US))]);
    expect![[r#"
        the same person: same: score +1, risk 1, Allow
          compared 12 windows, 160 steps, keystroke on physical with 12 references
        somebody else: different: score -16, risk 100, Terminate
          compared 12 windows, 160 steps, keystroke on physical with 12 references
        somebody in between: insufficient_data: score -1, risk 6, Allow
          compared 12 windows, 160 steps, keystroke on physical with 12 references
          undecided: what was compared speaks neither for nor against the subject
          needed: 50 steps, keystroke
        a little: insufficient_data: score +1, risk 1, Allow
          compared 2 windows, 60 steps, keystroke on physical with 12 references
          short_sample: 15 more key presses are needed
          needed: 15 steps, keystroke
        hardly anything: insufficient_data: nothing was compared
          short_sample: 75 more key presses are needed
          needed: 75 steps, keystroke
        nothing: insufficient_data: nothing was compared
          short_sample: 75 more key presses are needed
          needed: 75 steps, keystroke
        half enrolled: insufficient_data: nothing was compared
          few_references: 2 of 5 reference windows learned, keystroke on physical
          needed: 150 steps to enrol keystroke on physical, 2 of 5
        nobody knows: insufficient_data: nothing was compared
          few_references: 0 of 5 reference windows learned, keystroke on physical
          needed: 250 steps to enrol keystroke on physical, 0 of 5
        on another keyboard: insufficient_data: nothing was compared
          few_references: 0 of 5 reference windows learned, keystroke on virtual
          short_sample: 75 more key presses are needed
          needed: 250 steps to enrol keystroke on virtual, 0 of 5
          needed: 75 steps, keystroke
        with the mouse: insufficient_data: nothing was compared
          few_references: 0 of 5 reference windows learned, pointer on mouse
          short_sample: 75 more key presses are needed
          needed: 640 steps to enrol pointer on mouse, 0 of 5
          needed: 75 steps, keystroke"#]]
    .assert_eq(&said.join("\n"));
}

#[track_caller]
fn check(found: Result<Verification, ProbeError>, expect: Expect) {
    let error = found.expect_err("it is refused");
    expect.assert_eq(&error.to_string());
}

#[test]
fn what_is_refused_is_named() {
    let (prober, pool) = set_up(ProbePolicy {
        batches_max: 4,
        events_max: 250,
        ..ProbePolicy::default()
    });
    let ask = |batches: &[EventBatch]| ask(&prober, &pool, "s-1", batches);
    let right = one(&typed(1, 5, 60, SECOND_US, 1));
    let next = EventBatch {
        seq: 1,
        ..right.clone()
    };
    check(ask(&[]), expect!["there is no batch, give at least one"]);
    check(
        ask(&vec![right.clone(); 5]),
        expect!["there are 5 batches, but at most 4 are taken"],
    );
    check(
        ask(&[one(&typed(1, 5, 130, SECOND_US, 1))]),
        expect!["there are 260 events, but at most 250 are taken"],
    );
    check(
        ask(&[
            EventBatch {
                tenant: "other".to_owned(),
                ..right.clone()
            },
            EventBatch {
                subject: Some("s-2".to_owned()),
                ..right.clone()
            },
            EventBatch {
                consent: Consent::Withheld,
                ..right.clone()
            },
            EventBatch {
                purpose: Purpose::Collect,
                ..right.clone()
            },
        ]),
        expect!["4 of the batches are refused: 0 forged_tenant, 1 forged_subject, 2 no_consent, 3 other_purpose"],
    );
    check(
        ask(&[
            right.clone(),
            right.clone(),
            EventBatch {
                session: "y".to_owned(),
                ..next.clone()
            },
        ]),
        expect!["2 of the batches are refused: 1 repeated_batch, 2 other_session"],
    );
    let claim = Claim {
        tenant: "acme",
        subject: "s-1",
    };
    let typed_text = br#"{"v":1,"text":"hello"}"#;
    let found = prober.verify(&pool, claim, &[b"", typed_text, b"\xff"]);
    check(
        found,
        expect!["3 of the batches are refused: 0 malformed, 1 content_field, 2 malformed"],
    );
    let crowd = Crowd {
        tenant: "acme",
        among: None,
        candidates: 5,
    };
    let refused = prober.identify(
        &pool,
        crowd,
        &[&bytes(&EventBatch {
            tenant: "other".to_owned(),
            ..right
        })],
    );
    assert!(matches!(refused, Err(ProbeError::Refused(_))));
}

/// More threads than embedders, and models that take turns: everybody is answered, and the same.
#[test]
fn many_threads_share_few_embedders() {
    let config = Arc::new(LineConfig::default());
    let pool = pool(&config);
    feed(&pool, &enrolled(&config, "s-1", 1, 600, 0));
    let policy = ProbePolicy {
        embedders_max: 2,
        ..ProbePolicy::default()
    };
    // The same network twice, as after a swap and back: embedders of the one are not used for the other.
    let (asked, again) = (AtomicUsize::new(0), reloaded());
    let prober = Prober::new(
        Arc::clone(&config),
        policy,
        Box::new(move |modality| {
            let slots = if asked.fetch_add(1, Ordering::Relaxed) % 5 < 2 {
                &again
            } else {
                slots()
            };
            Some(slots[modality.index()].current())
        }),
    );
    let batches = [one(&typed(1, 5, 160, SECOND_US, 1))];
    let expected = ask(&prober, &pool, "s-1", &batches).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                for _ in 0..5 {
                    assert_eq!(ask(&prober, &pool, "s-1", &batches).unwrap(), expected);
                }
            });
        }
    });
}
