//! How a study is made: rows drawn, and everything written at once.

use rusqlite::{Connection, params};
use sha2::{Digest, Sha256};

use super::{schema, to_json};
use crate::error::JudgeError;
use crate::estimate::Population;
use crate::item::Item;
use crate::sampling::{Drawn, Frame, draw, uncertainties};
use crate::settings::{Sampling, StudySettings};

/// The rows that are drawn, by their places among all.
pub(super) fn drawn(settings: &StudySettings, items: &[Item]) -> Result<Vec<Drawn>, JudgeError> {
    let places = settings.population(items)?;
    let (sizes, strata);
    let frame = match settings.sampling {
        Sampling::Chance => Frame::Alike(places.len()),
        Sampling::Uncertainty => {
            let confidence = |place: &usize| items[*place].confidence(&settings.classes).unwrap_or(0.0);
            sizes = uncertainties(&places.iter().map(confidence).collect::<Vec<_>>());
            Frame::BySize(&sizes)
        }
        Sampling::Predicted | Sampling::Label => {
            strata = strata_of(settings, items, &places);
            Frame::Strata(&strata)
        }
    };
    let mut drawn = draw(frame, settings.rows, settings.seed)?;
    drawn.iter_mut().for_each(|row| row.place = places[row.place]);
    Ok(drawn)
}

/// The stratum of each of the places: the value that the sampling is by, in the order in which values first come.
fn strata_of(settings: &StudySettings, items: &[Item], places: &[usize]) -> Vec<usize> {
    let mut names = std::collections::HashMap::new();
    let value = |place: &usize| match settings.sampling {
        Sampling::Label => items[*place].label.clone().unwrap_or_default(),
        _ => items[*place].prediction.clone(),
    };
    places
        .iter()
        .map(|place| {
            let next = names.len();
            *names.entry(value(place)).or_insert(next)
        })
        .collect()
}

/// What an estimate has to know of all rows.
pub(super) fn population(settings: &StudySettings, items: &[Item]) -> Result<Population, JudgeError> {
    let places = settings.population(items)?;
    let strata = match settings.sampling {
        Sampling::Chance | Sampling::Uncertainty => vec![places.len() as u64],
        Sampling::Predicted | Sampling::Label => {
            let of = strata_of(settings, items, &places);
            let mut counts = vec![0; of.iter().max().map_or(0, |most| most + 1)];
            of.into_iter().for_each(|stratum| counts[stratum] += 1);
            counts
        }
    };
    let confidences = places.iter().filter_map(|place| items[*place].confidence(&settings.classes));
    let by_size = settings.sampling == Sampling::Uncertainty;
    Ok(Population { strata, drawn: settings.rows as u64, by_size, expected: confidences.sum() })
}

/// Writes all of a study in one transaction, so that there is a whole one or none.
pub(super) fn make(
    connection: &mut Connection,
    settings: &StudySettings,
    items: &[Item],
    sample: &[Drawn],
    population: &Population,
    digest: &str,
) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    schema::make(&transaction)?;
    transaction
        .execute("INSERT INTO study VALUES (?1, ?2, ?3)", params![to_json(settings), to_json(population), digest])?;
    {
        let mut insert = transaction.prepare("INSERT INTO items VALUES (?1, ?2)")?;
        for (place, item) in items.iter().enumerate() {
            insert.execute(params![place as i64, to_json(item)])?;
        }
        let mut insert = transaction.prepare("INSERT INTO sample VALUES (?1, ?2, ?3, ?4)")?;
        for (position, row) in sample.iter().enumerate() {
            insert.execute(params![position as i64, row.place as i64, row.probability, row.stratum as i64])?;
        }
    }
    transaction.commit()
}

/// SHA-256 of all rows with what is said of them, in hexadecimal digits. Confidences are left out: their last digits
/// hang on the machine.
pub(super) fn digest(items: &[Item]) -> String {
    let mut hash = Sha256::new();
    for item in items {
        hash.update(to_json(&(item.row, &item.texts, &item.label, &item.prediction, &item.against)));
        hash.update("\n");
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
