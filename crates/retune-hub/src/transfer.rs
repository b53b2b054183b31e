//! Files from the Hub into its cache, through hf-hub, watched and verified.
//!
//! hf-hub waits for ever, trusts what arrives, and gives up for good on a partial file that is too long. So it runs on
//! a thread that is watched for standstill, a partial file that cannot be resumed is removed first, and each file is
//! compared with the size and the digest that the Hub announced before it counts as there.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use hf_hub::Cache;
use hf_hub::api::sync::{Api, ApiBuilder, ApiError, Metadata};
use sha2::{Digest, Sha256};

use crate::repository::Repository;
use crate::{Environment, HubError, probe};

/// How often a line tells how far a long download is.
const TELL_EVERY: Duration = Duration::from_secs(2);

/// Smaller files are not announced, in bytes.
const LARGE: u64 = 1_000_000;

/// Downloads of one commit of one repository.
#[derive(Clone)]
pub(crate) struct Transfer {
    repository: Repository,
    environment: Environment,
    commit: String,
}

/// What the downloading thread tells; any of it is a sign of life.
enum Event {
    Started { file: String, size: u64 },
    Advanced { bytes: u64 },
}

impl Transfer {
    pub(crate) fn new(repository: &Repository, environment: &Environment, commit: &str) -> Self {
        Self { repository: repository.clone(), environment: environment.clone(), commit: commit.to_owned() }
    }

    /// Downloads those of `files` that the snapshot `directory` lacks.
    pub(crate) fn run(&self, directory: &Path, files: &[String], notice: &mut dyn FnMut(&str)) -> Result<(), HubError> {
        let absent: Vec<String> = files.iter().filter(|file| !directory.join(file).is_file()).cloned().collect();
        let Some(first) = absent.first() else { return Ok(()) };
        for link in absent.iter().map(|file| directory.join(file)).filter(|path| path.is_symlink()) {
            // A link whose blob was deleted; hf-hub would not replace it.
            fs::remove_file(&link).map_err(|source| HubError::io("remove", &link, source))?;
        }
        let mut watch = Watch { file: first.clone(), size: 0, done: 0, told: Instant::now() };
        let (sender, receiver) = mpsc::channel();
        let transfer = self.clone();
        let worker = thread::spawn(move || absent.iter().try_for_each(|file| transfer.file(file, &sender)));
        let stall = self.environment.limits.stall;
        loop {
            match receiver.recv_timeout(stall) {
                Ok(event) => watch.take(event, Instant::now()).iter().for_each(|line| notice(line)),
                Err(RecvTimeoutError::Disconnected) => break,
                // The thread stays behind with its connection; the process ends soon, or tries another source.
                Err(RecvTimeoutError::Timeout) => {
                    let (name, file) = (self.repository.page(), watch.file);
                    return Err(HubError::Stalled { name, file, seconds: stall.as_secs() });
                }
            }
        }
        let panicked = |_| Err(self.broken(&watch.file, io::Error::other("hf-hub panicked")));
        worker.join().unwrap_or_else(panicked)
    }

    fn file(&self, file: &str, events: &Sender<Event>) -> Result<(), HubError> {
        let repository = self.repository.at(&self.commit);
        let cache = Cache::new(self.environment.hub_cache.clone());
        let blobs = cache.repo(repository.clone());
        let remote = self.api(cache).map_err(|error| self.failure(file, error))?;
        let url = remote.repo(repository.clone()).url(file);
        let metadata = remote.metadata(&url).map_err(|error| self.failure(file, error))?;
        self.check(&metadata)?;
        let size = metadata.size() as u64;
        events.send(Event::Started { file: file.to_owned(), size }).ok();

        discard_unusable_part(&blobs.blob_path(metadata.etag()), size)?;
        let progress = Forward { events: events.clone() };
        let path = remote.repo(repository).download_with_progress(file, progress);
        let path = path.map_err(|error| self.failure(file, error))?;
        self.verify(file, &path, &metadata, events)
    }

    fn api(&self, cache: Cache) -> Result<Api, ApiError> {
        ApiBuilder::from_cache(cache)
            .with_endpoint(self.environment.endpoint.clone())
            .with_token(self.environment.token.clone())
            .with_user_agent("retune", env!("CARGO_PKG_VERSION"))
            .with_progress(false)
            .build()
    }

    /// Both become paths in the cache.
    fn check(&self, metadata: &Metadata) -> Result<(), HubError> {
        let etag = metadata.etag().strip_prefix("W/").unwrap_or(metadata.etag());
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if etag.is_empty() || !etag.bytes().all(plain) {
            return Err(probe::unexpected(&self.repository, &self.environment, format!("the etag {etag:?}")));
        }
        if metadata.commit_hash() != self.commit {
            let answer = format!("commit {:?} instead of {}", metadata.commit_hash(), self.commit);
            return Err(probe::unexpected(&self.repository, &self.environment, answer));
        }
        Ok(())
    }

    /// Compares a finished file with its announced size and, where the etag is one, its SHA-256; deletes it if unequal.
    fn verify(&self, file: &str, path: &Path, metadata: &Metadata, events: &Sender<Event>) -> Result<(), HubError> {
        let length = fs::metadata(path).map_err(|source| HubError::io("read", path, source))?.len();
        let size = metadata.size() as u64;
        let etag = metadata.etag();
        let is_sha256 = etag.len() == 64 && etag.bytes().all(|byte| byte.is_ascii_hexdigit());
        let (expected, found) = if length != size {
            (format!("{size} bytes"), format!("{length} bytes"))
        } else if is_sha256 {
            let digest = sha256(path, events).map_err(|source| HubError::io("read", path, source))?;
            (format!("SHA-256 {etag}"), format!("SHA-256 {digest}"))
        } else {
            return Ok(());
        };
        if expected == found {
            return Ok(());
        }
        let blob = fs::canonicalize(path).map_err(|source| HubError::io("read", path, source))?;
        fs::remove_file(path).map_err(|source| HubError::io("remove", path, source))?;
        if blob.is_file() {
            fs::remove_file(&blob).map_err(|source| HubError::io("remove", &blob, source))?;
        }
        Err(HubError::Corrupt { name: self.repository.page(), file: file.to_owned(), expected, found })
    }

    fn failure(&self, file: &str, error: ApiError) -> HubError {
        match error {
            ApiError::LockAcquisition(path) => HubError::Locked { path },
            ApiError::IoError(source) if is_local(&source) => {
                HubError::io("write", &self.environment.hub_cache, source)
            }
            ApiError::RequestError(error) => match *error {
                ureq::Error::StatusCode(status @ (401 | 403)) => {
                    probe::refusal(status, None, &self.repository, &self.environment)
                }
                error => self.broken(file, error),
            },
            error => self.broken(file, error),
        }
    }

    fn broken(&self, file: &str, source: impl std::error::Error + Send + Sync + 'static) -> HubError {
        HubError::Download { name: self.repository.page(), file: file.to_owned(), source: Box::new(source) }
    }
}

/// Whether an error while copying from the network to a file is the file's.
fn is_local(error: &io::Error) -> bool {
    use io::ErrorKind::{
        IsADirectory, NotADirectory, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull,
    };
    matches!(
        error.kind(),
        StorageFull | QuotaExceeded | ReadOnlyFilesystem | PermissionDenied | NotADirectory | IsADirectory
    )
}

/// Removes the partial download of `blob` where asking for the rest would get no answer: it is as long as the whole.
fn discard_unusable_part(blob: &Path, size: u64) -> Result<(), HubError> {
    let part = blob.with_extension("part");
    match fs::metadata(&part) {
        Ok(metadata) if metadata.len() >= size => {
            fs::remove_file(&part).map_err(|source| HubError::io("remove", &part, source))
        }
        _ => Ok(()),
    }
}

/// The digest of a file in lower-case hexadecimal.
fn sha256(path: &Path, events: &Sender<Event>) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(format!("{:x}", digest.finalize()));
        }
        digest.update(&buffer[..read]);
        events.send(Event::Advanced { bytes: 0 }).ok();
    }
}

/// hf-hub's progress, handed to the thread that watches.
struct Forward {
    events: Sender<Event>,
}

impl hf_hub::api::Progress for Forward {
    fn init(&mut self, _size: usize, _file: &str) {}

    fn update(&mut self, bytes: usize) {
        self.events.send(Event::Advanced { bytes: bytes as u64 }).ok();
    }

    fn finish(&mut self) {}
}

/// How far the file under way is, and when that was last told.
struct Watch {
    file: String,
    size: u64,
    done: u64,
    told: Instant,
}

impl Watch {
    /// Takes an event in; a line where one is due.
    fn take(&mut self, event: Event, now: Instant) -> Option<String> {
        match event {
            Event::Started { file, size } => {
                *self = Self { file, size, done: 0, told: now };
                (size >= LARGE).then(|| format!("downloading {} ({}) …", self.file, megabytes(size)))
            }
            Event::Advanced { bytes } => {
                self.done += bytes;
                if now.duration_since(self.told) < TELL_EVERY {
                    return None;
                }
                self.told = now;
                Some(format!("downloading {}: {} of {}", self.file, megabytes(self.done), megabytes(self.size)))
            }
        }
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_at_the_start_of_a_large_file_and_every_two_seconds() {
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let mut watch = Watch { file: String::new(), size: 0, done: 0, told: start };
        let started = |file: &str, size| Event::Started { file: file.to_owned(), size };
        assert_eq!(watch.take(started("config.json", 612), at(0)), None);
        let line = watch.take(started("model.safetensors", 90_868_376), at(100));
        assert_eq!(line.as_deref(), Some("downloading model.safetensors (90.9 MB) …"));
        assert_eq!(watch.take(Event::Advanced { bytes: 5_000_000 }, at(2000)), None);
        let line = watch.take(Event::Advanced { bytes: 5_000_000 }, at(2100));
        assert_eq!(line.as_deref(), Some("downloading model.safetensors: 10.0 MB of 90.9 MB"));
        assert_eq!(watch.take(Event::Advanced { bytes: 1 }, at(4099)), None);
    }
}
