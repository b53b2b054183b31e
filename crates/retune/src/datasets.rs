//! Data sets on the Hub in the place of files: their names become folders to read.

use std::path::{Path, PathBuf};

use anyhow::bail;
use retune_hub::{DatasetRequest, Environment, resolve_dataset};
use retune_recipe::{DataFormat, Plan};

use crate::terminal::Terminal;

/// A plan with the files of all its data on this machine.
pub struct Located {
    /// What a run records: data sets by their names, with the commit that each stood for.
    pub recorded: Plan,
    /// What a run reads: files and folders.
    pub local: Plan,
}

/// Finds the data sets that a plan names, downloading those that are nowhere on this machine.
pub fn locate(plan: Plan, terminal: &Terminal) -> anyhow::Result<Located> {
    let (mut recorded, mut local) = (plan.clone(), plan);
    let splits = [
        (Some(&mut recorded.data.train), Some(&mut local.data.train), "train"),
        (recorded.data.validation.as_mut(), local.data.validation.as_mut(), "validation"),
        (recorded.data.test.as_mut(), local.data.test.as_mut(), "test"),
    ];
    for (recorded, path, split) in splits {
        if let (Some(recorded), Some(path)) = (recorded, path)
            && let Some(found) = find(path, split, local.model.offline, local.data.format, terminal)?
        {
            *recorded = found.name.to_string().into();
            *path = found.folder;
        }
    }
    Ok(Located { recorded, local })
}

/// The file that a path means: itself, or of a data set on the Hub the folder of its split.
pub fn locate_file(path: &Path, split: &str, plan: &Plan, terminal: &Terminal) -> anyhow::Result<PathBuf> {
    let found = find(path, split, plan.model.offline, plan.data.format, terminal)?;
    Ok(found.map_or_else(|| path.to_owned(), |found| found.folder))
}

fn find(
    path: &Path,
    split: &str,
    offline: bool,
    format: DataFormat,
    terminal: &Terminal,
) -> anyhow::Result<Option<retune_hub::DatasetFiles>> {
    let Some(request) = path.to_str().and_then(DatasetRequest::parse).transpose()? else { return Ok(None) };
    if !matches!(format, DataFormat::Auto | DataFormat::Parquet) {
        bail!("{request} is read as Parquet, but data.format is {format}; leave data.format out");
    }
    let environment = Environment::from_process()?;
    let found = resolve_dataset(&request, split, offline, &environment, &mut |notice| terminal.note(notice))?;
    if found.name != request {
        terminal.note(&format!("{request} is {}", found.name));
    }
    Ok(Some(found))
}
