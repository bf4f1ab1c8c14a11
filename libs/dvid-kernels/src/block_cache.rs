//! Inflated blocks by the bytes that they were inflated from: small reads of the same blocks inflate them once.
//!
//! What is stored is compared byte by byte, so a cached block can't be out of date. Blocks may have names as well, by
//! which they are found without what is stored: a name tells the state of the data, and never means another block.

use crate::buffers::{optional_payloads, triples};
use crate::fault::Fault;
use numpy::PyReadonlyArray2;
use pyo3::prelude::*;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};

const MOST_NAMES: usize = 1 << 16;
/// Instance, version, state of the data and scale.
pub type State = (u64, u64, u64, u8);

/// The last bytes of a gzip member: checksum and length of what it holds, as good as a hash of it.
type Key = [u8; 8];

struct Entry {
    payload: Box<[u8]>,
    block: Arc<[u8]>,
    /// Whether it was asked for since it was last considered for removal.
    used: bool,
}

#[derive(PartialEq, Eq, Hash)]
struct Name(State, [i64; 3]);

/// A block by its name.
pub enum Found {
    /// Nothing is stored there.
    Absent,
    Block(Arc<[u8]>),
}

#[derive(Default)]
struct Kept {
    /// None where nothing is stored.
    names: HashMap<Name, Option<(Key, Weak<[u8]>)>>,
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

    /// Gives the blocks of a state at block coordinates their names: those that are kept, and those that are not stored.
    fn name(&self, state: State, blocks: PyReadonlyArray2<i64>, payloads: &Bound<PyAny>) -> PyResult<()> {
        let (blocks, payloads) = (triples(blocks.as_slice()?)?, optional_payloads(payloads)?);
        if blocks.len() != payloads.len() {
            return Fault::argument("there must be one payload for each block").map_err(PyErr::from);
        }
        for (block, payload) in blocks.iter().zip(&payloads) {
            let found = match payload {
                None => None,
                Some(payload) => match (key_of(payload), self.get(payload)) {
                    (Some(key), Some(block)) => Some((key, Arc::downgrade(&block))),
                    _ => continue,
                },
            };
            if let Ok(mut kept) = self.kept.lock() {
                if kept.names.len() >= MOST_NAMES {
                    kept.names.clear();
                }
                kept.names.insert(Name(state, *block), found);
            }
        }
        Ok(())
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

    /// The blocks of a state at block coordinates, if all are known.
    pub fn named<'a>(&self, state: State, blocks: impl Iterator<Item = &'a [i64; 3]>) -> Option<Vec<Found>> {
        let mut kept = self.kept.lock().ok()?;
        let Kept { names, entries, .. } = &mut *kept;
        blocks
            .map(|block| match names.get(&Name(state, *block))? {
                None => Some(Found::Absent),
                Some((key, block)) => {
                    let block = block.upgrade()?;
                    if let Some(entry) = entries.get_mut(key) {
                        entry.used = true;
                    }
                    Some(Found::Block(block))
                }
            })
            .collect()
    }

    pub fn has(&self, payload: &[u8]) -> bool {
        let Ok(kept) = self.kept.lock() else { return false };
        key_of(payload).is_some_and(|key| kept.entries.get(&key).is_some_and(|entry| *entry.payload == *payload))
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
