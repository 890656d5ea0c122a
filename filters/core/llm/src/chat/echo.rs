use serde_json::{Map, Value};

use crate::json::{Fields, parse};
use crate::schema::Schema;

/// The longest value that is kept: an answer says it up to three times, and the last event of a stream has its bound. Of a longer one it
/// is only known that it was there.
const LONGEST_VALUE: usize = 64 * 1024;

/// What an answer in the client's schema repeats of its request, or is written by. It is the client's own dialect that names the fields
/// ([`Dialect::echoed`](crate::schema::Dialect::echoed)) and looks them up; nothing else knows what they mean.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Echo(Map<String, Value>);

impl Echo {
    /// Of a client's body. A field that is absent or null is not kept.
    pub fn of(client: Schema, body: &[u8]) -> Self {
        let names = client.echoed();
        if names.is_empty() {
            return Self::default();
        }
        let Some(fields) = Fields::read(body) else { return Self::default() };
        let kept = names.iter().filter_map(|name| {
            let value = fields.get(name)?;
            let kept = if value.len() > LONGEST_VALUE { Value::Null } else { parse(value).ok()? };
            Some(((*name).to_owned(), kept))
        });
        Self(kept.collect())
    }

    /// Whether the request had this field.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The value of a field of the request, if it is kept.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }
}
