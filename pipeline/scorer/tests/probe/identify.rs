//! Identification gives what one comparison at a time gives, to the bit.

use crate::support::*;
use ductus_dynamics::compare::{ReferenceSet, device_class};
use ductus_dynamics::event::Modality;
use ductus_dynamics::feature::FeatureWindow;
use ductus_dynamics::line::LineConfig;
use ductus_dynamics::window::Windower;
use ductus_dynamics::wire::{EventBatch, Reference, Sample};
use ductus_scorer::probe::{Candidate, Crowd, ProbePolicy};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::cell::Cell;
use std::sync::Arc;

/// References with these embeddings.
fn reference(tenant: &str, subject: &str, modality: Modality, device: &str, embeddings: &[Vec<f32>]) -> Reference {
    let samples = embeddings.iter().enumerate().map(|(at, embedding)| Sample {
        embedding: embedding.clone(),
        session: "enrol".to_owned(),
        sequence: at as u64,
        end_us: at as i64,
    });
    let mut anchors: Vec<Sample> = samples.collect();
    let recent = anchors.split_off(anchors.len().min(5));
    Reference {
        v: 1,
        tenant: tenant.to_owned(),
        subject: subject.to_owned(),
        modality,
        device: device.to_owned(),
        model: slots()[modality.index()].current().model.manifest().model_ref(),
        version: 1,
        anchors,
        recent,
        usual: Vec::new(),
        sketches: Vec::new(),
        updated_us: 0,
    }
}

/// Embeddings of the windows of both modalities that a session gives, by the parts.
fn embeddings(batches: &[EventBatch], config: &LineConfig) -> [Vec<Vec<f32>>; 2] {
    let (mut events, mut rejections) = (Vec::new(), Default::default());
    for batch in batches {
        ductus_dynamics::parse::parse(&bytes(batch), &config.parse, &mut events, &mut rejections)
            .expect("a right batch");
    }
    let (mut windower, mut windows) = (Windower::new(config.keystroke, config.pointer, 0), Vec::new());
    for event in &events {
        windower.push(event, &mut windows);
    }
    windower.close(ductus_dynamics::wire::Closed::End, &mut windows);
    Modality::ALL.map(|modality| {
        let mut embedder = slots()[modality.index()].current().model.embedder().expect("a session");
        let scored = windows
            .iter()
            .filter(|window| window.modality == modality && window.steps.len() >= config.window(modality).min_steps);
        let mut out = Vec::new();
        scored
            .map(|window| {
                embedder
                    .embed(&[&FeatureWindow::of(window).values], &mut out)
                    .expect("a right window");
                out.clone()
            })
            .collect()
    })
}

/// A vector between `own` and chance, of unit length.
fn near(own: &[f32], seed: u32, noise: f32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12_345);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    let mixed: Vec<f32> = own.iter().map(|value| value + noise * next()).collect();
    let length = mixed.iter().map(|value| value * value).sum::<f32>().sqrt();
    mixed.iter().map(|value| value / length).collect()
}

#[derive(Clone, Debug)]
struct Person {
    /// Reference windows, keystroke and pointer.
    windows: [usize; 2],
    noise: f32,
    elsewhere: bool,
}

#[derive(Clone, Debug)]
struct Case {
    people: Vec<Person>,
    keys: usize,
    steps: usize,
    candidates: usize,
    /// Every so manieth person is asked for; 0 for everybody.
    among: usize,
}

fn case() -> impl Strategy<Value = Case> {
    let person = ((0_usize..9, 0_usize..9), 0.0_f32..0.3, prop::bool::weighted(0.1)).prop_map(
        |((keys, steps), noise, elsewhere)| Person {
            windows: [keys, steps],
            noise,
            elsewhere,
        },
    );
    let rest = (0_usize..150, 0_usize..300, 1_usize..60, 0_usize..4);
    (prop::collection::vec(person, 0..70), rest).prop_map(|(people, (keys, steps, candidates, among))| Case {
        people,
        keys,
        steps,
        candidates,
        among,
    })
}

#[test]
fn everybody_is_compared_as_if_alone() {
    let config = Arc::new(LineConfig::default());
    let policy = ProbePolicy::default();
    let prober = prober(&config, policy);
    let mut runner = TestRunner::new(Config {
        cases: 60,
        failure_persistence: None,
        ..Config::default()
    });
    let ranked = Cell::new(0);
    let result = runner.run(&case(), |case| {
        let events = [
            typed(1, 3, case.keys, SECOND_US, 1),
            pointed(1, 3, case.steps, 300 * SECOND_US),
        ]
        .concat();
        let batches = [batch(Some("whoever"), "x", 0, &events)];
        let own = embeddings(&batches, &config);
        let pool = pool(&config);
        let mut sets: Vec<Vec<Reference>> = Vec::new();
        for (number, person) in (0_u32..).zip(&case.people) {
            let name = format!("s-{number}");
            let tenant = if person.elsewhere { "other" } else { "acme" };
            let mut of_person = Vec::new();
            for modality in Modality::ALL {
                let dims = slots()[modality.index()].current().model.dims();
                let zero = vec![0.01; dims];
                let centre = own[modality.index()].first().unwrap_or(&zero);
                let windows = person.windows[modality.index()] as u32;
                let embeddings: Vec<Vec<f32>> = (0..windows)
                    .map(|at| near(centre, 1_000 * number + at, person.noise))
                    .collect();
                let device = device_class(modality, &DEVICE);
                of_person.push(reference(tenant, &name, modality, &device, &embeddings));
                // Another instrument of theirs is not compared.
                feed(&pool, &[reference(tenant, &name, modality, "other", &embeddings)]);
            }
            feed(&pool, &of_person);
            if !person.elsewhere {
                sets.push(of_person);
            }
        }
        let among: Option<Vec<String>> = (case.among > 0).then(|| {
            (0..80)
                .step_by(case.among)
                .map(|number| format!("s-{number}"))
                .collect()
        });
        let names: Option<Vec<&str>> = among.as_ref().map(|among| among.iter().map(String::as_str).collect());
        let crowd = Crowd {
            tenant: "acme",
            among: names.as_deref(),
            candidates: case.candidates,
        };
        let found = prober
            .identify(&pool, crowd, &slices(&batches.map(|batch| bytes(&batch))))
            .unwrap();

        let mut alone: Vec<(String, f32)> = Vec::new();
        for references in &sets {
            let name = &references[0].subject;
            if names.as_ref().is_some_and(|names| !names.contains(&name.as_str())) {
                continue;
            }
            let mut total: Option<f32> = None;
            for reference in references.iter().filter(|reference| reference.anchors.len() >= 5) {
                let probes = &own[reference.modality.index()];
                if probes.is_empty() {
                    continue;
                }
                let model = slots()[reference.modality.index()].current().model;
                let set = ReferenceSet::from_stored(reference.clone());
                let llr = set
                    .compare_together(probes.iter().map(Vec::as_slice), model.back_end())
                    .llr;
                total = Some(total.map_or(llr, |total| total + llr));
            }
            alone.extend(total.map(|llr| (name.clone(), llr)));
        }
        let enough = found.needed.is_empty();
        let seen = case.keys as f32 / 50.0 + case.steps as f32 / 128.0;
        prop_assert!(enough || seen < 2.5, "{:?}", found.needed);
        prop_assert_eq!(found.subjects, if enough { alone.len() } else { 0 });
        if !enough {
            prop_assert!(found.candidates.is_empty());
            return Ok(());
        }
        alone.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let odds = (1.0 - policy.known_prior) / policy.known_prior;
        let sum: f64 = alone.iter().map(|(_, llr)| f64::from(*llr).exp()).sum();
        let all = sum + alone.len() as f64 * odds;
        let most = case.candidates.min(policy.candidates_max).min(alone.len());
        prop_assert_eq!(found.candidates.len(), most);
        for (
            Candidate {
                subject,
                llr,
                posterior,
            },
            (name, expected),
        ) in found.candidates.iter().zip(&alone)
        {
            prop_assert_eq!(subject, name);
            prop_assert_eq!(llr.to_bits(), expected.to_bits());
            prop_assert!((posterior - f64::from(*expected).exp() / all).abs() < 1e-9);
        }
        let nobody = if alone.is_empty() { 1.0 } else { 1.0 - sum / all };
        prop_assert!((found.nobody - nobody).abs() < 1e-9, "{} is not {nobody}", found.nobody);
        ranked.set(ranked.get() + usize::from(!alone.is_empty()));
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    let ranked = ranked.get();
    assert!(ranked >= 30, "{ranked} of 60 ranked anybody");
}
