//! What one thread keeps from block to block: the inflater and its buffer, the label table.

use crate::block_cache::BlockCache;
use crate::fault::{Fault, Outcome};
use crate::gzip::Inflater;
use crate::layout::{largest_block, parse, Layout, Shape};
use crate::mapping::Mapping;
use std::sync::Arc;

pub struct Session<'c> {
    inflater: Inflater,
    table: Vec<u64>,
    cache: Option<&'c BlockCache>,
    block: Arc<[u8]>,
}

impl<'c> Session<'c> {
    pub fn new() -> Self {
        Session::with(None)
    }

    /// A session that inflates only what is not in a cache.
    pub fn with(cache: Option<&'c BlockCache>) -> Self {
        Session { inflater: Inflater::new(), table: Vec::new(), cache, block: Arc::default() }
    }

    /// Inflates and checks a payload; the table comes mapped.
    pub fn open(&mut self, payload: &[u8], shape: Shape, mapping: Option<Mapping>) -> Outcome<(Layout<'_>, &[u64])> {
        let limit = largest_block(shape);
        let block = match self.cache {
            None => &*self.inflater.gunzip(payload, limit)?,
            Some(cache) => {
                self.block = match cache.get(payload) {
                    Some(block) => block,
                    None => cache.put(payload, self.inflater.gunzip(payload, limit)?),
                };
                if self.block.len() > limit {
                    return Fault::format(format!("it inflates to more than {limit} bytes"));
                }
                &self.block
            }
        };
        let layout = parse(block, shape, &mut self.table)?;
        if let Some(mapping) = mapping {
            mapping.apply(&mut self.table);
        }
        Ok((layout, &self.table))
    }

    /// Checks a block that is not gzipped.
    pub fn open_plain<'b>(&mut self, block: &'b [u8], shape: Shape) -> Outcome<(Layout<'b>, &[u64])> {
        let layout = parse(block, shape, &mut self.table)?;
        Ok((layout, &self.table))
    }

    /// Inflates a payload and maps the table inside it; the bytes of the relabeled block.
    pub fn relabeled(&mut self, payload: &[u8], shape: Shape, mapping: Mapping) -> Outcome<&[u8]> {
        let block = self.inflater.gunzip(payload, largest_block(shape))?;
        parse(block, shape, &mut self.table)?;
        relabel(block, &mut self.table, mapping);
        Ok(block)
    }
}

/// Maps the table of a parsed block in place.
pub fn relabel(block: &mut [u8], table: &mut [u64], mapping: Mapping) {
    mapping.apply(table);
    for (word, label) in block[16..].as_chunks_mut::<8>().0.iter_mut().zip(table.iter()) {
        *word = label.to_le_bytes();
    }
}
