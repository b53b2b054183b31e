//! Numbers: predicted against right, and what is left.

use maud::{Markup, html};

use super::parts::figure;
use crate::answers::Numbers;
use crate::plots::{Axes, histogram, scatter};
use crate::words::number;

pub(super) fn plots(answers: &Numbers) -> Option<Markup> {
    let pairs: Vec<(f64, f64)> = answers.labels.iter().copied().zip(answers.predicted.iter().copied()).collect();
    let left: Vec<(f64, f64)> = pairs.iter().map(|(label, said)| (*said, said - label)).collect();
    let residuals: Vec<f64> = left.iter().map(|(_, residual)| *residual).collect();
    let mean = residuals.iter().sum::<f64>() / residuals.len().max(1) as f64;
    let shown = if pairs.len() > 1500 { " Some of the rows are drawn." } else { "" };
    Some(html! {
        div.figures {
            (figure("Predicted over right", &[], scatter(&pairs, Axes::over("right number"), |x| x), &format!("Rows on the line are right.{shown}")))
            (figure("Error over predicted", &[], scatter(&left, Axes::over("predicted number"), |_| 0.0), "Above the line the number is too large. A shape other than a band says where the model bends."))
            (figure("Errors", &[], histogram(&residuals, "predicted less right"), &format!("Mean error {}.", number(mean))))
        }
    })
}
