use serde_json::{Map, Value};

use crate::chat::Other;
use crate::error::RequestError;

/// A value in a body, with the path that an error names.
#[derive(Clone, Debug)]
pub struct Node<'a> {
    value: &'a Value,
    path: String,
}

impl<'a> Node<'a> {
    pub(crate) fn root(value: &'a Value) -> Self {
        Self { value, path: String::new() }
    }

    /// A field; `null` counts as absent.
    pub(crate) fn get(&self, name: &str) -> Option<Self> {
        let value = self.value.get(name).filter(|value| !value.is_null())?;
        Some(Self { value, path: self.path_of(name) })
    }

    pub(crate) fn required(&self, name: &str) -> Result<Self, RequestError> {
        self.get(name).ok_or_else(|| RequestError::new("the field is required").at(&self.path_of(name)))
    }

    pub(crate) fn value(&self) -> &'a Value {
        self.value
    }

    pub(crate) fn str(&self) -> Result<&'a str, RequestError> {
        self.value.as_str().ok_or_else(|| self.error("a string is expected"))
    }

    pub(crate) fn bool(&self) -> Result<bool, RequestError> {
        self.value.as_bool().ok_or_else(|| self.error("true or false is expected"))
    }

    pub(crate) fn u64(&self) -> Result<u64, RequestError> {
        self.value.as_u64().ok_or_else(|| self.error("a whole number, at least 0, is expected"))
    }

    pub(crate) fn f64(&self) -> Result<f64, RequestError> {
        self.value.as_f64().ok_or_else(|| self.error("a number is expected"))
    }

    pub(crate) fn object(&self) -> Result<&'a Map<String, Value>, RequestError> {
        self.value.as_object().ok_or_else(|| self.error("an object is expected"))
    }

    pub(crate) fn items(&self) -> Result<Vec<Self>, RequestError> {
        let items = self.value.as_array().ok_or_else(|| self.error("an array is expected"))?;
        Ok(items
            .iter()
            .enumerate()
            .map(|(index, value)| Self { value, path: format!("{}[{index}]", self.path) })
            .collect())
    }

    /// The items that are there.
    pub(crate) fn items_but_null(&self) -> Result<Vec<Self>, RequestError> {
        let mut items = self.items()?;
        items.retain(|item| !item.value.is_null());
        Ok(items)
    }

    /// A string field, if it is there.
    pub(crate) fn optional_str(&self, name: &str) -> Result<Option<String>, RequestError> {
        self.get(name).map(|node| node.str().map(str::to_owned)).transpose()
    }

    pub(crate) fn required_str(&self, name: &str) -> Result<&'a str, RequestError> {
        self.required(name)?.str()
    }

    pub(crate) fn error(&self, message: &str) -> RequestError {
        if self.path.is_empty() { RequestError::new(message) } else { RequestError::new(message).at(&self.path) }
    }

    /// Where it stands in the body.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Notes the fields that are neither known nor `null`.
    pub(crate) fn others(&self, known: &[&str], others: &mut Vec<Other>) {
        let Some(fields) = self.value.as_object() else { return };
        for (name, value) in fields.iter().filter(|(name, value)| !value.is_null() && !known.contains(&name.as_str())) {
            others.push(Other { path: self.path_of(name), value: value.clone() });
        }
    }

    fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }
}
