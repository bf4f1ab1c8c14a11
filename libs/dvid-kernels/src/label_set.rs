//! Labels numbered by first appearance: a small open-addressing table, keyed per process so that no sender can aim at it.

use std::hash::{BuildHasher, RandomState};

pub struct LabelSet {
    slots: Vec<u32>,
    labels: Vec<u64>,
    key: u64,
}

impl LabelSet {
    pub fn new() -> Self {
        LabelSet { slots: vec![0; 1024], labels: Vec::new(), key: RandomState::new().hash_one(0) | 1 }
    }

    pub fn clear(&mut self) {
        self.labels.clear();
        // One noisy block must not make every later clearing slow.
        self.slots.truncate(1024);
        self.slots.fill(0);
    }

    pub fn labels(&self) -> &[u64] {
        &self.labels
    }

    #[inline]
    fn slot(&self, label: u64) -> usize {
        let wide = u128::from(label ^ self.key.rotate_left(32)) * u128::from(self.key);
        ((wide >> 64) as u64 ^ wide as u64) as usize & (self.slots.len() - 1)
    }

    /// The number of a label, given now if it is new.
    #[inline]
    pub fn number(&mut self, label: u64) -> u32 {
        let mut at = self.slot(label);
        loop {
            match self.slots[at] {
                0 => break,
                taken if self.labels[taken as usize - 1] == label => return taken - 1,
                _ => at = (at + 1) & (self.slots.len() - 1),
            }
        }
        self.labels.push(label);
        self.slots[at] = self.labels.len() as u32;
        if self.labels.len() * 2 > self.slots.len() {
            self.grow();
        }
        self.labels.len() as u32 - 1
    }

    fn grow(&mut self) {
        self.slots = vec![0; self.slots.len() * 4];
        for i in 0..self.labels.len() {
            let mut at = self.slot(self.labels[i]);
            while self.slots[at] != 0 {
                at = (at + 1) & (self.slots.len() - 1);
            }
            self.slots[at] = i as u32 + 1;
        }
    }
}
