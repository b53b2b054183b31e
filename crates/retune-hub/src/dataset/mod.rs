//! Data sets on the Hub: which of their Parquet files a name means, and those files in the Hugging Face cache.
//!
//! A name is `hub:org/name`, with, where need be, a configuration (subset), a revision and a split:
//! `hub:nyu-mll/glue:sst2@main#validation`. Without a revision it is the branch `main`; where that has no Parquet
//! files, the Hub's own conversion of the data set, `refs/convert/parquet`, is taken.

mod card;
mod layout;
mod offline;
mod shelf;

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use crate::cache::CachedRepository;
use crate::probe::{self, Description};
use crate::repository::{Kind, Repository};
use crate::transfer::Transfer;
use crate::{DEFAULT_REVISION, Environment, HubError, name};
use layout::Config;

/// What names of data sets on the Hub begin with.
const PREFIX: &str = "hub:";
/// Where the Hub keeps data sets that it has converted.
const CONVERTED: &str = "refs/convert/parquet";

/// A data set on the Hub, or a part of one, as a person names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatasetRequest {
    /// `org/name`.
    pub name: String,
    /// The configuration; `None` for the only one, or that which the data set names as its default.
    pub config: Option<String>,
    /// A branch, a tag or a full commit hash; `None` for `main`, or else for the Hub's own conversion.
    pub revision: Option<String>,
    /// The split; `None` leaves it to whoever asks.
    pub split: Option<String>,
}

/// The Parquet files of one split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatasetFiles {
    /// A folder that holds links to these files and nothing else, in the order in which they are read.
    pub folder: PathBuf,
    /// What they are, in full: the configuration, the commit and the split are named, so that the same files are found
    /// again whatever becomes of the branch.
    pub name: DatasetRequest,
}

impl DatasetRequest {
    /// Reads a name; `None` where the text does not begin as names of data sets do, and so is a file's.
    ///
    /// ```
    /// # use retune_hub::DatasetRequest;
    /// let name = DatasetRequest::parse("hub:nyu-mll/glue:sst2@main#train").ok_or("a file")??;
    /// assert_eq!((name.name.as_str(), name.config.as_deref()), ("nyu-mll/glue", Some("sst2")));
    /// assert_eq!((name.revision.as_deref(), name.split.as_deref()), (Some("main"), Some("train")));
    /// assert!(DatasetRequest::parse("train.csv").is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`HubError::InvalidDataset`], [`HubError::InvalidRevision`].
    pub fn parse(text: &str) -> Option<Result<Self, HubError>> {
        let rest = text.strip_prefix(PREFIX)?;
        Some(Self::parts(rest).map_err(|reason| HubError::InvalidDataset { name: text.to_owned(), reason }).and_then(
            |request| match request.revision.as_deref().is_none_or(name::is_revision) {
                true => Ok(request),
                false => Err(HubError::InvalidRevision { revision: request.revision.unwrap_or_default() }),
            },
        ))
    }

    fn parts(text: &str) -> Result<Self, &'static str> {
        let (text, split) = cut(text, text.rfind('#'));
        let (text, revision) = cut(text, text.rfind('@'));
        let (name, config) = cut(text, text.find(':'));
        if [split, revision, config].iter().flatten().any(|part| part.is_empty()) {
            return Err("nothing stands behind a `:`, `@` or `#`");
        }
        if let Some(reason) = name::fault_of_name(name) {
            return Err(reason);
        }
        if name.matches('/').count() > 1 {
            return Err("it has more than two parts");
        }
        let owned = |part: Option<&str>| part.map(str::to_owned);
        Ok(Self { name: name.to_owned(), config: owned(config), revision: owned(revision), split: owned(split) })
    }
}

/// A text before a place and behind it.
fn cut(text: &str, at: Option<usize>) -> (&str, Option<&str>) {
    at.map_or((text, None), |at| (&text[..at], Some(&text[at + 1..])))
}

/// As it is written.
impl fmt::Display for DatasetRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{PREFIX}{}", self.name)?;
        for (mark, part) in [(':', &self.config), ('@', &self.revision), ('#', &self.split)] {
            if let Some(part) = part {
                write!(formatter, "{mark}{part}")?;
            }
        }
        Ok(())
    }
}

/// Finds the files of one split of a data set, downloading those that are nowhere on this machine into the Hugging Face
/// cache, where Python's `datasets` finds them, and from where what that has downloaded is taken. `split` is the one
/// that is meant where the request names none.
///
/// What was found before under a revision is found again without asking the Hub whether a branch has moved since, as
/// for models. Offline, a split is found too whose files and card Python left in the cache. `notice` gets lines for a
/// person to read.
///
/// # Errors
///
/// One variant of [`HubError`] for each way this can fail; its message says how to mend it.
pub fn resolve_dataset(
    request: &DatasetRequest,
    split: &str,
    offline: bool,
    environment: &Environment,
    notice: &mut dyn FnMut(&str),
) -> Result<DatasetFiles, HubError> {
    let split = request.split.as_deref().unwrap_or(split);
    let revisions = match &request.revision {
        Some(revision) => vec![revision.as_str()],
        None => vec![DEFAULT_REVISION, CONVERTED],
    };
    let repository = |revision: &&str| Repository {
        kind: Kind::Dataset,
        name: request.name.clone(),
        revision: (*revision).to_owned(),
    };
    let repositories: Vec<Repository> = revisions.iter().map(repository).collect();
    for repository in &repositories {
        let cached = CachedRepository::new(&environment.hub_cache, repository);
        if let Some(commit) = cached.commit(&repository.revision)? {
            let folder = shelf::folder(environment, &request.name, &commit, request.config.as_deref(), split);
            if let Some(config) = shelf::find(&folder)? {
                return Ok(DatasetFiles { folder, name: in_full(request, config, commit, split) });
            }
        }
    }
    if offline || environment.offline {
        for repository in &repositories {
            let cached = CachedRepository::new(&environment.hub_cache, repository);
            let Some(commit) = cached.commit(&repository.revision)? else { continue };
            let snapshot = cached.snapshot(&commit);
            if let Some((config, files)) = offline::find(request, &repository.revision, split, &snapshot)? {
                let paths = files.iter().map(|file| snapshot.join(file)).collect::<Vec<_>>();
                return shelve(request, in_full(request, config, commit, split), &paths, environment);
            }
        }
        let (name, cache) = (repositories[0].page(), environment.hub_cache.clone());
        return Err(HubError::Offline { name, revision: revisions[0].to_owned(), cache });
    }
    for repository in &repositories {
        let described = match probe::describe(repository, environment) {
            Err(HubError::NoSuchRevision { .. }) if repository.revision == CONVERTED => break,
            described => described?,
        };
        let configs = layout::configs(&described.files, &described.card);
        if !configs.is_empty() {
            let (config, files) = chosen(request, split, configs)?;
            return fetch(request, split, (repository, &described), (config, files), environment, notice);
        }
    }
    let (revision, converted) = (revisions[0].to_owned(), revisions.contains(&CONVERTED));
    Err(HubError::NoParquet { name: request.name.clone(), revision, converted })
}

fn in_full(request: &DatasetRequest, config: String, commit: String, split: &str) -> DatasetRequest {
    let (config, revision, split) = (Some(config), Some(commit), Some(split.to_owned()));
    DatasetRequest { name: request.name.clone(), config, revision, split }
}

/// The name of the configuration that is meant, and the files of the split.
fn chosen(request: &DatasetRequest, split: &str, configs: Vec<Config>) -> Result<(String, Vec<String>), HubError> {
    let name = request.name.clone();
    let mut known: Vec<String> = configs.iter().map(|config| config.name.clone()).collect();
    let place = match &request.config {
        Some(asked) => configs.iter().position(|config| config.name == *asked),
        None if configs.len() == 1 => Some(0),
        None => {
            let named = || configs.iter().position(|config| config.name == "default");
            configs.iter().position(|config| config.is_default).or_else(named)
        }
    };
    known.sort();
    let config = match (place.and_then(|place| configs.into_iter().nth(place)), &request.config) {
        (Some(config), _) => config,
        (None, Some(config)) => return Err(HubError::NoSuchConfig { name, config: config.clone(), known }),
        (None, None) => return Err(HubError::SeveralConfigs { name, known }),
    };
    let known = config.splits.iter().map(|(split, _)| split.clone()).collect();
    match config.splits.into_iter().find(|(found, _)| found == split) {
        Some((_, files)) => Ok((config.name, files)),
        None => Err(HubError::NoSuchSplit { name, config: config.name, split: split.to_owned(), known }),
    }
}

/// Brings files into the cache, except those that are there, and links to them onto the shelf.
fn fetch(
    request: &DatasetRequest,
    split: &str,
    (repository, described): (&Repository, &Description),
    (config, files): (String, Vec<String>),
    environment: &Environment,
    notice: &mut dyn FnMut(&str),
) -> Result<DatasetFiles, HubError> {
    // They become paths, and addresses without being escaped.
    let is_plain = |file: &&String| {
        let allowed = |c: char| !c.is_control() && !matches!(c, '\\' | '%' | '?' | '#' | ' ');
        let is_name = |part: &str| !part.is_empty() && part != "." && part != "..";
        file.split('/').all(is_name) && file.chars().all(allowed)
    };
    if let Some(file) = files.iter().find(|file| !is_plain(file)) {
        return Err(probe::unexpected(repository, environment, format!("a file that is called {file:?}")));
    }
    let cached = CachedRepository::new(&environment.hub_cache, repository);
    let commit = &described.commit;
    let snapshot = cached.snapshot(commit);
    let absent = files.iter().filter(|file| !snapshot.join(file).is_file()).count();
    if absent > 0 {
        let (endpoint, cache) = (&environment.endpoint, environment.hub_cache.display());
        notice(&format!("downloading {absent} file(s) of {} from {endpoint} to {cache} …", repository.page()));
    }
    Transfer::new(repository, environment, commit).run(&snapshot, &files, notice)?;
    cached.point(&repository.revision, commit)?;
    let paths: Vec<PathBuf> = files.iter().map(|file| snapshot.join(file)).collect();
    shelve(request, in_full(request, config, commit.clone(), split), &paths, environment)
}

/// Puts files onto the shelf, under the name that was asked for and under the full one, which a resumed run asks for.
fn shelve(
    request: &DatasetRequest,
    name: DatasetRequest,
    paths: &[PathBuf],
    environment: &Environment,
) -> Result<DatasetFiles, HubError> {
    let [config, commit, split] =
        [&name.config, &name.revision, &name.split].map(|part| part.as_deref().unwrap_or_default());
    let folder = |config: Option<&str>| shelf::folder(environment, &name.name, commit, config, split);
    let asked = folder(request.config.as_deref());
    for folder in BTreeSet::from([folder(Some(config)), asked.clone()]) {
        shelf::put(&folder, config, paths)?;
    }
    Ok(DatasetFiles { folder: asked, name })
}
