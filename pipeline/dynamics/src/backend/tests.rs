//! Properties of spaces, and what is learned from synthetic people whose occasions differ in a known direction.

use super::*;
use crate::accuracy::eer;
use proptest::prelude::*;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

const DIMS: usize = 12;
/// The first directions move from occasion to occasion and say nothing of the person.
const NUISANCE: usize = 3;

/// About normal: mean 0, variance 1.
fn normal(rng: &mut ChaCha8Rng) -> f32 {
    let sum: f32 = (0..12).map(|_| rng.next_u32() as f32 / u32::MAX as f32).sum();
    sum - 6.0
}

/// People with their own place in the last directions, whose occasions lie anywhere in the first ones.
fn people(count: usize, occasions: usize, windows: usize, seed: u64) -> Vec<Occasions> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut draw = |sd: f32| sd * normal(&mut rng);
    let mut all = Vec::new();
    for _ in 0..count {
        let person: Vec<f32> = (0..DIMS).map(|i| if i < NUISANCE { 0.0 } else { draw(0.5) }).collect();
        let occasions = (0..occasions).map(|_| {
            let day: Vec<f32> = (0..DIMS).map(|i| if i < NUISANCE { draw(2.0) } else { 0.0 }).collect();
            let window = |draw: &mut dyn FnMut(f32) -> f32| {
                let values = person.iter().zip(&day).map(|(person, day)| person + day + draw(0.2));
                unit(values.collect())
            };
            (0..windows).map(|_| window(&mut draw)).collect()
        });
        all.push(Occasions(occasions.collect()));
    }
    all
}

fn numbered(people: &[Occasions]) -> Vec<(u32, &Occasions)> {
    (0..).zip(people).collect()
}

fn error(trials: &[Trial]) -> f64 {
    let (genuine, impostor) = Trial::split(trials);
    eer(&genuine, &impostor).unwrap()
}

#[test]
fn what_changes_from_day_to_day_is_removed() {
    let config = LearnConfig::default();
    let learned = learn(&people(40, 3, 6, 1), &config).unwrap();
    assert_eq!((learned.people, learned.occasions), (40, 120));
    // Judged on people who were not there when it was learned.
    let others = people(30, 3, 6, 2);
    let before = error(&judge(&numbered(&others), &Space::default(), &config));
    let trials = judge(&numbered(&others), &learned.back_end.space, &config);
    let after = error(&trials);
    assert!(before > 0.3 && after < 0.1 && after < before / 4.0, "{before} {after}");
    // The folds foretold that error.
    assert!((error(&learned.trials) - after).abs() < 0.05);
    // A calibration that was not fitted to them says what it means.
    let (genuine, impostor) = Trial::split(&trials);
    let llrs = |cosines: &[f32]| -> Vec<f32> {
        cosines
            .iter()
            .map(|cosine| learned.back_end.calibration.llr(*cosine))
            .collect()
    };
    let cost = crate::accuracy::cllr(&llrs(&genuine), &llrs(&impostor)).unwrap();
    let least = crate::accuracy::min_cllr(&genuine, &impostor).unwrap();
    assert!(cost < least * 1.25 + 0.02, "{cost} {least}");
    // A probe that moves along a nuisance direction stays where it was.
    let whitening = learned.back_end.space.whitening().unwrap();
    let gain = |axis: usize| -> f32 {
        let column = whitening.matrix().iter().skip(axis).step_by(DIMS);
        column.map(|value| value * value).sum::<f32>().sqrt()
    };
    let removed = (0..NUISANCE).map(gain).fold(0.0, f32::max);
    let kept = (NUISANCE..DIMS).map(gain).fold(f32::MAX, f32::min);
    assert!(kept > 2.0 * removed, "{kept} {removed}");
}

#[test]
fn without_a_nuisance_embeddings_stay_as_they_are() {
    // Occasions differ by nothing but chance that is alike in all directions, so there is nothing to take off but the mean.
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let mut window = |person: &[f32]| unit(person.iter().map(|value| value + 0.3 * normal(&mut rng)).collect());
    let mut places = ChaCha8Rng::seed_from_u64(10);
    let people: Vec<Occasions> = (0..24)
        .map(|_| {
            let person: Vec<f32> = (0..DIMS).map(|_| normal(&mut places)).collect();
            Occasions((0..3).map(|_| (0..4).map(|_| window(&person)).collect()).collect())
        })
        .collect();
    let plain = LearnConfig::default();
    let learned = learn(&people, &plain).unwrap();
    let before = error(&judge(&numbered(&people), &Space::default(), &plain));
    assert!(error(&learned.trials) <= before + 0.02, "{learned:?}");
}

#[test]
fn the_same_people_give_the_same_bits() {
    let people = people(24, 2, 6, 3);
    assert_eq!(
        learn(&people, &LearnConfig::default()),
        learn(&people.clone(), &LearnConfig::default())
    );
}

#[test]
fn too_little_is_refused_in_words() {
    let config = LearnConfig::default();
    let text = |people: &[Occasions]| learn(people, &config).unwrap_err().to_string();
    let mut few = people(24, 2, 6, 4);
    few[5].0.truncate(1);
    few[7].0[0].clear();
    expect_test::expect![
        "22 people were seen on at least two occasions, but 24 are needed to learn how people change between them"
    ]
    .assert_eq(&text(&few));
    let mut cut = people(24, 2, 6, 4);
    cut[9].0[1][2].pop();
    expect_test::expect!["an embedding has 11 values, but the first one has 12"].assert_eq(&text(&cut));
    let still: Vec<Occasions> = people(24, 1, 6, 4)
        .into_iter()
        .map(|person| Occasions([person.0.clone(), person.0].concat()))
        .collect();
    expect_test::expect![
        "the embeddings of the same person do not differ between occasions, so there is nothing to learn"
    ]
    .assert_eq(&text(&still));
    // Two windows on either of two occasions leave two references: fewer than any deployment compares with.
    expect_test::expect!["calibration needs scores of both kinds, there are 0 genuine and 0 others"]
        .assert_eq(&text(&people(24, 2, 2, 4)));
}

#[test]
fn leaving_out_is_as_if_never_there() {
    let people = people(5, 3, 4, 5);
    let sum = |of: &[Occasions]| {
        let mut sum = Moments::none(DIMS);
        of.iter().for_each(|person| sum.add(&Moments::of(person, DIMS)));
        sum
    };
    let mut without = sum(&people);
    without.take_away(&Moments::of(&people[4], DIMS));
    let (left, never) = (
        without.whitening(0.3).unwrap(),
        sum(&people[..4]).whitening(0.3).unwrap(),
    );
    for (a, b) in left
        .matrix()
        .iter()
        .zip(never.matrix())
        .chain(left.mean().iter().zip(never.mean()))
    {
        assert!((a - b).abs() < 1e-5 * (1.0 + b.abs()));
    }
}

#[test]
fn no_whitening_of_the_wrong_shape() {
    assert!(Whitening::new(vec![0.0; 3], vec![0.0; 9]).is_ok());
    assert!(matches!(
        Whitening::new(vec![0.0; 3], vec![0.0; 8]),
        Err(BackEndError::Shape { dims: 3, .. })
    ));
    assert!(matches!(
        Whitening::new(Vec::new(), Vec::new()),
        Err(BackEndError::Shape { .. })
    ));
    assert_eq!(
        Whitening::new(vec![f32::NAN], vec![1.0]),
        Err(BackEndError::NotFinite("mean"))
    );
    assert_eq!(
        Whitening::new(vec![0.0], vec![f32::INFINITY]),
        Err(BackEndError::NotFinite("matrix"))
    );
}

/// Cosines of every probe and the mean of the references.
fn cosines(space: &Space, references: &[Vec<f32>], probes: &[Vec<f32>]) -> Vec<f32> {
    let mean = space.mean_of(references.iter().map(Vec::as_slice));
    probes.iter().map(|probe| space.cosine(&mean, probe)).collect()
}

/// Turns the plane of each pair of neighbouring directions by its own angle.
fn turned(vector: &[f32], angles: &[f32]) -> Vec<f32> {
    let mut vector = vector.to_vec();
    for (i, angle) in angles.iter().enumerate() {
        let (a, b) = (vector[i], vector[i + 1]);
        vector[i] = a * angle.cos() - b * angle.sin();
        vector[i + 1] = a * angle.sin() + b * angle.cos();
    }
    vector
}

proptest! {
    #![proptest_config(crate::proptest_config(64))]

    #[test]
    fn an_identity_is_the_cosine(seed in 0u64..1_000) {
        let person = &people(1, 2, 3, seed)[0].0;
        let mut diagonal = vec![0.0; DIMS * DIMS];
        (0..DIMS).for_each(|i| diagonal[i * DIMS + i] = 2.5);
        let written = Space::of(Whitening::new(vec![0.0; DIMS], diagonal).unwrap());
        let plain = cosines(&Space::default(), &person[0], &person[1]);
        for (a, b) in plain.iter().zip(cosines(&written, &person[0], &person[1])) {
            prop_assert!((a - b).abs() < 1e-5, "{a} {b}");
        }
    }

    #[test]
    fn turning_all_embeddings_changes_nothing(
        seed in 0u64..1_000,
        angles in proptest::collection::vec(-3.0f32..3.0, DIMS - 1),
    ) {
        let before = people(8, 3, 3, seed);
        let turn = |occasion: &Vec<Vec<f32>>| occasion.iter().map(|e| turned(e, &angles)).collect::<Vec<_>>();
        let after: Vec<Occasions> = before.iter().map(|person| Occasions(person.0.iter().map(turn).collect())).collect();
        let space = |people: &[Occasions]| {
            let mut sum = Moments::none(DIMS);
            people.iter().for_each(|person| sum.add(&Moments::of(person, DIMS)));
            Space::of(sum.whitening(0.3).unwrap())
        };
        let (space_before, space_after) = (space(&before), space(&after));
        for (b, a) in before.iter().zip(&after) {
            let b = cosines(&space_before, &b.0[0], &b.0[1]);
            let a = cosines(&space_after, &a.0[0], &a.0[1]);
            for (b, a) in b.iter().zip(a) {
                prop_assert!((a - b).abs() < 1e-3, "{a} {b}");
            }
        }
    }

    #[test]
    fn whitened_vectors_have_the_length_that_the_scatter_gives_them(seed in 0u64..1_000) {
        // |W x|² = xᵀ (C + s·I)⁻¹ x: with x = (C + s·I) y this is xᵀ y, which needs no inverse.
        let mut sum = Moments::none(DIMS);
        people(10, 3, 2, seed).iter().for_each(|person| sum.add(&Moments::of(person, DIMS)));
        let whitening = sum.whitening(0.3).unwrap();
        let scatter = sum.shrunken(0.3).unwrap();
        let y = &people(1, 1, 1, seed)[0].0[0][0];
        let x: Vec<f32> = scatter
            .chunks_exact(DIMS)
            .map(|row| row.iter().zip(y).map(|(c, y)| *c as f32 * y).sum())
            .collect();
        let length: f32 = whitening.matrix().chunks_exact(DIMS).map(|row| dot(row, &x).powi(2)).sum();
        let expected = dot(&x, y);
        prop_assert!((length - expected).abs() < 1e-3 * expected, "{length} {expected}");
    }
}

proptest! {
    #![proptest_config(crate::proptest_config(64))]

    /// Probes that were put together beforehand are compared as if they were not, to the bit.
    #[test]
    fn probes_together_are_one_vector(seed in 0_u64..1_000, probes in 1_usize..6, plain in any::<bool>()) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut vector = |length: usize| -> Vec<f32> { (0..length).map(|_| normal(&mut rng)).collect() };
        let whitening = Whitening::new(vector(DIMS), vector(DIMS * DIMS)).unwrap();
        let space = if plain { Space::default() } else { Space::of(whitening) };
        let references: Vec<Vec<f32>> = (0..5).map(|_| unit(vector(DIMS))).collect();
        let probes: Vec<Vec<f32>> = (0..probes).map(|_| unit(vector(DIMS))).collect();
        let mean = space.mean_of(references.iter().map(Vec::as_slice));
        let together = space.together(probes.iter().map(Vec::as_slice));
        let cosine = space.cosine_together(&mean, probes.iter().map(Vec::as_slice));
        prop_assert_eq!(dot(&mean, &together).to_bits(), cosine.to_bits());
    }
}
