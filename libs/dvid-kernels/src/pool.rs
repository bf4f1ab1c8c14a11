//! A call's own threads: they end with the call, and a panic in one is an error of the call.

use crate::fault::{Fault, Outcome};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Mutex;

pub const MOST_THREADS: usize = 8;

fn broken<T>() -> Outcome<T> {
    Fault::argument("a native kernel failed unexpectedly; please report it with the data")
}

/// Runs `work` on every item, with one `state` per thread; results in the order of the items, or the first error.
pub fn run<T: Send, S, R: Send>(
    threads: usize,
    items: Vec<T>,
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, T) -> Outcome<R> + Sync,
) -> Outcome<Vec<R>> {
    if threads == 0 || threads > MOST_THREADS {
        return Fault::argument(format!("threads must be 1 to {MOST_THREADS}, not {threads}"));
    }
    let total = items.len();
    let queue = Mutex::new(items.into_iter().enumerate());
    let stop = AtomicBool::new(false);
    let worker = || {
        let mut state = state();
        let mut done = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let Some((index, item)) = queue.lock().ok().and_then(|mut queue| queue.next()) else { break };
            let result = work(&mut state, item);
            if result.is_err() {
                stop.store(true, Ordering::Relaxed);
            }
            done.push((index, result));
        }
        done
    };
    let guarded = || catch_unwind(AssertUnwindSafe(worker));
    let mut parts = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads.min(total))
            .filter_map(|_| std::thread::Builder::new().spawn_scoped(scope, guarded).ok())
            .collect();
        let mut parts = vec![guarded()];
        parts.extend(others.into_iter().map(|other| other.join().unwrap_or_else(Err)));
        parts
    });
    let mut done = Vec::with_capacity(total);
    for part in parts.drain(..) {
        match part {
            Ok(results) => done.extend(results),
            Err(_) => return broken(),
        }
    }
    done.sort_unstable_by_key(|(index, _)| *index);
    let results = done.into_iter().map(|(_, result)| result).collect::<Outcome<Vec<R>>>()?;
    if results.len() == total { Ok(results) } else { broken() }
}
