//! Which voxels of a block belong to a body: one bit for each.

use crate::bitpack::{check_values, unpack, EVEN};
use crate::fault::{Fault, Outcome};
use crate::layout::{Layout, Sub, CELLS};

/// The supervoxels of a body, ascending.
#[derive(Clone, Copy)]
pub struct Members<'a>(&'a [u64]);

/// What a block or a sub-block holds of the body.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Share {
    Nothing,
    Everything,
    Some,
}

/// A bit for each voxel of a sub-block: a byte for each row of 8, least significant bit first.
pub type Bits = [u8; 64];

impl<'a> Members<'a> {
    pub fn new(supervoxels: &'a [u64]) -> Outcome<Self> {
        if !supervoxels.is_sorted_by(|a, b| a < b) {
            return Fault::argument("the supervoxels must be one ascending list, each of them once");
        }
        Ok(Members(supervoxels))
    }

    fn has(&self, label: u64) -> bool {
        let (Some(first), Some(last)) = (self.0.first(), self.0.last()) else { return false };
        *first <= label && label <= *last && self.0.binary_search(&label).is_ok()
    }
}

/// Which entries of a label table belong to the body.
pub struct Chosen {
    entries: Vec<bool>,
    /// Whether label 0 does, which sub-blocks without a list have.
    zero: bool,
    /// Which of a sub-block's own labels do, as 0 and 1; what is past its list is left over from others.
    local: [u8; CELLS],
}

impl Chosen {
    pub fn new() -> Self {
        Chosen { entries: Vec::new(), zero: false, local: [0; CELLS] }
    }

    /// Looks up a table; what the block can hold of the body by its table alone.
    pub fn choose(&mut self, table: &[u64], members: Members) -> Share {
        self.entries.clear();
        self.entries.extend(table.iter().map(|label| members.has(*label)));
        self.zero = members.has(0);
        match (self.entries.contains(&true), self.entries.contains(&false)) {
            (false, _) if !self.zero || table.len() == 1 => Share::Nothing,
            (true, false) if self.zero || table.len() == 1 => Share::Everything,
            _ => Share::Some,
        }
    }

    /// What a sub-block holds of the body; `bits` are filled if it is some of it.
    pub fn share(&mut self, sub: &Sub, bits: &mut Bits) -> Outcome<Share> {
        let (mut any, mut all) = (false, true);
        for (slot, word) in self.local.iter_mut().zip(sub.indices.as_chunks::<4>().0) {
            let Some(&chosen) = self.entries.get(u32::from_le_bytes(*word) as usize) else {
                return Fault::format("a sub-block names a label that is not in the table");
            };
            *slot = u8::from(chosen);
            any |= chosen;
            all &= chosen;
        }
        match sub.count() {
            0 if self.zero => return Ok(Share::Everything),
            0 => return Ok(Share::Nothing),
            _ if !any => return Ok(Share::Nothing),
            _ if all => return Ok(Share::Everything),
            _ => (),
        }
        fill(sub, &self.local, bits)?;
        // A list may name labels without voxels.
        let rows = bits.as_chunks::<8>().0.iter().map(|rows| u64::from_ne_bytes(*rows));
        let (or, and) = rows.fold((0, u64::MAX), |(or, and), rows| (or | rows, and & rows));
        Ok(match (or, and) {
            (0, _) => Share::Nothing,
            (_, u64::MAX) => Share::Everything,
            _ => Share::Some,
        })
    }
}

/// Puts every other bit of a word, from the lowest, side by side.
#[inline(always)]
fn squeeze(word: u64) -> u32 {
    let mut word = word & EVEN;
    word = (word | word >> 1) & 0x3333_3333_3333_3333;
    word = (word | word >> 2) & 0x0f0f_0f0f_0f0f_0f0f;
    word = (word | word >> 4) & 0x00ff_00ff_00ff_00ff;
    word = (word | word >> 8) & 0x0000_ffff_0000_ffff;
    (word | word >> 16) as u32
}

fn fill(sub: &Sub, local: &[u8; CELLS], bits: &mut Bits) -> Outcome<()> {
    match sub.bits() {
        1 => {
            // One of two labels belongs to the body: its bits are the values, or their complement.
            let flip = if local[1] == 1 { 0 } else { u8::MAX };
            for (row, byte) in bits.iter_mut().zip(sub.values) {
                *row = byte.reverse_bits() ^ flip;
            }
            Ok(())
        }
        2 => {
            let chosen: [u64; 4] = std::array::from_fn(|value| u64::from(local[value]) * u64::MAX);
            for (rows, bytes) in bits.as_chunks_mut::<4>().0.iter_mut().zip(sub.values.as_chunks::<8>().0) {
                let word = u64::from_be_bytes(*bytes);
                let (high, low) = (word >> 1, word);
                let upper = high & ((low & chosen[3]) | (!low & chosen[2]));
                let lower = !high & ((low & chosen[1]) | (!low & chosen[0]));
                *rows = squeeze(upper | lower).reverse_bits().to_le_bytes();
            }
            check_values(sub)
        }
        _ => unpack(sub, |row, values| {
            bits[row & 63] = (0..8).fold(0, |byte, x| byte | local[usize::from(values[x]) & (CELLS - 1)] << x);
        }),
    }
}

/// Calls `each` with what every sub-block holds of the body, x fastest.
pub fn shares(layout: &Layout, chosen: &mut Chosen, mut each: impl FnMut(&Sub, Share, &Bits)) -> Outcome<()> {
    let mut bits = [0; 64];
    for sub in layout.subs() {
        let share = chosen.share(&sub, &mut bits)?;
        each(&sub, share, &bits);
    }
    Ok(())
}
