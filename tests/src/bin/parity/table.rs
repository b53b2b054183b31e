//! The comparisons as a table: a row for each kind, with the worst of its kind.

use ::tests::Comparison;

const HEAD: [&str; 6] = ["compared", "numbers", "largest difference", "bound", "", "where it is largest"];

/// The table, with a line break after each row.
pub fn render(comparisons: &[Comparison]) -> String {
    let mut rows = vec![HEAD.map(str::to_owned)];
    rows.extend(kinds(comparisons).iter().map(|kind| row(kind)));
    let widths: Vec<usize> =
        (0..HEAD.len()).map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)).collect();
    let line = |row: &[String; 6]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

/// The comparisons of each kind, in the order in which the kinds first occur.
fn kinds(comparisons: &[Comparison]) -> Vec<Vec<&Comparison>> {
    let mut kinds: Vec<Vec<&Comparison>> = Vec::new();
    for comparison in comparisons {
        match kinds.iter_mut().find(|kind| kind[0].what == comparison.what) {
            Some(kind) => kind.push(comparison),
            None => kinds.push(vec![comparison]),
        }
    }
    kinds
}

fn row(kind: &[&Comparison]) -> [String; 6] {
    // The last of equals, of which there is at least one.
    let worst = kind.iter().fold(kind[0], |worst, next| if next.severity() > worst.severity() { next } else { worst });
    let what = match kind.len() {
        1 => worst.what.clone(),
        many => format!("{} ({many} tensors)", worst.what),
    };
    let elements: usize = kind.iter().map(|comparison| comparison.elements).sum();
    let place = if worst.difference == 0.0 { String::new() } else { format!("{} {}", worst.name, worst.worst) };
    [
        what,
        elements.to_string(),
        number(worst.difference),
        number(worst.bound),
        if worst.passes() { "ok" } else { "FAIL" }.to_owned(),
        place.trim_start().to_owned(),
    ]
}

fn number(value: f64) -> String {
    if value == 0.0 { "0".to_owned() } else { format!("{value:.1e}") }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use tch::Tensor;

    use super::*;

    #[test]
    fn each_kind_has_a_row_with_its_worst() {
        let compare = |what, name, found: f64, bound| {
            let (found, expected) = (Tensor::from_slice(&[1.0, found]), Tensor::from_slice(&[1.0, 2.0]));
            Comparison::absolute(what, name, &found, &expected, bound).expect("equal shapes")
        };
        let comparisons = [
            compare("logits", "", 2.0, 1e-5),
            compare("gradient", "a.weight", 2.25, 0.5),
            compare("gradient", "b.weight", 2.75, 0.5),
            compare("loss", "", f64::NAN, 1e-5),
        ];
        expect![[r#"
            compared              numbers  largest difference  bound         where it is largest
            logits                2        0                   1.0e-5  ok
            gradient (2 tensors)  4        7.5e-1              5.0e-1  FAIL  b.weight [1]: found 2.75, expected 2
            loss                  2        NaN                 1.0e-5  FAIL  [1]: found NaN, expected 2
        "#]]
        .assert_eq(&render(&comparisons));
    }
}
