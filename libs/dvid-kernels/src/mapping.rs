//! Supervoxel to body: sorted unique `from`, parallel `to`; what is not found stays.

use crate::fault::{Fault, Outcome};

#[derive(Clone, Copy)]
pub struct Mapping<'a> {
    from: &'a [u64],
    to: &'a [u64],
}

impl<'a> Mapping<'a> {
    pub fn new(from: &'a [u64], to: &'a [u64]) -> Outcome<Self> {
        if from.len() != to.len() {
            return Fault::argument("the two arrays of the mapping differ in length");
        }
        Ok(Mapping { from, to })
    }

    pub fn apply(&self, labels: &mut [u64]) {
        if self.from.is_empty() {
            return;
        }
        for label in labels {
            if let Ok(at) = self.from.binary_search(label) {
                *label = self.to[at];
            }
        }
    }
}
