//! What all resources' answers and lists have in common.

mod document;
mod kind;

pub(crate) use document::Schemas;
pub(crate) use kind::{Resource, object};

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use weir_core::labels::Environment;
use weir_core::page::{Filter, ListPage, ListRequest, Order, Page, SortKey};

use crate::cursor;
use crate::etag::etag;
use crate::problem::{Code, Problem};

/// Of kinds of which nothing is only read.
#[derive(ToSchema)]
pub(crate) struct NoStatus {}

/// Fields of every resource.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Meta {
    /// UUIDv7, immutable.
    pub(crate) id: Uuid,
    /// RFC 3339, UTC.
    pub(crate) created_at: DateTime<Utc>,
    /// RFC 3339, UTC.
    pub(crate) updated_at: DateTime<Utc>,
    /// The committed change that last wrote it; also its ETag.
    pub(crate) revision: u64,
}

/// One part of a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct List<T> {
    /// In the order of the list.
    pub(crate) items: Vec<T>,
    /// Send it as `cursor` for the next part; null at the end.
    pub(crate) next_cursor: Option<String>,
}

impl<T> List<T> {
    /// Turns a page of the store's into an answer.
    pub(crate) fn of<S>(page: Page<S>, item: impl Fn(S) -> T) -> Json<Self> {
        Json(Self { items: page.items.into_iter().map(item).collect(), next_cursor: page.next.map(cursor::write) })
    }

    /// The same for resources.
    pub(crate) fn of_resources<S>(page: ListPage<S>, item: impl Fn(S) -> T) -> Json<Self> {
        let next_cursor = page.next.as_ref().map(cursor::write_after);
        Json(Self { items: page.items.into_iter().map(item).collect(), next_cursor })
    }
}

/// Which part of a list of resources is wanted.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ResourceQuery {
    /// Items at most, 1 to 200. Default 50.
    limit: Option<u32>,
    /// `next_cursor` of the part before, of a list with the same order.
    cursor: Option<String>,
    /// Only what belongs to this tenant.
    tenant_id: Option<Uuid>,
    /// Only what belongs to no tenant: `platform`.
    #[param(inline)]
    owner: Option<ListOwner>,
    /// Only what is called so.
    name: Option<String>,
    /// Only what has this in its name, whatever its case.
    q: Option<String>,
    /// The order; with `-` before it, the largest first. Default `created_at`.
    #[param(inline)]
    sort: Option<Sort>,
    /// Only what is in this state.
    state: Option<String>,
    /// Only what is of this department, or of one beneath it.
    department_id: Option<Uuid>,
    /// Only the departments right beneath this one.
    parent_id: Option<Uuid>,
    /// Only what is this user's.
    user_id: Option<Uuid>,
    /// Only what is this service account's.
    service_account_id: Option<Uuid>,
    /// Only what is used for this.
    environment: Option<Environment>,
    /// Only what has this label: a name, or `name=value`.
    label: Option<String>,
    /// Only what was not used for so many days, and is older than that; 1 to 1000.
    unused_for_days: Option<u16>,
}

/// To whom what is listed belongs.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ListOwner {
    Platform,
}

/// The order of a list.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Sort {
    CreatedAt,
    #[serde(rename = "-created_at")]
    CreatedAtDescending,
    Name,
    #[serde(rename = "-name")]
    NameDescending,
    UpdatedAt,
    #[serde(rename = "-updated_at")]
    UpdatedAtDescending,
}

impl Sort {
    fn order(self) -> Order {
        let (by, descending) = match self {
            Self::CreatedAt => (SortKey::CreatedAt, false),
            Self::CreatedAtDescending => (SortKey::CreatedAt, true),
            Self::Name => (SortKey::Name, false),
            Self::NameDescending => (SortKey::Name, true),
            Self::UpdatedAt => (SortKey::UpdatedAt, false),
            Self::UpdatedAtDescending => (SortKey::UpdatedAt, true),
        };
        Order { by, descending }
    }
}

impl ResourceQuery {
    /// Checks it.
    pub(crate) fn page(self) -> Result<ListRequest, Problem> {
        let order = self.sort.map(Sort::order).unwrap_or_default();
        let label = |label: String| match label.split_once('=') {
            Some((name, value)) => Filter::Label(name.to_owned(), Some(value.to_owned())),
            None => Filter::Label(label, None),
        };
        let filters = [
            self.department_id.map(Filter::Department),
            self.parent_id.map(Filter::Parent),
            self.user_id.map(Filter::User),
            self.service_account_id.map(Filter::ServiceAccount),
            self.environment.map(Filter::Environment),
            self.label.map(label),
            self.unused_for_days.map(Filter::UnusedForDays),
        ];
        if self.unused_for_days.is_some_and(|days| !(1..=1000).contains(&days)) {
            return Err(Problem::field(Code::InvalidQuery, "unused_for_days", "must be between 1 and 1000"));
        }
        Ok(ListRequest {
            limit: limit(self.limit)?,
            order,
            after: self.cursor.as_deref().map(|cursor| cursor::read_after(cursor, order.by)).transpose()?,
            tenant_id: self.tenant_id,
            platforms_alone: matches!(self.owner, Some(ListOwner::Platform)),
            name: self.name,
            part_of_name: self.q,
            state: self.state,
            filters: filters.into_iter().flatten().collect(),
        })
    }
}

/// Checks how many items are wanted.
pub(crate) fn limit(limit: Option<u32>) -> Result<u32, Problem> {
    match limit.unwrap_or(50) {
        limit @ 1..=200 => Ok(limit),
        _ => Err(Problem::field(Code::InvalidQuery, "limit", "must be between 1 and 200")),
    }
}

/// What a deletion answers.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(crate) struct Deleted {
    /// What was deleted.
    pub(crate) id: Uuid,
    /// The change that deleted it.
    pub(crate) revision: u64,
}

/// 200 with the resource and its ETag.
pub(crate) fn found<T: Serialize>(revision: u64, body: T) -> Response {
    with_etag(revision, Json(body).into_response())
}

/// 201 with the resource, its ETag and where it is.
pub(crate) fn created<T: Serialize>(collection: &str, id: Uuid, revision: u64, body: T) -> Response {
    let mut response = with_etag(revision, (StatusCode::CREATED, Json(body)).into_response());
    if let Ok(location) = HeaderValue::from_str(&format!("/api/v1/admin/{collection}/{id}")) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// 200 with what was deleted.
pub(crate) fn deleted(id: Uuid, revision: u64) -> Response {
    Json(Deleted { id, revision }).into_response()
}

fn with_etag(revision: u64, mut response: Response) -> Response {
    if let Some(etag) = etag(revision) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    response
}
