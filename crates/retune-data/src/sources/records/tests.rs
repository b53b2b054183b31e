use proptest::prelude::*;

use super::*;

type Rows = Vec<(u64, Vec<String>)>;

fn parse(text: &str, dialect: Dialect) -> Result<Rows, Fault> {
    let mut records = Records::new(text, dialect, 1, true);
    let (mut rows, mut fields) = (Vec::new(), Vec::new());
    while let Some(line) = records.next_into(&mut fields)? {
        rows.push((line, fields.iter().map(ToString::to_string).collect()));
    }
    Ok(rows)
}

/// The plain twin: lenient, so it is asked only about texts in which strict and lenient agree.
fn parse_with_csv_crate(text: &str, delimiter: u8) -> Rows {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .terminator(csv::Terminator::Any(b'\n'))
        .from_reader(text.as_bytes());
    reader
        .records()
        .map(|record| {
            let record = record.expect("a record");
            (record.position().expect("a position").line(), record.iter().map(ToOwned::to_owned).collect())
        })
        .collect()
}

#[test]
fn lines_are_those_on_which_records_start() {
    let text = "a,b\r\n\"x\ny\",1\n\n\"say \"\"hi\"\"\",\"\"";
    let expected = [(1, vec!["a", "b"]), (2, vec!["x\ny", "1"]), (4, vec![""]), (5, vec!["say \"hi\"", ""])];
    let expected: Rows = expected.map(|(line, f)| (line, f.into_iter().map(String::from).collect())).into();
    assert_eq!(parse(text, Dialect::Csv), Ok(expected));
}

#[test]
fn faults_name_their_lines() {
    assert_eq!(parse("a,b\n1,\"x\ny\n", Dialect::Csv), Err(Fault::UnclosedQuote { line: 2 }));
    assert_eq!(parse("a\tb\n\"1\n2\"x\t3\n", Dialect::Tsv), Err(Fault::TextAfterQuote { line: 3 }));
    assert!(parse("a\tb\n\"1\t\"\"2\"x\n", Dialect::TsvUnquoted).is_ok());
}

proptest! {
    #[test]
    fn equals_the_csv_crate_where_both_understand(text in "[ab\",\n]{0,40}") {
        if let Ok(mut rows) = parse(&text, Dialect::Csv) {
            let mut twin = parse_with_csv_crate(&text, b',');
            // The crate drops empty lines, and counts a record after them from the line where it began to look.
            rows.retain(|(_, fields)| fields != &[""]);
            twin.retain(|(_, fields)| fields != &[""]);
            let fields = |rows: Rows| rows.into_iter().map(|(_, fields)| fields).collect::<Vec<_>>();
            prop_assert_eq!(fields(rows), fields(twin));
        }
    }

    #[test]
    fn reads_back_what_was_written(
        rows in prop::collection::vec(prop::collection::vec("[a é\",\t\r\n]{0,6}", 3), 1..8),
        windows in any::<bool>(),
        tabs in any::<bool>(),
    ) {
        let (dialect, delimiter) = if tabs { (Dialect::Tsv, b'\t') } else { (Dialect::Csv, b',') };
        let end = if windows { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
        let mut writer = csv::WriterBuilder::new().delimiter(delimiter).terminator(end).from_writer(Vec::new());
        let mut lines = Vec::new();
        let mut line = 1;
        for row in &rows {
            writer.write_record(row).expect("a record");
            lines.push(line);
            line += 1 + row.iter().map(|field| field.matches('\n').count() as u64).sum::<u64>();
        }
        let text = String::from_utf8(writer.into_inner().expect("a buffer")).expect("UTF-8");
        let expected: Rows = lines.into_iter().zip(rows).collect();
        prop_assert_eq!(parse(&text, dialect), Ok(expected));
    }

    #[test]
    fn any_text_is_parsed_or_refused(text in "[a\",\t\r\n]{0,30}") {
        for dialect in [Dialect::Csv, Dialect::Tsv, Dialect::TsvUnquoted] {
            let lines = text.matches('\n').count() as u64 + 1;
            match parse(&text, dialect) {
                Ok(rows) => prop_assert!(rows.iter().all(|(line, _)| *line <= lines)),
                Err(Fault::UnclosedQuote { line } | Fault::TextAfterQuote { line }) => {
                    prop_assert!(dialect.has_quotes() && line <= lines);
                }
            }
        }
    }
}
