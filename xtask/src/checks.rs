//! What the machine must bring: a compiler, a toolchain; and what it may: a GPU.

use std::ffi::OsString;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result, bail};

use crate::Repository;

const PROGRAM: &str = "#include <optional>\nstd::optional<int> nothing;\nint main() { return nothing ? 1 : 0; }\n";
const INSTALL_COMPILER: &str =
    "Debian, Ubuntu: sudo apt install g++; Fedora: sudo dnf install gcc-c++; any GCC from 9 or clang from 9 on serves";

/// A C++ compiler that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compiler {
    /// The command's first word, found on PATH.
    pub path: PathBuf,
    stamp: String,
}

/// The words of `CXX`, else `c++`: what the build scripts call.
fn compiler_words() -> Vec<String> {
    let chosen = std::env::var("CXX").unwrap_or_default();
    let words: Vec<String> = chosen.split_whitespace().map(str::to_owned).collect();
    if words.is_empty() { vec!["c++".to_owned()] } else { words }
}

/// Compiles a program of C++17.
pub fn compiler() -> Result<Compiler> {
    let words = compiler_words();
    let Some(path) = on_path(&words[0]) else {
        let other = ["g++", "clang++"].into_iter().find(|name| on_path(name).is_some());
        match other {
            Some(other) => bail!("the C++ compiler {} is not on PATH, but {other} is: export CXX={other}", words[0]),
            None => bail!(
                "there is no C++ compiler ({} is not on PATH), and libtorch needs one ({INSTALL_COMPILER})",
                words[0]
            ),
        }
    };
    let mut command = Command::new(&path);
    command.args(&words[1..]).args(["-std=c++17", "-x", "c++", "-fsyntax-only", "-"]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("cannot start {}", path.display()))?;
    if let Some(mut input) = child.stdin.take() {
        match input.write_all(PROGRAM.as_bytes()) {
            // A compiler that ends at once says why itself.
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                return Err(error).context("cannot feed the compiler");
            }
            _ => {}
        }
    }
    let output = child.wait_with_output().with_context(|| format!("cannot wait for {}", path.display()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.lines().take(5).collect::<Vec<_>>().join("\n    ");
        bail!("{} cannot compile C++17 ({INSTALL_COMPILER}). It said:\n    {said}", path.display());
    }
    let stamp = stamp(&words, &path);
    Ok(Compiler { path, stamp })
}

/// The command and the age of its file: while they stay, the compiler need not be tried again.
fn stamp(words: &[String], path: &Path) -> String {
    let changed = fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    let seconds = changed.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).map_or(0, |age| age.as_secs());
    format!("{}\n{}\n{seconds}\n", words.join(" "), path.display())
}

fn stamp_file(repository: &Repository) -> PathBuf {
    repository.libtorch().join("compiler")
}

/// Whether the compiler of today was tried before.
pub fn compiler_is_known(repository: &Repository) -> bool {
    let words = compiler_words();
    on_path(&words[0])
        .is_some_and(|path| fs::read_to_string(stamp_file(repository)).is_ok_and(|known| known == stamp(&words, &path)))
}

/// Saves trying `compiler` again.
pub fn remember_compiler(repository: &Repository, compiler: &Compiler) -> Result<()> {
    let path = stamp_file(repository);
    fs::write(&path, &compiler.stamp).with_context(|| format!("cannot write {}", path.display()))
}

/// The file that a command's name means.
pub fn on_path(name: &str) -> Option<PathBuf> {
    find_in(name, std::env::var_os("PATH").unwrap_or_default())
}

fn find_in(name: &str, path: OsString) -> Option<PathBuf> {
    if name.contains('/') {
        return Path::new(name).is_file().then(|| PathBuf::from(name));
    }
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// The version of the Rust compiler that cargo uses, such as `1.95.0`.
pub fn rustc_version() -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("--version").output().context("cannot start rustc")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_whitespace().nth(1).map(str::to_owned).context("rustc does not tell its version")
}

/// The channel that `rust-toolchain.toml` asks for.
pub fn pinned_toolchain(repository: &Repository) -> Result<String> {
    let path = repository.path("rust-toolchain.toml");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    channel(&text).with_context(|| format!("{} names no channel", path.display()))
}

fn channel(toolchain: &str) -> Option<String> {
    let value = toolchain.lines().find_map(|line| line.trim().strip_prefix("channel")?.trim().strip_prefix('='))?;
    Some(value.trim().trim_matches('"').to_owned())
}

/// Whether version `found` is at least `wanted`, number by number.
pub fn at_least(found: &str, wanted: &str) -> bool {
    let numbers =
        |version: &str| -> Vec<u32> { version.split(['.', '-']).map_while(|number| number.parse().ok()).collect() };
    numbers(found) >= numbers(wanted)
}

/// An NVIDIA GPU's driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gpu {
    /// Lines of `nvidia-smi` (name, driver version, memory), or where the driver's library lies.
    pub description: String,
    /// The driver's version, where told.
    pub driver: Option<String>,
}

/// Looks for an NVIDIA driver.
pub fn gpu() -> Option<Gpu> {
    let query = ["--query-gpu=driver_version,name,memory.total", "--format=csv,noheader"];
    let told = Command::new("nvidia-smi").args(query).stdin(Stdio::null()).output().ok();
    if let Some(output) = told.filter(|output| output.status.success()) {
        return parse_gpus(&String::from_utf8_lossy(&output.stdout));
    }
    let folders =
        ["/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib", "/usr/lib/wsl/lib", "/usr/local/nvidia/lib64"];
    let library = folders.iter().map(|folder| Path::new(folder).join("libcuda.so.1")).find(|path| path.exists())?;
    Some(Gpu { description: format!("{} (nvidia-smi does not answer)", library.display()), driver: None })
}

fn parse_gpus(answer: &str) -> Option<Gpu> {
    let lines: Vec<(&str, &str)> = answer.lines().filter_map(|line| line.split_once(", ")).collect();
    let driver = lines.first()?.0.to_owned();
    let names: Vec<&str> = lines.iter().map(|(_, name)| *name).collect();
    Some(Gpu { description: format!("{}; driver {driver}", names.join("; ")), driver: Some(driver) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_compiles_and_is_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let repository = Repository { root: folder.path().to_owned() };
        fs::create_dir(repository.libtorch()).unwrap();
        assert!(!compiler_is_known(&repository));
        remember_compiler(&repository, &compiler().unwrap()).unwrap();
        assert!(compiler_is_known(&repository));
        fs::write(stamp_file(&repository), "c++\n/usr/bin/c++\n0\n").unwrap();
        assert!(!compiler_is_known(&repository), "an older compiler's stamp");
    }

    #[test]
    fn programs_are_found_in_the_order_of_the_path() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a", "b"] {
            fs::create_dir(folder.path().join(name)).unwrap();
            fs::write(folder.path().join(name).join("tool"), "").unwrap();
        }
        let path = std::env::join_paths([folder.path().join("none"), folder.path().join("b"), folder.path().join("a")]);
        assert_eq!(find_in("tool", path.unwrap()), Some(folder.path().join("b/tool")));
        assert_eq!(find_in("tool", OsString::new()), None);
        let absolute = folder.path().join("a/tool");
        assert_eq!(find_in(absolute.to_str().unwrap(), OsString::new()), Some(absolute));
    }

    #[test]
    fn versions_are_compared_by_number() {
        for (found, wanted) in
            [("1.95.0", "1.95.0"), ("1.100.0", "1.95.0"), ("1.96.0-nightly", "1.95.0"), ("2.0.0", "1.95")]
        {
            assert!(at_least(found, wanted), "{found} {wanted}");
        }
        for (found, wanted) in [("1.9.0", "1.95.0"), ("579.99", "580"), ("nonsense", "1.95.0")] {
            assert!(!at_least(found, wanted), "{found} {wanted}");
        }
    }

    #[test]
    fn the_channel_is_read() {
        let text = "[toolchain]\n# the channel\nchannel = \"1.95.0\"\ncomponents = []\n";
        assert_eq!(channel(text).as_deref(), Some("1.95.0"));
        assert_eq!(channel("[toolchain]\n"), None);
    }

    #[test]
    fn gpus_are_listed_with_their_driver() {
        let gpu = parse_gpus("580.65.06, NVIDIA H200, 143771 MiB\n580.65.06, NVIDIA H200, 143771 MiB\n").unwrap();
        assert_eq!(gpu.driver.as_deref(), Some("580.65.06"));
        assert_eq!(gpu.description, "NVIDIA H200, 143771 MiB; NVIDIA H200, 143771 MiB; driver 580.65.06");
        assert_eq!(parse_gpus(""), None);
    }
}
