//! What an error of a provider is about: that decides whether the next provider is asked, and what the client reads.

/// What an error of a provider is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum About {
    /// The operator's credential was refused.
    Credential,
    /// The operator's account at the provider: it is empty, closed, or beyond what it may spend.
    Account,
    /// The provider does not have the model.
    Model,
    /// The provider has nothing where the gateway asks.
    Address,
    /// The request is longer than the model's context.
    ContextLength,
    /// The request is one that the provider's rules forbid.
    ContentPolicy,
    /// The request is wrong otherwise.
    Request,
    /// The provider is busy, or broke.
    Provider,
}

/// How one thing is said.
struct Words {
    about: About,
    /// Values of `code` and `type`, in lower case.
    codes: &'static [&'static str],
    /// Parts of messages, in lower case. Long enough that no name in a request is taken for them.
    phrases: &'static [&'static str],
}

/// The first that fits counts.
static WORDS: [Words; 5] = [
    Words {
        about: About::Account,
        codes: &[
            "insufficient_quota",
            "billing_hard_limit_reached",
            "billing_not_active",
            "billing_error",
            "insufficient_balance",
            "insufficient_credits",
            "insufficient_funds",
            "exceeded_current_quota_error",
            "enforced_spend_limit_reached",
            "contract_spend_limit_reached",
            "account_deactivated",
            "payment_required",
            "arrearage",
            "1113",
        ],
        phrases: &[
            "credit balance is too low",
            "insufficient balance",
            "insufficient credit",
            "insufficient fund",
            "insufficient quota",
            "not enough credit",
            "requires more credits",
            "out of credits",
            "no credits",
            "purchase credits",
            "purchase more credits",
            "buy credits",
            "add credits",
            "add more credits",
            "exceeded your current quota",
            "billing hard limit",
            "billing limit",
            "billing details",
            "billing is not active",
            "check your billing",
            "credit limit exceeded",
            "spend limit",
            "spending limit",
            "spending cap",
            "account balance",
            "account is not active",
            "account is suspended",
            "account has been suspended",
            "account has been deactivated",
            "account is overdue",
            "overdue payment",
            "payment required",
            "payment is required",
            "top up your",
            "recharge your",
        ],
    },
    Words {
        about: About::Credential,
        codes: &[
            "invalid_api_key",
            "api_key_invalid",
            "authentication_error",
            "invalid_authentication_error",
            "unauthenticated",
        ],
        phrases: &[
            "invalid api key",
            "invalid api-key",
            "invalid x-api-key",
            "incorrect api key",
            "api key not valid",
            "api key is invalid",
            "api key expired",
            "invalid api token",
            "invalid access token",
            "invalid authentication",
            "authentication failed",
            "not authenticated",
            "authentication fails",
        ],
    },
    Words {
        about: About::Model,
        codes: &[
            "model_not_found",
            "model_not_exist",
            "model_not_available",
            "model_not_supported",
            "model_decommissioned",
            "unknown_model",
            "unsupported_model",
            "invalid_model",
            "deploymentnotfound",
        ],
        // The model is always the gateway's own word.
        phrases: &[
            "model not exist",
            "is not a valid model",
            "invalid model:",
            "invalid model name",
            "unknown model:",
            "model has been deprecated",
            "model has been decommissioned",
        ],
    },
    Words {
        about: About::ContextLength,
        codes: &[
            "context_length_exceeded",
            "exceed_context_size_error",
            "context_window_exceeded",
            "string_above_max_length",
        ],
        phrases: &[
            "prompt is too long",
            "input is too long",
            "input too long",
            "prompt too long",
            "model token limit",
            "context length of only",
            "maximum context length",
            "maximum prompt length",
            "exceed context limit",
            "exceeds the context",
            "exceeds the available context",
            "exceeds the model's context",
            "exceed the model's context",
            "exceeds the maximum number of tokens",
            "context window",
            "reduce the length of the messages",
            "reduce the length of the prompt",
            "maximum allowed input length",
            "too many input tokens",
        ],
    },
    Words {
        about: About::ContentPolicy,
        codes: &[
            "content_policy_violation",
            "content_filter",
            "content_filtered",
            "responsibleaipolicyviolation",
            "data_inspection_failed",
            "moderation_blocked",
        ],
        phrases: &[
            "content filtering policy",
            "content management policy",
            "content policy",
            "usage policies",
            "usage policy",
            "safety system",
            "input data may contain inappropriate content",
        ],
    },
];

/// Parts of messages that speak of the operator's account though the error is about something else.
const OF_THE_ACCOUNT: &[&str] = &[
    "organization org-",
    "in organization",
    "your organization",
    "this organization",
    "project proj_",
    "add a payment method",
    "account/billing",
    "account/limits",
    "settings/billing",
    "settings/organization",
    "settings/limits",
    "upgrade your plan",
    "upgrade your account",
    "upgrade your tier",
    "your current plan",
    "your subscription",
    "your account",
];

/// So much of a message is searched.
const SEARCHED_BYTES: usize = 16 * 1024;

impl About {
    /// What an error with this status, these values of `type` and `code` and this message is about.
    pub(super) fn of(status: u16, kind: &str, code: &str, message: &str) -> Self {
        match status {
            401 | 403 => return Self::Credential,
            402 => return Self::Account,
            _ => {}
        }
        let message = searched(message);
        let (kind, code) = (kind.to_ascii_lowercase(), code.to_ascii_lowercase());
        let by_words = WORDS.iter().find(|words| {
            words.codes.iter().any(|known| *known == kind || *known == code)
                || words.phrases.iter().any(|phrase| message.contains(phrase))
        });
        let by_status = match status {
            404 | 410 if message.contains("model") || message.contains("deployment") => Self::Model,
            404 | 405 | 410 => Self::Address,
            408 | 409 | 425 | 429 => Self::Provider,
            400..=499 => Self::Request,
            _ => Self::Provider,
        };
        match by_words.map(|words| words.about) {
            // Whatever the status: nothing that the client could mend, or should read about.
            Some(about @ (Self::Account | Self::Credential)) => about,
            Some(about @ (Self::Model | Self::ContextLength | Self::ContentPolicy)) if by_status == Self::Request => {
                about
            }
            Some(about @ (Self::ContextLength | Self::ContentPolicy)) if status == 413 => about,
            _ => by_status,
        }
    }

    /// Whether it is the client's to read and to mend. What is not is between the gateway's operator and the provider.
    pub(super) fn is_for_client(self) -> bool {
        match self {
            Self::Credential | Self::Account | Self::Model | Self::Address => false,
            Self::ContextLength | Self::ContentPolicy | Self::Request | Self::Provider => true,
        }
    }
}

/// Whether a message speaks of the operator's account.
pub(super) fn names_account(message: &str) -> bool {
    let message = searched(message);
    OF_THE_ACCOUNT.iter().any(|phrase| message.contains(phrase))
}

fn searched(message: &str) -> String {
    let end = message.floor_char_boundary(SEARCHED_BYTES);
    let beginning = message.get(..end).unwrap_or_default().to_lowercase();
    // An apostrophe is written in two ways.
    beginning.replace('\u{2019}', "'")
}

#[cfg(test)]
mod tests {
    use super::{About, names_account};

    fn check(status: u16, code: &str, message: &str, expect: About) {
        assert_eq!(About::of(status, "", code, message), expect, "{status} {code} {message}");
    }

    #[test]
    fn words_tell_what_a_status_does_not() {
        check(402, "", "", About::Account);
        check(400, "", "Your credit balance is too low to access the Anthropic API.", About::Account);
        check(429, "insufficient_quota", "You exceeded your current quota", About::Account);
        check(403, "", "Your credit balance is too low", About::Credential);
        check(500, "", "Insufficient Balance", About::Account);
        check(400, "", "API key not valid. Please pass a valid API key.", About::Credential);
        check(404, "", "The model `x` does not exist", About::Model);
        check(404, "", "Not Found", About::Address);
        check(400, "model_decommissioned", "x is gone", About::Model);
        check(400, "", "Model Not Exist", About::Model);
        check(400, "", "prompt is too long: 9 tokens > 8 maximum", About::ContextLength);
        check(400, "", "This exceeds the model\u{2019}s context.", About::ContextLength);
        check(413, "", "Prompt is too long", About::ContextLength);
        check(400, "", "Your request exceeded model token limit: 8192", About::ContextLength);
        check(400, "", "the model is loaded with context length of only 4096 tokens", About::ContextLength);
        check(400, "content_filter", "no", About::ContentPolicy);
        check(400, "", "tools[0].name: billing_lookup is no name", About::Request);
        check(503, "", "the context window is busy", About::Provider);
        for status in [408, 409, 425, 429, 500, 529, 302] {
            check(status, "", "slow down", About::Provider);
        }
    }

    #[test]
    fn a_rate_limit_may_name_the_operators_account() {
        assert!(names_account("Rate limit reached for gpt-4o in organization org-abc on tokens per min"));
        assert!(names_account("Slow down. Add a payment method to go on."));
        assert!(!names_account("Rate limit reached. Try again in 20s."));
    }
}
