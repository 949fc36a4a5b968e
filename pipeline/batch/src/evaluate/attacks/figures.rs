//! The figures that detectors judge by, over genuine windows: what their lines are chosen from, and held against.

use crate::windows::Cutting;
use ductus_dynamics::event::{InputEvent, Modality};
use ductus_dynamics::line::LineConfig;
use ductus_dynamics::liveness::Watch;
use ductus_dynamics::replay;
use ductus_dynamics::wire::Reference;
use serde::Serialize;
use std::collections::BTreeMap;

/// Values of each figure.
#[derive(Clone, Debug, Default)]
pub(super) struct Figures {
    values: BTreeMap<&'static str, Vec<f32>>,
}

/// Where the values of a figure lie.
#[derive(Clone, Debug, Serialize)]
pub struct Quantiles {
    /// Name of the figure, as its threshold in the configuration is named without `_min` or `_max`.
    pub figure: &'static str,
    /// Windows that it could be told of.
    pub windows: usize,
    /// Least value, and quantiles.
    pub least: f32,
    /// 0.1 % of the values are lower.
    pub p0_1: f32,
    /// 1 %.
    pub p1: f32,
    /// Half.
    pub p50: f32,
    /// 99 %.
    pub p99: f32,
    /// 99.9 %.
    pub p99_9: f32,
    /// Largest value.
    pub most: f32,
}

impl Figures {
    /// Adds the windows of a genuine session against the subject's references.
    pub(super) fn add(&mut self, events: &[InputEvent], modality: Modality, reference: &Reference, line: &LineConfig) {
        let cutting = Cutting {
            modality,
            config: *line.window(modality),
        };
        let mut watch = Watch::default();
        for window in cutting.windows_of(events, &[]) {
            watch.look(&window, &line.liveness);
            let sketches = reference.sketches.iter();
            self.put("replay", replay::nearness(&window, "watch", sketches, &line.replay));
            match modality {
                Modality::Keystroke => {
                    let seen = watch.key_statistics();
                    if seen.keys < line.liveness.keys_min {
                        continue;
                    }
                    self.put("dwell_spread", seen.dwell_spread);
                    self.put("pace_spread", seen.pace_spread);
                    self.put("pasted_share", Some(seen.pasted_share));
                    self.put("brief_share", Some(seen.brief_share));
                    if seen.keys >= line.liveness.structure_keys_min {
                        self.put("independence", seen.independence);
                        self.put("forged", seen.forged);
                    }
                    if seen.keys >= line.liveness.symmetry_keys_min {
                        self.put("pace_skew", seen.pace_skew);
                    }
                }
                Modality::Pointer => {
                    let seen = watch.stroke_statistics();
                    if seen.strokes < line.liveness.strokes_min {
                        continue;
                    }
                    self.put("speed_variation", Some(seen.speed_variation));
                    self.put("roughness", Some(seen.roughness));
                    self.put("deviation_px", Some(seen.deviation_px));
                }
            }
        }
    }

    fn put(&mut self, figure: &'static str, value: Option<f32>) {
        if let Some(value) = value {
            self.values.entry(figure).or_default().push(value);
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        for (figure, values) in other.values {
            self.values.entry(figure).or_default().extend(values);
        }
    }

    pub(super) fn quantiles(self) -> Vec<Quantiles> {
        let quantiles = |(figure, mut values): (&'static str, Vec<f32>)| {
            values.sort_by(f32::total_cmp);
            let at = |share: f64| values[(share * (values.len() - 1) as f64).round() as usize];
            Quantiles {
                figure,
                windows: values.len(),
                least: at(0.0),
                p0_1: at(0.001),
                p1: at(0.01),
                p50: at(0.5),
                p99: at(0.99),
                p99_9: at(0.999),
                most: at(1.0),
            }
        };
        self.values
            .into_iter()
            .filter(|(_, values)| !values.is_empty())
            .map(quantiles)
            .collect()
    }
}
