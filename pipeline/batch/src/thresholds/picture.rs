//! What a budget costs in detection time, as SVG.

use super::Point;
use crate::evaluate::draw_svg;
use anyhow::Result;
use plotters::prelude::*;

const SIZE: (u32, u32) = (640, 400);
const MEDIAN: RGBColor = RGBColor(0, 114, 178);
const LATE: RGBColor = RGBColor(213, 94, 0);

/// Actions until half and until 95 % of the takeovers are found, over the days in which one false step-up may be.
pub(super) fn draw(curve: &[Point], takeovers: usize) -> Result<String> {
    let line = |actions: fn(&Point) -> Option<usize>| -> Vec<(f64, f64)> {
        let points = curve
            .iter()
            .filter_map(|point| Some((point.one_per_days, actions(point)? as f64)));
        points.collect()
    };
    let (median, late) = (line(|point| point.actions_median), line(|point| point.actions_p95));
    let highest = median
        .iter()
        .chain(&late)
        .map(|(_, actions)| *actions)
        .fold(100.0, f64::max);
    let days = |pick: fn(f64, f64) -> f64| curve.iter().map(|point| point.one_per_days).reduce(pick).unwrap_or(1.0);
    let (first, last) = (days(f64::min), days(f64::max).max(days(f64::min) + 1.0));
    draw_svg(SIZE, |area| {
        let mut chart = ChartBuilder::on(area)
            .caption(
                format!("What a budget costs, {takeovers} takeovers"),
                ("sans-serif", 16),
            )
            .margin(12)
            .x_label_area_size(40)
            .y_label_area_size(52)
            .build_cartesian_2d((first..last).log_scale(), 0.0..highest * 1.05)?;
        chart
            .configure_mesh()
            .x_desc("days in which one false step-up may be")
            .y_desc("actions until found")
            .draw()?;
        for (line, colour, label) in [(&median, MEDIAN, "half"), (&late, LATE, "95 %")] {
            chart
                .draw_series(LineSeries::new(line.iter().copied(), colour.stroke_width(2)))?
                .label(label)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 12, y)], colour.stroke_width(2)));
            chart.draw_series(line.iter().map(|point| Circle::new(*point, 3, colour.filled())))?;
        }
        chart
            .configure_series_labels()
            .background_style(WHITE)
            .border_style(BLACK.mix(0.3))
            .draw()?;
        Ok(())
    })
}
