//! Lists, one page at a time.

use uuid::Uuid;

/// Which part of a list is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// Items at most: 1 to 200.
    pub limit: u32,
    /// The last item of the page before; `None`: from the beginning.
    pub after: Option<Uuid>,
    /// Only what belongs to this tenant.
    pub tenant_id: Option<Uuid>,
    /// Only what is called so.
    pub name: Option<String>,
    /// Only what has this in its name, whatever its case.
    pub part_of_name: Option<String>,
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// In the order of the list.
    pub items: Vec<T>,
    /// The last item if there are more; `None`: this is the end.
    pub next: Option<Uuid>,
}

impl<T> Page<T> {
    /// Makes a page from the items of a query that asked for one more than `limit`.
    pub fn from_rows(mut items: Vec<T>, limit: u32, id: impl Fn(&T) -> Uuid) -> Self {
        let limit = limit as usize;
        if items.len() > limit {
            items.truncate(limit);
            let next = items.last().map(&id);
            return Self { items, next };
        }
        Self { items, next: None }
    }
}
