//! Inflated blocks by the bytes that they were inflated from: small reads of the same blocks inflate them once.
//!
//! What is stored is compared byte by byte, so a cached block can't be out of date.

use pyo3::prelude::*;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// The last bytes of a gzip member: checksum and length of what it holds, as good as a hash of it.
type Key = [u8; 8];

struct Entry {
    payload: Box<[u8]>,
    block: Arc<[u8]>,
    /// Whether it was asked for since it was last considered for removal.
    used: bool,
}

#[derive(Default)]
struct Kept {
    entries: HashMap<Key, Entry>,
    /// Keys in the order in which they are considered for removal.
    order: std::collections::VecDeque<Key>,
    bytes: usize,
}

/// Inflated blocks, at most so many bytes of them.
#[pyclass(frozen, module = "dvid_kernels")]
pub struct BlockCache {
    limit: usize,
    kept: Mutex<Kept>,
}

#[pymethods]
impl BlockCache {
    #[new]
    fn new(limit: usize) -> Self {
        BlockCache { limit, kept: Mutex::default() }
    }

    /// Bytes that are kept now.
    fn size(&self) -> usize {
        self.kept.lock().map_or(0, |kept| kept.bytes)
    }
}

fn key_of(payload: &[u8]) -> Option<Key> {
    payload.last_chunk::<8>().copied()
}

impl BlockCache {
    pub fn get(&self, payload: &[u8]) -> Option<Arc<[u8]>> {
        let mut kept = self.kept.lock().ok()?;
        let entry = kept.entries.get_mut(&key_of(payload)?)?;
        if *entry.payload != *payload {
            return None;
        }
        entry.used = true;
        Some(Arc::clone(&entry.block))
    }

    /// Keeps a block; others go, those first that were not asked for in the meantime.
    pub fn put(&self, payload: &[u8], block: &[u8]) -> Arc<[u8]> {
        let shared: Arc<[u8]> = block.into();
        let size = payload.len() + block.len();
        let (Some(key), Ok(mut kept)) = (key_of(payload), self.kept.lock()) else { return shared };
        if size > self.limit / 8 {
            return shared;
        }
        let kept = &mut *kept;
        let entry = Entry { payload: payload.into(), block: Arc::clone(&shared), used: false };
        match kept.entries.insert(key, entry) {
            Some(former) => kept.bytes -= former.payload.len() + former.block.len(),
            None => kept.order.push_back(key),
        }
        kept.bytes += size;
        while kept.bytes > self.limit {
            let Some(key) = kept.order.pop_front() else { break };
            match kept.entries.get_mut(&key) {
                Some(entry) if entry.used => {
                    entry.used = false;
                    kept.order.push_back(key);
                }
                _ => {
                    if let Some(entry) = kept.entries.remove(&key) {
                        kept.bytes -= entry.payload.len() + entry.block.len();
                    }
                }
            }
        }
        shared
    }
}
