//! Lists, one page at a time.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::labels::Environment;

/// Which part of a list is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// Items at most: 1 to 200.
    pub limit: u32,
    /// The last item of the page before; `None`: from the beginning.
    pub after: Option<Uuid>,
    /// Only what belongs to this tenant.
    pub tenant_id: Option<Uuid>,
}

/// Which part of a list of resources is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListRequest {
    /// Items at most: 1 to 200.
    pub limit: u32,
    /// In which order.
    pub order: Order,
    /// The last item of the page before; `None`: from the beginning.
    pub after: Option<After>,
    /// Only what belongs to this tenant.
    pub tenant_id: Option<Uuid>,
    /// Only what belongs to no tenant, but to the platform.
    pub platforms_alone: bool,
    /// Only what is called so.
    pub name: Option<String>,
    /// Only what has this in its name, whatever its case.
    pub part_of_name: Option<String>,
    /// Only what is in this state.
    pub state: Option<String>,
    /// Only what all of these hold of.
    pub filters: Vec<Filter>,
}

/// What a list of resources can be narrowed to, where its kind has such a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// What is of this department, or of one beneath it.
    Department(Uuid),
    /// Departments right beneath this one.
    Parent(Uuid),
    /// What is this user's.
    User(Uuid),
    /// What is this service account's.
    ServiceAccount(Uuid),
    /// What is used for this.
    Environment(Environment),
    /// What has a label of this name; with this value, if one is said.
    Label(String, Option<String>),
    /// What was not used for so many days, and is older than that.
    UnusedForDays(u16),
}

impl Filter {
    /// All names.
    pub const NAMES: [&'static str; 7] =
        ["department_id", "parent_id", "user_id", "service_account_id", "environment", "label", "unused_for_days"];

    /// Its name in a query.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Department(_) => "department_id",
            Self::Parent(_) => "parent_id",
            Self::User(_) => "user_id",
            Self::ServiceAccount(_) => "service_account_id",
            Self::Environment(_) => "environment",
            Self::Label(..) => "label",
            Self::UnusedForDays(_) => "unused_for_days",
        }
    }
}

/// The order of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// By what.
    pub by: SortKey,
    /// The largest first.
    pub descending: bool,
}

/// What a list is sorted by. What is equal is in the order in which it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SortKey {
    /// When it was made.
    #[default]
    CreatedAt,
    /// What it is called.
    Name,
    /// When it was last written.
    UpdatedAt,
}

/// Where a page of resources ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct After {
    /// The item.
    pub id: Uuid,
    /// What the list is sorted by, of this item.
    pub value: AfterValue,
}

/// What a list is sorted by, of one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AfterValue {
    /// Its place in the order of ids.
    Id,
    /// What it is called.
    Name(String),
    /// When it was last written.
    UpdatedAt(DateTime<Utc>),
}

/// A part of a list of resources.
#[derive(Clone, Debug, PartialEq)]
pub struct ListPage<T> {
    /// In the order of the list.
    pub items: Vec<T>,
    /// The last item if there are more; `None`: this is the end.
    pub next: Option<After>,
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
