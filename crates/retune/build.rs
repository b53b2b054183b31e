//! Writes libtorch's folder into the binary, so that it starts without LD_LIBRARY_PATH.

fn main() {
    // retune-torch has `links = "retune_torch_shim"` and prints `cargo:libtorch_lib=…`.
    let library = std::env::var("DEP_RETUNE_TORCH_SHIM_LIBTORCH_LIB").expect("retune-torch tells where libtorch lies");
    println!("cargo:rustc-link-arg-bins=-Wl,-rpath,{library}");
    println!("cargo:rerun-if-changed=build.rs");
}
