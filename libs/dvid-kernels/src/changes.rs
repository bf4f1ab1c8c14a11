//! Differences of voxel counts.

/// Voxels gained or lost per label, ascending, out of two ascending lists; label 0 and what stays are left out.
pub fn changes(old: &[(u64, u32)], new: &[(u64, u32)]) -> Vec<(u64, i64)> {
    let mut found = Vec::new();
    let (mut old, mut new) = (old.iter().peekable(), new.iter().peekable());
    loop {
        let label = match (old.peek(), new.peek()) {
            (None, None) => return found,
            (Some(one), None) | (None, Some(one)) => one.0,
            (Some(before), Some(after)) => before.0.min(after.0),
        };
        let before = old.next_if(|row| row.0 == label).map_or(0, |row| i64::from(row.1));
        let after = new.next_if(|row| row.0 == label).map_or(0, |row| i64::from(row.1));
        if label != 0 && before != after {
            found.push((label, after - before));
        }
    }
}
