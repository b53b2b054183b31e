//! libtorch from pinned wheels, in the user's cache.
//!
//! The wheels are laid out as pip would install them, because the libraries look for one another by paths relative to
//! themselves (`torch/lib/../../nvidia/cu13/lib`).

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use retune_pypi::{FolderLock, Progress, Step, Wheel};

use crate::libtorch::{Device, Kind, Source, VERSION};
use crate::progress::{Meter, size};

/// One wheel of a libtorch.
struct Part {
    wheel: Wheel,
    /// Whether a member is needed for a device.
    wants: fn(&str, Device) -> bool,
    /// [`Device::Cuda`] where only CUDA needs it.
    device: Device,
}

const fn part(name: &'static str, version: &'static str, sha256: &'static str, device: Device) -> Part {
    Part { wheel: Wheel { name, version, sha256 }, wants: wants_of_nvidia, device }
}

/// What `torch` requires of NVIDIA's packages is in its metadata; `cuda-toolkit==13.0.2` stands there for most of these.
#[rustfmt::skip]
const PARTS: &[Part] = &[
    Part {
        wheel: Wheel {
            name: "torch",
            version: VERSION,
            sha256: "7aa2f9bbc6d4595ba72138026b2074be1233186150e9292865e04b7a63b8c67a",
        },
        wants: wants_of_torch,
        device: Device::Cpu,
    },
    part("nvidia-cuda-runtime", "13.0.96", "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548", Device::Cpu),
    part("nvidia-cuda-cupti", "13.0.85", "4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8", Device::Cpu),
    part("nvidia-cublas", "13.1.0.3", "ee8722c1f0145ab246bccb9e452153b5e0515fd094c3678df50b2a0888b8b171", Device::Cuda),
    part("nvidia-cuda-nvrtc", "13.0.88", "ad9b6d2ead2435f11cbb6868809d2adeeee302e9bb94bcf0539c7a40d80e8575", Device::Cuda),
    part("nvidia-cudnn-cu13", "9.19.0.56", "d20e1734305e9d68889a96e3f35094d733ff1f83932ebe462753973e53a572bf", Device::Cuda),
    part("nvidia-cufft", "12.0.0.61", "6c44f692dce8fd5ffd3e3df134b6cdb9c2f72d99cf40b62c32dde45eea9ddad3", Device::Cuda),
    part("nvidia-cufile", "1.15.1.6", "08a3ecefae5a01c7f5117351c64f17c7c62efa5fffdbe24fc7d298da19cd0b44", Device::Cuda),
    part("nvidia-curand", "10.4.0.35", "1aee33a5da6e1db083fe2b90082def8915f30f3248d5896bcec36a579d941bfc", Device::Cuda),
    part("nvidia-cusolver", "12.0.4.66", "0a759da5dea5c0ea10fd307de75cdeb59e7ea4fcb8add0924859b944babf1112", Device::Cuda),
    part("nvidia-cusparse", "12.6.3.3", "2b3c89c88d01ee0e477cb7f82ef60a11a4bcd57b6b87c33f789350b59759360b", Device::Cuda),
    part("nvidia-cusparselt-cu13", "0.8.0", "25e30a8a7323935d4ad0340b95a0b69926eee755767e8e0b1cf8dd85b197d3fd", Device::Cuda),
    part("nvidia-nccl-cu13", "2.28.9", "e4553a30f34195f3fa1da02a6da3d6337d28f2003943aa0a3d247bbc25fefc42", Device::Cuda),
    part("nvidia-nvjitlink", "13.0.88", "13a74f429e23b921c1109976abefacc69835f2f433ebd323d3946e11d804e47b", Device::Cuda),
    part("nvidia-nvshmem-cu13", "3.4.5", "290f0a2ee94c9f3687a02502f3b9299a9f9fe826e6d0287ee18482e78d495b80", Device::Cuda),
    part("nvidia-nvtx", "13.0.85", "4936d1d6780fbe68db454f5e72a42ff64d1fd6397df9f363ae786930fd5c1cd4", Device::Cuda),
];

/// Bytes to download, and bytes that must be free meanwhile: pip holds two copies of a wheel for a moment.
fn amounts(device: Device) -> (u64, u64) {
    match device {
        Device::Cpu => (545_000_000, 1_700_000_000),
        Device::Cuda => (2_500_000_000, 5_500_000_000),
    }
}

/// A sentence on what fetching would cost.
pub fn announcement(device: Device) -> Result<String> {
    let (download, needed) = amounts(device);
    let folder = folder(device)?;
    Ok(format!(
        "downloads {} through pip into {} ({} of disk meanwhile)",
        size(download),
        folder.display(),
        size(needed)
    ))
}

fn wants_of_torch(member: &str, device: Device) -> bool {
    let Some(name) = member.strip_prefix("torch/lib/") else { return member.starts_with("torch/include/") };
    match device {
        _ if !is_library(name) => false,
        Device::Cpu => name == "libtorch_cpu.so" || name == "libc10.so" || name.starts_with("libgomp"),
        // What serves Python alone is left.
        Device::Cuda => name != "libtorch_python.so" && name != "libshm.so",
    }
}

fn wants_of_nvidia(member: &str, device: Device) -> bool {
    let Some((folder, name)) = member.rsplit_once('/') else { return false };
    let wanted = device == Device::Cuda || name.starts_with("libcudart.so") || name.starts_with("libcupti.so");
    folder.starts_with("nvidia/") && folder.ends_with("/lib") && is_library(name) && wanted
}

fn is_library(name: &str) -> bool {
    !name.contains('/') && (name.ends_with(".so") || name.contains(".so."))
}

/// The folder for everything that this program keeps for the user.
pub fn cache() -> Result<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let root = folder("XDG_CACHE_HOME").or_else(|| folder("HOME").map(|home| home.join(".cache")));
    Ok(root.context("neither XDG_CACHE_HOME nor HOME names a folder for the cache")?.join("retune"))
}

/// The folder for the libtorch of a device.
pub fn folder(device: Device) -> Result<PathBuf> {
    let suffix = match device {
        Device::Cpu => "cpu",
        Device::Cuda => "cuda",
    };
    Ok(cache()?.join(format!("libtorch-{VERSION}-{suffix}")))
}

/// A libtorch that was fetched before and serves `device`.
pub fn cached(device: Device) -> Result<Option<Source>> {
    for made_for in [Device::Cuda, Device::Cpu] {
        let source = Source { kind: Kind::Cache, folder: folder(made_for)?.join("torch") };
        if source.check().is_ok() && source.serves(device) {
            return Ok(Some(source));
        }
    }
    Ok(None)
}

/// Fetches what is missing, and gives the libtorch.
pub fn fetch(device: Device) -> Result<Source> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        bail!(
            "there are no pinned wheels for this platform, only for x86-64 Linux; set LIBTORCH to libtorch {VERSION}"
        );
    }
    let tree = folder(device)?;
    let mut waiting = Meter::new(format!("libtorch {VERSION}"));
    let lock = FolderLock::acquire(&tree, &mut || {
        waiting.show(Progress { step: Step::Waiting, bytes: 0, expected: None });
    })?;
    waiting.clear();
    let source = Source { kind: Kind::Cache, folder: tree.join("torch") };
    if source.check().is_ok() {
        return Ok(source);
    }
    lock.remove_stale()?;
    if tree.exists() {
        fs::remove_dir_all(&tree).with_context(|| format!("cannot remove the damaged {}", tree.display()))?;
    }
    // Each wheel is kept when it is whole, so that a try that was cut short goes on with the next.
    let parts = tree.with_file_name(format!("{}.parts", tree.file_name().unwrap_or_default().to_string_lossy()));
    check_space(&tree, &parts, device)?;
    let scratch = lock.scratch()?;
    let joined = scratch.path().join("tree");
    for part in needed(device) {
        let folder = parts.join(part.wheel.name);
        let mut meter = Meter::new(format!("{} {}", part.wheel.name, part.wheel.version));
        let place = |member: &str| (part.wants)(member, device).then(|| PathBuf::from(member));
        let fetched = retune_pypi::fetch(&part.wheel, &folder, &place, &mut |progress| meter.show(progress));
        meter.clear();
        fetched?;
        join(&folder, &joined).with_context(|| format!("cannot copy {} to {}", folder.display(), joined.display()))?;
    }
    fs::rename(&joined, &tree).with_context(|| format!("cannot create {}", tree.display()))?;
    lock.sync_parent()?;
    fs::remove_dir_all(&parts).with_context(|| format!("cannot remove {}", parts.display()))?;
    source.check()?;
    Ok(source)
}

fn needed(device: Device) -> impl Iterator<Item = &'static Part> {
    PARTS.iter().filter(move |part| part.device == Device::Cpu || device == Device::Cuda)
}

fn check_space(tree: &Path, parts: &Path, device: Device) -> Result<()> {
    if parts.join("torch").exists() {
        // The largest part is there, and retune-pypi measures before it unpacks each of the others.
        return Ok(());
    }
    let (_, needed) = amounts(device);
    match retune_pypi::free_space(tree) {
        Ok(free) if free < needed => bail!(
            "no space for libtorch: {} must be free for {}, and {} are (set XDG_CACHE_HOME to a folder on another disk)",
            size(needed),
            tree.display(),
            size(free)
        ),
        // Where nobody can tell, trying is right.
        _ => Ok(()),
    }
}

/// Adds the files below `from` to `to`: as second names of the same data where the file system can, else as copies.
fn join(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            join(&entry.path(), &target)?;
        } else if fs::hard_link(entry.path(), &target).is_err() {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cpu_takes_only_what_it_needs() {
        for member in
            ["torch/include/ATen/ATen.h", "torch/lib/libtorch_cpu.so", "torch/lib/libc10.so", "torch/lib/libgomp.so.1"]
        {
            assert!(wants_of_torch(member, Device::Cpu), "{member}");
        }
        for member in [
            "torch/lib/libtorch_cuda.so",
            "torch/lib/libtorch.so",
            "torch/__init__.py",
            "torch/bin/protoc",
            "torch/lib/libshm/libgomp.so",
            "torch/lib/libtorch_python.so",
        ] {
            assert!(!wants_of_torch(member, Device::Cpu), "{member}");
        }
        assert!(wants_of_nvidia("nvidia/cu13/lib/libcudart.so.13", Device::Cpu));
        assert!(wants_of_nvidia("nvidia/cu13/lib/libcupti.so.13", Device::Cpu));
        assert!(!wants_of_nvidia("nvidia/cu13/lib/libnvperf_host.so", Device::Cpu));
    }

    #[test]
    fn cuda_takes_every_library_and_no_archives_or_python() {
        for member in ["torch/lib/libtorch_cuda.so", "torch/lib/libtorch_cuda_linalg.so", "torch/lib/libtorch_cpu.so"] {
            assert!(wants_of_torch(member, Device::Cuda), "{member}");
        }
        assert!(!wants_of_torch("torch/lib/libtorch_python.so", Device::Cuda));
        assert!(wants_of_nvidia("nvidia/cudnn/lib/libcudnn_graph.so.9", Device::Cuda));
        for member in
            ["nvidia/cu13/lib/libcudart_static.a", "nvidia/cu13/include/cuda.h", "libodd.so", "other/lib/a.so"]
        {
            assert!(!wants_of_nvidia(member, Device::Cuda), "{member}");
        }
    }

    #[test]
    fn the_pins_are_well_formed_and_a_cpu_needs_three() {
        let names: Vec<&str> = needed(Device::Cpu).map(|part| part.wheel.name).collect();
        assert_eq!(names, ["torch", "nvidia-cuda-runtime", "nvidia-cuda-cupti"]);
        assert_eq!(needed(Device::Cuda).count(), PARTS.len());
        for Part { wheel, .. } in PARTS {
            let hexadecimal = wheel.sha256.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            assert!(wheel.sha256.len() == 64 && hexadecimal, "{}", wheel.name);
        }
    }

    #[test]
    fn parts_are_joined_in_one_tree() {
        let folder = tempfile::tempdir().unwrap();
        for (part, file) in [("a", "nvidia/cu13/lib/one"), ("b", "nvidia/cu13/lib/two"), ("b", "nvidia/nccl/lib/three")]
        {
            let path = folder.path().join(part).join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        let tree = folder.path().join("tree");
        join(&folder.path().join("a"), &tree).unwrap();
        join(&folder.path().join("b"), &tree).unwrap();
        for file in ["nvidia/cu13/lib/one", "nvidia/cu13/lib/two", "nvidia/nccl/lib/three"] {
            assert_eq!(fs::read_to_string(tree.join(file)).unwrap(), file);
        }
    }
}
