//! Problem documents (RFC 9457): what every refusal looks like.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};
use weir_core::field::FieldError;
use weir_store::{Irrevertible, StoreError};

/// Stable codes of problems. Clients may rely on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The body is not JSON.
    MalformedJson,
    /// A query parameter is unknown or has a wrong value.
    InvalidQuery,
    /// A header has a wrong value.
    InvalidHeader,
    /// No session, or one that is over.
    Unauthenticated,
    /// Wrong address or password.
    InvalidCredentials,
    /// The caller's role does not allow it.
    Forbidden,
    /// There is no such thing for this caller.
    NotFound,
    /// The path does not know the method.
    MethodNotAllowed,
    /// A value that must be unique is taken.
    Taken,
    /// Others refer to it.
    InUse,
    /// It was changed meanwhile: read it again.
    Stale,
    /// The body has more than 1 MiB.
    BodyTooLarge,
    /// The body's content type is not JSON.
    UnsupportedMediaType,
    /// Fields break rules; `errors` names them.
    InvalidFields,
    /// The idempotency key was used for another request.
    IdempotencyKeyReused,
    /// `If-Match` is missing.
    PreconditionRequired,
    /// It is managed by files or in Kubernetes, and only read here.
    ManagedElsewhere,
    /// There is an administrator already.
    AlreadySetUp,
    /// A set of objects would delete more than it may.
    TooManyDeletions,
    /// A revision cannot be undone; `errors` names the objects and what stands in the way.
    Irrevertible,
    /// Too many attempts.
    TooManyRequests,
    /// An identity provider cannot be asked.
    SignInProviderUnreachable,
    /// The gateway does not answer, or the control plane does not know where it is.
    GatewayUnreachable,
    /// A fault of the control plane.
    Internal,
    /// The database does not answer.
    Unavailable,
    /// As much as may be at once is under way.
    Overloaded,
}

impl Code {
    fn status(self) -> StatusCode {
        match self {
            Self::MalformedJson | Self::InvalidQuery | Self::InvalidHeader => StatusCode::BAD_REQUEST,
            Self::Unauthenticated | Self::InvalidCredentials => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Taken
            | Self::InUse
            | Self::ManagedElsewhere
            | Self::TooManyDeletions
            | Self::Irrevertible
            | Self::AlreadySetUp => StatusCode::CONFLICT,
            Self::Stale => StatusCode::PRECONDITION_FAILED,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::InvalidFields | Self::IdempotencyKeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            Self::PreconditionRequired => StatusCode::PRECONDITION_REQUIRED,
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::GatewayUnreachable | Self::SignInProviderUnreachable => StatusCode::BAD_GATEWAY,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable | Self::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::MalformedJson => "The body is not JSON",
            Self::InvalidQuery => "A query parameter is wrong",
            Self::InvalidHeader => "A header is wrong",
            Self::Unauthenticated => "Sign in first",
            Self::InvalidCredentials => "Wrong address or password",
            Self::Forbidden => "Your role does not allow this",
            Self::NotFound => "Not found",
            Self::MethodNotAllowed => "Method not allowed",
            Self::Taken => "Taken already",
            Self::InUse => "Still in use",
            Self::Stale => "Changed meanwhile",
            Self::BodyTooLarge => "The body is too large",
            Self::UnsupportedMediaType => "The body must be JSON",
            Self::InvalidFields => "Some fields are wrong",
            Self::IdempotencyKeyReused => "The idempotency key was used for another request",
            Self::PreconditionRequired => "If-Match is missing",
            Self::ManagedElsewhere => "Managed elsewhere",
            Self::AlreadySetUp => "Set up already",
            Self::TooManyDeletions => "Too much would be deleted",
            Self::Irrevertible => "Cannot be undone",
            Self::TooManyRequests => "Too many attempts",
            Self::SignInProviderUnreachable => "The identity provider cannot be used",
            Self::GatewayUnreachable => "The gateway does not answer",
            Self::Internal => "A fault of the control plane",
            Self::Unavailable => "The database does not answer",
            Self::Overloaded => "Too much at once",
        }
    }
}

/// When to try again after [`Code::Overloaded`], in seconds.
const OVERLOADED_RETRY_S: u64 = 5;

/// A refusal, as the client reads it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Problem {
    /// Names the kind of problem: `urn:weir:problem:` and the code.
    #[serde(rename = "type")]
    kind: String,
    /// The kind in a few words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What it was this time.
    detail: String,
    /// Stable.
    code: Code,
    /// Which fields are wrong.
    errors: Box<[ProblemField]>,
    /// What refers to a resource that should be deleted; at most 20. Absent: nothing.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    in_use_by: Box<[ProblemUser]>,
    /// The header `Retry-After`, in seconds.
    #[serde(skip)]
    retry_after_s: Option<u64>,
}

/// A field that is wrong.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ProblemField {
    /// Path of the field, for example `members[0].price`.
    field: String,
    /// Which rule it breaks.
    reason: String,
}

/// What refers to a resource.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ProblemUser {
    /// Its kind: `pool`, `model`, `api_key`, …
    #[serde(rename = "type")]
    kind: &'static str,
    /// Null: the caller.
    id: Option<uuid::Uuid>,
    /// What it is called.
    name: String,
}

impl From<weir_store::User> for ProblemUser {
    fn from(user: weir_store::User) -> Self {
        Self { kind: user.kind, id: user.id, name: user.name }
    }
}

/// The path of an object's field within a set.
fn place(index: usize, field: &str) -> String {
    match field {
        "name" | "kind" | "tenant" => format!("objects[{index}].{field}"),
        // A user is called by the address.
        "email" => format!("objects[{index}].name"),
        "tenant_id" => format!("objects[{index}].tenant"),
        "$" => format!("objects[{index}].spec"),
        field => format!("objects[{index}].spec.{field}"),
    }
}

impl Problem {
    /// A refusal with a detail for people. The detail must not hold secrets.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        let kind =
            serde_json::to_value(code).ok().and_then(|code| code.as_str().map(str::to_owned)).unwrap_or_default();
        Self {
            kind: format!("urn:weir:problem:{kind}"),
            title: code.title(),
            status: code.status().as_u16(),
            detail: detail.into(),
            code,
            errors: Box::default(),
            in_use_by: Box::default(),
            retry_after_s: None,
        }
    }

    /// The same about one object of a set.
    pub(crate) fn within(self, index: usize) -> Self {
        let errors =
            self.errors.into_vec().into_iter().map(|error| ProblemField { field: place(index, &error.field), ..error });
        Self { detail: format!("objects[{index}]: {}", self.detail), errors: errors.collect(), ..self }
    }

    /// A refusal of one attempt too many, and when the next may be made.
    pub(crate) fn too_many_requests(detail: &str, retry_after_s: u64) -> Self {
        let problem = Self::new(Code::TooManyRequests, format!("{detail}; wait {retry_after_s} s"));
        Self { retry_after_s: Some(retry_after_s), ..problem }
    }

    /// A refusal because as much as may be at once is under way.
    pub(crate) fn overloaded(detail: &str) -> Self {
        Self { retry_after_s: Some(OVERLOADED_RETRY_S), ..Self::new(Code::Overloaded, detail) }
    }

    /// A refusal that names fields.
    pub fn fields(code: Code, errors: Vec<FieldError>) -> Self {
        let detail = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        let errors =
            errors.into_iter().map(|error| ProblemField { field: error.field, reason: error.reason }).collect();
        Self { errors, ..Self::new(code, detail) }
    }

    /// A refusal that names one field.
    pub fn field(code: Code, field: &str, reason: impl Into<String>) -> Self {
        Self::fields(code, vec![FieldError::new(field, reason)])
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (code, retry_after_s) = (self.code, self.retry_after_s);
        let mut response = (code.status(), Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        match code {
            Code::Unauthenticated | Code::InvalidCredentials => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"weir\""));
            }
            Code::Unavailable => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        if let Some(seconds) = retry_after_s {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound => Self::new(Code::NotFound, "there is no such thing, or it is not yours"),
            StoreError::Forbidden(reason) => Self::new(Code::Forbidden, reason),
            StoreError::Stale { current } => {
                Self::new(Code::Stale, format!("it is at revision {current} now; read it again"))
            }
            StoreError::Invalid(errors) => Self::fields(Code::InvalidFields, errors),
            StoreError::Taken { field } => Self::field(Code::Taken, field, "is taken already"),
            StoreError::InUse { users } => {
                let names: Vec<String> = users.iter().map(ToString::to_string).collect();
                let problem = Self::new(Code::InUse, format!("in use by {}", names.join(", ")));
                Self { in_use_by: users.into_iter().map(ProblemUser::from).collect(), ..problem }
            }
            StoreError::ManagedElsewhere(origin) => {
                Self::new(Code::ManagedElsewhere, format!("it is managed by {origin}; change it there"))
            }
            StoreError::TooManyDeletions { count, most } => Self::new(
                Code::TooManyDeletions,
                format!("{count} objects would be deleted, more than max_deleted, {most}"),
            ),
            StoreError::WrongFilter(error) => Self::fields(Code::InvalidQuery, vec![error]),
            StoreError::Ambiguous => {
                Self::field(Code::InvalidQuery, "tenant", "is required: several tenants have one that is called so")
            }
            StoreError::TooManyObjects { most } => {
                Self::field(Code::InvalidQuery, "kind", format!("there are more than {most} objects; ask for fewer"))
            }
            StoreError::Irrevertible(objects) => {
                let error =
                    |object: Irrevertible| FieldError::new(format!("{} {}", object.kind, object.name), object.reason);
                Self::fields(Code::Irrevertible, objects.into_iter().map(error).collect())
            }
            StoreError::Object { index, source } => Self::from(*source).within(index),
            StoreError::IdempotencyKeyReused => {
                Self::new(Code::IdempotencyKeyReused, "use a new key for a new request")
            }
            StoreError::SetUp => Self::new(Code::AlreadySetUp, "there is an administrator already; sign in"),
            StoreError::SetupToken => Self::field(
                Code::InvalidCredentials,
                "token",
                "does not hold, or no longer; restart the control plane for another",
            ),
            StoreError::SignIn(refusal) => Self::new(Code::Forbidden, refusal.to_string()),
            StoreError::PasswordLink => Self::field(
                Code::InvalidCredentials,
                "token",
                "does not hold, or no longer; ask an administrator for another link",
            ),
            error if error.is_busy() => Self::overloaded("others write at the moment; try again"),
            error if error.is_away() => {
                tracing::error!(error = &error as &dyn std::error::Error, "the database does not answer");
                Self::new(Code::Unavailable, "try again in a moment")
            }
            error => {
                tracing::error!(error = &error as &dyn std::error::Error, "the store failed");
                Self::new(Code::Internal, "something went wrong here; the log says what")
            }
        }
    }
}

/// Problems of every operation that needs a session and finds a thing.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "documentation only")]
pub(crate) enum Reading {
    /// The request is malformed.
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(Problem),
    /// No session.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthenticated(Problem),
    /// Not for this caller.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(Problem),
}

/// Problems of every operation that writes.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "documentation only")]
pub(crate) enum Writing {
    /// The request is malformed.
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(Problem),
    /// No session.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthenticated(Problem),
    /// The role does not allow it.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(Problem),
    /// Not for this caller.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(Problem),
    /// A name is taken, or something refers to it.
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(Problem),
    /// It was changed meanwhile.
    #[response(status = 412, content_type = "application/problem+json")]
    Stale(Problem),
    /// Fields are wrong.
    #[response(status = 422, content_type = "application/problem+json")]
    InvalidFields(Problem),
    /// `If-Match` is missing.
    #[response(status = 428, content_type = "application/problem+json")]
    PreconditionRequired(Problem),
}
