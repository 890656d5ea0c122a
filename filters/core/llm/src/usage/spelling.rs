use serde_json::Value;

use super::{Figure, Usage};
use crate::usage::figure::Said;

/// One way to spell a figure: the path to it within `usage`, and what it counts.
pub(crate) type Spelling = (&'static [&'static str], Figure);

/// Reads the figures that a table names; `None` if there are none.
///
/// Zeros alone are no figures of an input, which is never empty: some servers fill in what they do not know.
pub(crate) fn read(table: &[Spelling], usage: &Value) -> Option<Usage> {
    let mut read = Usage::default();
    for (path, figure) in table {
        let found = path.iter().try_fold(usage, |value, name| value.get(name));
        let said = read.said_mut(*figure);
        *said = said.or(found.map(Said::read).unwrap_or_default());
    }
    let mut of_input = [
        &mut read.input,
        &mut read.plain_input,
        &mut read.cached_input,
        &mut read.cache_write,
        &mut read.cache_write_5m,
        &mut read.cache_write_1h,
    ];
    if of_input.iter().all(|said| said.is_nothing_or_zero()) {
        of_input.iter_mut().for_each(|said| **said = Said::Nothing);
    }
    if read.total.is_nothing_or_zero() {
        read.total = Said::Nothing;
    }
    (read != Usage::default()).then_some(read)
}
