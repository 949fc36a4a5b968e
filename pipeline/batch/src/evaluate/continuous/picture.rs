//! The risk around a takeover as SVG: the same streams give the same bytes.

use super::measure::{Rule, Stream};
use crate::evaluate::draw_svg;
use anyhow::Result;
use plotters::prelude::*;
use std::collections::BTreeMap;

const SIZE: (u32, u32) = (640, 400);
const BAND: RGBColor = RGBColor(0, 114, 178);
const LINE: RGBColor = RGBColor(213, 94, 0);
/// Windows shown before and after the takeover, in full ones.
const BEFORE: f64 = 4.0;
const AFTER: f64 = 6.0;
/// Shares of the streams between which the band lies.
const LOW: f64 = 0.05;
const HIGH: f64 = 0.95;

/// Median risk with its band over the actions since the takeover, and the threshold.
pub(super) fn draw(title: &str, unit: &str, streams: &[Stream], rule: &Rule, hop: usize) -> Result<String> {
    let hop = hop.max(1) as i64;
    let mut risks: BTreeMap<i64, Vec<f32>> = BTreeMap::new();
    let (first, last) = (-(BEFORE * rule.full as f64) as i64, (AFTER * rule.full as f64) as i64);
    for stream in streams.iter().filter(|stream| stream.other.is_some()) {
        for judged in stream.judged.iter().filter(|judged| judged.compared.is_some()) {
            let since = judged.position as i64 - stream.before as i64;
            if (first..=last).contains(&since) {
                risks
                    .entry(since.div_euclid(hop) * hop + hop / 2)
                    .or_default()
                    .push(judged.risk);
            }
        }
    }
    for values in risks.values_mut() {
        values.sort_by(f32::total_cmp);
    }
    let at = |share: f64| -> Vec<(f64, f64)> {
        let point = |(since, values): (&i64, &Vec<f32>)| {
            let place = (share * (values.len() - 1) as f64).round() as usize;
            (*since as f64, f64::from(values[place]))
        };
        risks.iter().map(point).collect()
    };
    let (low, median, high) = (at(LOW), at(0.5), at(HIGH));
    let band: Vec<(f64, f64)> = low.iter().copied().chain(high.iter().rev().copied()).collect();
    let threshold = f64::from(rule.step_up_risk);
    draw_svg(SIZE, |area| {
        let mut chart = ChartBuilder::on(area)
            .caption(title, ("sans-serif", 16))
            .margin(12)
            .x_label_area_size(40)
            .y_label_area_size(44)
            .build_cartesian_2d(first as f64..last as f64, 0.0..100.0)?;
        chart
            .configure_mesh()
            .x_desc(format!("{unit} since somebody else took over"))
            .y_desc("risk")
            .draw()?;
        chart.draw_series([Polygon::new(band.clone(), BAND.mix(0.2))])?;
        chart.draw_series(LineSeries::new(median.clone(), BAND.stroke_width(2)))?;
        let level = [(first as f64, threshold), (last as f64, threshold)];
        chart.draw_series(LineSeries::new(level, LINE.stroke_width(1)))?;
        chart.draw_series(LineSeries::new([(0.0, 0.0), (0.0, 100.0)], BLACK.mix(0.4)))?;
        Ok(())
    })
}
