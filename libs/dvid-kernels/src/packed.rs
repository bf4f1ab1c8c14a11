//! Numbers of equally many bits, one behind the other from the lowest bit of little-endian words on.

/// The bits that a number takes.
pub fn width_of(largest: u64) -> usize {
    (u64::BITS - largest.leading_zeros()) as usize
}

/// The words that so many bits take.
pub fn words_for(bits: usize) -> usize {
    bits.div_ceil(64)
}

#[inline]
pub fn mask(width: usize) -> u64 {
    if width >= 64 { u64::MAX } else { (1 << width) - 1 }
}

/// Packed numbers; those past the end are 0.
#[derive(Clone, Copy)]
pub struct Packed<'a> {
    words: &'a [[u8; 8]],
    width: usize,
}

impl<'a> Packed<'a> {
    pub fn new(words: &'a [[u8; 8]], width: usize) -> Self {
        Packed { words, width }
    }

    #[inline]
    pub fn word(&self, at: usize) -> u64 {
        self.words.get(at).map_or(0, |word| u64::from_le_bytes(*word))
    }

    #[inline]
    pub fn get(&self, i: usize) -> u64 {
        if self.width == 0 {
            return 0;
        }
        let bit = i * self.width;
        let (at, shift) = (bit / 64, bit % 64);
        let low = self.word(at) >> shift;
        let high = if shift + self.width > 64 { self.word(at + 1) << (64 - shift) } else { 0 };
        (low | high) & mask(self.width)
    }
}

/// Appends numbers of `width` bits, filled up to whole words.
pub fn pack(numbers: impl Iterator<Item = u64>, width: usize, out: &mut Vec<u8>) {
    if width == 0 {
        return;
    }
    let (mut word, mut filled) = (0u64, 0);
    for number in numbers {
        word |= number << filled;
        filled += width;
        if filled >= 64 {
            out.extend_from_slice(&word.to_le_bytes());
            filled -= 64;
            word = if filled == 0 { 0 } else { number >> (width - filled) };
        }
    }
    if filled > 0 {
        out.extend_from_slice(&word.to_le_bytes());
    }
}
