//! What every section is made of.

use maud::{Markup, PreEscaped, html};
use retune_plot::SERIES;

/// A section with its title.
pub(super) fn section(id: &str, title: &str, body: Markup) -> Markup {
    html! {
        section id=(id) {
            h2 { (title) }
            (body)
        }
    }
}

/// A plot in a frame, with the names of its series. `None` draws nothing.
pub(super) fn figure(title: &str, legend: &[(String, usize)], svg: Option<String>, words: &str) -> Markup {
    html! {
        @if let Some(svg) = svg {
            figure {
                figcaption {
                    strong { (title) }
                    @if !legend.is_empty() {
                        span.legend {
                            @for (name, colour) in legend { span { i class={ "dot s" (colour % SERIES.len() + 1) } {} (name) } }
                        }
                    }
                }
                (drawn(&svg))
                @if !words.is_empty() { p.words { (words) } }
            }
        }
    }
}

/// A plot as it is: `plotters` has escaped its words.
pub(super) fn drawn(svg: &str) -> Markup {
    html! { (PreEscaped(svg)) }
}

/// A table that scrolls sideways where it is wider than the page.
pub(super) fn scroll(table: Markup) -> Markup {
    html! { div.scroll tabindex="0" { (table) } }
}

/// A bar as long as a share.
pub(super) fn bar(share: f64) -> Markup {
    let width = format!("{:.1}", share.clamp(0.0, 1.0) * 100.0);
    html! {
        svg.bar viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" {
            rect width="100" height="8" fill="var(--plot-grid)" {}
            rect width=(width) height="8" fill="var(--series-1)" {}
        }
    }
}

/// A key figure.
pub(super) fn tile(value: &str, what: &str, more: &str) -> Markup {
    // Longer than a number: a duration.
    let long = value.chars().count() > 7;
    html! {
        div.tile {
            span.what { (what) }
            span.value.long[long] { (value) }
            @if !more.is_empty() { span.more { (more) } }
        }
    }
}

/// Shown when it is opened, and in print.
pub(super) fn folded(title: &str, body: Markup) -> Markup {
    html! { details { summary { (title) } (body) } }
}
