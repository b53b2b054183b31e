//! What the process's environment says about caches, the Hub and its token.
//!
//! The variables and their defaults are those of Python's `huggingface_hub` (its `constants.py`), so that both find the
//! same files.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::HubError;

/// The Hub itself, where `HF_ENDPOINT` does not name a mirror.
const HUB: &str = "https://huggingface.co";

/// Where things lie and who asks, read once so that nothing below looks at the process's variables.
#[derive(Clone, PartialEq, Eq)]
pub struct Environment {
    /// The Hugging Face cache: the folder that holds `models--org--name`.
    pub hub_cache: PathBuf,
    /// The user's cache directory, below which `retune` keeps its own.
    pub user_cache: PathBuf,
    /// The Hub's address, without a slash at the end.
    pub endpoint: String,
    /// The access token, for private and gated models.
    pub token: Option<String>,
    /// Whether the network may not be used.
    pub offline: bool,
    /// How long to wait for an answer.
    pub limits: Limits,
}

/// How long to wait for the Hub before going on without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For the first answer, everything included: name lookup, connection, TLS and the Hub's own time.
    pub reach: Duration,
    /// For the next byte of a download.
    pub stall: Duration,
}

impl Default for Limits {
    /// 2.5 seconds to the first answer, 30 seconds between two bytes.
    fn default() -> Self {
        Self { reach: Duration::from_millis(2500), stall: Duration::from_secs(30) }
    }
}

impl Environment {
    /// Reads `HF_HUB_CACHE`, `HF_HOME`, `XDG_CACHE_HOME`, `HF_ENDPOINT`, `HF_TOKEN`, `HF_TOKEN_PATH` and
    /// `HF_HUB_OFFLINE` (and the older names that `huggingface_hub` still reads) from this process.
    ///
    /// # Errors
    ///
    /// [`HubError::NoHome`] where no variable says where the caches are and the user has no home directory.
    pub fn from_process() -> Result<Self, HubError> {
        Self::from_variables(&|name| std::env::var_os(name), std::env::home_dir())
    }

    /// The same from variables that the caller gives. An empty variable counts as unset.
    ///
    /// # Errors
    ///
    /// As [`Environment::from_process`].
    pub fn from_variables(
        variable: &dyn Fn(&str) -> Option<OsString>,
        home: Option<PathBuf>,
    ) -> Result<Self, HubError> {
        let variables = Variables { variable, home };
        let user_cache = variables.path("XDG_CACHE_HOME").or_else(|| variables.in_home(".cache"));
        let hf_home = variables.path("HF_HOME").or_else(|| user_cache.as_ref().map(|cache| cache.join("huggingface")));
        let hub_cache = variables
            .path("HF_HUB_CACHE")
            .or_else(|| variables.path("HUGGINGFACE_HUB_CACHE"))
            .or_else(|| hf_home.as_ref().map(|home| home.join("hub")));
        let token_file = variables.path("HF_TOKEN_PATH").or_else(|| hf_home.as_ref().map(|home| home.join("token")));
        let token = variables
            .text("HF_TOKEN")
            .or_else(|| variables.text("HUGGING_FACE_HUB_TOKEN"))
            .or_else(|| std::fs::read_to_string(token_file?).ok())
            .map(|token| token.trim().to_owned())
            .filter(|token| !token.is_empty());
        let offline = variables.text("HF_HUB_OFFLINE").or_else(|| variables.text("TRANSFORMERS_OFFLINE"));
        Ok(Self {
            // The last resort only matters to someone without a home, who has said where one of the two is.
            user_cache: user_cache.or_else(|| hub_cache.clone()).ok_or(HubError::NoHome)?,
            hub_cache: hub_cache.ok_or(HubError::NoHome)?,
            endpoint: variables.text("HF_ENDPOINT").unwrap_or_else(|| HUB.to_owned()).trim_end_matches('/').to_owned(),
            token,
            offline: offline.is_some_and(|value| is_true(&value)),
            limits: Limits::default(),
        })
    }
}

/// Leaves the token out, so that no log holds it.
impl fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Environment")
            .field("hub_cache", &self.hub_cache)
            .field("user_cache", &self.user_cache)
            .field("endpoint", &self.endpoint)
            .field("token", &self.token.as_ref().map(|_| "…"))
            .field("offline", &self.offline)
            .field("limits", &self.limits)
            .finish()
    }
}

struct Variables<'a> {
    variable: &'a dyn Fn(&str) -> Option<OsString>,
    home: Option<PathBuf>,
}

impl Variables<'_> {
    fn raw(&self, name: &str) -> Option<OsString> {
        (self.variable)(name).filter(|value| !value.is_empty())
    }

    fn text(&self, name: &str) -> Option<String> {
        self.raw(name).map(|value| value.to_string_lossy().into_owned())
    }

    /// A variable that holds a path; a `~` that no shell expanded is the home directory, as in Python.
    fn path(&self, name: &str) -> Option<PathBuf> {
        let path = PathBuf::from(self.raw(name)?);
        match (path.strip_prefix("~"), &self.home) {
            (Ok(rest), Some(home)) => Some(home.join(rest)),
            _ => Some(path),
        }
    }

    fn in_home(&self, below: impl AsRef<Path>) -> Option<PathBuf> {
        self.home.as_ref().map(|home| home.join(below))
    }
}

/// `huggingface_hub.constants._is_true`.
fn is_true(value: &str) -> bool {
    matches!(value.to_ascii_uppercase().as_str(), "1" | "ON" | "YES" | "TRUE")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Environment {
        let get = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value));
        Environment::from_variables(&get, Some("/home/ada".into())).unwrap()
    }

    #[test]
    fn the_cache_is_where_python_looks_for_it() {
        for (variables, expected) in [
            (&[][..], "/home/ada/.cache/huggingface/hub"),
            (&[("XDG_CACHE_HOME", "/x")], "/x/huggingface/hub"),
            (&[("XDG_CACHE_HOME", "/x"), ("HF_HOME", "/h")], "/h/hub"),
            (&[("HF_HOME", "~/h")], "/home/ada/h/hub"),
            (&[("HF_HOME", "")], "/home/ada/.cache/huggingface/hub"),
            (&[("HF_HOME", "/h"), ("HUGGINGFACE_HUB_CACHE", "/old")], "/old"),
            (&[("HF_HOME", "/h"), ("HUGGINGFACE_HUB_CACHE", "/old"), ("HF_HUB_CACHE", "/c")], "/c"),
        ] {
            assert_eq!(read(variables).hub_cache, Path::new(expected), "{variables:?}");
        }
    }

    #[test]
    fn endpoint_and_offline_mode() {
        assert_eq!(read(&[]).endpoint, "https://huggingface.co");
        assert_eq!(read(&[("HF_ENDPOINT", "http://mirror:1/hf/")]).endpoint, "http://mirror:1/hf");
        for (value, offline) in [("1", true), ("true", true), ("Yes", true), ("0", false), ("", false), ("off", false)]
        {
            assert_eq!(read(&[("HF_HUB_OFFLINE", value)]).offline, offline, "{value}");
            assert_eq!(read(&[("TRANSFORMERS_OFFLINE", value)]).offline, offline, "{value}");
        }
    }

    #[test]
    fn the_token_comes_from_the_variable_or_the_file_and_is_never_printed() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("token"), "hf_file\n").unwrap();
        let other = home.path().join("other");
        std::fs::write(&other, "hf_other\n").unwrap();
        let hf_home = ("HF_HOME", home.path().to_str().unwrap());
        assert_eq!(read(&[hf_home]).token.as_deref(), Some("hf_file"));
        assert_eq!(read(&[hf_home, ("HF_TOKEN_PATH", other.to_str().unwrap())]).token.as_deref(), Some("hf_other"));
        let environment = read(&[hf_home, ("HF_TOKEN", " hf_variable ")]);
        assert_eq!(environment.token.as_deref(), Some("hf_variable"));
        assert!(!format!("{environment:?}").contains("hf_variable"));
        assert_eq!(read(&[("HF_HOME", "/nowhere"), ("HF_TOKEN", " ")]).token, None);
    }

    #[test]
    fn without_a_home_one_variable_is_enough_and_none_is_an_error() {
        let none = Environment::from_variables(&|_| None, None);
        assert!(matches!(none, Err(HubError::NoHome)));
        let cache = |name: &str| (name == "HF_HUB_CACHE").then(|| "/c".into());
        assert_eq!(Environment::from_variables(&cache, None).unwrap().hub_cache, Path::new("/c"));
    }
}
