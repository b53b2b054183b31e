//! The table in `docs/attention-tests.md` against these files.

use crate::cases::CASES;

const FILES: [(&str, &str); 10] = [
    ("definition", include_str!("definition.rs")),
    ("invariance", include_str!("invariance.rs")),
    ("masking", include_str!("masking.rs")),
    ("heads", include_str!("heads.rs")),
    ("dropout", include_str!("dropout.rs")),
    ("positions", include_str!("positions.rs")),
    ("layers", include_str!("layers.rs")),
    ("adapters", include_str!("adapters.rs")),
    ("golden", include_str!("golden.rs")),
    ("seeded", include_str!("seeded.rs")),
];

/// Properties stand indented in `proptest!`; the other tests do not.
fn counts(source: &str) -> (usize, usize) {
    let of = |marker: &str| source.lines().filter(|line| *line == marker).count();
    (of("    #[test]"), of("#[test]"))
}

#[test]
fn the_table_of_tests_is_true() {
    let document = include_str!("../../../../docs/attention-tests.md");
    let rows = FILES.map(|(name, source)| {
        let (properties, single) = counts(source);
        (format!("| `{name}.rs` | {properties} | {single} |"), properties)
    });
    for (row, _) in &rows {
        assert!(document.contains(row.as_str()), "docs/attention-tests.md lacks a row that begins {row}");
    }
    let properties: usize = rows.iter().map(|(_, properties)| properties).sum();
    let sentence = format!("{properties} properties, {CASES} drawn cases each");
    assert!(document.contains(&sentence), "docs/attention-tests.md lacks: {sentence}");
}
