use serde_json::{Map, Value};

use super::figure::Said;
use super::{Figure, Usage};
use crate::json::Fields;
use crate::steps;

/// One way to spell a figure: the path to it within `usage`, and what it counts.
pub(crate) type Spelling = (&'static [&'static str], Figure);

/// Levels of a usage that are read, and more than any path has.
const DEEPEST: usize = 4;

/// A usage's JSON text as a value. What in it is no value that can be held, a number beyond all numbers or half a surrogate pair, becomes
/// one that is no figure, and takes nothing with it.
pub(crate) fn value_of(json: &str) -> Option<Value> {
    crate::json::parse(json).ok().or_else(|| Some(by_levels(json, DEEPEST)).filter(Value::is_object))
}

fn by_levels(json: &str, levels: usize) -> Value {
    if let (Some(fields), Some(below)) = (Fields::of(json), levels.checked_sub(1)) {
        let read = fields.iter().map(|(name, value)| (name.to_owned(), by_levels(value, below)));
        return Value::Object(read.collect::<Map<_, _>>());
    }
    // Not a figure, but not absent either.
    crate::json::parse(json).unwrap_or(Value::Bool(false))
}

/// A field of an object. A usage has a handful, which are compared sooner than a name is hashed.
fn field<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    let fields = object.as_object()?;
    steps::count(fields.len());
    fields.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
}

/// Reads the figures that a table names; `None` if there are none.
///
/// Zeros alone are no figures of an input, which is never empty: some servers fill in what they do not know.
pub(crate) fn read(table: &[Spelling], usage: &Value) -> Option<Usage> {
    let mut read = Usage::default();
    for (path, figure) in table {
        let found = path.iter().try_fold(usage, |value, name| field(value, name));
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
