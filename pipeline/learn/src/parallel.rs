//! Work spread over threads without a say in the result.
//!
//! Invariant: each item is worked on by exactly one thread and the work on an item sees nothing of the others, so
//! which thread takes which item cannot matter.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

/// Runs `work` once for each item, on the calling thread and up to `threads - 1` more.
pub(crate) fn for_each<T: Send>(threads: NonZeroUsize, items: &mut [T], work: impl Fn(&mut T) + Sync) {
    let helpers = threads.get().min(items.len()).saturating_sub(1);
    let queue = Mutex::new(items.iter_mut());
    let drain = || {
        // The lock is held for the `next` only, which cannot panic half-way.
        while let Some(item) = { queue.lock().unwrap_or_else(PoisonError::into_inner).next() } {
            work(item);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..helpers {
            scope.spawn(drain);
        }
        drain();
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_once() {
        for threads in 1..5 {
            for items in [0, 1, 2, 7] {
                let mut counts = vec![0; items];
                for_each(NonZeroUsize::new(threads).unwrap(), &mut counts, |count| *count += 1);
                assert_eq!(counts, vec![1; items], "{threads} threads, {items} items");
            }
        }
    }
}
