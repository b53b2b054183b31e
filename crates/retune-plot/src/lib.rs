//! Plots as SVG text in one style.
//!
//! A plot is drawn by `plotters` in the colours of this file. As a file of its own it keeps them, on white. Within a
//! page they become the page's CSS variables, so that one plot is readable on a light and on a dark page and in print:
//! [`css_variables`] gives both sets of values.
//!
//! The series' colours are those of M. Okabe and K. Ito, "Color universal design" (2008), which people with any of the
//! common kinds of colour blindness tell apart; on dark pages they are lightened.

use plotters::coord::Shift;
use plotters::prelude::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea, RGBColor, SVGBackend, WHITE};

/// Where a plot is drawn.
pub type Drawing<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// What drawing gives.
pub type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

/// Axes and words.
pub const TEXT: RGBColor = RGBColor(59, 68, 80);
/// Lines that only guide the eye.
pub const GRID: RGBColor = RGBColor(222, 226, 232);
/// What stands back.
pub const PALE: RGBColor = RGBColor(170, 176, 184);
/// The first series.
pub const INK: RGBColor = SERIES[0];
/// What stands out.
pub const BEST: RGBColor = SERIES[1];
/// The series, in order; a seventh begins again.
pub const SERIES: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 148, 108),
    RGBColor(180, 98, 154),
    RGBColor(186, 128, 0),
    RGBColor(72, 152, 200),
];
/// From little to much, for maps of heat; nothing is drawn for none.
pub const HEAT: [RGBColor; 6] = [
    RGBColor(219, 233, 244),
    RGBColor(178, 210, 232),
    RGBColor(123, 179, 214),
    RGBColor(66, 141, 191),
    RGBColor(21, 101, 158),
    RGBColor(8, 63, 112),
];
/// The font of all words.
pub const FONT: (&str, i32) = ("sans-serif", 16);

/// The variables of a page, in the order light, dark.
const VARIABLES: [(&str, RGBColor, &str); 15] = [
    ("--plot-text", TEXT, "#b9c3cf"),
    ("--plot-grid", GRID, "#313a46"),
    ("--plot-pale", PALE, "#6d7885"),
    ("--series-1", SERIES[0], "#5cb3ec"),
    ("--series-2", SERIES[1], "#f59a4c"),
    ("--series-3", SERIES[2], "#3ecfa3"),
    ("--series-4", SERIES[3], "#e29cc9"),
    ("--series-5", SERIES[4], "#e8bd4a"),
    ("--series-6", SERIES[5], "#9ccbe9"),
    ("--heat-1", HEAT[0], "#1f3346"),
    ("--heat-2", HEAT[1], "#23486a"),
    ("--heat-3", HEAT[2], "#2a628f"),
    ("--heat-4", HEAT[3], "#3d84b8"),
    ("--heat-5", HEAT[4], "#68a9d6"),
    ("--heat-6", HEAT[5], "#a9d2ef"),
];

/// What a plot stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ground {
    /// A file of its own: on white, in its own colours and size.
    File,
    /// A page: as wide as it lets it be, in the colours of its variables.
    Page,
}

/// The scheme of a page's colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

/// The declarations that a page needs for plots on [`Ground::Page`]: `--series-1:#0072B2;…`.
pub fn css_variables(scheme: Scheme) -> String {
    let value = |light: RGBColor, dark: &str| match scheme {
        Scheme::Light => hex(light),
        Scheme::Dark => dark.to_owned(),
    };
    VARIABLES.iter().map(|(name, light, dark)| format!("{name}:{};", value(*light, dark))).collect()
}

/// Draws a plot of this width and height; `None` where nothing could be drawn.
pub fn svg(ground: Ground, size: (u32, u32), draw: impl FnOnce(&Drawing<'_>) -> Drawn) -> Option<String> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        if ground == Ground::File {
            root.fill(&WHITE).ok()?;
        }
        draw(&root).ok()?;
        root.present().ok()?;
    }
    Some(match ground {
        Ground::File => svg,
        Ground::Page => in_a_page(&svg, size),
    })
}

/// Only attributes hold a bare quotation mark (in words it is `&quot;`), so words of the data are never changed here.
fn in_a_page(svg: &str, (width, height): (u32, u32)) -> String {
    let mut page = svg.to_owned();
    if let Some(end) = page.find('>') {
        // The size is the page's business, and within HTML an SVG needs no namespace.
        page.replace_range(..end, &format!("<svg viewBox=\"0 0 {width} {height}\" aria-hidden=\"true\""));
    }
    for (name, light, _) in VARIABLES {
        page = page.replace(&format!("\"{}\"", hex(light)), &format!("\"var({name})\""));
    }
    page.replace(" font-family=\"sans-serif\"", "").replace(" opacity=\"1\"", "")
}

fn hex(colour: RGBColor) -> String {
    format!("#{:02X}{:02X}{:02X}", colour.0, colour.1, colour.2)
}

/// The range of values, a little wider; from 0 to 1 where there are none.
pub fn padded(values: &[f64]) -> (f64, f64) {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if low > high {
        return (0.0, 1.0);
    }
    let pad = if high > low { (high - low) * 0.08 } else { (high.abs() * 0.05).max(1e-3) };
    (low - pad, high + pad)
}

#[cfg(test)]
mod tests {
    use plotters::prelude::*;

    use super::*;

    fn plot(ground: Ground) -> String {
        let drawn = svg(ground, (200, 100), |root| {
            root.draw(&Circle::new((10, 10), 4, INK.filled()))?;
            root.draw(&Text::new("<script>#0072B2\"#0072B2\"", (20, 20), FONT.into_font().color(&TEXT)))
        });
        drawn.expect("a plot")
    }

    #[test]
    fn a_file_keeps_its_colours_and_a_page_gives_its_own() {
        let (file, page) = (plot(Ground::File), plot(Ground::Page));
        assert!(file.contains("fill=\"#0072B2\"") && file.contains("xmlns"), "{file}");
        assert!(page.contains("fill=\"var(--series-1)\"") && page.contains("fill=\"var(--plot-text)\""), "{page}");
        assert!(page.starts_with("<svg viewBox=\"0 0 200 100\"") && !page.contains("http"), "{page}");
    }

    #[test]
    fn words_are_escaped_and_stay_as_they_are() {
        let page = plot(Ground::Page);
        assert!(!page.contains("<script>") && page.contains("&lt;script&gt;#0072B2&quot;#0072B2&quot;"), "{page}");
    }

    #[test]
    fn both_schemes_name_the_same_variables_once() {
        let names = |scheme| {
            let all: Vec<String> =
                css_variables(scheme).split(';').filter_map(|one| Some(one.split_once(':')?.0.to_owned())).collect();
            all
        };
        let light = names(Scheme::Light);
        assert_eq!(light, names(Scheme::Dark));
        let mut distinct = light.clone();
        distinct.dedup();
        assert_eq!(distinct.len(), VARIABLES.len());
        let mut colours: Vec<String> = VARIABLES.iter().map(|(_, light, _)| hex(*light)).collect();
        colours.sort();
        colours.dedup();
        assert_eq!(colours.len(), VARIABLES.len(), "a colour of two variables would be one of them");
    }
}
