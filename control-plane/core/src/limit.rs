//! Limits: how much of what a subject may use in which time.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::calendar::{Calendar, CalendarPeriod};
use crate::field::{FieldError, Fields};

/// The largest amount: a billion dollars in micro-dollars. What is more is a slip of somebody's hand.
pub const MOST_AMOUNT: u64 = 1_000_000_000_000_000;

/// The most requests at the same time that somebody can be held to.
pub const MOST_CONCURRENT: u64 = 1_000_000;

/// Thresholds that one limit may have.
const MOST_THRESHOLDS: usize = 10;

/// What is decided about a limit. All limits that hold for a request must have room for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitSettings {
    /// 1 to 100 characters; unique for its owner.
    pub name: String,
    /// Whom or what it holds for.
    pub subject: LimitSubject,
    /// What it counts.
    pub unit: LimitUnit,
    /// The time in which it counts; none for `concurrent_requests`.
    #[serde(default)]
    pub window: Option<LimitWindow>,
    /// Units in one window, 1 to 10^15; money in micro-dollars.
    pub amount: u64,
    /// What becomes of a request for which there is no room.
    pub action: LimitAction,
    /// At how many percent of the amount somebody is told, 1 to 100, ascending; at most 10.
    #[serde(default)]
    #[schema(required = false)]
    pub thresholds: Vec<u16>,
    /// The pool that serves what there is no room for; with `fall_over` only.
    #[serde(default)]
    pub fall_over_pool_id: Option<Uuid>,
    /// After how many seconds without a word from an Envoy what it held and did not account for is free again. Absent or null: never
    /// within the window; it counts as spent. Not with `concurrent_requests`, where it always is free after ten seconds.
    #[serde(default)]
    pub unreconciled_release_after_s: Option<u32>,
}

/// Whom or what a limit holds for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitSubject {
    /// What it is.
    pub kind: SubjectKind,
    /// Which one. Not with `each`, for `platform` and for `label`; a tenant's own limit on itself needs none.
    #[serde(default)]
    #[schema(required)]
    pub id: Option<Uuid>,
    /// For `label`: `name=value`, or, with `each`, the label's name.
    #[serde(default)]
    #[schema(required)]
    pub value: Option<String>,
    /// One counter for each of the kind, instead of one for one of them. Default false.
    #[serde(default)]
    #[schema(required)]
    pub each: bool,
}

/// What a limit holds for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SubjectKind {
    /// All requests of everybody; the platform's own limits only.
    Platform,
    /// A tenant.
    Tenant,
    /// A department and all beneath it.
    Department,
    /// A user.
    User,
    /// A service account.
    ServiceAccount,
    /// An API key.
    ApiKey,
    /// A model, by the name that clients ask for.
    Model,
    /// A route.
    Route,
    /// What has a label: a key, or else its owner, or else the nearest department that has it.
    Label,
}

impl SubjectKind {
    /// Whether one of these is counted by its id; others by what they are called, which may look like anybody's id.
    pub fn is_counted_by_id(self) -> bool {
        match self {
            Self::Tenant | Self::Department | Self::User | Self::ServiceAccount | Self::ApiKey => true,
            Self::Platform | Self::Model | Self::Route | Self::Label => false,
        }
    }

    /// The fixed name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Platform => "platform",
            Self::Tenant => "tenant",
            Self::Department => "department",
            Self::User => "user",
            Self::ServiceAccount => "service_account",
            Self::ApiKey => "api_key",
            Self::Model => "model",
            Self::Route => "route",
            Self::Label => "label",
        }
    }

    /// What people are told.
    pub fn title(self) -> &'static str {
        match self {
            Self::ServiceAccount => "service account",
            Self::ApiKey => "API key",
            kind => kind.name(),
        }
    }
}

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LimitUnit {
    /// Requests that went on to a provider, or that a guardrail refused.
    Requests,
    /// Tokens of the input, those from a cache included.
    InputTokens,
    /// Tokens of the output, reasoning included.
    OutputTokens,
    /// Both.
    TotalTokens,
    /// Requests under way at the same time.
    ConcurrentRequests,
    /// Money, in micro-dollars.
    CostMicrousd,
}

impl LimitUnit {
    /// The fixed name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::InputTokens => "input_tokens",
            Self::OutputTokens => "output_tokens",
            Self::TotalTokens => "total_tokens",
            Self::ConcurrentRequests => "concurrent_requests",
            Self::CostMicrousd => "cost_microusd",
        }
    }
}

/// What becomes of a request for which a limit has no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LimitAction {
    /// It is refused.
    Refuse,
    /// It goes on; the limit only counts and tells.
    Warn,
    /// Another pool serves it.
    FallOver,
}

/// The time in which a limit counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum LimitWindow {
    /// Minutes, days, months … of a time zone.
    Calendar {
        /// How long one is.
        period: CalendarPeriod,
        /// IANA name, for example `Europe/Berlin`. Absent: the tenant's, or else UTC.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        time_zone: Option<String>,
        /// On which day one begins: of a week 1 (Monday) to 7, of a month, quarter or year the day of its first month, 1 to 28.
        /// Absent: the first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        start_day: Option<u8>,
    },
    /// The last so many seconds, whenever they are looked at.
    Sliding {
        /// 10 to 86,400.
        seconds: u32,
    },
    /// For ever.
    Total {},
}

/// Parts that a sliding window is counted in.
const PARTS: u32 = 12;

impl LimitWindow {
    /// The length of the parts that a sliding window is counted in, in seconds, and how many before a part count with it. These and the
    /// part together cover every window that ends within the part, so none has more than the amount; a window has that much again one
    /// part later than it might.
    pub fn parts(seconds: u32) -> (u32, u32) {
        let part = seconds.div_ceil(PARTS).max(1);
        (part, seconds.div_ceil(part))
    }

    /// The calendar of a window that has one.
    pub fn calendar(&self, time_zone_of_owner: &str) -> Option<Calendar> {
        match self {
            Self::Calendar { period, time_zone, start_day } => {
                Some(Calendar::new(*period, time_zone.as_deref().unwrap_or(time_zone_of_owner), *start_day))
            }
            Self::Sliding { .. } | Self::Total {} => None,
        }
    }

    fn check(&self, fields: &mut Fields) {
        match self {
            Self::Calendar { period, time_zone, start_day } => {
                if let Some(time_zone) = time_zone {
                    fields.time_zone("window.time_zone", time_zone);
                }
                match (start_day, period.last_start_day()) {
                    (None, _) => {}
                    (Some(_), None) => {
                        fields.require(false, "window.start_day", "is for weeks, months, quarters and years only");
                    }
                    (Some(day), Some(last)) => fields.range("window.start_day", (*day).into(), 1, last.into()),
                }
            }
            Self::Sliding { seconds } => fields.range("window.seconds", (*seconds).into(), 10, 86_400),
            Self::Total {} => {}
        }
    }
}

impl LimitSettings {
    /// All that is wrong with them, for a limit of this tenant.
    pub fn check(&self, tenant_id: Option<Uuid>) -> Result<(), Vec<FieldError>> {
        let mut fields = Fields::default();
        fields.name("name", &self.name);
        self.subject.check(&mut fields, tenant_id);
        let is_concurrent = self.unit == LimitUnit::ConcurrentRequests;
        match &self.window {
            Some(_) if is_concurrent => fields.require(false, "window", "is not for concurrent_requests"),
            Some(window) => window.check(&mut fields),
            None => fields.require(is_concurrent, "window", "is required but for concurrent_requests"),
        }
        fields.range("amount", self.amount, 1, if is_concurrent { MOST_CONCURRENT } else { MOST_AMOUNT });
        let falls_over = self.action == LimitAction::FallOver;
        let reason = if falls_over { "is required with fall_over" } else { "is for fall_over only" };
        fields.require(self.fall_over_pool_id.is_some() == falls_over, "fall_over_pool_id", reason);
        let holds = self.thresholds.iter().all(|percent| (1..=100).contains(percent));
        fields.require(holds, "thresholds", "must be between 1 and 100");
        let sorted: BTreeSet<u16> = self.thresholds.iter().copied().collect();
        fields.require(sorted.into_iter().eq(self.thresholds.iter().copied()), "thresholds", "must ascend");
        fields.require(self.thresholds.len() <= MOST_THRESHOLDS, "thresholds", "must be at most 10");
        if let Some(seconds) = self.unreconciled_release_after_s {
            let field = "unreconciled_release_after_s";
            fields.require(!is_concurrent, field, "is not for concurrent_requests");
            fields.range(field, seconds.into(), 60, 31_536_000);
        }
        fields.finish()
    }
}

impl LimitSubject {
    fn check(&self, fields: &mut Fields, tenant_id: Option<Uuid>) {
        if self.kind != SubjectKind::Label {
            fields.require(self.value.is_none(), "subject.value", "is for labels only");
        }
        match self.kind {
            SubjectKind::Platform => {
                fields.require(tenant_id.is_none(), "subject.kind", "is for the platform's own limits only");
                fields.require(self.id.is_none(), "subject.id", "is not for the platform");
                fields.require(!self.each, "subject.each", "is not for the platform");
            }
            SubjectKind::Tenant if tenant_id.is_some() => {
                let is_own = self.id.is_none() || self.id == tenant_id;
                fields.require(is_own, "subject.id", "there is no such tenant");
                fields.require(!self.each, "subject.each", "is for the platform's limits on tenants only");
            }
            SubjectKind::Tenant
            | SubjectKind::Department
            | SubjectKind::User
            | SubjectKind::ServiceAccount
            | SubjectKind::ApiKey
            | SubjectKind::Model => {
                fields.require(self.id.is_some() || self.each, "subject.id", "is required unless each is true");
                fields.require(self.id.is_none() || !self.each, "subject.id", "cannot stand beside each");
            }
            SubjectKind::Route => {
                fields.require(false, "subject.kind", "there are no routes in this version; limit the model");
            }
            SubjectKind::Label => {
                fields.require(self.id.is_none(), "subject.id", "is not for labels, which have a value");
                let value = self.value.as_deref().unwrap_or_default();
                let (name, rest) = value.split_once('=').map_or((value, None), |(name, rest)| (name, Some(rest)));
                let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
                let holds = (1..=63).contains(&name.len())
                    && name.bytes().all(is_name)
                    && rest.is_some() != self.each
                    && rest.is_none_or(|rest| rest.chars().count() <= 200 && !rest.chars().any(char::is_control));
                let expected = if self.each { "a label's name" } else { "a label as name=value" };
                fields.require(holds, "subject.value", format!("must be {expected}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::json::read;

    fn check(tenant_id: Option<Uuid>, change: Value, expect: &[&str]) {
        let mut body = json!({"name": "l", "subject": {"kind": "user", "each": true}, "unit": "requests",
            "window": {"kind": "calendar", "period": "day"}, "amount": 5, "action": "refuse"});
        for (field, value) in change.as_object().unwrap() {
            body[field] = value.clone();
        }
        let checked = read::<LimitSettings>(body).and_then(|settings| settings.check(tenant_id));
        let fields: Vec<String> = checked.err().into_iter().flatten().map(|error| error.field).collect();
        assert_eq!(fields, expect, "{change}");
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_its_field() {
        let own = Some(Uuid::from_u128(7));
        let of_tenant = |change, expect: &[&str]| check(own, change, expect);
        of_tenant(json!({}), &[]);
        of_tenant(json!({"amount": 0}), &["amount"]);
        of_tenant(json!({"amount": -1}), &["amount"]);
        of_tenant(json!({"amount": 1.5}), &["amount"]);
        of_tenant(json!({"amount": 1_000_000_000_000_001_u64}), &["amount"]);
        of_tenant(json!({"amount": 1_000_000_000_000_000_u64}), &[]);
        of_tenant(json!({"unit": "parsecs"}), &["unit"]);
        of_tenant(json!({"unit": "concurrent_requests"}), &["window"]);
        of_tenant(json!({"unit": "concurrent_requests", "window": null}), &[]);
        of_tenant(json!({"unit": "concurrent_requests", "window": null, "amount": 1_000_001}), &["amount"]);
        of_tenant(json!({"window": null}), &["window"]);
        of_tenant(json!({"window": {"kind": "total"}}), &[]);
        of_tenant(json!({"window": {"kind": "total", "period": "day"}}), &["window.period"]);
        of_tenant(json!({"window": {"kind": "sliding", "seconds": 60}}), &[]);
        of_tenant(json!({"window": {"kind": "sliding", "seconds": 9}}), &["window.seconds"]);
        let calendar = |period: &str, zone: Value, day: Value| {
            let window = json!({"kind": "calendar", "period": period, "time_zone": zone, "start_day": day});
            json!({ "window": window })
        };
        of_tenant(calendar("month", json!("Europe/Berlin"), json!(15)), &[]);
        of_tenant(calendar("month", json!("Berlin"), json!(null)), &["window.time_zone"]);
        of_tenant(calendar("month", json!(null), json!(29)), &["window.start_day"]);
        of_tenant(calendar("month", json!(null), json!(0)), &["window.start_day"]);
        of_tenant(calendar("week", json!(null), json!(7)), &[]);
        of_tenant(calendar("week", json!(null), json!(8)), &["window.start_day"]);
        of_tenant(calendar("day", json!(null), json!(1)), &["window.start_day"]);
        of_tenant(json!({"action": "fall_over"}), &["fall_over_pool_id"]);
        of_tenant(json!({"fall_over_pool_id": Uuid::nil()}), &["fall_over_pool_id"]);
        of_tenant(json!({"thresholds": [50, 80, 100]}), &[]);
        of_tenant(json!({"thresholds": [80, 50]}), &["thresholds"]);
        of_tenant(json!({"thresholds": [50, 50]}), &["thresholds"]);
        of_tenant(json!({"thresholds": [0]}), &["thresholds"]);
        of_tenant(json!({"thresholds": [101]}), &["thresholds"]);
        of_tenant(json!({"unreconciled_release_after_s": 59}), &["unreconciled_release_after_s"]);
    }

    #[test]
    fn a_subject_is_one_or_each() {
        let id = Uuid::from_u128(7);
        let subject = |owner, subject: Value, expect: &[&str]| check(owner, json!({ "subject": subject }), expect);
        subject(None, json!({"kind": "platform"}), &[]);
        subject(Some(id), json!({"kind": "platform"}), &["subject.kind"]);
        subject(Some(id), json!({"kind": "tenant"}), &[]);
        subject(Some(id), json!({"kind": "tenant", "id": id}), &[]);
        subject(Some(id), json!({"kind": "tenant", "id": Uuid::nil()}), &["subject.id"]);
        subject(Some(id), json!({"kind": "tenant", "each": true}), &["subject.each"]);
        subject(None, json!({"kind": "tenant"}), &["subject.id"]);
        subject(None, json!({"kind": "tenant", "each": true}), &[]);
        for kind in ["department", "user", "service_account", "api_key", "model"] {
            subject(Some(id), json!({ "kind": kind }), &["subject.id"]);
            subject(Some(id), json!({"kind": kind, "id": id}), &[]);
            subject(Some(id), json!({"kind": kind, "each": true}), &[]);
            subject(Some(id), json!({"kind": kind, "id": id, "each": true}), &["subject.id"]);
            subject(Some(id), json!({"kind": kind, "each": true, "value": "x"}), &["subject.value"]);
        }
        subject(Some(id), json!({"kind": "route", "each": true}), &["subject.kind"]);
        subject(Some(id), json!({"kind": "label", "value": "team=a b"}), &[]);
        subject(Some(id), json!({"kind": "label", "value": "team"}), &["subject.value"]);
        subject(Some(id), json!({"kind": "label", "value": "team", "each": true}), &[]);
        subject(Some(id), json!({"kind": "label", "value": "team=a", "each": true}), &["subject.value"]);
        subject(Some(id), json!({"kind": "label"}), &["subject.value"]);
        subject(Some(id), json!({"kind": "label", "value": "=a"}), &["subject.value"]);
    }

    #[test]
    fn the_parts_of_a_sliding_window_cover_it_wherever_it_ends() {
        for seconds in 10..=3700 {
            let (part, before) = LimitWindow::parts(seconds);
            // It may end with the first moment of a part.
            assert!(part * before >= seconds, "{seconds}");
            assert!(part * (before - 1) < seconds, "no more than that: {seconds}");
        }
        assert_eq!(
            [LimitWindow::parts(60), LimitWindow::parts(3600), LimitWindow::parts(10)],
            [(5, 12), (300, 12), (1, 10)]
        );
    }
}
