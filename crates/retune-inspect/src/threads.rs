//! Work on all cores.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// How many threads work at once.
pub(crate) fn count() -> usize {
    thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// `work(0), …, work(tasks − 1)` in their order, each computed by whichever thread is free.
pub(crate) fn map<T: Send>(tasks: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let run = || {
        let mut done = Vec::new();
        loop {
            let task = next.fetch_add(1, Ordering::Relaxed);
            if task >= tasks {
                return done;
            }
            done.push((task, work(task)));
        }
    };
    let mut done: Vec<(usize, T)> = match count().min(tasks) {
        0 | 1 => run(),
        threads => thread::scope(|scope| {
            let handles: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
            // A panic of a thread is a bug, and goes on as one.
            handles
                .into_iter()
                .flat_map(|handle| handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect()
        }),
    };
    done.sort_by_key(|(task, _)| *task);
    done.into_iter().map(|(_, value)| value).collect()
}

/// `work` of every item, in their order.
pub(crate) fn map_items<I: Sync, T: Send>(items: &[I], work: impl Fn(&I) -> T + Sync) -> Vec<T> {
    // Enough pieces that none of the threads waits long for another.
    let size = items.len().div_ceil(count() * 8).max(1);
    let chunks: Vec<&[I]> = items.chunks(size).collect();
    map(chunks.len(), |chunk| chunks[chunk].iter().map(&work).collect::<Vec<T>>()).into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_their_order() {
        let items: Vec<usize> = (0..1003).collect();
        assert_eq!(map_items(&items, |item| item * 2), items.iter().map(|item| item * 2).collect::<Vec<_>>());
        assert!(map(0, |task| task).is_empty());
        assert_eq!(map(3, |task| task), [0, 1, 2]);
    }
}
