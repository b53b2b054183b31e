//! Where libtorch comes from: the user's `LIBTORCH`, a Python's torch, this machine's cache, else pinned wheels.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::{Repository, wheels};

/// The version that tch's bindings are generated from; no other links.
pub const VERSION: &str = "2.11.0";

/// What the libraries must be able to compute on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// Only processors.
    Cpu,
    /// NVIDIA GPUs too.
    Cuda,
}

/// How a libtorch came to be on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The user's environment variable `LIBTORCH`.
    Variable,
    /// The torch package of a Python.
    Python,
    /// Wheels that this program unpacked into the user's cache.
    Cache,
}

impl Kind {
    const ALL: [Kind; 3] = [Kind::Variable, Kind::Python, Kind::Cache];

    /// The word in `.libtorch/origin`.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Variable => "LIBTORCH",
            Kind::Python => "python",
            Kind::Cache => "cache",
        }
    }

    /// The inverse of [`Kind::word`].
    pub fn from_word(word: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// A folder with libtorch's `include` and `lib`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// How it came here.
    pub kind: Kind,
    /// The folder above `include` and `lib`.
    pub folder: PathBuf,
}

impl Source {
    /// Whether CUDA's kernels are there.
    pub fn has_cuda(&self) -> bool {
        self.folder.join("lib/libtorch_cuda.so").exists()
    }

    /// Whether it can compute on `device`.
    pub fn serves(&self, device: Device) -> bool {
        device == Device::Cpu || self.has_cuda()
    }

    /// `lib`, and the folders beside it where Python packages keep NVIDIA's libraries.
    pub fn library_folders(&self) -> Vec<PathBuf> {
        let mut folders = vec![self.folder.join("lib")];
        let nvidia = self.folder.parent().map(|site| site.join("nvidia")).and_then(|nvidia| fs::read_dir(nvidia).ok());
        let packages = nvidia.into_iter().flatten().filter_map(Result::ok);
        folders.extend(packages.map(|package| package.path().join("lib")).filter(|folder| folder.is_dir()));
        folders[1..].sort();
        folders
    }

    /// Checks that the parts are there and of the right version.
    pub fn check(&self) -> Result<()> {
        let folder = self.folder.display();
        for part in ["lib/libtorch_cpu.so", "lib/libc10.so", "include/ATen/ATen.h"] {
            if !self.folder.join(part).exists() {
                bail!("{folder} has no {part}, so it is not libtorch");
            }
        }
        match version(&self.folder) {
            Some(found) if found == VERSION => Ok(()),
            Some(found) => bail!("{folder} holds libtorch {found}, but {VERSION} is needed"),
            None => bail!("{folder} does not say which version of libtorch it holds, and {VERSION} is needed"),
        }
    }
}

/// The version that the headers in a libtorch folder state, else the one in the file `build-version`.
fn version(folder: &Path) -> Option<String> {
    let headers = [
        "include/torch/headeronly/version.h",
        "include/torch/version.h",
        "include/torch/csrc/api/include/torch/version.h",
    ];
    let stated = headers.iter().find_map(|header| version_in_header(&fs::read_to_string(folder.join(header)).ok()?));
    stated.or_else(|| {
        let build = fs::read_to_string(folder.join("build-version")).ok()?;
        Some(public_version(&build).to_owned())
    })
}

fn version_in_header(header: &str) -> Option<String> {
    let part = |name: &str| {
        let line = header.lines().find_map(|line| line.strip_prefix("#define ")?.strip_prefix(name))?;
        line.trim().parse::<u32>().ok()
    };
    let [major, minor, patch] = ["TORCH_VERSION_MAJOR ", "TORCH_VERSION_MINOR ", "TORCH_VERSION_PATCH "].map(part);
    Some(format!("{}.{}.{}", major?, minor?, patch?))
}

/// `2.11.0` of `2.11.0+cu130`.
fn public_version(version: &str) -> &str {
    let version = version.trim();
    version.split_once('+').map_or(version, |(public, _)| public)
}

/// What of the environment decides where libtorch is looked for.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// `LIBTORCH`, where the user set it.
    pub libtorch: Option<PathBuf>,
    /// Pythons to ask for torch, in this order.
    pub pythons: Vec<PathBuf>,
}

impl Environment {
    /// That of this process. `.cargo/config.toml` has cargo set `LIBTORCH` to the assembled folder, which is no choice
    /// of the user's.
    pub fn read(repository: &Repository) -> Environment {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let active = set("VIRTUAL_ENV").or_else(|| set("CONDA_PREFIX")).map(|folder| folder.join("bin/python3"));
        Environment {
            libtorch: set("LIBTORCH").filter(|folder| *folder != repository.libtorch()),
            pythons: active.into_iter().chain([PathBuf::from("python3")]).collect(),
        }
    }
}

/// Finds libtorch without downloading. Gives the first that serves `device`, if any, and tells `trail` what was looked
/// at.
///
/// An unusable `LIBTORCH` is an error rather than passed over, because the user asked for it.
pub fn find(environment: &Environment, device: Device, trail: &mut Vec<String>) -> Result<Option<Source>> {
    if let Some(folder) = &environment.libtorch {
        let source = Source { kind: Kind::Variable, folder: folder.clone() };
        source.check().context("the environment variable LIBTORCH cannot be used (unset it, or point it elsewhere)")?;
        if !source.serves(device) {
            bail!("LIBTORCH is {}, a build without CUDA (unset it, or point it to one with CUDA)", folder.display());
        }
        return Ok(Some(source));
    }
    trail.push("LIBTORCH is not set".to_owned());
    for python in &environment.pythons {
        match python_torch(python, device) {
            Ok(source) => return Ok(Some(source)),
            Err(reason) => trail.push(format!("{}: {reason:#}", python.display())),
        }
    }
    match wheels::cached(device)? {
        Some(source) => Ok(Some(source)),
        None => {
            trail.push(format!("{}: not there yet", wheels::folder(device)?.display()));
            Ok(None)
        }
    }
}

/// The torch package of a Python, asked without importing it (which would take seconds).
fn python_torch(python: &Path, device: Device) -> Result<Source> {
    const ASK: &str = "import importlib.metadata as m, importlib.util as u\n\
        try: print(m.version('torch'), u.find_spec('torch').submodule_search_locations[0], sep='\\n')\n\
        except m.PackageNotFoundError: print('none')";
    let mut command = Command::new(python);
    // Python looks for packages in the current folder first, and a folder named torch may well lie there.
    command.args(["-c", ASK]).current_dir("/").stdin(Stdio::null());
    match command.output() {
        Ok(output) => torch_in_answer(&String::from_utf8_lossy(&output.stdout), device),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => bail!("not found"),
        Err(error) => bail!("cannot be started: {error}"),
    }
}

fn torch_in_answer(answer: &str, device: Device) -> Result<Source> {
    let (found, folder) = match answer.lines().collect::<Vec<_>>()[..] {
        ["none"] => bail!("has no torch"),
        [version, folder] => (public_version(version), folder),
        _ => bail!("did not say whether it has torch"),
    };
    if found != VERSION {
        bail!("its torch is {found}, not {VERSION}");
    }
    let source = Source { kind: Kind::Python, folder: PathBuf::from(folder) };
    source.check()?;
    match source.serves(device) {
        true => Ok(source),
        false => bail!("its torch has no CUDA"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with the parts that [`Source::check`] looks at.
    fn libtorch(folder: &Path, version: &str) -> PathBuf {
        for part in ["lib/libtorch_cpu.so", "lib/libc10.so", "include/ATen/ATen.h"] {
            let path = folder.join(part);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let [major, minor, patch] = version.split('.').collect::<Vec<_>>()[..] else { panic!("{version}") };
        let header = format!(
            "#pragma once\n#define TORCH_VERSION_MAJOR {major}\n#define TORCH_VERSION_MINOR {minor}\n\
             #define TORCH_VERSION_PATCH {patch}\n"
        );
        fs::create_dir_all(folder.join("include/torch/headeronly")).unwrap();
        fs::write(folder.join("include/torch/headeronly/version.h"), header).unwrap();
        folder.to_owned()
    }

    fn with_variable(folder: &Path) -> Environment {
        Environment { libtorch: Some(folder.to_owned()), pythons: Vec::new() }
    }

    #[test]
    fn the_variable_wins() {
        let folder = tempfile::tempdir().unwrap();
        let environment = with_variable(&libtorch(folder.path(), VERSION));
        let source = find(&environment, Device::Cpu, &mut Vec::new()).unwrap().unwrap();
        assert_eq!(source, Source { kind: Kind::Variable, folder: folder.path().to_owned() });
    }

    #[test]
    fn a_wrong_variable_is_named_and_not_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let told = |device| format!("{:#}", find(&with_variable(folder.path()), device, &mut Vec::new()).unwrap_err());
        assert!(told(Device::Cpu).contains("has no lib/libtorch_cpu.so"), "{}", told(Device::Cpu));
        libtorch(folder.path(), "2.5.1");
        assert!(told(Device::Cpu).contains("holds libtorch 2.5.1, but 2.11.0 is needed"), "{}", told(Device::Cpu));
        libtorch(folder.path(), VERSION);
        assert!(told(Device::Cuda).contains("without CUDA"), "{}", told(Device::Cuda));
    }

    #[test]
    fn versions_are_read_from_any_of_their_places() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(version(folder.path()), None);
        fs::write(folder.path().join("build-version"), "2.11.0+cpu\n").unwrap();
        assert_eq!(version(folder.path()).unwrap(), "2.11.0");
        libtorch(folder.path(), "2.12.3");
        assert_eq!(version(folder.path()).unwrap(), "2.12.3");
        assert_eq!(version_in_header("#define TORCH_VERSION_MAJOR two"), None);
    }

    #[test]
    fn pythons_torch_is_taken_or_the_reason_told() {
        let missing = python_torch(Path::new("/nowhere/python3"), Device::Cpu).unwrap_err();
        assert_eq!(missing.to_string(), "not found");
        let folder = tempfile::tempdir().unwrap();
        let answer = format!("2.11.0+cu130\n{}\n", libtorch(folder.path(), VERSION).display());
        let source = torch_in_answer(&answer, Device::Cpu).unwrap();
        assert_eq!(source, Source { kind: Kind::Python, folder: folder.path().to_owned() });
        for (answer, device, reason) in [
            ("none\n", Device::Cpu, "has no torch"),
            ("2.4.0+cpu\n/nowhere\n", Device::Cpu, "its torch is 2.4.0, not 2.11.0"),
            ("2.11.0\n/nowhere\n", Device::Cpu, "/nowhere has no lib/libtorch_cpu.so, so it is not libtorch"),
            (&answer, Device::Cuda, "its torch has no CUDA"),
            ("", Device::Cpu, "did not say whether it has torch"),
        ] {
            assert_eq!(torch_in_answer(answer, device).unwrap_err().to_string(), reason);
        }
    }

    #[test]
    fn nvidias_folders_beside_torch_are_searched() {
        let site = tempfile::tempdir().unwrap();
        let source = Source { kind: Kind::Python, folder: site.path().join("torch") };
        assert_eq!(source.library_folders(), [site.path().join("torch/lib")]);
        for package in ["nccl", "cu13"] {
            fs::create_dir_all(site.path().join("nvidia").join(package).join("lib")).unwrap();
        }
        let nvidia = |package: &str| site.path().join("nvidia").join(package).join("lib");
        assert_eq!(source.library_folders(), [site.path().join("torch/lib"), nvidia("cu13"), nvidia("nccl")]);
    }

    #[test]
    fn words_of_kinds_are_read_back() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_word(kind.word()), Some(kind));
        }
        assert_eq!(Kind::from_word("elsewhere"), None);
    }
}
