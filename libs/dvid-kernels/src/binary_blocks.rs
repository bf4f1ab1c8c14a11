//! The voxels of a body in a block, as flags and bits.

use crate::fault::Outcome;
use crate::layout::Shape;
use crate::members::{shares, Chosen, Members, Share};
use crate::session::Session;

const NOTHING: u8 = 0;
const EVERYTHING: u8 = 1;
const SOME: u8 = 2;
/// Bytes of the first voxel, in front of the flag of the block.
const HEAD: usize = 12;

/// First voxel, flag, and for some of it the flags and bits of all sub-blocks; nothing if the block has none of the body.
pub fn binary_block(
    session: &mut Session,
    chosen: &mut Chosen,
    payload: &[u8],
    first: [i64; 3],
    shape: Shape,
    members: Members,
) -> Outcome<Option<Vec<u8>>> {
    let (layout, table) = session.open(payload, shape, None)?;
    let share = chosen.choose(table, members);
    if share == Share::Nothing {
        return Ok(None);
    }
    let mut out: Vec<u8> = first.iter().flat_map(|n| (*n as i32).to_le_bytes()).collect();
    if share == Share::Everything {
        out.push(EVERYTHING);
        return Ok(Some(out));
    }
    out.push(SOME);
    let (mut any, mut all) = (false, true);
    shares(&layout, chosen, |_, share, bits| {
        any |= share != Share::Nothing;
        all &= share == Share::Everything;
        match share {
            Share::Nothing => out.push(NOTHING),
            Share::Everything => out.push(EVERYTHING),
            Share::Some => {
                out.push(SOME);
                out.extend_from_slice(bits);
            }
        }
    })?;
    if all {
        out.truncate(HEAD);
        out.push(EVERYTHING);
    }
    Ok(any.then_some(out))
}
