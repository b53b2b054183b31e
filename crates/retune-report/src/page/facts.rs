//! What the run was made of: data, plan, machine, time, and how to make it again.

use maud::{Markup, html};
use serde_json::Value;

use super::parts::{folded, scroll};
use crate::analysis::Analysis;
use crate::run::Run;
use crate::words::{date, duration, quoted, thousands};

pub(super) fn audit(run: &Run) -> Option<Markup> {
    let audit = run.audit.as_ref()?;
    Some(html! {
        @if audit.findings.is_empty() { p { "The audit of the data found nothing." } }
        ol.findings { @for finding in &audit.findings {
            li {
                p {
                    span class={ "chip " (grave(finding.severity.as_deref())) } { (finding.kind) } " " (finding.message)
                }
                @if let Some(advice) = &finding.advice { p.note { (advice) } }
                @if !finding.rows.is_empty() {
                    (folded("Rows to look at", html! { ul { @for row in &finding.rows { li { (crate::words::cut(row, 400)) } } } }))
                }
            }
        } }
    })
}

fn grave(severity: Option<&str>) -> &'static str {
    match severity.map(str::to_lowercase).as_deref() {
        Some("error" | "high" | "critical" | "severe" | "serious") => "bad",
        Some("info" | "low" | "note") => "plain",
        _ => "fair",
    }
}

pub(super) fn run(one: &Analysis<'_>) -> Markup {
    let run = one.run;
    let facts = facts(one);
    html! {
        h3 { "To make it again" }
        @if let Some(command) = command(&run.environment) { pre.command { code { (command) } } }
        @if let Some(revision) = run.environment["git_revision"].as_str() {
            p.note { "In a checkout of revision " code { (revision) } ". "
                @if revision.ends_with("-dirty") { "It had changes that were not committed." } }
        }
        p.note { "Or from its plan, which says every default too: " code { "cargo xtask finetune --recipe " (quoted(&run.path.join("plan.toml").display().to_string())) " --output NEW" } }
        h3 { "Facts" }
        (scroll(html! { table.facts { tbody { @for (name, value) in &facts { tr { th scope="row" { (name) } td { (value) } } } } } }))
        (folded("The plan, with every default", html! { pre { code { (run.plan_text) } } }))
        @if run.environment.is_object() {
            (folded("The machine and the versions", html! { pre { code { (format!("{:#}", run.environment)) } } }))
        }
    }
}

fn facts(one: &Analysis<'_>) -> Vec<(&'static str, String)> {
    let run = one.run;
    let (plan, environment) = (&run.plan, &run.environment);
    let mut facts = vec![("folder", run.path.display().to_string()), ("pretrained model", plan.model.path.clone())];
    let mut add = |name, value: Option<String>| facts.extend(value.map(|value| (name, value)));
    add("training data", Some(plan.data.train.display().to_string()));
    add("validation data", plan.data.validation.as_ref().map(|path| path.display().to_string()));
    add("test data", plan.data.test.as_ref().map(|path| path.display().to_string()));
    if let Some(sizes) = run.evaluation.as_ref().map(|evaluation| evaluation.examples).filter(|sizes| sizes.train > 0) {
        let test = sizes.test.map(|test| format!(", {} test", thousands(test))).unwrap_or_default();
        add(
            "rows",
            Some(format!("{} training, {} validation{test}", thousands(sizes.train), thousands(sizes.validation))),
        );
    }
    for line in run.evaluation.iter().flat_map(|evaluation| &evaluation.tuned) {
        add("chosen on the validation data", Some(line.clone()));
    }
    let text = |name: &str| environment[name].as_str().map(str::to_owned);
    add("retune", text("retune"));
    add("libtorch", text("libtorch"));
    add("device", text("device"));
    add("processor", text("processor"));
    add("threads", environment["threads"].as_u64().map(|threads| threads.to_string()));
    add("system", text("os").zip(text("architecture")).map(|(os, architecture)| format!("{os}, {architecture}")));
    add("started", environment["started_unix_s"].as_u64().filter(|time| *time > 0).map(date));
    let last = run.log.last.as_ref();
    let seconds = last.and_then(|last| last.training_seconds);
    add(
        "time in training steps",
        seconds.map(|seconds| {
            format!("{} (evaluation and saving left out; of a resumed run, the part since)", duration(seconds))
        }),
    );
    let speed = last.and_then(|last| last.examples_per_second.zip(last.tokens_per_second));
    add(
        "speed",
        speed.map(|(examples, tokens)| {
            format!("{examples:.1} examples/s, {} tokens/s", thousands(tokens.round() as u64))
        }),
    );
    add("energy", Some(energy(run.watts, seconds)));
    facts
}

/// Energy is power by time, and is said where somebody has told the power.
fn energy(watts: Option<f64>, seconds: Option<f64>) -> String {
    match (watts, seconds) {
        (Some(watts), Some(seconds)) => {
            let hours = watts * seconds / 3600.0;
            let shown = if hours < 1000.0 { format!("{hours:.2} Wh") } else { format!("{:.3} kWh", hours / 1000.0) };
            format!("about {shown}: {watts} W, as given with --watts, for {} of training steps", duration(seconds))
        }
        (Some(_), None) => "not known: the run recorded no time".to_owned(),
        (None, _) => {
            "not measured; with --watts W, the mean power that the machine drew, the report estimates it".to_owned()
        }
    }
}

/// The command as a person types it: the program is what `cargo xtask` runs.
fn command(environment: &Value) -> Option<String> {
    let words = environment["command"].as_array()?;
    let arguments: Vec<String> = words.iter().skip(1).filter_map(Value::as_str).map(quoted).collect();
    (!arguments.is_empty()).then(|| format!("cargo xtask {}", arguments.join(" ")))
}
