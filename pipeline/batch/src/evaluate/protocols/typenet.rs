//! TypeNet's protocol for the Aalto recordings (Acien et al., "TypeNet: Deep Learning Keystroke Biometrics", IEEE TBIOM 2022),
//! with five gallery sessions: the first 50 keys of each of a person's fifteen sections; gallery sections 0-4, genuine probes
//! sections 10-14, impostor probe section 11 of every other person. N people give 5 N genuine and N (N - 1) impostor trials.

use super::Settings;
use super::blocks::note_short;
use crate::corpus::Person;
use crate::evaluate::trials::{Layout, Pair, Trials};
use ductus_dynamics::event::Modality;
use ductus_dynamics::feature::FeatureWindow;
use ductus_dynamics::window::WindowConfig;

/// Lays out people with at least fifteen sessions.
pub(super) fn layout(people: &[Person], settings: Settings) -> Layout {
    const SESSIONS: usize = 15;
    const GENUINE: std::ops::Range<usize> = 10..15;
    const IMPOSTOR: usize = 11;
    // The first keys of a section are one sequence, however few they are and however long somebody thought in between.
    let mut cutting = settings.cutting(Modality::Keystroke).apart().at_least(1);
    cutting.config = WindowConfig {
        pause_us: i64::MAX / 4,
        ..cutting.config
    };
    let mut layout = Layout::default();
    let (mut probes, mut ours) = (Vec::new(), Vec::new());
    let mut short = 0;
    for person in people {
        let firsts: Vec<FeatureWindow> = person
            .sessions
            .iter()
            .filter_map(|session| cutting.features(session).into_iter().next())
            .collect();
        if firsts.len() < SESSIONS {
            short += 1;
            continue;
        }
        let indices = layout.add(firsts);
        layout
            .enrolled
            .push(indices[..settings.references.min(GENUINE.start)].to_vec());
        ours.push(probes.len());
        probes.extend(GENUINE.map(|session| vec![indices[session]]));
    }
    let mut pairs = Vec::new();
    for claimed in 0..ours.len() {
        let pair = |probe: usize, genuine| Pair {
            enrolled: claimed as u32,
            probe: probe as u32,
            genuine,
        };
        pairs.extend((0..GENUINE.len()).map(|i| pair(ours[claimed] + i, true)));
        let others = ours.iter().enumerate().filter(|(other, _)| *other != claimed);
        pairs.extend(others.map(|(_, first)| pair(first + IMPOSTOR - GENUINE.start, false)));
    }
    layout.trials = Trials { probes, pairs };
    note_short(&mut layout, short, "fewer than 15 sessions");
    layout
}
