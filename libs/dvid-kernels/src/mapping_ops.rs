//! Mappings as the message MappingOps.

use crate::fault::{Fault, Outcome};
use crate::wire::{bytes_size, field_size, number_size, put_field, put_head, put_number, take_number, Fields, Value};

/// Labels and what they become, in the order of the message.
pub fn decode(body: &[u8], limit: usize) -> Outcome<(Vec<u64>, Vec<u64>)> {
    let (mut original, mut mapped) = (Vec::new(), Vec::new());
    let mut ops = Fields(body);
    while let Some((number, value)) = ops.next()? {
        if let (1, Value::Bytes(op)) = (number, value) {
            let target = operation(op, &mut original, limit)?;
            mapped.resize(original.len(), target);
        }
    }
    Ok((original, mapped))
}

/// Appends the labels of an operation; what they become.
fn operation(op: &[u8], original: &mut Vec<u64>, limit: usize) -> Outcome<u64> {
    let mut target = 0;
    let mut fields = Fields(op);
    while let Some((number, value)) = fields.next()? {
        match (number, value) {
            (2, Value::Number(value)) => target = value,
            (3, Value::Number(value)) => original.push(value),
            (3, Value::Bytes(mut packed)) => {
                while !packed.is_empty() {
                    original.push(take_number(&mut packed)?);
                    if original.len() > limit {
                        break;
                    }
                }
            }
            _ => (),
        }
        if original.len() > limit {
            return Fault::format(format!("the message has more than {limit} mappings"));
        }
    }
    Ok(target)
}

/// The message; neighbours with the same target share an operation.
pub fn encode(original: &[u64], mapped: &[u64], mutid: u64) -> Outcome<Vec<u8>> {
    if original.len() != mapped.len() {
        return Fault::argument("the two arrays of the mapping differ in length");
    }
    let mut out = Vec::with_capacity(2 * original.len());
    let mut rest = original;
    for targets in mapped.chunk_by(|a, b| a == b) {
        let (labels, tail) = rest.split_at(targets.len());
        rest = tail;
        let packed: usize = labels.iter().map(|label| number_size(*label)).sum();
        put_head(&mut out, 1, field_size(mutid) + field_size(targets[0]) + bytes_size(packed));
        put_field(&mut out, 1, mutid);
        put_field(&mut out, 2, targets[0]);
        put_head(&mut out, 3, packed);
        for label in labels {
            put_number(&mut out, *label);
        }
    }
    Ok(out)
}
