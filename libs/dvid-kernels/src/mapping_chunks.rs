//! Chunks of a sorted mapping, searched as they are stored: sources by Elias and Fano, targets packed.
//!
//! Of a source less the first one, the low bits are packed; the rest counts zeros in a string of bits, in which each
//! source is a one. So a source takes about two bits more than the best that can be, and is found without the others.

use crate::fault::{Fault, Outcome};
use crate::packed::{mask, pack, width_of, words_for, Packed};

const HEAD: usize = 40;
const MOST: usize = 1 << 16;

/// Sorts entries by source; of several of one source the last counts.
pub fn sorted(source: &[u64], target: &[u64]) -> Outcome<(Vec<u64>, Vec<u64>)> {
    if source.len() != target.len() {
        return Fault::argument("the two arrays of the mapping differ in length");
    }
    if source.is_sorted_by(|one, next| one < next) {
        return Ok((source.to_vec(), target.to_vec()));
    }
    let mut entries: Vec<(u64, u64)> = source.iter().copied().zip(target.iter().copied()).collect();
    entries.sort_by_key(|entry| entry.0);
    let (mut labels, mut bodies) = (Vec::with_capacity(entries.len()), Vec::with_capacity(entries.len()));
    for (i, (label, body)) in entries.iter().enumerate() {
        if entries.get(i + 1).is_none_or(|next| next.0 != *label) {
            labels.push(*label);
            bodies.push(*body);
        }
    }
    Ok((labels, bodies))
}

/// The chunks of entries with strictly ascending sources, `entries` in each but the last.
pub fn encode(source: &[u64], target: &[u64], entries: usize) -> Outcome<Vec<Vec<u8>>> {
    if source.len() != target.len() {
        return Fault::argument("the two arrays of the mapping differ in length");
    }
    if entries == 0 || entries > MOST {
        return Fault::argument(format!("a chunk has 1 to {MOST} entries, not {entries}"));
    }
    if !source.is_sorted_by(|one, next| one < next) {
        return Fault::argument("the sources of the mapping do not ascend strictly");
    }
    Ok(source.chunks(entries).zip(target.chunks(entries)).map(|(source, target)| encode_chunk(source, target)).collect())
}

fn encode_chunk(source: &[u64], target: &[u64]) -> Vec<u8> {
    let n = source.len();
    let (first, span) = (source[0], source[n - 1] - source[0]);
    let low = width_of(span / n as u64).saturating_sub(1);
    let mut values = target.to_vec();
    values.sort_unstable();
    values.dedup();
    let (base, width) = (values[0], width_of(values[values.len() - 1] - values[0]));
    let index = width_of(values.len() as u64 - 1);
    let named = words_for(values.len() * width) + words_for(n * index) < words_for(n * width);
    let mut out = Vec::with_capacity(HEAD + 8 * words_for(n * (3 + low + width)) + 24);
    out.extend_from_slice(&(n as u32).to_le_bytes());
    out.extend_from_slice(&[low as u8, if named { index } else { width } as u8, if named { width } else { 0 } as u8, 0]);
    [first, span, base, if named { values.len() as u64 } else { 0 }]
        .iter()
        .for_each(|number| out.extend_from_slice(&number.to_le_bytes()));
    let mut upper = vec![0u64; words_for(n + (span >> low) as usize + 1)];
    for (i, label) in source.iter().enumerate() {
        let at = ((label - first) >> low) as usize + i;
        upper[at / 64] |= 1 << (at % 64);
    }
    upper.iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
    pack(source.iter().map(|label| (label - first) & mask(low)), low, &mut out);
    if named {
        pack(values.iter().map(|value| value - base), width, &mut out);
        pack(target.iter().map(|value| values.partition_point(|other| other < value) as u64), index, &mut out);
    } else {
        pack(target.iter().map(|value| value - base), width, &mut out);
    }
    out
}

/// A chunk whose lengths are right.
pub struct Chunk<'a> {
    count: usize,
    first: u64,
    span: u64,
    low: usize,
    upper: Packed<'a>,
    upper_words: usize,
    lows: Packed<'a>,
    base: u64,
    names: usize,
    values: Packed<'a>,
    targets: Packed<'a>,
}

fn damaged<T>(what: &str) -> Outcome<T> {
    Fault::format(format!("a chunk of the mappings is damaged: {what}"))
}

impl<'a> Chunk<'a> {
    pub fn parse(value: &'a [u8]) -> Outcome<Self> {
        let Some((head, rest)) = value.split_first_chunk::<HEAD>() else { return damaged("it is cut off") };
        let (words, []) = rest.as_chunks::<8>() else { return damaged("its length is wrong") };
        let (numbers, _) = head.as_chunks::<8>();
        let [_, first, span, base, names] = [0, 1, 2, 3, 4].map(|i| u64::from_le_bytes(numbers[i]));
        let count = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let [low, width, value_width] = [4, 5, 6].map(|i| usize::from(head[i]));
        let wide = low > 63 || width > 64 || value_width > 64 || head[7] != 0 || (names == 0 && value_width != 0);
        if count == 0 || count > MOST || wide || names > count as u64 || first.checked_add(span).is_none() {
            return damaged("its head is wrong");
        }
        if span >> low > 2 * count as u64 {
            return damaged("its head is wrong");
        }
        let names = names as usize;
        let upper_words = words_for(count + (span >> low) as usize + 1);
        let sizes = [upper_words, words_for(count * low), words_for(names * value_width), words_for(count * width)];
        if words.len() != sizes.iter().sum::<usize>() {
            return damaged("its length is wrong");
        }
        let (upper, words) = words.split_at(sizes[0]);
        let (lows, words) = words.split_at(sizes[1]);
        let (values, targets) = words.split_at(sizes[2]);
        if upper.iter().map(|word| u64::from_le_bytes(*word).count_ones() as usize).sum::<usize>() != count {
            return damaged("it has not as many entries as it says");
        }
        Ok(Chunk {
            count,
            first,
            span,
            low,
            upper: Packed::new(upper, 1),
            upper_words,
            lows: Packed::new(lows, low),
            base,
            names,
            values: Packed::new(values, value_width),
            targets: Packed::new(targets, width),
        })
    }

    pub fn len(&self) -> usize {
        self.count
    }

    fn target(&self, i: usize) -> Outcome<u64> {
        let mut value = self.targets.get(i);
        if self.names > 0 {
            if value >= self.names as u64 {
                return damaged("a target has no value");
            }
            value = self.values.get(value as usize);
        }
        self.base.checked_add(value).map_or_else(|| damaged("a target is too large"), Ok)
    }

    /// Where the sources of a number of zeros begin: behind the zero that is the last of them.
    fn start(&self, zeros: usize) -> usize {
        let mut left = zeros;
        if left == 0 {
            return 0;
        }
        for at in 0..self.upper_words {
            let mut word = !self.upper.word(at);
            let here = word.count_ones() as usize;
            if here >= left {
                for _ in 1..left {
                    word &= word - 1;
                }
                return 64 * at + word.trailing_zeros() as usize + 1;
            }
            left -= here;
        }
        64 * self.upper_words
    }

    /// What a label is mapped to, if it has an entry.
    pub fn find(&self, label: u64) -> Outcome<Option<u64>> {
        let Some(place) = label.checked_sub(self.first).filter(|place| *place <= self.span) else { return Ok(None) };
        let (zeros, wanted) = ((place >> self.low) as usize, place & mask(self.low));
        let mut at = self.start(zeros);
        while at < 64 * self.upper_words && self.upper.word(at / 64) >> (at % 64) & 1 == 1 {
            let i = at - zeros;
            let found = self.lows.get(i);
            if found >= wanted {
                return if found == wanted && i < self.count { self.target(i).map(Some) } else { Ok(None) };
            }
            at += 1;
        }
        Ok(None)
    }

    /// Appends all entries, with every rule checked.
    pub fn decode(&self, source: &mut Vec<u64>, target: &mut Vec<u64>) -> Outcome<()> {
        let (mut i, mut before) = (0, None);
        for at in 0..self.upper_words {
            let mut word = self.upper.word(at);
            while word != 0 {
                let zeros = (64 * at + word.trailing_zeros() as usize - i) as u64;
                word &= word - 1;
                if zeros > self.span >> self.low {
                    return damaged("its sources are not in order");
                }
                let place = zeros << self.low | self.lows.get(i);
                if before.is_some_and(|before| before >= place) || (i == 0 && place != 0) || place > self.span {
                    return damaged("its sources are not in order");
                }
                before = Some(place);
                source.push(self.first + place);
                target.push(self.target(i)?);
                i += 1;
            }
        }
        if before != Some(self.span) { damaged("its sources are not in order") } else { Ok(()) }
    }
}
