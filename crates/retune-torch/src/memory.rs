//! What the C library's allocator does with memory that is freed.

/// Lets the allocator keep what is freed instead of giving its pages back to the system at each step, which would clear
/// and map them anew at the next one. The process holds the most that it ever needed. To be called once, before
/// anything large is allocated; where the C library is not glibc it does nothing.
///
/// By default glibc maps what is larger than 32 MiB apart and unmaps it when it is freed: a gradient of a table of word
/// embeddings at each step (docs/performance.md has what this gives).
pub fn keep_freed() {
    #[cfg(target_env = "gnu")]
    {
        // SAFETY: mallopt has no requirement; it refuses what it does not know, and nothing hangs on its effect.
        unsafe {
            libc::mallopt(libc::M_MMAP_MAX, 0);
            libc::mallopt(libc::M_TRIM_THRESHOLD, libc::c_int::MAX);
        }
    }
}
