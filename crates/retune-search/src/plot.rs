//! Plots as SVG text.

use plotters::prelude::*;
use retune_plot::{BEST, Drawing, Drawn, FONT, GRID, Ground, INK, PALE, TEXT, padded, svg};

use crate::{CurveResult, Domain, Parameter, Scale, SweepResult, TrialState};

/// The measure against each parameter, a panel for each; `None` where nothing was measured.
pub(crate) fn sweep(result: &SweepResult) -> Option<String> {
    const COLUMNS: usize = 3;

    let rows = result.space.len().div_ceil(COLUMNS).max(1);
    let columns = result.space.len().clamp(1, COLUMNS);
    if result.trials.iter().all(|trial| trial.value.is_none()) {
        return None;
    }
    svg(Ground::File, (360 * columns as u32, 280 * rows as u32), |root| {
        let panels = root.split_evenly((rows, columns));
        (0..result.space.len()).zip(&panels).try_for_each(|(place, panel)| parameter(panel, result, place))
    })
}

fn parameter(panel: &Drawing<'_>, result: &SweepResult, place: usize) -> Drawn {
    let Parameter { name, domain } = &result.space[place];
    let (axis, is_log) = match domain {
        Domain::Categorical { choices } => ((-0.5, *choices as f64 - 0.5), false),
        Domain::Numeric { min, max, scale: Scale::Log, .. } => ((min.log10(), max.log10()), true),
        Domain::Numeric { min, max, .. } => ((*min, *max), false),
    };
    let values: Vec<f64> = result.trials.iter().filter_map(|trial| trial.value).collect();
    let (low, high) = padded(&values);
    let mut chart = ChartBuilder::on(panel)
        .margin(8)
        .caption(name, FONT.into_font().color(&TEXT))
        .x_label_area_size(30)
        .y_label_area_size(54)
        .build_cartesian_2d(axis.0..axis.1, low..high)?;
    let label = |x: &f64| match domain {
        Domain::Categorical { .. } => choice(result, place, *x),
        _ if is_log => format!("{:.1e}", 10_f64.powf(*x)),
        _ => format!("{x}"),
    };
    chart
        .configure_mesh()
        .disable_mesh()
        .axis_style(TEXT)
        .label_style(FONT.into_font().color(&TEXT))
        .x_labels(4)
        .y_labels(5)
        .x_label_formatter(&label)
        .y_desc(&*result.metric)
        .draw()?;
    for (rank, trial) in result.trials.iter().enumerate().rev() {
        let Some(value) = trial.value else { continue };
        let x = trial.trial.point.get(place).copied().unwrap_or_default();
        let at = (if is_log { x.log10() } else { x }, value);
        let style = match trial.trial.state {
            TrialState::Finished if rank == 0 => BEST.filled(),
            TrialState::Finished => INK.filled(),
            _ => ShapeStyle::from(PALE).stroke_width(1),
        };
        chart.draw_series([Circle::new(at, 4, style)])?;
    }
    Ok(())
}

/// The value of a choice, as one of the trials has it.
fn choice(result: &SweepResult, place: usize, x: f64) -> String {
    let is_it = |trial: &&crate::TrialResult| trial.trial.point.get(place).is_some_and(|at| (at - x).abs() < 0.01);
    result
        .trials
        .iter()
        .find(is_it)
        .and_then(|trial| trial.trial.values.get(place))
        .map_or_else(String::new, |(_, value)| value.clone())
}

/// The errors, the curve through them and the band of its interval; `None` where nothing was measured.
pub(crate) fn curve(result: &CurveResult) -> Option<String> {
    if result.points.is_empty() {
        return None;
    }
    svg(Ground::File, (720, 460), |root| errors(root, result))
}

fn errors(root: &Drawing<'_>, result: &CurveResult) -> Drawn {
    let mut values: Vec<f64> = result.points.iter().map(|point| point.error).collect();
    values.extend(result.curve.band.iter().flat_map(|at| [at.low, at.high]));
    let (low, high) = padded(&values);
    let least = result.points.iter().map(|point| point.fraction).fold(1.0, f64::min);
    let axis = (least * 0.9).log2()..4.2_f64.log2();
    let mut chart = ChartBuilder::on(root)
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d(axis, low..high)?;
    let label = |x: &f64| format!("{:.0} %", x.exp2() * 100.0);
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .bold_line_style(GRID)
        .axis_style(TEXT)
        .label_style(FONT.into_font().color(&TEXT))
        .x_label_formatter(&label)
        .x_desc("training data, of what there is")
        .y_desc(&*result.error)
        .draw()?;
    let band = &result.curve.band;
    let upper = band.iter().map(|at| (at.fraction.log2(), at.high));
    let lower = band.iter().rev().map(|at| (at.fraction.log2(), at.low));
    let outline: Vec<(f64, f64)> = upper.chain(lower).collect();
    if !outline.is_empty() {
        chart.draw_series([Polygon::new(outline, INK.mix(0.15))])?;
    }
    chart.draw_series(LineSeries::new(band.iter().map(|at| (at.fraction.log2(), at.error)), &INK))?;
    let points = result.points.iter().map(|point| Circle::new((point.fraction.log2(), point.error), 4, INK.filled()));
    chart.draw_series(points)?;
    Ok(())
}
