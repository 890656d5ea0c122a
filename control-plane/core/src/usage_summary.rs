//! What is asked of the sums over the ledger.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// What the names of labels' dimensions begin with.
pub const LABEL: &str = "label:";

/// What a sum can be told apart by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Dimension {
    /// The caller's tenant.
    Tenant,
    /// The caller's key.
    ApiKey,
    /// The model that the client asked for, if the gateway knew it.
    Model,
    /// The provider that answered.
    Provider,
    /// The pool that the model led to.
    Pool,
    /// How the request came out.
    Outcome,
    /// The department that owned the key, or to which its owner belonged.
    Department,
    /// The user who owned the key.
    User,
    /// The service account that owned the key.
    ServiceAccount,
    /// The value of the label of this name, which the key, its owner or its department had.
    Label(String),
}

impl Dimension {
    /// All there are, without labels.
    pub const ALL: [Self; 9] = [
        Self::Tenant,
        Self::Department,
        Self::User,
        Self::ServiceAccount,
        Self::ApiKey,
        Self::Model,
        Self::Provider,
        Self::Pool,
        Self::Outcome,
    ];

    /// Its name in queries and answers.
    pub fn name(&self) -> Cow<'static, str> {
        let name = match self {
            Self::Tenant => "tenant",
            Self::Department => "department",
            Self::User => "user",
            Self::ServiceAccount => "service_account",
            Self::ApiKey => "api_key",
            Self::Model => "model",
            Self::Provider => "provider",
            Self::Pool => "pool",
            Self::Outcome => "outcome",
            Self::Label(name) => return format!("{LABEL}{name}").into(),
        };
        name.into()
    }

    /// Reads the name. A label's has 1 to 63 letters, digits, `.`, `_`, `-` and `/`.
    pub fn from_name(name: &str) -> Option<Self> {
        let Some(label) = name.strip_prefix(LABEL) else {
            return Self::ALL.into_iter().find(|dimension| dimension.name() == name);
        };
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte);
        let is_name = (1..=63).contains(&label.len()) && label.bytes().all(is_letter);
        is_name.then(|| Self::Label(label.to_owned()))
    }

    /// Whether only records and sums that tell keys apart have it.
    pub fn is_of_a_key(&self) -> bool {
        match self {
            Self::ApiKey | Self::Department | Self::User | Self::ServiceAccount | Self::Label(_) => true,
            Self::Tenant | Self::Model | Self::Provider | Self::Pool | Self::Outcome => false,
        }
    }
}

/// In which pieces time is summed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bucket {
    /// All of it in one.
    #[default]
    None,
    /// Fifteen minutes.
    QuarterHour,
    /// An hour of the time zone.
    Hour,
    /// A day of the time zone.
    Day,
    /// A week of the time zone, from Monday.
    Week,
    /// A month of the time zone.
    Month,
}

/// In which order sums come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The earliest bucket first, then by group.
    #[default]
    Bucket,
    /// The most requests first.
    Requests,
    /// The dearest first.
    Cost,
    /// The most tokens first, input and output together.
    Tokens,
    /// The most errors first.
    Errors,
}

/// Which sums are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SummaryRequest {
    /// Requests that started at this time or later.
    pub from: DateTime<Utc>,
    /// Requests that started before this time.
    pub to: DateTime<Utc>,
    /// What they are told apart by.
    pub group_by: Vec<Dimension>,
    /// Only these: an id, or a name, of each dimension.
    pub filters: Vec<(Dimension, String)>,
    /// The pieces of time.
    pub bucket: Bucket,
    /// An IANA time zone, checked.
    pub time_zone: String,
    /// The order.
    pub order: Order,
    /// Sums at most.
    pub limit: u32,
    /// Sums to leave out at the beginning.
    pub offset: u32,
    /// The ISO 4217 code of a currency in which costs are told as well.
    pub currency: Option<String>,
}

/// What requests of one group came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sums {
    /// Requests.
    pub requests: u64,
    /// Those that were refused, failed, or were broken off by a provider. One whose client left is none.
    pub errors: u64,
    /// Those in which guardrails found something.
    pub with_findings: u64,
    /// Tokens of the prompts, those of caches included.
    pub input_tokens: u64,
    /// Of them those that were read from a cache.
    pub cached_input_tokens: u64,
    /// Of them those that were written to a cache, for whatever time.
    pub cache_write_tokens: u64,
    /// Tokens of the answers, those of reasoning included.
    pub output_tokens: u64,
    /// Of them those of reasoning.
    pub reasoning_tokens: u64,
    /// Pico-dollars, exactly.
    pub cost_picousd: u128,
    /// The same in the currency that was asked for, each record's by the rate of its UTC day: a decimal number. `None`: none was asked
    /// for, or a day with costs has no rate.
    pub cost_in_currency: Option<String>,
    /// When the last of them started; `None`: there was none.
    pub last_at: Option<DateTime<Utc>>,
    /// How long they took.
    pub latency: crate::sketch::Sketch,
    /// How long they took to the first content, those that came so far.
    pub time_to_first_token: crate::sketch::Sketch,
}

/// The value of one dimension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupValue {
    /// The dimension.
    pub dimension: Dimension,
    /// The id; `None`: there is none, or nothing of this name now.
    pub id: Option<Uuid>,
    /// The name; `None`: nobody, or nothing of this id now.
    pub name: Option<String>,
}

/// One sum.
#[derive(Clone, Debug, PartialEq)]
pub struct SummaryItem {
    /// Where its bucket begins; the request's `from` if there is one bucket only.
    pub bucket_start: DateTime<Utc>,
    /// What it is the sum of, in the order of the request.
    pub group: Vec<GroupValue>,
    /// The sum.
    pub sums: Sums,
}

/// Sums, and the sum of all.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// In their order.
    pub items: Vec<SummaryItem>,
    /// Whether there are more.
    pub more: bool,
    /// All that the filters let through, on whatever page.
    pub totals: Sums,
}

/// Whether a request counts as an error: what is not known to have come out well does.
pub fn is_error(outcome: &str) -> bool {
    !matches!(outcome, "complete" | "client_disconnect")
}
