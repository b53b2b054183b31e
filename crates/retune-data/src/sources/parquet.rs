//! Parquet, read by polars: as many row groups at a time as make a table, or a part of one.

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use polars::prelude::*;

use super::columnar::{self, Found, Rows, polars_error, unreadable, without_panics};
use super::features::{Classes, Features};
use super::stream::{Chunks, Limits};
use super::{Request, load};
use crate::error::DataError;
use crate::table::Table;

const FORM: &str = "Parquet";

/// The wanted columns, and of the others nothing.
pub(super) struct Parquet<'a> {
    path: PathBuf,
    file: File,
    metadata: FileMetadataRef,
    found: Arc<[Found<'a>]>,
    classes: Classes,
    slices: Slices,
    is_empty: bool,
}

impl<'a> Parquet<'a> {
    pub(super) fn open(path: &Path, request: &Request<'a>, limits: Limits) -> Result<Self, DataError> {
        let file = load::seekable(path)?;
        let unread = |source| DataError::Read { path: path.to_owned(), source };
        if file.metadata().map_err(unread)?.len() == 0 {
            return Err(DataError::Empty { path: path.to_owned() });
        }
        without_panics(path, FORM, || {
            let polars_error = polars_error(path, FORM);
            let mut reader = ParquetReader::new(file.try_clone().map_err(unread)?);
            // A writer's own note on its types would turn plain text into dictionaries (pandas' categories), and could
            // name types that this build of polars was not given; the file's own types say all that is needed here.
            let mut metadata = reader.get_metadata().map_err(&polars_error)?.as_ref().clone();
            let noted = metadata.key_value_metadata.take().unwrap_or_default();
            let noted = noted.iter().filter_map(|note| Some((note.key.as_str(), note.value.as_deref()?)));
            let features = Features::of(noted);
            let metadata = Arc::new(metadata);
            reader.set_metadata(Arc::clone(&metadata));
            let found = columnar::find(path, reader.schema().map_err(&polars_error)?.as_ref(), request)?;
            let slices = Slices::new(&metadata, &columnar::names(&found), limits);
            let classes = columnar::classes(&found, &features);
            Ok(Self { path: path.to_owned(), file, metadata, found, classes, slices, is_empty: true })
        })
    }

    fn read(&self, slice: Range<usize>) -> Result<Table, DataError> {
        let polars_error = polars_error(&self.path, FORM);
        let file = self.file.try_clone().map_err(|source| DataError::Read { path: self.path.clone(), source })?;
        let mut reader = ParquetReader::new(file);
        reader.set_metadata(Arc::clone(&self.metadata));
        let mut reader = reader.with_columns(Some(columnar::names(&self.found)));
        if slice.len() < self.slices.rows() {
            // The one way in which polars leaves alone the row groups of which nothing is wanted.
            reader = reader.read_parallel(ParallelStrategy::RowGroups).with_slice(Some((slice.start, slice.len())));
        }
        let frame = reader.finish().map_err(&polars_error)?;
        let mut rows = Rows::new(&self.path, &self.found, slice.start as u64);
        rows.push(&frame, &polars_error)?;
        let table = rows.finish()?.with_classes(&self.classes);
        if table.len() != slice.len() {
            return Err(unreadable(&self.path, FORM, "it holds fewer rows than it says"));
        }
        Ok(table)
    }
}

impl Chunks for Parquet<'_> {
    fn next_chunk(&mut self) -> Result<Option<Table>, DataError> {
        let slice = self.slices.next();
        if slice.is_empty() {
            return if self.is_empty { Err(DataError::NoRows { path: self.path.clone() }) } else { Ok(None) };
        }
        self.is_empty = false;
        without_panics(&self.path, FORM, || self.read(slice)).map(Some)
    }
}

/// Which rows to read at a time.
struct Slices {
    /// The rows of each group, and the bytes of what is wanted of them.
    groups: Vec<(usize, usize)>,
    limits: Limits,
    /// The next group, and the next row in it.
    next: (usize, usize),
    /// The next row in the file.
    row: usize,
}

impl Slices {
    fn new(metadata: &FileMetadata, names: &[String], limits: Limits) -> Self {
        let groups = metadata.row_groups.iter().map(|group| {
            let columns = names.iter().filter_map(|name| group.columns_under_root_iter(name)).flatten();
            let bytes = columns.map(|column| usize::try_from(column.uncompressed_size()).unwrap_or_default());
            (group.num_rows(), bytes.fold(0, usize::saturating_add))
        });
        Self { groups: groups.collect(), limits, next: (0, 0), row: 0 }
    }

    /// How many rows there are.
    fn rows(&self) -> usize {
        self.groups.iter().fold(0, |rows, group| rows.saturating_add(group.0))
    }

    /// The next rows: groups as long as they fit, or a part of one; none at the end. Nothing is allocated by numbers
    /// that a damaged file may have made up.
    fn next(&mut self) -> Range<usize> {
        let (mut rows, mut bytes) = (0_usize, 0_usize);
        let (group, in_group) = &mut self.next;
        while let Some(&(group_rows, group_bytes)) = self.groups.get(*group) {
            let left = group_rows - *in_group;
            let of_row = (group_bytes / group_rows.max(1)).max(1);
            let more = (rows.saturating_add(left), bytes.saturating_add(left.saturating_mul(of_row)));
            if more.0 <= self.limits.rows && more.1 <= self.limits.bytes {
                (rows, bytes) = more;
                (*group, *in_group) = (*group + 1, 0);
            } else {
                if rows == 0 {
                    rows = (self.limits.bytes / of_row).clamp(1, self.limits.rows).min(left);
                    *in_group += rows;
                }
                break;
            }
        }
        let start = self.row;
        self.row = start.saturating_add(rows);
        start..self.row
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn slices_are_all_rows_within_the_limits(
            groups in prop::collection::vec((0..30_usize, 0..200_usize), 0..6),
            rows in 1..12_usize,
            bytes in 1..120_usize,
        ) {
            let limits = Limits { block: 1, rows, bytes };
            let mut slices = Slices { groups: groups.clone(), limits, next: (0, 0), row: 0 };
            let mut row = 0;
            loop {
                let slice = slices.next();
                prop_assert_eq!(slice.start, row);
                prop_assert!(slice.len() <= rows);
                row = slice.end;
                if slice.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(row, groups.iter().map(|group| group.0).sum::<usize>());
        }
    }
}
