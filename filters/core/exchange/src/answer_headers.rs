use weir_config::names::REQUEST_ID_HEADER;
use weir_host::{Headers, Micros};

use crate::Exchange;
use crate::rate_limit::dollars;

/// Response header that tells what guardrails found, for example `CREDIT_CARD:redact=1`. A stream's headers leave before its text is
/// read: there it tells about the request alone.
pub const FINDINGS_HEADER: &str = "x-weir-guardrails";

/// What the client is told in the headers of its answer, whoever answers: names and values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AnswerHeaders(Vec<(&'static str, String)>);

impl AnswerHeaders {
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// Adds them to an answer's own.
    pub fn add_to(&self, headers: &mut Headers) {
        for (name, value) in self.iter() {
            headers.push(name, value);
        }
    }
}

impl Exchange {
    /// What names the request, who answered it at what cost, what was found in it, and what is left of the caller's limits, as far as
    /// it is known at `now`.
    pub fn answer_headers(&self, now: Micros) -> AnswerHeaders {
        let mut headers = Vec::with_capacity(8);
        headers.push((REQUEST_ID_HEADER, self.request().id.to_string()));
        if let Some(attempt) = self.attempt().filter(|attempt| attempt.status != 0) {
            headers.push(("x-weir-provider", attempt.provider_name.clone()));
            headers.push(("x-weir-model", attempt.upstream_model.clone()));
            // Not on a stream, even if all of it is here by chance: its cost is known only at its end.
            let held_whole = attempt.is_complete && !self.body().asks_for_stream();
            if held_whole && attempt.price.is_some() {
                headers.push(("x-weir-cost", dollars(self.settlement(true).cost_picousd)));
            }
        }
        if let Some(rate_limit) = &self.request().rate_limit {
            headers.extend(rate_limit.headers(now));
        }
        if let Some(token_limit) = &self.request().token_limit {
            headers.extend(token_limit.token_headers(now));
        }
        if let Some(budget) = &self.request().budget {
            headers.extend(budget.headers(now));
        }
        // What would have been done is for whoever tries a rule, not for those whom it will hold back.
        let acted: Vec<_> = self.findings_in_words().into_iter().filter(|words| !words.contains(":would_")).collect();
        if !acted.is_empty() {
            headers.push((FINDINGS_HEADER, acted.join(", ")));
        }
        AnswerHeaders(headers)
    }

    /// What guardrails found, as records tell it: with what rules in shadow would have done.
    pub fn findings_in_words(&self) -> Vec<String> {
        self.findings.iter().map(|(finding, action, count)| format!("{finding}:{action}={count}")).collect()
    }
}
