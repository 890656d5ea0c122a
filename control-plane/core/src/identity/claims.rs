//! What a token says, and conditions on it.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD;
use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Number, Value};
use utoipa::ToSchema;

use crate::field::Fields;
use crate::json::Object;

/// Characters of a path at most.
const LONGEST_PATH: usize = 200;
/// How deep claims may be nested.
const DEEPEST: usize = 32;

/// What a token says, each claim once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims(Object);

/// It is no token's content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the claims of a token cannot be read: {0}")]
pub struct MalformedClaims(String);

impl Claims {
    /// Reads the middle part of a token: base64url without padding.
    pub fn of_token(part: &str) -> Result<Self, MalformedClaims> {
        let json =
            URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).map_err(|error| MalformedClaims(error.to_string()))?;
        Self::parse(&json)
    }

    /// Reads the JSON of a token. A claim that is there twice is refused: readers differ in which of both they take.
    pub fn parse(json: &[u8]) -> Result<Self, MalformedClaims> {
        let mut reader = serde_json::Deserializer::from_slice(json);
        let malformed = |error: serde_json::Error| MalformedClaims(error.to_string());
        let value = Unique { deeper: DEEPEST }.deserialize(&mut reader).map_err(malformed)?;
        reader.end().map_err(malformed)?;
        match value {
            Value::Object(claims) => Ok(Self(claims)),
            _ => Err(MalformedClaims("they are no object".into())),
        }
    }

    /// A claim by its name or path. A name with dots is looked up whole first, then as a path: `realm_access.roles`.
    pub fn get(&self, path: &str) -> Option<&Value> {
        claim(&self.0, path)
    }

    /// A claim that is a text.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.get(path)?.as_str()
    }

    /// Whom the token is for: a text or a list of them (RFC 7519, 4.1.3).
    pub fn is_for(&self, audience: &str) -> bool {
        match self.get("aud") {
            Some(Value::String(one)) => one == audience,
            Some(Value::Array(many)) => many.iter().any(|one| one == audience),
            _ => false,
        }
    }

    /// When it ends: Unix time in seconds.
    pub fn expires_at_unix_s(&self) -> Option<i64> {
        self.unix_s("exp")
    }

    /// When it was issued: Unix time in seconds. Issuers need not say it.
    pub fn issued_at_unix_s(&self) -> Option<i64> {
        self.unix_s("iat")
    }

    fn unix_s(&self, name: &str) -> Option<i64> {
        let time = self.get(name)?;
        time.as_i64().or_else(|| time.as_f64().map(|seconds| seconds as i64))
    }
}

fn claim<'a>(claims: &'a Object, name: &str) -> Option<&'a Value> {
    if let Some(value) = claims.get(name) {
        return Some(value);
    }
    let (first, rest) = name.split_once('.')?;
    claim(claims.get(first)?.as_object()?, rest)
}

/// Why a text is no claim's name or path.
pub(super) const NO_PATH: &str =
    "must be a claim's name, or a path of names with dots between them such as realm_access.roles";

/// Whether this is a claim's name, or a path of names with dots between them. Neither `$` nor brackets: this is no JSONPath.
pub fn is_claim_path(path: &str) -> bool {
    let is_plain = |character: char| !character.is_control() && !" []$*\"'".contains(character);
    (1..=LONGEST_PATH).contains(&path.chars().count())
        && path.chars().all(is_plain)
        && path.split('.').all(|name| !name.is_empty())
}

/// A condition on one claim: exactly one of `equals` and `contains`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClaimCondition {
    /// The claim: a name, or a path of names such as `realm_access.roles`. A name with dots is looked up whole first.
    pub path: String,
    /// What it is. Numbers, `true` and `false` are compared as they are written in JSON.
    #[serde(default)]
    #[schema(required)]
    pub equals: Option<String>,
    /// What is in it: an element of a list, or a word of a text such as `scope`.
    #[serde(default)]
    #[schema(required)]
    pub contains: Option<String>,
}

impl ClaimCondition {
    /// Notes what is wrong with one that stands in a field.
    pub(super) fn check(&self, fields: &mut Fields, at: &str) {
        let path = |field: &str| format!("{at}.{field}");
        fields.require(is_claim_path(&self.path), path("path"), NO_PATH);
        match (&self.equals, &self.contains) {
            (Some(text), None) | (None, Some(text)) => {
                let field = if self.equals.is_some() { "equals" } else { "contains" };
                let holds = (1..=2048).contains(&text.chars().count()) && !text.chars().any(char::is_control);
                fields.require(holds, path(field), "must have 1 to 2048 characters, no control characters");
            }
            (Some(_), Some(_)) => fields.require(false, path("contains"), "must not be given beside equals"),
            (None, None) => fields.require(false, path("equals"), "is required, or else contains"),
        }
    }

    /// Whether it holds. A claim that is not there fulfils none.
    pub fn holds(&self, claims: &Claims) -> bool {
        let Some(value) = claims.get(&self.path) else { return false };
        match (&self.equals, &self.contains) {
            (Some(text), None) => is_text(value, text),
            (None, Some(text)) => match value {
                Value::Array(many) => many.iter().any(|one| is_text(one, text)),
                Value::String(words) => words.split(' ').any(|word| word == text),
                _ => false,
            },
            _ => false,
        }
    }
}

fn is_text(value: &Value, text: &str) -> bool {
    match value {
        Value::String(value) => value == text,
        Value::Number(number) => number.to_string() == text,
        Value::Bool(value) => value.to_string() == text,
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}

/// Reads JSON in which no object has a name twice.
struct Unique {
    deeper: usize,
}

impl Unique {
    fn within<E: serde::de::Error>(&self) -> Result<Self, E> {
        let deeper = self.deeper.checked_sub(1).ok_or_else(|| E::custom("they are nested too deep"))?;
        Ok(Self { deeper })
    }
}

impl<'de> DeserializeSeed<'de> for Unique {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self.within()?)? {
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = entries.next_key::<String>()? {
            if object.contains_key(&name) {
                return Err(A::Error::custom("one of them is there twice"));
            }
            let value = entries.next_value_seed(self.within()?)?;
            object.insert(name, value);
        }
        Ok(object.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims() -> Claims {
        let json = br#"{"sub": "a", "aud": ["x", "y"], "realm_access": {"roles": ["dev", 7]}, "scope": "chat embed",
            "https://acme.example/team": "research", "number": 7, "flag": true, "exp": 12.5}"#;
        Claims::parse(json).unwrap()
    }

    #[test]
    fn conditions_are_on_names_and_paths() {
        let check = |path: &str, equals: Option<&str>, contains: Option<&str>, expect: bool| {
            let owned = |text: Option<&str>| text.map(str::to_owned);
            let condition = ClaimCondition { path: path.into(), equals: owned(equals), contains: owned(contains) };
            assert_eq!(condition.holds(&claims()), expect, "{condition:?}");
        };
        check("sub", Some("a"), None, true);
        check("sub", Some("b"), None, false);
        check("none", Some(""), None, false);
        check("realm_access.roles", None, Some("dev"), true);
        check("realm_access.roles", None, Some("7"), true);
        check("realm_access.roles", None, Some("de"), false);
        check("realm_access.roles", Some("dev"), None, false);
        check("realm_access", None, Some("roles"), false);
        check("scope", None, Some("embed"), true);
        check("scope", None, Some("emb"), false);
        check("https://acme.example/team", Some("research"), None, true);
        check("number", Some("7"), None, true);
        check("flag", Some("true"), None, true);
        check("sub", None, None, false);
    }

    #[test]
    fn audiences_and_times_are_read_in_both_spellings() {
        assert!(claims().is_for("y") && !claims().is_for("z"));
        assert!(Claims::parse(br#"{"aud": "x"}"#).unwrap().is_for("x"));
        assert_eq!(claims().expires_at_unix_s(), Some(12));
    }

    #[test]
    fn what_readers_may_read_differently_is_refused() {
        let check = |json: &str| assert!(Claims::parse(json.as_bytes()).is_err(), "{json}");
        check(r#"{"sub": "a", "sub": "b"}"#);
        check(r#"{"a": {"b": 1, "b": 1}}"#);
        check(r#"{"sub": "a"} {}"#);
        check("[]");
        check("");
        check(&format!("{{\"a\": {}1{}}}", "[".repeat(40), "]".repeat(40)));
    }

    #[test]
    fn paths_are_names_with_dots() {
        let check = |path: &str, expect: bool| assert_eq!(is_claim_path(path), expect, "{path}");
        check("sub", true);
        check("realm_access.roles", true);
        check("https://acme.example/team", true);
        check("", false);
        check("a..b", false);
        check(".a", false);
        check("$.a", false);
        check("a[0]", false);
        check("a b", false);
        check(&"a".repeat(201), false);
    }
}
