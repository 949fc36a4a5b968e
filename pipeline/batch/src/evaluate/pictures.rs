//! Pictures of accuracy as SVG: the same scores give the same bytes.

use super::scores::Scores;
use anyhow::{Result, anyhow};
use ductus_dynamics::accuracy::{self, OperatingPoint};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use std::error::Error;

const SIZE: (u32, u32) = (640, 480);
/// Error rates below this are drawn on the edge.
const RATE_MIN: f64 = 0.001;
/// More points than this nobody sees.
const POINTS_MAX: usize = 400;
const BARS: usize = 50;
const RELIABILITY_BINS: usize = 15;

const GENUINE: RGBColor = RGBColor(0, 114, 178);
const IMPOSTOR: RGBColor = RGBColor(213, 94, 0);

/// The detection error trade-off on logarithmic axes, with the equal error rate marked.
pub fn draw_det(title: &str, scores: &Scores) -> Result<String> {
    let (genuine, impostor) = scores.split();
    let points = accuracy::det(&genuine, &impostor);
    let line: Vec<(f64, f64)> = thinned(&points)
        .map(|point| (point.fmr.max(RATE_MIN), point.fnmr.max(RATE_MIN)))
        .collect();
    let eer = accuracy::eer_nearest(&genuine, &impostor);
    draw_svg(SIZE, |area| {
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

/// The receiver operating characteristic, with the area under it.
pub(super) fn draw_roc(title: &str, scores: &Scores) -> Result<String> {
    let (genuine, impostor) = scores.split();
    let line: Vec<(f64, f64)> = thinned(&accuracy::det(&genuine, &impostor))
        .map(|point| (point.fmr, 1.0 - point.fnmr))
        .collect();
    let caption = match accuracy::auc(&genuine, &impostor) {
        Some(auc) => format!("{title}: AUC {auc:.4}"),
        None => title.to_owned(),
    };
    draw_svg(SIZE, |area| {
        let mut chart = unit_square(area, caption, "false match rate", "true match rate")?;
        chart.draw_series(LineSeries::new(line, GENUINE.stroke_width(2)))?;
        Ok(())
    })
}

/// How often is true what calibrated log-likelihood ratios call likely; on the diagonal they mean what they say.
pub(super) fn draw_reliability(title: &str, scores: &Scores) -> Result<String> {
    let (genuine, impostor) = scores.split();
    let bins = accuracy::reliability(&genuine, &impostor, RELIABILITY_BINS);
    let cost = |cost: Option<f64>| cost.map_or("–".to_owned(), |cost| format!("{cost:.3}"));
    let caption = format!(
        "{title}: Cllr {}, least {}",
        cost(accuracy::cllr(&genuine, &impostor)),
        cost(accuracy::min_cllr(&genuine, &impostor))
    );
    draw_svg(SIZE, |area| {
        let mut chart = unit_square(
            area,
            caption,
            "called likely (both kinds of trial weigh the same)",
            "true",
        )?;
        let points = bins.iter().map(|bin| (bin.predicted, bin.observed));
        chart.draw_series(LineSeries::new(points, GENUINE.stroke_width(2)))?;
        // The area of a point is its share of the trials.
        chart.draw_series(bins.iter().map(|bin| {
            let radius = 2 + (20.0 * bin.share.sqrt()) as i32;
            Circle::new((bin.predicted, bin.observed), radius, GENUINE.mix(0.4).filled())
        }))?;
        Ok(())
    })
}

fn thinned(points: &[OperatingPoint]) -> impl Iterator<Item = &OperatingPoint> {
    let every = points.len().div_ceil(POINTS_MAX).max(1);
    let last = points.len().saturating_sub(1);
    points
        .iter()
        .enumerate()
        .filter(move |(i, _)| i % every == 0 || *i == last)
        .map(|(_, point)| point)
}

/// Genuine and impostor scores as shares of their own number.
pub fn draw_scores(title: &str, scores: &Scores) -> Result<String> {
    let (genuine, impostor) = scores.split();
    let all = || genuine.iter().chain(&impostor).copied();
    let (least, most) = (all().fold(f32::MAX, f32::min), all().fold(f32::MIN, f32::max));
    // Cosines are drawn over their whole range, anything else over what there is.
    let (low, high, label) = if least >= -1.0 && most <= 1.0 {
        (-1.0, 1.0, "cosine")
    } else {
        (least, most, "score")
    };
    let genuine = accuracy::histogram(&genuine, low, high, BARS);
    let impostor = accuracy::histogram(&impostor, low, high, BARS);
    let (low, high) = (f64::from(low), f64::from(high));
    let highest = genuine.iter().chain(&impostor).copied().fold(0.01, f64::max);
    draw_svg(SIZE, |area| {
        let mut chart = ChartBuilder::on(area)
            .caption(title, ("sans-serif", 16))
            .margin(12)
            .x_label_area_size(40)
            .y_label_area_size(52)
            .build_cartesian_2d(low..high, 0.0..highest * 1.05)?;
        chart
            .configure_mesh()
            .x_desc(label)
            .y_desc("share")
            .y_label_formatter(&percent)
            .draw()?;
        for (bars, colour, label) in [
            (&impostor, IMPOSTOR, "other people"),
            (&genuine, GENUINE, "the same person"),
        ] {
            let boxes = bars.iter().enumerate().map(|(i, share)| {
                let edge = |i: usize| low + (high - low) * i as f64 / BARS as f64;
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

fn percent(rate: &f64) -> String {
    format!("{} %", (rate * 1_000.0).round() / 10.0)
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
type UnitSquare<'a, 'b> = ChartContext<'b, SVGBackend<'a>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// Axes for two shares, with their diagonal.
fn unit_square<'a, 'b>(
    area: &'b Area<'a>,
    caption: String,
    x: &str,
    y: &str,
) -> Result<UnitSquare<'a, 'b>, Box<dyn Error>> {
    let mut chart = ChartBuilder::on(area)
        .caption(caption, ("sans-serif", 16))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(52)
        .build_cartesian_2d(0.0..1.0, 0.0..1.0)?;
    chart
        .configure_mesh()
        .x_desc(x)
        .y_desc(y)
        .x_label_formatter(&percent)
        .y_label_formatter(&percent)
        .draw()?;
    chart.draw_series(LineSeries::new([(0.0, 0.0), (1.0, 1.0)], BLACK.mix(0.3)))?;
    Ok(chart)
}

/// An SVG of `size` pixels on white ground.
pub(crate) fn draw_svg(
    size: (u32, u32),
    picture: impl FnOnce(&Area<'_>) -> Result<(), Box<dyn Error>>,
) -> Result<String> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        let drawn = area.fill(&WHITE).map_err(Into::into).and_then(|()| picture(&area));
        drawn
            .and_then(|()| area.present().map_err(Into::into))
            .map_err(|error| anyhow!("cannot draw a picture: {error}"))?;
    }
    Ok(svg)
}
