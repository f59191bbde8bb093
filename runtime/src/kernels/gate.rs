//! The gate over a vector of predictions.

/// Rows whose prediction lies within its threshold, `|a| < t`, in ascending
/// order; returns how many. `open` has room for every row.
#[inline]
pub fn within(predictions: &[i16], thresholds: &[i16], open: &mut [u16]) -> usize {
    let rows = predictions.iter().zip(thresholds);
    list(0, rows.map(|(&a, &t)| is_within(a, t)), open)
}

/// Whether `|a| < t`.
#[inline(always)]
#[must_use]
pub const fn is_within(a: i16, t: i16) -> bool {
    t > 0 && a.unsigned_abs() < t as u16
}

/// Rows whose prediction exceeds its threshold, `a > t`.
#[inline]
pub fn above(predictions: &[i16], thresholds: &[i16], open: &mut [u16]) -> usize {
    let rows = predictions.iter().zip(thresholds);
    list(0, rows.map(|(a, t)| a > t), open)
}

/// Lists the rows that open, from row `first` on; returns how many.
#[inline(always)]
pub(crate) fn list(first: usize, opens: impl Iterator<Item = bool>, open: &mut [u16]) -> usize {
    let mut count = 0;
    for (row, opens) in opens.enumerate() {
        if opens && let Some(entry) = open.get_mut(count) {
            *entry = (first + row) as u16;
            count += 1;
        }
    }
    count
}

/// Extends a list of `count` rows in ascending order to whole groups of
/// `group` rows, those that reach beyond `rows` cut off; returns the new
/// count. `open` has room for every row.
pub fn widen(open: &mut [u16], count: usize, group: usize, rows: usize) -> usize {
    let group = group.max(1);
    // First every group once, at the front; then from the back, so that no
    // group is overwritten before it is read.
    let (mut groups, mut last) = (0, None);
    for index in 0..count {
        let Some(&row) = open.get(index) else { break };
        let group_of = usize::from(row) / group;
        if last != Some(group_of)
            && let Some(entry) = open.get_mut(groups)
        {
            *entry = group_of as u16;
            last = Some(group_of);
            groups += 1;
        }
    }
    let Some(last) = last else { return 0 };
    let end = ((last + 1) * group).min(rows);
    let total = (groups - 1) * group + end.saturating_sub(last * group);
    if total > open.len() {
        return 0;
    }
    for index in (0..total).rev() {
        let first = open
            .get(index / group)
            .map_or(0, |&g| usize::from(g) * group);
        if let Some(entry) = open.get_mut(index) {
            *entry = (first + index % group) as u16;
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gates_test_strictly() {
        let mut open = [0; 8];
        let a = [4, -4, 5, -5, 0, i16::MIN, i16::MAX, 3];
        assert_eq!(
            within(&a, &[5, 5, 5, 5, 0, i16::MAX, i16::MAX, -1], &mut open),
            2
        );
        assert_eq!(open[..2], [0, 1]);
        assert_eq!(above(&a, &[3, 4, 5, -6, 0, 0, 0, 2], &mut open), 4);
        assert_eq!(open[..4], [0, 3, 6, 7]);
    }

    #[test]
    fn groups_open_as_a_whole() {
        let mut open = [0; 11];
        open[..4].copy_from_slice(&[1, 3, 4, 9]);
        assert_eq!(widen(&mut open, 4, 4, 11), 11);
        assert_eq!(open, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        open[..2].copy_from_slice(&[6, 7]);
        assert_eq!(widen(&mut open, 2, 4, 11), 4);
        assert_eq!(open[..4], [4, 5, 6, 7]);
        open[0] = 10;
        assert_eq!(widen(&mut open, 1, 4, 11), 3);
        assert_eq!(open[..3], [8, 9, 10]);
        assert_eq!(widen(&mut open, 0, 4, 11), 0);
    }
}
