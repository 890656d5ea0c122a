use serde_json::{Map, Value};

use crate::error::RequestError;

/// A value in a body, with the path that an error names.
pub(super) struct Node<'a> {
    value: &'a Value,
    path: String,
}

impl<'a> Node<'a> {
    pub(super) fn root(value: &'a Value) -> Self {
        Self { value, path: String::new() }
    }

    /// A field; `null` counts as absent.
    pub(super) fn get(&self, name: &str) -> Option<Self> {
        let value = self.value.get(name).filter(|value| !value.is_null())?;
        let path = if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
        Some(Self { value, path })
    }

    pub(super) fn required(&self, name: &str) -> Result<Self, RequestError> {
        self.get(name).ok_or_else(|| {
            let path = if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
            RequestError::new("the field is required").at(&path)
        })
    }

    pub(super) fn value(&self) -> &'a Value {
        self.value
    }

    pub(super) fn str(&self) -> Result<&'a str, RequestError> {
        self.value.as_str().ok_or_else(|| self.error("a string is expected"))
    }

    pub(super) fn bool(&self) -> Result<bool, RequestError> {
        self.value.as_bool().ok_or_else(|| self.error("true or false is expected"))
    }

    pub(super) fn u64(&self) -> Result<u64, RequestError> {
        self.value.as_u64().ok_or_else(|| self.error("a whole number, at least 0, is expected"))
    }

    pub(super) fn f64(&self) -> Result<f64, RequestError> {
        self.value.as_f64().ok_or_else(|| self.error("a number is expected"))
    }

    pub(super) fn object(&self) -> Result<&'a Map<String, Value>, RequestError> {
        self.value.as_object().ok_or_else(|| self.error("an object is expected"))
    }

    pub(super) fn items(&self) -> Result<Vec<Self>, RequestError> {
        let items = self.value.as_array().ok_or_else(|| self.error("an array is expected"))?;
        Ok(items
            .iter()
            .enumerate()
            .map(|(index, value)| Self { value, path: format!("{}[{index}]", self.path) })
            .collect())
    }

    /// A string field, if it is there.
    pub(super) fn optional_str(&self, name: &str) -> Result<Option<String>, RequestError> {
        self.get(name).map(|node| node.str().map(str::to_owned)).transpose()
    }

    pub(super) fn required_str(&self, name: &str) -> Result<&'a str, RequestError> {
        self.required(name)?.str()
    }

    pub(super) fn error(&self, message: &str) -> RequestError {
        if self.path.is_empty() { RequestError::new(message) } else { RequestError::new(message).at(&self.path) }
    }

    /// The fields of the whole body that are neither known nor `null`.
    pub(super) fn others(&self, known: &[&str]) -> Result<Map<String, Value>, RequestError> {
        let fields = self.object()?.iter();
        Ok(fields
            .filter(|(name, value)| !value.is_null() && !known.contains(&name.as_str()))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect())
    }
}
