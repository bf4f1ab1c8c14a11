//! A body as it came: bytes in pieces.

use crate::buffers::Payload;

/// Bytes in pieces, one behind the other.
pub struct Pieces<'a> {
    pieces: &'a [Payload],
    /// Where each piece begins, and the end of all.
    starts: Vec<usize>,
}

impl<'a> Pieces<'a> {
    pub fn new(pieces: &'a [Payload]) -> Pieces<'a> {
        let mut starts = vec![0];
        starts.extend(pieces.iter().scan(0, |end, piece| {
            *end += piece.len();
            Some(*end)
        }));
        Pieces { pieces, starts }
    }

    pub fn len(&self) -> usize {
        self.starts[self.pieces.len()]
    }

    /// Copies the bytes from `at` on; `hint` is the piece where the last ones were.
    #[inline]
    pub fn copy(&self, mut at: usize, mut out: &mut [u8], hint: &mut usize) {
        let here = |piece: usize| self.starts[piece] <= at && at < self.starts[piece + 1];
        if !here(*hint) {
            *hint = self.starts.partition_point(|start| *start <= at) - 1;
        }
        while !out.is_empty() {
            let from = &self.pieces[*hint][at - self.starts[*hint]..];
            let count = from.len().min(out.len());
            let (head, tail) = out.split_at_mut(count);
            head.copy_from_slice(&from[..count]);
            (out, at) = (tail, at + count);
            *hint += usize::from(!out.is_empty());
        }
    }
}
