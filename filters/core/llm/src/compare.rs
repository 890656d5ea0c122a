use crate::steps;

/// Whether both are the same bytes, compared eight at a time: the target's own comparison looks at one by one.
pub fn equal_bytes(left: &[u8], right: &[u8]) -> bool {
    steps::count(left.len().min(right.len()));
    let ((left, left_rest), (right, right_rest)) = (left.as_chunks::<8>(), right.as_chunks::<8>());
    let words = left.iter().zip(right).all(|(left, right)| u64::from_ne_bytes(*left) == u64::from_ne_bytes(*right));
    words && left.len() == right.len() && left_rest == right_rest
}

/// What stands between a known beginning and a known end.
pub fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (beginning, rest) = text.split_at_checked(before.len())?;
    let (middle, end) = rest.split_at_checked(rest.len().checked_sub(after.len())?)?;
    (equal_bytes(beginning.as_bytes(), before.as_bytes()) && equal_bytes(end.as_bytes(), after.as_bytes()))
        .then_some(middle)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{between, equal_bytes};

    proptest! {
        #[test]
        fn bytes_are_the_same_if_all_of_them_are(bytes in prop::collection::vec(any::<u8>(), 0..40), at in 0..40_usize) {
            prop_assert!(equal_bytes(&bytes, &bytes.clone()));
            let mut other = bytes.clone();
            match other.get_mut(at) {
                Some(byte) => *byte ^= 1,
                None => other.push(0),
            }
            prop_assert!(!equal_bytes(&bytes, &other) && !equal_bytes(&other, &bytes));
        }

        #[test]
        fn the_middle_is_what_the_standard_library_says(text in "[ab\u{e9}]{0,12}", before in "[ab\u{e9}]{0,4}", after in "[ab\u{e9}]{0,4}") {
            let expect = text.strip_prefix(before.as_str()).and_then(|rest| rest.strip_suffix(after.as_str()));
            prop_assert_eq!(between(&text, &before, &after), expect);
            let whole = [before.as_str(), &text, &after].concat();
            prop_assert_eq!(between(&whole, &before, &after), Some(text.as_str()));
        }
    }
}
