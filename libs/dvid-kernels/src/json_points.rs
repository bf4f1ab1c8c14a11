//! Numbers as JSON: points, lists of three integers, are read, and labels written. What is not plainly that is left to a real parser, which tells what is wrong.

use crate::buffers::payload;
use numpy::{PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

pub fn register(module: &Bound<PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(json_points, module)?)?;
    module.add_function(wrap_pyfunction!(json_numbers, module)?)
}

struct Text<'a>(&'a [u8]);

impl Text<'_> {
    /// The next byte that is no space.
    fn next(&mut self) -> Option<u8> {
        while let [byte, tail @ ..] = self.0 {
            self.0 = tail;
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(*byte);
            }
        }
        None
    }

    /// An int32 and the byte behind it.
    fn number(&mut self) -> Option<(i64, u8)> {
        let first = self.next()?;
        let negative = first == b'-';
        let (mut value, mut digits) = (0, 0);
        let mut byte = if negative { self.take()? } else { first };
        let zero = byte == b'0';
        while byte.is_ascii_digit() {
            value = 10 * value + i64::from(byte - b'0');
            digits += 1;
            if digits > 10 {
                return None;
            }
            byte = self.take()?;
        }
        if digits == 0 || (zero && digits > 1) {
            return None;
        }
        let behind = if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') { self.next()? } else { byte };
        let value = if negative { -value } else { value };
        i32::try_from(value).ok().map(|_| (value, behind))
    }

    fn take(&mut self) -> Option<u8> {
        let (byte, tail) = self.0.split_first()?;
        self.0 = tail;
        Some(*byte)
    }

    fn point(&mut self, out: &mut Vec<i64>) -> Option<()> {
        for end in [b',', b',', b']'] {
            let (value, behind) = self.number()?;
            if behind != end {
                return None;
            }
            out.push(value);
        }
        Some(())
    }
}

fn points(body: &[u8], limit: usize) -> Option<Vec<i64>> {
    let mut text = Text(body);
    let mut out = Vec::new();
    if text.next()? != b'[' {
        return None;
    }
    let mut byte = text.next()?;
    while byte == b'[' && out.len() < 3 * limit {
        text.point(&mut out)?;
        byte = match text.next()? {
            b',' => text.next().filter(|byte| *byte == b'[')?,
            other => (other == b']').then_some(other)?,
        };
    }
    (byte == b']' && text.next().is_none()).then_some(out)
}

/// A JSON list of numbers.
#[pyfunction]
fn json_numbers<'py>(py: Python<'py>, numbers: PyReadonlyArray1<u64>) -> PyResult<Bound<'py, PyBytes>> {
    let mut out = Vec::with_capacity(8 * numbers.len() + 2);
    out.push(b'[');
    for (at, number) in numbers.as_slice()?.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        put_decimal(&mut out, *number);
    }
    out.push(b']');
    Ok(PyBytes::new(py, &out))
}

fn put_decimal(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Points [[x, y, z], ...] of int32 as int64 (n, 3); None if the text is anything else, or they are more than `limit`.
#[pyfunction]
fn json_points<'py>(py: Python<'py>, body: &Bound<PyAny>, limit: usize) -> PyResult<Option<Bound<'py, PyArray2<i64>>>> {
    let body = payload(body)?;
    let Some(flat) = py.detach(|| points(&body, limit)) else { return Ok(None) };
    let rows = flat.len() / 3;
    PyArray1::from_vec(py, flat).reshape([rows, 3]).map(Some)
}
