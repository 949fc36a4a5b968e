//! Pictures of accuracy as SVG: the same scores give the same bytes.

use super::trials::Scores;
use anyhow::{Result, anyhow};
use ductus_dynamics::accuracy;
use plotters::prelude::*;

const SIZE: (u32, u32) = (640, 480);
/// Error rates below this are drawn on the edge.
const RATE_MIN: f64 = 0.001;
/// More points than this nobody sees.
const POINTS_MAX: usize = 400;
const BARS: usize = 50;

const GENUINE: RGBColor = RGBColor(0, 114, 178);
const IMPOSTOR: RGBColor = RGBColor(213, 94, 0);

/// The detection error trade-off on logarithmic axes, with the equal error rate marked.
pub fn draw_det(title: &str, scores: &Scores) -> Result<String> {
    let (genuine, impostor) = scores.split();
    let points = accuracy::det(&genuine, &impostor);
    let every = points.len().div_ceil(POINTS_MAX).max(1);
    let kept = points
        .iter()
        .enumerate()
        .filter(|(i, _)| i % every == 0 || i + 1 == points.len());
    let line: Vec<(f64, f64)> = kept
        .map(|(_, point)| (point.fmr.max(RATE_MIN), point.fnmr.max(RATE_MIN)))
        .collect();
    let eer = accuracy::eer(&genuine, &impostor);
    draw(|area| {
        let caption = match eer {
            Some(eer) => format!("{title}: EER {:.2} %", eer * 100.0),
            None => title.to_owned(),
        };
        let range = || (RATE_MIN..1.0).log_scale();
        let mut chart = ChartBuilder::on(area)
            .caption(caption, ("sans-serif", 16))
            .margin(12)
            .x_label_area_size(40)
            .y_label_area_size(52)
            .build_cartesian_2d(range(), range())?;
        chart
            .configure_mesh()
            .x_desc("false match rate")
            .y_desc("false non-match rate")
            .x_label_formatter(&percent)
            .y_label_formatter(&percent)
            .draw()?;
        chart.draw_series(LineSeries::new([(RATE_MIN, RATE_MIN), (1.0, 1.0)], BLACK.mix(0.3)))?;
        chart.draw_series(LineSeries::new(line, GENUINE.stroke_width(2)))?;
        if let Some(eer) = eer.filter(|eer| *eer > RATE_MIN) {
            chart.draw_series([Circle::new((eer, eer), 4, IMPOSTOR.filled())])?;
        }
        Ok(())
    })
}

/// Genuine and impostor scores as shares of their own number.
pub fn draw_scores(title: &str, scores: &Scores) -> Result<String> {
    let (genuine, impostor) = scores.split();
    let (genuine, impostor) = (shares(&genuine), shares(&impostor));
    let highest = genuine.iter().chain(&impostor).copied().fold(0.01, f64::max);
    draw(|area| {
        let mut chart = ChartBuilder::on(area)
            .caption(title, ("sans-serif", 16))
            .margin(12)
            .x_label_area_size(40)
            .y_label_area_size(52)
            .build_cartesian_2d(-1.0..1.0, 0.0..highest * 1.05)?;
        chart
            .configure_mesh()
            .x_desc("cosine")
            .y_desc("share")
            .y_label_formatter(&percent)
            .draw()?;
        for (bars, colour, label) in [
            (&impostor, IMPOSTOR, "other people"),
            (&genuine, GENUINE, "the same person"),
        ] {
            let boxes = bars.iter().enumerate().map(|(i, share)| {
                let edge = |i: usize| -1.0 + 2.0 * i as f64 / BARS as f64;
                Rectangle::new([(edge(i), 0.0), (edge(i + 1), *share)], colour.mix(0.45).filled())
            });
            chart
                .draw_series(boxes)?
                .label(label)
                .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 12, y + 5)], colour.mix(0.45).filled()));
        }
        let position = SeriesLabelPosition::UpperLeft;
        chart
            .configure_series_labels()
            .position(position)
            .background_style(WHITE)
            .border_style(BLACK.mix(0.3))
            .draw()?;
        Ok(())
    })
}

fn shares(scores: &[f32]) -> Vec<f64> {
    let mut bars = vec![0.0; BARS];
    for score in scores {
        let bar = ((f64::from(*score) + 1.0) / 2.0 * BARS as f64) as usize;
        bars[bar.min(BARS - 1)] += 1.0 / scores.len() as f64;
    }
    bars
}

fn percent(rate: &f64) -> String {
    format!("{} %", (rate * 1_000.0).round() / 10.0)
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

fn draw(picture: impl FnOnce(&Area<'_>) -> Result<(), Box<dyn std::error::Error>>) -> Result<String> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        let drawn = area.fill(&WHITE).map_err(Into::into).and_then(|()| picture(&area));
        drawn.map_err(|error| anyhow!("cannot draw a picture: {error}"))?;
        area.present()
            .map_err(|error| anyhow!("cannot draw a picture: {error}"))?;
    }
    Ok(svg)
}
