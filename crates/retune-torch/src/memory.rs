//! What the C library's allocator does with memory that is freed, and what keeps it from being used anew.

/// Lets the allocator keep what is freed instead of giving its pages back to the system at each step, which would clear
/// and map them anew at the next one. The process holds the most that it ever needed, until [`give_back`]. To be called
/// once, before anything large is allocated; where the C library is not glibc, or its own variables in the environment
/// say what it shall do, it does nothing.
///
/// By default glibc maps what is larger than 32 MiB apart and unmaps it when it is freed: a gradient of a table of word
/// embeddings at each step (docs/performance.md has what this gives).
pub fn keep_freed() {
    #[cfg(target_env = "gnu")]
    {
        let is_told = |(name, _): (std::ffi::OsString, _)| {
            name.to_str().is_some_and(|name| name.starts_with("MALLOC_") || name == "GLIBC_TUNABLES")
        };
        if std::env::vars_os().any(is_told) {
            return;
        }
        // SAFETY: mallopt has no requirement; it refuses what it does not know, and nothing hangs on its effect.
        unsafe {
            libc::mallopt(libc::M_MMAP_MAX, 0);
            libc::mallopt(libc::M_TRIM_THRESHOLD, libc::c_int::MAX);
        }
    }
}

/// Gives back to the system what is free at this moment, also between blocks that are in use. Batches of ever fewer tokens leave
/// small blocks where large ones were, so that the next large one would find no room in what is kept; for work that begins anew with
/// large ones.
pub fn trim() {
    #[cfg(target_env = "gnu")]
    {
        // SAFETY: malloc_trim has no requirement.
        unsafe { libc::malloc_trim(0) };
    }
}

/// Gives what is freed back to the system, now and from now on: once memory was short, what one part of a program keeps
/// is what another lacks, and threads and compiled kernels need memory that no heap has. Where the C library is not
/// glibc it does nothing.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    {
        // glibc's own (malloc/malloc.c).
        const MMAP_MAX: libc::c_int = 65_536;
        const TRIM_THRESHOLD: libc::c_int = 128 * 1024;
        // SAFETY: neither has a requirement; mallopt refuses what it does not know, and nothing hangs on their effect.
        unsafe {
            libc::mallopt(libc::M_MMAP_MAX, MMAP_MAX);
            libc::mallopt(libc::M_TRIM_THRESHOLD, TRIM_THRESHOLD);
            libc::malloc_trim(0);
        }
    }
}
