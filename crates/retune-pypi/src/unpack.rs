//! Chosen members of a wheel into a folder.

use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Component, Path, PathBuf};

use zip::ZipArchive;
use zip::read::ZipFile;

use crate::error::{WheelError, at, file_name, no_space};
use crate::pip::Pulse;
use crate::{Progress, Step};

/// A member that is wanted.
struct Placed {
    index: usize,
    path: PathBuf,
    size: u64,
}

/// Writes to `folder` the members of the wheel at `path` that `place` wants, and waits until they are on the disk.
pub(crate) fn members(
    path: &Path,
    folder: &Path,
    place: &dyn Fn(&str) -> Option<PathBuf>,
    report: &mut dyn FnMut(Progress),
) -> Result<(), WheelError> {
    let broken = |source| WheelError::Zip { file: file_name(path), source };
    let file = at("cannot read", path, File::open(path))?;
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(broken)?;

    // Everything is checked before anything is written.
    let chosen = choose(&mut archive, path, place)?;
    let total = chosen.iter().map(|member| member.size).sum();
    at("cannot create", folder, fs::create_dir_all(folder))?;
    if crate::free_space(folder).is_ok_and(|free| free < total) {
        return Err(no_space(folder, Some(total)));
    }

    let mut pulse = Pulse::new(Step::Unpacking, Some(total));
    let mut done = 0;
    for member in &chosen {
        let mut source = archive.by_index(member.index).map_err(broken)?;
        let target = folder.join(&member.path);
        write(&mut source, path, &target, &mut |bytes| pulse.tell(done + bytes, report))?;
        done += member.size;
    }
    // One call for the file system: a call for each of libtorch's ten thousand headers takes minutes on some disks.
    at("cannot write to disk", folder, File::open(folder).and_then(|folder| Ok(rustix::fs::syncfs(&folder)?)))
}

fn choose(
    archive: &mut ZipArchive<BufReader<File>>,
    path: &Path,
    place: &dyn Fn(&str) -> Option<PathBuf>,
) -> Result<Vec<Placed>, WheelError> {
    let mut chosen = Vec::new();
    for index in 0..archive.len() {
        let member = archive.by_index_raw(index).map_err(|source| WheelError::Zip { file: file_name(path), source })?;
        if member.is_dir() {
            continue;
        }
        let Some(relative) = place(member.name()) else { continue };
        let inside = relative.components().all(|part| matches!(part, Component::Normal(_)));
        if !inside || relative.as_os_str().is_empty() {
            return Err(WheelError::Escape { file: file_name(path), member: member.name().to_owned(), path: relative });
        }
        chosen.push(Placed { index, path: relative, size: member.size() });
    }
    match chosen.is_empty() {
        true => Err(WheelError::NothingPlaced { file: file_name(path) }),
        false => Ok(chosen),
    }
}

/// Writes one member; a link in the archive becomes a plain file with the link's text, so links cannot lead outside.
fn write(
    source: &mut ZipFile<'_, BufReader<File>>,
    archive: &Path,
    target: &Path,
    tell: &mut dyn FnMut(u64),
) -> Result<(), WheelError> {
    if let Some(parent) = target.parent() {
        at("cannot create", parent, fs::create_dir_all(parent))?;
    }
    let mut file = at("cannot create", target, File::create_new(target))?;
    let mut buffer = vec![0; 1 << 18];
    let mut written = 0;
    loop {
        // A failure to read is the archive's: a wrong checksum, or compressed data cut short.
        let read = io::Read::read(source, &mut buffer).map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted
            | io::ErrorKind::InvalidData
            | io::ErrorKind::UnexpectedEof
            | io::ErrorKind::Other
            | io::ErrorKind::InvalidInput => WheelError::Zip { file: file_name(archive), source: error.into() },
            _ => WheelError::Io { action: "cannot read", path: archive.to_owned(), source: error },
        })?;
        if read == 0 {
            return Ok(());
        }
        at("cannot write", target, io::Write::write_all(&mut file, &buffer[..read]))?;
        written += read as u64;
        tell(written);
    }
}
