//! A YAML file by its lines: where keys stand, and how it differs when lines are added.

use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;

/// Lines to add, before the line of that index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Insertion {
    pub(crate) at: usize,
    pub(crate) lines: Vec<String>,
}

/// The lines of a file in block style.
pub(crate) struct Lines<'a>(pub(crate) Vec<&'a str>);

impl<'a> Lines<'a> {
    pub(crate) fn of(text: &'a str) -> Self {
        Self(text.lines().collect())
    }

    /// The key's line, among the keys of the first indentation in a range.
    pub(crate) fn find(&self, range: Range<usize>, key: &str) -> Option<usize> {
        let width = self.indentation_in(range.clone())?;
        let says = |line: &str| line.trim_start().strip_prefix(key).is_some_and(|rest| rest.starts_with(':'));
        range
            .into_iter()
            .find(|at| self.0.get(*at).is_some_and(|line| is_content(line) && indentation(line) == width && says(line)))
    }

    /// The lines of an item of a list, of which these are the lines.
    pub(crate) fn item(&self, range: Range<usize>, place: usize) -> Option<Range<usize>> {
        let width = self.indentation_in(range.clone())?;
        let begins = |at: &usize| {
            self.0.get(*at).is_some_and(|line| {
                is_content(line) && indentation(line) == width && line.trim_start().starts_with("- ")
            })
        };
        let end = range.end;
        let mut beginnings = range.filter(begins).skip(place);
        let begin = beginnings.next()?;
        Some(begin..beginnings.next().unwrap_or(end))
    }

    /// The line of a key of an item, unless it stands behind the item's dash.
    pub(crate) fn find_in_item(&self, item: Range<usize>, key: &str) -> Option<usize> {
        self.find(item.start + 1..item.end, key)
    }

    /// The lines below a key, without what follows its last content.
    pub(crate) fn below(&self, key: usize) -> Range<usize> {
        let width = self.0.get(key).map_or(0, |line| indentation(line));
        let mut end = key + 1;
        for (at, line) in self.0.iter().enumerate().skip(key + 1).filter(|(_, line)| is_content(line)) {
            let deeper = indentation(line) > width || indentation(line) == width && line.trim_start().starts_with('-');
            if !deeper {
                break;
            }
            end = at + 1;
        }
        key + 1..end
    }

    /// Of the first content in a range.
    pub(crate) fn indentation_in(&self, range: Range<usize>) -> Option<usize> {
        self.0.get(range)?.iter().find(|line| is_content(line)).map(|line| indentation(line))
    }

    /// What stands behind the key in its own line.
    pub(crate) fn value(&self, key: usize) -> &str {
        let value = self.0.get(key).and_then(|line| line.split_once(':')).map_or("", |(_, value)| value);
        value.split(" #").next().unwrap_or_default().trim()
    }
}

/// With another indentation of the whole.
pub(crate) fn indented(lines: &[&str], width: usize) -> Vec<String> {
    let least = lines.iter().filter(|line| !line.trim().is_empty()).map(|line| indentation(line)).min().unwrap_or(0);
    let cut = |line: &&str| line.get(least..).unwrap_or_default().to_owned();
    let spaces = " ".repeat(width);
    lines.iter().map(cut).map(|line| if line.is_empty() { line } else { format!("{spaces}{line}") }).collect()
}

/// A text with these lines added.
pub(crate) fn inserted(text: &str, insertions: &[Insertion]) -> String {
    let mut made = String::new();
    let lines: Vec<&str> = text.lines().collect();
    for at in 0..=lines.len() {
        for insertion in insertions.iter().filter(|insertion| insertion.at == at) {
            insertion.lines.iter().for_each(|line| push(&mut made, line));
        }
        if let Some(line) = lines.get(at) {
            push(&mut made, line);
        }
    }
    made
}

fn push(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

/// The same as a unified difference.
pub(crate) fn difference(text: &str, insertions: &[Insertion], path: &Path) -> String {
    const CONTEXT: usize = 3;
    let lines: Vec<&str> = text.lines().collect();
    let mut sorted: Vec<&Insertion> = insertions.iter().collect();
    sorted.sort_by_key(|insertion| insertion.at);
    let shown = path.display();
    let mut made = format!("--- {shown}\n+++ {shown}\n");
    let (mut before, mut added) = (0, 0);
    let mut rest = sorted.as_slice();
    while let Some(first) = rest.first() {
        // Those whose surroundings touch stand in one piece.
        let together =
            rest.windows(2).take_while(|pair| matches!(pair, [one, next] if next.at <= one.at + 2 * CONTEXT)).count()
                + 1;
        let (these, others) = rest.split_at(together);
        let start = first.at.saturating_sub(CONTEXT).max(before);
        let end = these.last().map_or(start, |last| (last.at + CONTEXT).min(lines.len()));
        let new: usize = these.iter().map(|insertion| insertion.lines.len()).sum();
        let length = end - start;
        let _ = writeln!(made, "@@ -{},{length} +{},{} @@", start + 1, start + 1 + added, length + new);
        for at in start..=end {
            for insertion in these.iter().filter(|insertion| insertion.at == at) {
                insertion.lines.iter().for_each(|line| push(&mut made, &format!("+{line}")));
            }
            if let Some(line) = lines.get(at).filter(|_| at < end) {
                push(&mut made, &format!(" {line}"));
            }
        }
        (before, added, rest) = (end, added + new, others);
    }
    made
}

pub(crate) fn indentation(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// Neither empty nor a comment, nor a mark between documents.
fn is_content(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && !line.starts_with('#') && line != "---"
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# x\na:\n- b: 1\n- b: 2\n\n# Of c.\nc:\n    d:\n    # y\n    - 1\n    e: {}\n";

    #[test]
    fn keys_have_what_stands_below_them() {
        let lines = Lines::of(TEXT);
        let (a, c) = (lines.find(0..lines.0.len(), "a").unwrap(), lines.find(0..lines.0.len(), "c").unwrap());
        assert_eq!((a, lines.below(a)), (1, 2..4));
        assert_eq!((c, lines.below(c)), (6, 7..11));
        let d = lines.find(lines.below(c), "d").unwrap();
        assert_eq!((lines.below(d), lines.indentation_in(lines.below(d))), (8..10, Some(4)));
        assert_eq!(lines.value(lines.find(lines.below(c), "e").unwrap()), "{}");
        assert_eq!(lines.find(0..lines.0.len(), "d"), None);
    }

    #[test]
    fn a_difference_has_what_is_added_with_its_surroundings() {
        let insertions = [
            Insertion { at: 6, lines: vec!["new: 1".to_owned()] },
            Insertion { at: 11, lines: vec!["last: 1".to_owned(), "very: 2".to_owned()] },
        ];
        let made = difference(TEXT, &insertions, Path::new("f"));
        assert_eq!(made.matches("\n+").count(), 4, "{made}");
        assert!(made.contains("@@ -4,8 +4,11 @@\n - b: 2\n \n # Of c.\n+new: 1\n c:\n"), "{made}");
        assert!(inserted(TEXT, &insertions).ends_with("    e: {}\nlast: 1\nvery: 2\n"));
    }
}
