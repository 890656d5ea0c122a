//! A judge: an HTTP service of the operator's that says whether whole texts may pass.
//!
//! It is asked with `{"direction": "input"|"output", "texts": […], "model", "request_id"}` and answers with 200 and
//! `{"action": "allow"|"refuse", "message"?}`. What else it answers is no judgement, and the rule's fail mode decides.

use serde::{Deserialize, Serialize};
use weir_config::JudgeRule;
use weir_host::{CalloutError, Callouts, Host, HttpAnswer, HttpCall, HttpError, OpenCallout};

use crate::scan::Direction;

/// The longest reason of a judge's that a client is told, in characters.
const MOST_OF_A_MESSAGE: usize = 500;

/// What a judge is asked.
#[derive(Debug, Serialize)]
pub(crate) struct Question<'a> {
    pub(crate) direction: &'static str,
    /// As they would go on: what the rules redact is gone.
    pub(crate) texts: &'a [String],
    /// As the client named it; empty if it named none.
    pub(crate) model: &'a str,
    pub(crate) request_id: &'a str,
}

/// What a judge said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    Allow,
    Refuse {
        /// Why, for the client.
        message: Option<String>,
    },
}

/// Why there is no judgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoJudgement {
    #[error("the question is longer than the judge is asked")]
    QuestionTooLong,
    #[error(transparent)]
    NotAsked(CalloutError),
    #[error(transparent)]
    NotHeard(HttpError),
    #[error("its status was not 200")]
    Status,
    #[error("its answer was not understood")]
    NotUnderstood,
}

impl NoJudgement {
    /// The fixed word that counters have.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::QuestionTooLong => "question_too_long",
            Self::NotAsked(CalloutError::Busy) => "busy",
            Self::NotAsked(CalloutError::NotNow | CalloutError::Refused) => "not_asked",
            Self::NotHeard(HttpError::Broken) => "no_answer",
            Self::NotHeard(HttpError::TooLong) => "answer_too_long",
            Self::Status => "status",
            Self::NotUnderstood => "not_understood",
        }
    }
}

impl Direction {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Output => "output",
        }
    }
}

/// Asks a judge.
pub(crate) fn ask(
    rule: &JudgeRule,
    host: &mut dyn Host,
    callouts: &Callouts,
    question: &[u8],
) -> Result<OpenCallout, NoJudgement> {
    if question.len() > rule.max_question_bytes {
        return Err(NoJudgement::QuestionTooLong);
    }
    let call = HttpCall {
        cluster: &rule.cluster,
        authority: rule.authority.as_ref().unwrap_or(&rule.cluster),
        path: &rule.path,
        body: question,
        timeout_ms: rule.timeout_ms,
    };
    callouts.ask(host, &call).map_err(NoJudgement::NotAsked)
}

/// Reads what a judge answered.
pub(crate) fn read(answer: Result<&HttpAnswer, HttpError>) -> Result<Judgement, NoJudgement> {
    let answer = answer.map_err(NoJudgement::NotHeard)?;
    // 503 and 504 are the proxy's word for a judge that is away or late.
    if answer.status != 200 {
        return Err(NoJudgement::Status);
    }
    // A list of the fields' values would be read as well.
    if answer.body.trim_ascii_start().first() != Some(&b'{') {
        return Err(NoJudgement::NotUnderstood);
    }
    let Answer { action, message } = serde_json::from_slice(&answer.body).map_err(|_| NoJudgement::NotUnderstood)?;
    match action.as_str() {
        "allow" => Ok(Judgement::Allow),
        "refuse" => {
            let message = message.map(|message| message.chars().take(MOST_OF_A_MESSAGE).collect::<String>());
            Ok(Judgement::Refuse { message: message.filter(|message| !message.trim().is_empty()) })
        }
        _ => Err(NoJudgement::NotUnderstood),
    }
}

#[derive(Deserialize)]
struct Answer {
    /// A word, not an enum of serde's, for which `{"allow":null}` is one too.
    action: String,
    #[serde(default)]
    message: Option<String>,
}

#[cfg(test)]
mod tests {
    use weir_host::{HttpAnswer, HttpError};

    use super::{Judgement, NoJudgement, read};

    #[test]
    fn only_a_plain_word_is_a_judgement() {
        let check = |status: u16, body: &str, expect: Result<Judgement, NoJudgement>| {
            assert_eq!(read(Ok(&HttpAnswer { status, body: body.into() })), expect, "{status} {body}");
        };
        let refused = |message: Option<&str>| Ok(Judgement::Refuse { message: message.map(str::to_owned) });
        check(200, r#"{"action":"allow"}"#, Ok(Judgement::Allow));
        check(200, r#"{"action":"allow","score":0.1,"message":null}"#, Ok(Judgement::Allow));
        check(200, " \r\n\t{\"action\":\"allow\"}\n", Ok(Judgement::Allow));
        check(200, r#"{"action":"refuse"}"#, refused(None));
        check(200, r#"{"action":"refuse","message":" "}"#, refused(None));
        check(200, r#"{"action":"refuse","message":"Not here."}"#, refused(Some("Not here.")));
        let long = format!(r#"{{"action":"refuse","message":"{}"}}"#, "é".repeat(5000));
        check(200, &long, refused(Some(&"é".repeat(500))));
        for body in [
            "",
            "allow",
            "{}",
            "[]",
            "null",
            r#"{"action":"allow""#,
            r#"{"action":"allow"} x"#,
            r#"{"action":"ALLOW"}"#,
            r#"{"action":"redact"}"#,
            r#"{"action":true}"#,
            r#"{"action":null}"#,
            r#"{"action":{"allow":1}}"#,
            r#"{"action":{"allow":null}}"#,
            r#"{"action":["allow"]}"#,
            r#"["allow"]"#,
            r#"["allow",null]"#,
            r#"{"action":"refuse","action":"allow"}"#,
            r#"{"action":"allow","message":7}"#,
        ] {
            check(200, body, Err(NoJudgement::NotUnderstood));
        }
        for status in [0, 100, 204, 302, 404, 503, 504] {
            check(status, r#"{"action":"allow"}"#, Err(NoJudgement::Status));
        }
        assert_eq!(read(Err(HttpError::TooLong)), Err(NoJudgement::NotHeard(HttpError::TooLong)));
        let not_utf8 = HttpAnswer { status: 200, body: b"{\"action\":\"refuse\",\"message\":\"\xff\"}".to_vec() };
        assert_eq!(read(Ok(&not_utf8)), Err(NoJudgement::NotUnderstood));
    }
}
