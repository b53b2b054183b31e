//! Examples without labels, of a file that may be larger than memory.

use std::path::Path;

use retune_data::DataError;
use retune_recipe::DataPlan;

use crate::TrainError;
use crate::task::{Examples, Task};
use crate::tasks::Tables;

/// Rows that are held at a time: enough for full batches of like lengths, little beside a model.
const ROWS: usize = 8192;

/// A file of examples without labels, which is read once to be checked, and then piece by piece as often as it is wanted.
pub struct Unlabelled<'a, T> {
    task: &'a T,
    plan: &'a DataPlan,
    tables: Tables<'a>,
    count: usize,
}

impl<'a, T: Task> Unlabelled<'a, T> {
    /// Reads the whole file, so that what is wrong with it is said before anything is computed.
    ///
    /// # Errors
    /// All that can be wrong with a file.
    pub fn open(task: &'a T, path: &'a Path, plan: &'a DataPlan) -> Result<Self, TrainError> {
        let tables = Tables::of(path, plan, task.unlabelled_columns(path, plan)?)?;
        let mut file = Self { task, plan, tables, count: 0 };
        let mut count = 0;
        file.read(&mut |examples| {
            count += examples.len();
            Ok(())
        })?;
        if count == 0 {
            return Err(DataError::NoRows { path: path.to_owned() }.into());
        }
        file.count = count;
        Ok(file)
    }

    /// How many examples there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none, which is refused.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Calls a function with some examples after the others, in the file's order.
    ///
    /// # Errors
    /// The file cannot be read any more or is not what it was, or the function fails.
    pub fn each_piece(&self, each: &mut dyn FnMut(&T::Examples) -> Result<(), TrainError>) -> Result<(), TrainError> {
        let mut count = 0;
        self.read(&mut |examples| {
            count += examples.len();
            each(examples)
        })?;
        match count == self.count {
            true => Ok(()),
            false => Err(DataError::Changed { path: self.tables.path().to_owned() }.into()),
        }
    }

    fn read(&self, each: &mut dyn FnMut(&T::Examples) -> Result<(), TrainError>) -> Result<(), TrainError> {
        let mut first: Option<T::Examples> = None;
        self.tables.each(|table| {
            for piece in table.pieces(ROWS) {
                let examples = self.task.unlabelled(&piece, self.plan, first.as_ref())?;
                // Rows without anything in them are no examples.
                if examples.is_empty() {
                    continue;
                }
                each(&examples)?;
                first.get_or_insert(examples);
            }
            Ok(())
        })
    }
}
