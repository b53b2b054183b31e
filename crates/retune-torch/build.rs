//! Compiles the C++ shim against the libtorch that torch-sys found, and hands that place on.

use std::path::{Path, PathBuf};

fn main() {
    // torch-sys has `links = "tch"` and prints `cargo:libtorch_lib=…`.
    let library = PathBuf::from(std::env::var("DEP_TCH_LIBTORCH_LIB").expect("torch-sys tells where libtorch lies"));
    let include = library.parent().expect("libtorch's lib folder has a parent").join("include");
    cxx_build::bridge("src/bridge.rs")
        .file("src/shim.cc")
        .include(&include)
        .include(include.join("torch/csrc/api/include"))
        .include("src")
        .std("c++17")
        // libtorch's threads are OpenMP's, and its headers share them only where the compiler speaks OpenMP.
        .flag_if_supported("-fopenmp")
        .warnings(false)
        .compile("retune_torch_shim");
    for file in ["src/bridge.rs", "src/shim.cc", "src/shim.h"] {
        println!("cargo:rerun-if-changed={file}");
    }
    println!("cargo:libtorch_lib={}", library.display());
    link_inside_target(&library);
}

/// Cargo puts library folders that lie inside the target folder, and no others, on the search path of the programs that
/// `cargo run`, `test` and `bench` start (documentation tests too). A link there makes libtorch found by all of them.
fn link_inside_target(library: &Path) {
    let link = PathBuf::from(std::env::var("OUT_DIR").expect("cargo sets OUT_DIR")).join("libtorch");
    let _ = std::fs::remove_file(&link);
    #[cfg(unix)]
    std::os::unix::fs::symlink(library, &link).expect("a link in the build folder");
    println!("cargo:rustc-link-search=native={}", link.display());
}
