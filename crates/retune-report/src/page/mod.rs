//! The page.

mod classes;
mod decisions;
mod explained;
mod facts;
mod numbers;
mod parts;
mod progress;
mod rows;
mod scores;
mod summary;
mod tagged;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use retune_plot::{Scheme, css_variables};
use sha2::{Digest, Sha256};

use crate::analysis::Analysis;
use crate::answers::Answers;
use crate::error::ReportError;
use crate::run::Run;

const STYLE: &str = include_str!("style.css");

/// The report on runs as one HTML file. It holds no script, loads nothing, and says so to the browser: its policy allows
/// its own style alone, by its hash.
///
/// # Errors
/// No run is named, or a run's predictions or baselines do not fit it.
pub fn render(runs: &[Run]) -> Result<String, ReportError> {
    if runs.is_empty() {
        return Err(ReportError::NoRuns);
    }
    let all = runs.iter().map(Analysis::of).collect::<Result<Vec<_>, _>>()?;
    let names: Vec<&str> = runs.iter().map(|run| run.name.as_str()).collect();
    let title = format!("retune: {}", names.join(", "));
    let style = style();
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        base64(&Sha256::digest(&style))
    );
    let body = body(&all);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                title { (title) }
                style { (PreEscaped(&style)) }
            }
            body { (body) }
        }
    };
    Ok(page.into_string())
}

fn style() -> String {
    let (light, dark) = (css_variables(Scheme::Light), css_variables(Scheme::Dark));
    format!(":root{{{light}}}@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}{STYLE}")
}

fn body(all: &[Analysis<'_>]) -> Markup {
    let mut sections: Vec<(String, String, Markup)> = Vec::new();
    let mut add = |id: &str, title: &str, body: Option<Markup>| {
        if let Some(body) = body {
            sections.push((id.to_owned(), title.to_owned(), body));
        }
    };
    if let [one] = all {
        add("scores", "Scores", scores::table(all));
        add("baselines", "Against baselines", scores::baselines(one));
        add("curves", "Training", progress::curves(all));
        for (id, title, body) in details(one) {
            add(id, title, body);
        }
    } else {
        add("scores", "Scores", scores::table(all));
        add("comparison", "Against each other", scores::comparison(all));
        add("plans", "What differs between the plans", scores::plans(all));
        add("curves", "Training", progress::curves(all));
        for (place, one) in all.iter().enumerate() {
            add(&format!("run-{}", place + 1), &format!("Run {}: {}", place + 1, one.run.name), Some(one_of_many(one)));
        }
    }
    html! {
        header { (summary::head(all)) }
        nav aria-label="Sections" {
            a href="#summary" { "Summary" }
            @for (id, title, _) in &sections { a href={ "#" (id) } { (title) } }
        }
        main {
            (parts::section("summary", "Summary", summary::summary(all)))
            @for (id, title, body) in &sections { (parts::section(id, title, body.clone())) }
        }
        footer { "Made by retune " (env!("CARGO_PKG_VERSION")) " from the files of the run. Nothing was loaded to show it." }
    }
}

/// The sections of one run alone.
fn details(one: &Analysis<'_>) -> Vec<(&'static str, &'static str, Option<Markup>)> {
    let mut all = Vec::new();
    match &one.answers {
        Some(Answers::Classes(answers)) => {
            all.push(("confusion", "What is taken for what", classes::confusion(answers)));
            all.push(("classes", "Class by class", classes::table(answers)));
        }
        Some(Answers::Sets(answers)) => all.push(("labels", "Label by label", classes::labels(answers, one.run))),
        Some(Answers::Numbers(answers)) => all.push(("numbers", "Predicted and right", numbers::plots(answers))),
        Some(Answers::Tags(answers)) => all.push(("tags", "Kind by kind", tagged::table(answers))),
        None => {}
    }
    if let Some(answers) = &one.answers {
        all.push(("decisions", "Thresholds and confidence", decisions::plots(answers)));
        all.push(("slices", "Part by part", rows::slices(one, answers)));
        let examples = match answers {
            Answers::Tags(tags) => tagged::examples(tags, answers),
            _ => rows::examples(one, answers),
        };
        all.push(("examples", "Rows to read", examples));
    }
    all.push(("explanations", "Which words mattered", one.run.explanations.as_ref().and_then(explained::examples)));
    all.push(("audit", "The data", facts::audit(one.run)));
    all.push(("run", "The run", Some(facts::run(one))));
    all
}

/// The sections of one of several runs, one below the other.
fn one_of_many(one: &Analysis<'_>) -> Markup {
    let baselines = ("baselines", "Against baselines", scores::baselines(one));
    html! {
        @for (_, title, body) in std::iter::once(baselines).chain(details(one)) {
            @if let Some(body) = body { (parts::folded(title, body)) }
        }
    }
}

/// Base64 with padding (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    let mut text = String::new();
    for part in bytes.chunks(3) {
        let bits = (0..3).fold(0u32, |bits, place| bits << 8 | u32::from(part.get(place).copied().unwrap_or(0)));
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place > part.len() { '=' } else { char::from(digit) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_the_standards() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
