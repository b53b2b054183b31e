//! The report's plots.

use plotters::prelude::*;
use retune_plot::{Drawn, FONT, GRID, Ground, HEAT, INK, PALE, SERIES, TEXT, padded, svg};

/// A line of a plot.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Its points, from left to right.
    pub points: Vec<(f64, f64)>,
    /// Its colour's place among the series.
    pub colour: usize,
    /// How it is drawn.
    pub style: Style,
}

/// How a line is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// A line.
    Plain,
    /// A line with a dot on each point: few measurements.
    Dotted,
    /// A thin pale line that guides the eye.
    Guide,
}

/// A plot's axes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Axes<'a> {
    /// What is to the right.
    pub x: &'a str,
    /// The range of the x axis; the data's where there is none.
    pub x_range: Option<(f64, f64)>,
    /// The range of the y axis; the data's where there is none.
    pub y_range: Option<(f64, f64)>,
}

impl<'a> Axes<'a> {
    /// Over this, as wide and high as the data are.
    pub fn over(x: &'a str) -> Self {
        Self { x, x_range: None, y_range: None }
    }

    /// Over this, from 0 upwards.
    pub fn from_zero(x: &'a str, lines: &[Line]) -> Self {
        let most = lines.iter().flat_map(|line| &line.points).map(|point| point.1);
        let most = most.filter(|value| value.is_finite()).fold(0.0, f64::max);
        Self { y_range: Some((0.0, if most > 0.0 { most * 1.08 } else { 1.0 })), ..Self::over(x) }
    }

    /// Shares over shares.
    pub fn unit(x: &'a str) -> Self {
        Self { x, x_range: Some((0.0, 1.0)), y_range: Some((0.0, 1.0)) }
    }
}

const SIZE: (u32, u32) = (340, 236);
const SQUARE: (u32, u32) = (330, 300);
/// Points of a line that are drawn; of more the least and greatest of each stretch are kept.
const MOST_POINTS: usize = 300;

/// Lines; `None` where there is no point.
pub fn lines(lines: &[Line], axes: Axes<'_>) -> Option<String> {
    let all = || lines.iter().flat_map(|line| &line.points).filter(|(x, y)| x.is_finite() && y.is_finite());
    all().next()?;
    let x = axes.x_range.unwrap_or_else(|| range(all().map(|point| point.0)));
    let y = axes.y_range.unwrap_or_else(|| padded(&all().map(|point| point.1).collect::<Vec<_>>()));
    let size = if axes.x_range.is_some() && axes.y_range.is_some() { SQUARE } else { SIZE };
    svg(Ground::Page, size, |root| {
        let mut chart = ChartBuilder::on(root)
            .margin(6)
            .margin_right(16)
            .x_label_area_size(42)
            .y_label_area_size(46)
            .build_cartesian_2d(x.0..x.1, y.0..y.1)?;
        mesh(&mut chart, axes.x, tick_of(x), tick_of(y))?;
        for line in lines {
            let colour = SERIES[line.colour % SERIES.len()];
            let (ink, width) = if line.style == Style::Guide { (PALE, 1) } else { (colour, 2) };
            let points = thinned(&line.points);
            chart.draw_series(LineSeries::new(points.iter().copied(), ink.stroke_width(width)))?;
            if line.style == Style::Dotted {
                chart.draw_series(points.iter().map(|point| Circle::new(*point, 3, colour.filled())))?;
            }
        }
        Ok(())
    })
}

/// Points, and the line on which they should lie.
pub fn scatter(points: &[(f64, f64)], axes: Axes<'_>, line: impl Fn(f64) -> f64) -> Option<String> {
    const MOST: usize = 1500;

    let x = range(points.iter().map(|point| point.0));
    let drawn: Vec<(f64, f64)> = points.iter().step_by(points.len().div_ceil(MOST).max(1)).copied().collect();
    drawn.first()?;
    let values: Vec<f64> = points.iter().map(|point| point.1).chain([line(x.0), line(x.1)]).collect();
    let y = axes.y_range.unwrap_or_else(|| padded(&values));
    let (left, right) = padded(&[x.0, x.1]);
    svg(Ground::Page, SQUARE, |root| {
        let mut chart = ChartBuilder::on(root)
            .margin(6)
            .margin_right(16)
            .x_label_area_size(42)
            .y_label_area_size(46)
            .build_cartesian_2d(left..right, y.0..y.1)?;
        mesh(&mut chart, axes.x, tick_of((left, right)), tick_of(y))?;
        chart.draw_series(LineSeries::new([left, right].map(|x| (x, line(x))), PALE.stroke_width(2)))?;
        chart.draw_series(drawn.iter().map(|point| Circle::new(*point, 3, INK.mix(0.45).filled())))?;
        Ok(())
    })
}

/// Bars of shares between 0 and 1 over the same, beside the line on which they should end. `None` where no bar stands.
pub fn bars(bars: &[(f64, f64, f64)], x: &str) -> Option<String> {
    bars.first()?;
    svg(Ground::Page, SQUARE, |root| {
        let mut chart = ChartBuilder::on(root)
            .margin(6)
            .margin_right(16)
            .x_label_area_size(42)
            .y_label_area_size(46)
            .build_cartesian_2d(0.0..1.0, 0.0..1.0)?;
        mesh(&mut chart, x, tick_of((0.0, 1.0)), tick_of((0.0, 1.0)))?;
        for (left, right, height) in bars {
            let gap = (right - left) * 0.06;
            let corners = [(left + gap, 0.0), (right - gap, *height)];
            chart.draw_series([Rectangle::new(corners, INK.mix(0.75).filled())])?;
        }
        chart.draw_series(LineSeries::new([(0.0, 0.0), (1.0, 1.0)], TEXT.stroke_width(1)))?;
        Ok(())
    })
}

/// A bar for each stretch of numbers: how many lie there.
pub fn histogram(numbers: &[f64], x: &str) -> Option<String> {
    const STRETCHES: usize = 24;

    numbers.first()?;
    let (low, high) = range(numbers.iter().copied());
    let width = (high - low) / STRETCHES as f64;
    let mut counts = [0u32; STRETCHES];
    for number in numbers {
        counts[(((number - low) / width) as usize).min(STRETCHES - 1)] += 1;
    }
    let most = f64::from(counts.iter().copied().max().unwrap_or(1)) * 1.08;
    svg(Ground::Page, SQUARE, |root| {
        let mut chart = ChartBuilder::on(root)
            .margin(6)
            .margin_right(16)
            .x_label_area_size(42)
            .y_label_area_size(46)
            .build_cartesian_2d(low..high, 0.0..most)?;
        mesh(&mut chart, x, tick_of((low, high)), tick_of((0.0, most)))?;
        for (place, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let left = low + place as f64 * width;
            let corners = [(left + width * 0.06, 0.0), (left + width * 0.94, f64::from(*count))];
            chart.draw_series([Rectangle::new(corners, INK.mix(0.75).filled())])?;
        }
        if low < 0.0 && high > 0.0 {
            chart.draw_series(LineSeries::new([(0.0, 0.0), (0.0, most)], TEXT.stroke_width(1)))?;
        }
        Ok(())
    })
}

/// A value with its interval for each of several, one below the other, as wide as the page; names stand beside it.
pub fn interval(value: f64, bounds: Option<(f64, f64)>, range: (f64, f64), colour: usize) -> Option<String> {
    const WIDTH: u32 = 260;

    let place = |value: f64| {
        let share = (value - range.0) / (range.1 - range.0).max(1e-12);
        8 + (share.clamp(0.0, 1.0) * f64::from(WIDTH - 16)) as i32
    };
    let colour = SERIES[colour % SERIES.len()];
    svg(Ground::Page, (WIDTH, 24), |root| {
        root.draw(&PathElement::new([(0, 12), (WIDTH as i32, 12)], GRID.stroke_width(1)))?;
        if let Some((low, high)) = bounds {
            root.draw(&PathElement::new([(place(low), 12), (place(high), 12)], colour.mix(0.55).stroke_width(5)))?;
        }
        root.draw(&Circle::new((place(value), 12), 6, colour.filled()))
    })
}

/// A square map of counts, `[c, c]`: rows are what is right, columns what was said; the diagonal stands back.
pub fn heat_map(counts: &[Vec<u64>]) -> Option<String> {
    const SIDE: u32 = 600;

    let c = counts.len();
    let most = (0..c).flat_map(|row| (0..c).map(move |column| (row, column))).filter(|(row, column)| row != column);
    let most = most.map(|(row, column)| counts[row][column]).max()?;
    let edge = |place: usize| (place as f64 * f64::from(SIDE) / c as f64).round() as i32;
    svg(Ground::Page, (SIDE, SIDE), |root| {
        root.draw(&Rectangle::new([(0, 0), (SIDE as i32 - 1, SIDE as i32 - 1)], GRID.stroke_width(1)))?;
        for (row, of_row) in counts.iter().enumerate() {
            for (column, count) in of_row.iter().enumerate() {
                let corners = [(edge(column), edge(row)), (edge(column + 1), edge(row + 1))];
                if row == column {
                    root.draw(&Rectangle::new(corners, GRID.filled()))?;
                } else if *count > 0 {
                    root.draw(&Rectangle::new(corners, HEAT[level(*count as f64 / most as f64, HEAT.len())].filled()))?;
                }
            }
        }
        Ok(())
    })
}

/// Weights between 0 and 1, `[t, t]`: rows look at columns.
pub fn weights(weights: &[Vec<f64>]) -> Option<String> {
    const SIDE: u32 = 420;

    let most = weights.iter().flatten().copied().fold(0.0, f64::max);
    if most <= 0.0 {
        return None;
    }
    let edge = |place: usize| (place as f64 * f64::from(SIDE) / weights.len() as f64).round() as i32;
    svg(Ground::Page, (SIDE, SIDE), |root| {
        root.draw(&Rectangle::new([(0, 0), (SIDE as i32 - 1, SIDE as i32 - 1)], GRID.stroke_width(1)))?;
        for (row, of_row) in weights.iter().enumerate() {
            for (column, weight) in of_row.iter().enumerate().filter(|(_, weight)| **weight > most * 0.02) {
                let corners = [(edge(column), edge(row)), (edge(column + 1), edge(row + 1))];
                root.draw(&Rectangle::new(corners, HEAT[level(weight / most, HEAT.len())].filled()))?;
            }
        }
        Ok(())
    })
}

/// The place of a share among so many levels; roots part small shares better than the shares themselves.
pub fn level(share: f64, levels: usize) -> usize {
    ((share.clamp(0.0, 1.0).sqrt() * levels as f64).ceil() as usize).clamp(1, levels) - 1
}

type Chart<'a, 'b> = ChartContext<
    'a,
    SVGBackend<'b>,
    Cartesian2d<plotters::coord::types::RangedCoordf64, plotters::coord::types::RangedCoordf64>,
>;

fn mesh(chart: &mut Chart<'_, '_>, x: &str, x_tick: impl Fn(&f64) -> String, y_tick: impl Fn(&f64) -> String) -> Drawn {
    let font = || FONT.into_font().color(&TEXT);
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(GRID.mix(0.0))
        .bold_line_style(GRID)
        .axis_style(GRID)
        .label_style(font())
        .axis_desc_style(font())
        .x_desc(x)
        .x_labels(6)
        .y_labels(6)
        .x_label_formatter(&x_tick)
        .y_label_formatter(&y_tick)
        .draw()
}

/// Words for the ticks of a range: as few digits as tell them apart.
fn tick_of((low, high): (f64, f64)) -> impl Fn(&f64) -> String {
    let size = low.abs().max(high.abs());
    let step = (high - low) / 5.0;
    move |value: &f64| {
        if *value == 0.0 {
            return "0".to_owned();
        }
        if size >= 10_000.0 {
            return format!("{}k", trimmed(value / 1000.0, (3.0 - step.log10()).ceil().clamp(0.0, 2.0) as usize));
        }
        if size < 0.01 {
            return format!("{value:.1e}").replace(".0e", "e");
        }
        trimmed(*value, (1.0 - step.log10()).ceil().clamp(0.0, 4.0) as usize)
    }
}

fn trimmed(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// The range of numbers, never empty.
fn range(numbers: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = numbers.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
    match low < high {
        true => (low, high),
        false if low.is_finite() => (low - 0.5, low + 0.5),
        false => (0.0, 1.0),
    }
}

/// The least and the greatest point of each stretch, where there are many; what is not finite falls away.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let finite: Vec<(f64, f64)> = points.iter().copied().filter(|(x, y)| x.is_finite() && y.is_finite()).collect();
    if finite.len() <= MOST_POINTS {
        return finite;
    }
    let stretch = finite.len().div_ceil(MOST_POINTS / 2);
    let ends = |part: &[(f64, f64)]| {
        let by_height = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
        let ends = [part.iter().min_by(by_height), part.iter().max_by(by_height)];
        let mut ends: Vec<(f64, f64)> = ends.into_iter().flatten().copied().collect();
        ends.sort_by(|a, b| a.0.total_cmp(&b.0));
        ends.dedup();
        ends
    };
    finite.chunks(stretch).flat_map(ends).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_points_keep_their_extremes() {
        let points: Vec<(f64, f64)> = (0..10_000).map(|x| (f64::from(x), if x == 7777 { 9.0 } else { 0.1 })).collect();
        let kept = thinned(&points);
        assert!(kept.len() <= MOST_POINTS + 2 && kept.contains(&(7777.0, 9.0)), "{}", kept.len());
    }

    #[test]
    fn ticks_have_few_digits() {
        assert_eq!(tick_of((0.0, 1.0))(&0.2), "0.2");
        assert_eq!(tick_of((0.0, 1e-4))(&5e-5), "5e-5");
        assert_eq!(tick_of((0.9, 0.95))(&0.92), "0.92");
        assert_eq!(tick_of((0.0, 40_000.0))(&20_000.0), "20k");
        assert_eq!(tick_of((0.0, 400.0))(&200.0), "200");
    }

    #[test]
    fn nothing_is_drawn_of_nothing() {
        assert_eq!(lines(&[], Axes::over("step")), None);
        assert_eq!(heat_map(&[]), None);
        assert_eq!(scatter(&[], Axes::over("x"), |x| x), None);
    }

    #[test]
    fn numbers_that_are_none_are_left_out() {
        let line = Line { points: vec![(0.0, f64::NAN), (1.0, 2.0)], colour: 0, style: Style::Dotted };
        let drawn = lines(&[line], Axes::over("step")).expect("a plot");
        assert!(!drawn.contains("NaN"), "{drawn}");
    }
}
