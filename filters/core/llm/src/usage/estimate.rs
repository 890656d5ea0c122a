use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::MOST_TOKENS;
use crate::error::RequestError;
use crate::json::Fields;
use crate::operation::Operation;
use crate::schema::Kind;
use crate::text::request_characters;

/// Characters that one token is estimated at. English prose has about four a token in the tokenizers of OpenAI and
/// Anthropic; other scripts have fewer.
const CHARACTERS_A_TOKEN: u64 = 4;

/// The tokens that so many characters are estimated at, rounded up.
pub fn characters_as_tokens(characters: u64) -> u64 {
    characters.div_ceil(CHARACTERS_A_TOKEN).min(MOST_TOKENS)
}

/// The tokens that a request's input is estimated at: its text, and the ids of tokens, which embeddings take in place of text.
///
/// Fails on what is no JSON or is nested deeper than 127 levels.
pub fn request_tokens(operation: Operation, body: &[u8]) -> Result<u64, RequestError> {
    let of_text = characters_as_tokens(request_characters(operation, body)?);
    let ids = if operation.kind() == Kind::Embeddings { token_ids(operation, body).unwrap_or(0) } else { 0 };
    Ok(of_text.saturating_add(ids).min(MOST_TOKENS))
}

fn token_ids(operation: Operation, body: &[u8]) -> Option<u64> {
    let rules = operation.schema().head(operation.kind())?;
    let fields = Fields::read(body)?;
    let TokenIds(ids) = crate::json::parse(fields.get(rules.content.field)?).ok()?;
    Some(ids)
}

/// How many numbers there are in a list and in the lists within it.
struct TokenIds(u64);

impl<'de> Deserialize<'de> for TokenIds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Counting;
        impl<'de> Visitor<'de> for Counting {
            type Value = TokenIds;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("JSON")
            }

            fn visit_u64<E>(self, _: u64) -> Result<TokenIds, E> {
                Ok(TokenIds(1))
            }

            fn visit_i64<E>(self, _: i64) -> Result<TokenIds, E> {
                Ok(TokenIds(1))
            }

            fn visit_f64<E>(self, _: f64) -> Result<TokenIds, E> {
                Ok(TokenIds(1))
            }

            fn visit_bool<E>(self, _: bool) -> Result<TokenIds, E> {
                Ok(TokenIds(0))
            }

            fn visit_str<E>(self, _: &str) -> Result<TokenIds, E> {
                Ok(TokenIds(0))
            }

            fn visit_unit<E>(self) -> Result<TokenIds, E> {
                Ok(TokenIds(0))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<TokenIds, A::Error> {
                let mut sum = 0_u64;
                while let Some(TokenIds(ids)) = list.next_element()? {
                    sum = sum.saturating_add(ids);
                }
                Ok(TokenIds(sum))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<TokenIds, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(TokenIds(0))
            }
        }
        deserializer.deserialize_any(Counting)
    }
}
