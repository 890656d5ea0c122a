//! Where long runs of one class end, so that what begins in the same run need not read it again.

use super::formats::Class;
use super::run_end;

/// Shorter runs are read again.
const SHORTEST: usize = 64;
/// As many as the longest form has, and more.
const MOST: usize = 8;

/// Runs of one text that were read before.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    known: [Option<(Class, usize, usize)>; MOST],
    /// Which of them is replaced next.
    next: usize,
}

impl Runs {
    /// Where the run of a class ends that begins at `at`, at most `most` bytes of it.
    pub(super) fn end(&mut self, text: &[u8], class: Class, at: usize, most: usize) -> usize {
        let limit = at.saturating_add(most);
        let read = |from: usize| run_end(text, from, limit.saturating_sub(from), |byte| class.has(byte));
        let is_same =
            |known: &(Class, usize, usize)| known.0 == class && (known.1..=known.2).contains(&at) && at < known.2;
        if let Some(known) = self.known.iter_mut().flatten().find(|known| is_same(known)) {
            if limit > known.2 {
                known.2 = read(known.2);
            }
            return known.2.min(limit);
        }
        let end = read(at);
        if end.saturating_sub(at) >= SHORTEST {
            if let Some(place) = self.known.get_mut(self.next) {
                *place = Some((class, at, end));
            }
            self.next = self.next.saturating_add(1) % MOST;
        }
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_was_read_ends_where_it_ends() {
        let text = [vec![b'a'; 100], vec![b'.'; 100], vec![b'b'; 300]].concat();
        let mut runs = Runs::default();
        for most in [1, 70, 150, 400] {
            for at in (0..text.len()).chain((0..text.len()).rev()) {
                for class in [Class::Word, Class::Dotted] {
                    let expect = run_end(&text, at, most, |byte| class.has(byte));
                    assert_eq!(runs.end(&text, class, at, most), expect, "{most} of {class:?} at {at}");
                }
            }
        }
    }
}
