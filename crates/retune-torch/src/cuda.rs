//! CUDA, found at run time.
//!
//! The binary links libtorch's CPU library alone and therefore starts, quickly, on any machine. Where a driver and a GPU
//! are present, `libtorch_cuda.so` is loaded from the folder that the running `libtorch_cpu.so` came from, and registers
//! its kernels with it.

use std::ffi::{CStr, CString, OsStr, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::TorchError;
use crate::bridge::ffi;

/// Makes CUDA's kernels available to this process, once; tells the number of GPUs.
///
/// # Errors
/// [`TorchError::NoCuda`] says which part is missing: the driver, a GPU, or libtorch's CUDA library.
pub fn load() -> Result<usize, TorchError> {
    static LOADED: OnceLock<Result<usize, String>> = OnceLock::new();
    LOADED.get_or_init(load_once).clone().map_err(|reason| TorchError::NoCuda { reason })
}

fn load_once() -> Result<usize, String> {
    let gpus = driver_devices()?;
    let folder = library_folder()?;
    let library = folder.join("libtorch_cuda.so");
    if !library.exists() {
        return Err(format!(
            "{} lacks libtorch_cuda.so; `cargo xtask setup --device cuda` installs it",
            folder.display()
        ));
    }
    open(library.as_os_str())?;
    match tch::Cuda::device_count() {
        found if found > 0 => Ok(found as usize),
        _ => Err(format!("the driver sees {gpus} GPU(s), but libtorch none (is the driver new enough for CUDA 13?)")),
    }
}

/// Whether matrix products of float32 tensors on a GPU may round their factors to TF32, 8 bits of exponent and 10 of
/// fraction, for the whole process (`torch.backends.cuda.matmul.allow_tf32`). Not so unless it is asked for.
///
/// # Errors
/// libtorch refuses.
pub fn multiply_tf32(allowed: bool) -> Result<(), TorchError> {
    Ok(ffi::multiply_tf32(allowed)?)
}

/// What [`multiply_tf32`] has said.
///
/// # Errors
/// libtorch refuses.
pub fn multiplies_tf32() -> Result<bool, TorchError> {
    Ok(ffi::multiplies_tf32()?)
}

/// Asks the driver itself, which costs little, before gigabytes of libraries are loaded.
fn driver_devices() -> Result<usize, String> {
    let no_driver = || "no NVIDIA driver (libcuda.so.1) on this machine".to_owned();
    let driver = open(OsStr::new("libcuda.so.1")).map_err(|_| no_driver())?;
    let initialise = symbol(driver, c"cuInit").ok_or_else(no_driver)?;
    let count = symbol(driver, c"cuDeviceGetCount").ok_or_else(no_driver)?;
    // SAFETY: these are the signatures that CUDA's driver API documents for the two functions.
    let (initialise, count) = unsafe {
        (
            std::mem::transmute::<*mut c_void, extern "C" fn(u32) -> c_int>(initialise),
            std::mem::transmute::<*mut c_void, extern "C" fn(*mut c_int) -> c_int>(count),
        )
    };
    let mut devices: c_int = 0;
    match (initialise(0), count(&raw mut devices)) {
        (0, 0) if devices > 0 => Ok(devices as usize),
        (0, 0) => Err("the NVIDIA driver finds no GPU (is CUDA_VISIBLE_DEVICES empty?)".to_owned()),
        (code, _) if code != 0 => Err(format!("the NVIDIA driver does not start (cuInit gives {code})")),
        (_, code) => Err(format!("the NVIDIA driver does not count its GPUs (cuDeviceGetCount gives {code})")),
    }
}

/// The folder, links resolved, of the `libtorch_cpu.so` that this process runs on.
fn library_folder() -> Result<PathBuf, String> {
    let unknown = || "cannot tell where libtorch_cpu.so was loaded from".to_owned();
    // SAFETY: asks for an already loaded library by its name; the handle is only compared with null.
    let handle = unsafe { libc::dlopen(c"libtorch_cpu.so".as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD) };
    if handle.is_null() {
        return Err(unknown());
    }
    let mut origin = [0 as c_char; libc::PATH_MAX as usize];
    // SAFETY: RTLD_DI_ORIGIN writes the library's folder, at most PATH_MAX bytes with the closing zero.
    let told = unsafe { libc::dlinfo(handle, libc::RTLD_DI_ORIGIN, origin.as_mut_ptr().cast()) };
    if told != 0 {
        return Err(unknown());
    }
    // SAFETY: dlinfo succeeded and left a string closed by zero.
    let origin = unsafe { CStr::from_ptr(origin.as_ptr()) };
    let library = Path::new(OsStr::from_bytes(origin.to_bytes())).join("libtorch_cpu.so");
    let library = library.canonicalize().map_err(|error| format!("{}: {error}", library.display()))?;
    library.parent().map(Path::to_owned).ok_or_else(unknown)
}

fn open(name: &OsStr) -> Result<*mut c_void, String> {
    let name = CString::new(name.as_bytes()).map_err(|error| error.to_string())?;
    // SAFETY: loading NVIDIA's driver or libtorch's own library; both are made to be loaded this way.
    let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL) };
    if handle.is_null() {
        // SAFETY: dlopen failed, so dlerror gives a string closed by zero.
        let message = unsafe { CStr::from_ptr(libc::dlerror()) };
        return Err(message.to_string_lossy().into_owned());
    }
    Ok(handle)
}

fn symbol(library: *mut c_void, name: &CStr) -> Option<*mut c_void> {
    // SAFETY: `library` is a live handle and `name` is closed by zero.
    let address = unsafe { libc::dlsym(library, name.as_ptr()) };
    (!address.is_null()).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_folder_is_the_real_one() {
        // A symbol of libtorch must be used for the linker to keep the library.
        let _ = tch::Tensor::from(1f32);
        assert!(library_folder().unwrap().join("libtorch_cpu.so").exists());
    }

    #[test]
    fn products_are_tf32_where_that_is_asked_for() {
        assert!(!multiplies_tf32().unwrap());
        multiply_tf32(true).unwrap();
        assert!(multiplies_tf32().unwrap());
        multiply_tf32(false).unwrap();
        assert!(!multiplies_tf32().unwrap());
    }

    #[test]
    fn cuda_loads_or_says_why_not() {
        match load() {
            Ok(gpus) => assert!(gpus > 0),
            Err(error) => assert!(error.to_string().starts_with("CUDA is not available: "), "{error}"),
        }
    }
}
