//! The tables of a plan's files.

use std::path::Path;
use std::sync::Arc;

use retune_data::sources::{self, DataFormat, Form, Wanted};
use retune_data::{DataError, Expressions, Table};
use retune_recipe::DataPlan;

use crate::TrainError;

/// The wanted columns of a file, table by table and as often as they are asked for.
pub(crate) struct Tables<'a> {
    pub(super) path: &'a Path,
    pub(super) form: Arc<Form>,
    wanted: Vec<Wanted<'a>>,
    /// What a pipe gave, which can be read but once.
    held: Option<Table>,
}

impl<'a> Tables<'a> {
    pub(crate) fn of(path: &'a Path, plan: &DataPlan, wanted: Vec<Wanted<'a>>) -> Result<Self, TrainError> {
        let held = match can_be_read_but_once(path) {
            true => Some(read_table(path, plan, &wanted)?),
            false => None,
        };
        Ok(Self { path, form: Arc::new(form_of(plan)?), wanted, held })
    }

    /// Whether the file is gone once it is read, so that what is to be kept of it must be kept here.
    pub(super) fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// What the user named.
    pub(crate) fn path(&self) -> &'a Path {
        self.path
    }

    pub(crate) fn each(&self, mut each: impl FnMut(&Table) -> Result<(), TrainError>) -> Result<(), TrainError> {
        if let Some(held) = &self.held {
            return each(held);
        }
        for table in sources::stream_columns(self.path, &self.form, &self.wanted)? {
            each(&table?)?;
        }
        Ok(())
    }
}

/// Reads the wanted columns as the plan says the files are written.
pub(super) fn read_table(path: &Path, plan: &DataPlan, wanted: &[Wanted<'_>]) -> Result<Table, TrainError> {
    Ok(sources::read_columns(path, &form_of(plan)?, wanted)?)
}

/// How a plan's files are read.
///
/// # Errors
/// The filter or a computed column is no expression.
pub fn form_of(plan: &DataPlan) -> Result<Form, DataError> {
    Ok(Form {
        format: data_format(plan.format),
        columns: plan.columns.clone().unwrap_or_default(),
        expressions: Expressions::new(plan.filter.as_deref(), plan.computed.as_deref().unwrap_or_default())?,
    })
}

/// The form that a recipe's word means.
pub(crate) fn data_format(format: retune_recipe::DataFormat) -> DataFormat {
    use retune_recipe::DataFormat as Said;
    match format {
        Said::Auto => DataFormat::Auto,
        Said::Csv => DataFormat::Csv,
        Said::Tsv => DataFormat::Tsv,
        Said::TsvUnquoted => DataFormat::TsvUnquoted,
        Said::Json => DataFormat::Json,
        Said::Jsonl => DataFormat::Jsonl,
        Said::Parquet => DataFormat::Parquet,
        Said::Arrow => DataFormat::Arrow,
        Said::Text => DataFormat::Text,
        Said::Conll => DataFormat::Conll,
        Said::Squad => DataFormat::Squad,
    }
}

/// Whether a path names a pipe or the like, whose content is gone once it is read.
pub(super) fn can_be_read_but_once(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}
