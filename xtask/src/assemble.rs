//! `.libtorch`: the folder that torch-sys is given, made of links to a libtorch that lies elsewhere.
//!
//! ```text
//! .libtorch/include           → the headers
//! .libtorch/lib/…             → libtorch_cpu.so and the libraries it needs that the system does not have
//! .libtorch/lib/libtorch.so   a linker script that stands for libtorch_cpu.so
//! .libtorch/cuda              → the folder of libtorch_cuda.so, where there is one
//! .libtorch/origin            where the links lead: the kind of source, and its folder
//! ```
//!
//! `libtorch_cuda.so` is kept out of `lib`: torch-sys would link it wherever it sees it, and every start of the program
//! would then load gigabytes. The program loads it itself when it is to compute on a GPU. The wheel's own `libtorch.so`
//! is left out because it needs `libtorch_cuda.so`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::Repository;
use crate::libtorch::{Kind, Source};

const LIBTORCH_CPU: &str = "libtorch_cpu.so";
const LIBTORCH_SCRIPT: &str = "INPUT(-ltorch_cpu)\n";

/// The source of the assembled folder, where that is whole and its source still there.
pub fn current(repository: &Repository) -> Option<Source> {
    let assembled = repository.libtorch();
    let source = parse_origin(&fs::read_to_string(assembled.join("origin")).ok()?)?;
    source.check().ok()?;
    let cuda_is_linked = assembled.join("cuda/libtorch_cuda.so").exists() == source.has_cuda();
    // `exists` follows links, so it finds those whose target has gone.
    let mut libraries = fs::read_dir(assembled.join("lib")).ok()?;
    let whole = libraries.all(|entry| entry.is_ok_and(|entry| entry.path().exists()));
    let needed = ["lib/libtorch_cpu.so", "lib/libtorch.so", "include/ATen/ATen.h"];
    (whole && cuda_is_linked && needed.iter().all(|part| assembled.join(part).exists())).then_some(source)
}

/// Makes the folder anew from `source`, and puts it in place of an earlier one.
pub fn assemble(repository: &Repository, source: &Source) -> Result<()> {
    // Two runners may come here at once. A lock on a file that every clone has leaves no file of its own behind.
    let path = repository.path("xtask/Cargo.toml");
    let lock = File::open(&path).and_then(|file| file.lock().map(|()| file));
    let _held = lock.with_context(|| format!("cannot lock {}", path.display()))?;
    let beside = repository.path(format!(".libtorch.tmp-{}", std::process::id()));
    let made = build(&beside, source).and_then(|()| replace(&beside, &repository.libtorch()));
    if made.is_err() {
        let _ = fs::remove_dir_all(&beside);
    }
    made
}

fn build(folder: &Path, source: &Source) -> Result<()> {
    let _ = fs::remove_dir_all(folder);
    let library = folder.join("lib");
    fs::create_dir_all(&library).with_context(|| format!("cannot create {}", library.display()))?;
    link(&source.folder.join("include"), &folder.join("include"))?;

    let own = source.library_folders();
    let cpu = source.folder.join("lib").join(LIBTORCH_CPU);
    let needed = needed_libraries(&cpu, &own)?;
    link(&cpu, &library.join(LIBTORCH_CPU))?;
    for (name, path) in &needed {
        if path.as_deref().is_some_and(|path| lies_in(path, &own)) {
            link_needed(name, path.as_deref(), &library)?;
        }
    }
    // What is left comes from the system, or from where only the original's own search path leads.
    for name in missing(&needed_libraries(&library.join(LIBTORCH_CPU), &[])?) {
        match needed.get(&name) {
            Some(Some(path)) => link_needed(&name, Some(path), &library)?,
            _ => bail!("{} needs {name}, which is not on this machine{}", cpu.display(), mend(&name)),
        }
    }
    if let Some(name) = missing(&needed_libraries(&library.join(LIBTORCH_CPU), &[])?).first() {
        bail!("{} needs {name}, which cannot be loaded from {}", cpu.display(), folder.display());
    }

    let openmp = needed.keys().find(|name| name.starts_with("libgomp") && library.join(name).exists());
    if let Some(name) = openmp {
        // torch-sys links -lgomp, and a machine with clang alone has no file of that name.
        link(Path::new(name), &library.join("libgomp.so"))?;
    }
    if source.has_cuda() {
        link(&source.folder.join("lib"), &folder.join("cuda"))?;
    }
    write(&library.join("libtorch.so"), LIBTORCH_SCRIPT)?;
    write(&folder.join("origin"), &origin(source))
}

fn replace(new: &Path, place: &Path) -> Result<()> {
    let old = new.with_extension(format!("old-{}", std::process::id()));
    let describe = || format!("cannot replace {}", place.display());
    if place.symlink_metadata().is_ok() {
        fs::rename(place, &old).with_context(describe)?;
    }
    fs::rename(new, place).with_context(describe)?;
    match old.symlink_metadata() {
        Ok(kind) if kind.is_dir() => fs::remove_dir_all(&old).with_context(describe),
        Ok(_) => fs::remove_file(&old).with_context(describe),
        Err(_) => Ok(()),
    }
}

fn origin(source: &Source) -> String {
    format!("{}\n{}\n", source.kind.word(), source.folder.display())
}

fn parse_origin(text: &str) -> Option<Source> {
    let (kind, folder) = text.strip_suffix('\n')?.split_once('\n')?;
    Some(Source { kind: Kind::from_word(kind)?, folder: PathBuf::from(folder) })
}

/// The libraries that `library` needs, directly or not, each with where the loader finds it; `folders` are searched too.
fn needed_libraries(library: &Path, folders: &[PathBuf]) -> Result<BTreeMap<String, Option<PathBuf>>> {
    let mut command = Command::new("ldd");
    command.arg(library).stdin(Stdio::null());
    match std::env::join_paths(folders) {
        Ok(paths) if !paths.is_empty() => command.env("LD_LIBRARY_PATH", paths),
        // Cargo sets this variable for what it runs, and the program must start without.
        _ => command.env_remove("LD_LIBRARY_PATH"),
    };
    let output = command.output().context("cannot start ldd, which comes with the C library of every glibc Linux")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{} cannot be loaded on this machine: {}", library.display(), said.trim());
    }
    Ok(parse_ldd(&String::from_utf8_lossy(&output.stdout)))
}

/// Lines such as `libc10.so => /path/libc10.so (0x00007f…)` and `libcudart.so.13 => not found`.
fn parse_ldd(output: &str) -> BTreeMap<String, Option<PathBuf>> {
    let entry = |line: &str| {
        let (name, found) = line.trim().split_once(" => ")?;
        let path = found.rsplit_once(" (0x").map(|(path, _)| PathBuf::from(path));
        (path.is_some() || found == "not found").then(|| (name.to_owned(), path))
    };
    output.lines().filter_map(entry).collect()
}

fn missing(libraries: &BTreeMap<String, Option<PathBuf>>) -> Vec<String> {
    libraries.iter().filter(|(_, path)| path.is_none()).map(|(name, _)| name.clone()).collect()
}

/// Names of libraries that `.libtorch` needs and the loader does not find.
pub fn unresolved(repository: &Repository) -> Result<Vec<String>> {
    Ok(missing(&needed_libraries(&repository.libtorch().join("lib").join(LIBTORCH_CPU), &[])?))
}

fn mend(name: &str) -> &'static str {
    match name {
        _ if name.starts_with("libcudart") || name.starts_with("libcupti") => {
            " (pip install nvidia-cuda-runtime==13.0.96 nvidia-cuda-cupti==13.0.85 beside that torch)"
        }
        _ if name.starts_with("libstdc++") || name.starts_with("libgomp") => " (sudo apt install libstdc++6 libgomp1)",
        _ => "",
    }
}

fn lies_in(path: &Path, folders: &[PathBuf]) -> bool {
    let Some(parent) = path.parent().and_then(|parent| parent.canonicalize().ok()) else { return false };
    folders.iter().any(|folder| folder.canonicalize().is_ok_and(|folder| folder == parent))
}

fn link_needed(name: &str, path: Option<&Path>, library: &Path) -> Result<()> {
    let Some(path) = path else { return Ok(()) };
    // The loader's path may lead through `..`; the link shall read well. The file itself is not resolved.
    let parent = path.parent().and_then(|parent| parent.canonicalize().ok());
    let file = path.file_name().unwrap_or(path.as_os_str());
    link(&parent.unwrap_or_default().join(file), &library.join(name))
}

fn link(target: &Path, at: &Path) -> Result<()> {
    symlink(target, at).with_context(|| format!("cannot make the link {}", at.display()))
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LDD: &str = "\tlinux-vdso.so.1 (0x00007fb5c61a2000)
\tlibc10.so => /site/torch/lib/libc10.so (0x00007fb5b08d5000)
\tlibcudart.so.13 => not found
\tlibcupti.so.13 => /site/torch/lib/../../nvidia/cu13/lib/libcupti.so.13 (0x00007fb5afe00000)
\tlibodd.so => /a folder (with) odd names/libodd.so (0x00007fb5afe00000)
\t/lib64/ld-linux-x86-64.so.2 (0x00007fb5c61a4000)
";

    #[test]
    fn ldd_tells_what_is_found_and_what_is_missing() {
        let libraries = parse_ldd(LDD);
        assert_eq!(libraries.len(), 4);
        assert_eq!(libraries["libc10.so"].as_deref(), Some(Path::new("/site/torch/lib/libc10.so")));
        assert_eq!(libraries["libodd.so"].as_deref(), Some(Path::new("/a folder (with) odd names/libodd.so")));
        assert_eq!(missing(&libraries), ["libcudart.so.13"]);
    }

    #[test]
    fn an_origin_is_read_back() {
        for folder in ["/opt/libtorch", "/home/a b/torch: 2"] {
            let source = Source { kind: Kind::Python, folder: PathBuf::from(folder) };
            assert_eq!(parse_origin(&origin(&source)), Some(source));
        }
        for broken in ["", "python", "python\n", "snake\n/opt\n"] {
            assert_eq!(parse_origin(broken), None, "{broken:?}");
        }
    }

    /// A repository, and a libtorch whose only library is the system's C library under another name.
    fn world(folder: &Path) -> (Repository, Source) {
        let root = folder.join("repository");
        fs::create_dir_all(root.join("xtask")).unwrap();
        fs::write(root.join("xtask/Cargo.toml"), "").unwrap();
        let torch = folder.join("site/torch");
        for part in ["lib/libc10.so", "include/ATen/ATen.h"] {
            fs::create_dir_all(torch.join(part).parent().unwrap()).unwrap();
            fs::write(torch.join(part), "").unwrap();
        }
        fs::write(torch.join("build-version"), "2.11.0+cpu").unwrap();
        let itself = std::env::current_exe().unwrap();
        fs::copy(itself, torch.join("lib/libtorch_cpu.so")).unwrap();
        (Repository { root }, Source { kind: Kind::Variable, folder: torch })
    }

    #[test]
    fn the_folder_is_whole_until_its_source_goes() {
        let folder = tempfile::tempdir().unwrap();
        let (repository, source) = world(folder.path());
        assert_eq!(current(&repository), None);
        assemble(&repository, &source).unwrap();
        assert_eq!(current(&repository), Some(source.clone()));
        assert_eq!(fs::read_to_string(repository.libtorch().join("lib/libtorch.so")).unwrap(), LIBTORCH_SCRIPT);
        assert_eq!(unresolved(&repository).unwrap(), Vec::<String>::new());

        fs::remove_file(source.folder.join("lib/libtorch_cpu.so")).unwrap();
        assert_eq!(current(&repository), None);
        assert!(assemble(&repository, &source).is_err());
        let left = fs::read_dir(&repository.root).unwrap().map(|entry| entry.unwrap().file_name());
        let mut left: Vec<_> = left.collect();
        left.sort();
        assert_eq!(left, [".libtorch", "xtask"], "an earlier folder stays, and nothing unfinished");
    }

    #[test]
    fn an_earlier_folder_or_link_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (repository, source) = world(folder.path());
        symlink("/nowhere", repository.libtorch()).unwrap();
        assemble(&repository, &source).unwrap();
        assemble(&repository, &source).unwrap();
        assert_eq!(current(&repository), Some(source));
        assert_eq!(fs::read_dir(&repository.root).unwrap().count(), 2);
    }

    #[test]
    fn cuda_is_beside_the_libraries_and_never_among_them() {
        let folder = tempfile::tempdir().unwrap();
        let (repository, source) = world(folder.path());
        assemble(&repository, &source).unwrap();
        fs::write(source.folder.join("lib/libtorch_cuda.so"), "").unwrap();
        assert_eq!(current(&repository), None, "the link is missing");
        assemble(&repository, &source).unwrap();
        assert_eq!(current(&repository), Some(source));
        assert!(repository.libtorch().join("cuda/libtorch_cuda.so").exists());
        assert!(!repository.libtorch().join("lib/libtorch_cuda.so").exists());
    }
}
