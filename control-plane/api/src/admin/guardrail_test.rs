//! Trying a guardrail profile on a text, with the same engine that runs in Envoy.

use std::collections::BTreeMap;
use std::time::Instant;

use axum::extract::State;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;
use weir_config::{Action as RuleAction, FindingType as RuleFinding, GuardrailProfile};
use weir_core::json;
use weir_core::schemas::{Action, FindingType};
use weir_guardrails::{Direction, Finding, Profile, learned_scores};
use weir_store::{GUARDRAIL_PROFILE, StoreError};

use crate::ApiState;
use crate::caller::Caller;
use crate::extract::Body;
use crate::problem::{Code, Problem, Writing};
use crate::turns::Turns;

/// Bytes of the longest text: 256 KiB.
const LONGEST_TEXT: usize = 256 * 1024;

/// Texts that are tried at once for one tenant, or for the platform.
const MOST_OF_ONE: usize = 2;
/// Texts that are tried at once in all.
const MOST_IN_ALL: usize = 8;

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(test)).layer(Extension(Turns::new(MOST_OF_ONE, MOST_IN_ALL)))
}

/// A text to try.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Trial {
    /// At most 256 KiB. Neither stored nor logged.
    text: String,
    /// A profile's id or name. Default `all`.
    profile: Option<String>,
    /// Which way the text goes.
    direction: TrialDirection,
    /// Where it stands. No detector goes by it so far.
    #[serde(rename = "place")]
    _place: Option<TrialPlace>,
}

/// Where a text stands.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum TrialPlace {
    /// In what a user says.
    User,
    /// In the application's instructions.
    System,
    /// In what the model said.
    Assistant,
    /// In what a tool gave back.
    ToolResult,
    /// In a document.
    Document,
}

/// Which way a text goes.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum TrialDirection {
    /// From the client to the model.
    Input,
    /// From the model to the client.
    Output,
}

/// What would become of the text.
#[derive(Serialize, ToSchema)]
struct Outcome {
    /// The strictest action among the findings; `allow` if there are none.
    #[schema(value_type = Action)]
    action: RuleAction,
    /// The text as it would pass.
    text: String,
    /// In the order of the text.
    findings: Vec<TrialFinding>,
    /// How likely the text holds something of each type that is learnt, from 0 to 1, whatever the profile looks for and its thresholds.
    scores: BTreeMap<&'static str, f32>,
    /// How long it took, in microseconds, on this machine and not in Envoy.
    took_us: u64,
}

/// Something that was found.
#[derive(Serialize, ToSchema)]
struct TrialFinding {
    /// Who found it; of a custom rule its name.
    detector: String,
    /// What it is.
    #[serde(rename = "type")]
    #[schema(value_type = FindingType)]
    finding: RuleFinding,
    /// First Unicode character.
    start: usize,
    /// Behind the last Unicode character.
    end: usize,
    /// How sure the detector is, from 0 to 1.
    score: f32,
    /// What the profile wants done.
    #[schema(value_type = Action)]
    action: RuleAction,
    /// False of a rule in shadow: the action is what it would have done.
    enforced: bool,
}

/// Tries a profile on a text.
///
/// The work takes a core for a while, so few texts are tried at once for each tenant and in all; further ones are refused.
#[utoipa::path(post, path = "/guardrails/test", operation_id = "test_guardrails", tag = "guardrails",
    request_body = Trial, responses(
    (status = 200, body = Outcome), Writing,
    (status = 413, body = Problem, content_type = "application/problem+json", description = "The text is too long."),
    (status = 429, body = Problem, content_type = "application/problem+json", description = "Others are being tried."),
))]
async fn test(
    State(state): State<ApiState>,
    Extension(turns): Extension<Turns>,
    caller: Caller,
    Body(trial): Body<Trial>,
) -> Result<Json<Outcome>, Problem> {
    if trial.text.len() > LONGEST_TEXT {
        return Err(Problem::new(Code::BodyTooLarge, "a text may have at most 256 KiB"));
    }
    let turn = turns
        .take(caller.actor.scope().tenant())
        .ok_or_else(|| Problem::too_many_requests("other texts are being tried at the moment", 1))?;
    let profile = trial.profile.as_deref().unwrap_or("all");
    let stored = match profile.parse::<Uuid>() {
        Ok(id) => state.store.get(GUARDRAIL_PROFILE, &caller.actor, id).await,
        // No profile is called so, and Postgres knows no text with NUL.
        Err(_) if profile.contains('\0') => Err(StoreError::NotFound),
        Err(_) => state.store.get_by_name(GUARDRAIL_PROFILE, &caller.actor, profile).await,
    };
    let mut stored = stored.map_err(|error| match error {
        StoreError::NotFound => Problem::field(Code::InvalidFields, "profile", "there is no such profile"),
        error => error.into(),
    })?;
    stored.spec.remove("for_everybody");
    let profile: GuardrailProfile =
        json::read(stored.spec.into()).map_err(|errors| Problem::fields(Code::InvalidFields, errors))?;
    // Not on a thread that answers others. The turn lasts as long as the work does, also if nobody waits for it any more.
    let work = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        attempt(&profile, trial.direction, &trial.text)
    });
    work.await.map_err(|_| Problem::new(Code::Internal, "something went wrong here; the log says what"))?.map(Json)
}

fn attempt(profile: &GuardrailProfile, direction: TrialDirection, text: &str) -> Result<Outcome, Problem> {
    let profile =
        Profile::compile(profile).map_err(|error| Problem::field(Code::InvalidFields, "profile", error.to_string()))?;
    let direction = match direction {
        TrialDirection::Input => Direction::Input,
        TrialDirection::Output => Direction::Output,
    };
    let started = Instant::now();
    let verdict = profile.apply(direction, text);
    let took_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    let findings = in_characters(&profile, &verdict.findings, text);
    let scores = learned_scores(text).map(|(finding, score)| (finding.name(), score)).into();
    Ok(Outcome { action: verdict.action, findings, text: verdict.text.into_owned(), scores, took_us })
}

/// The findings with their places in Unicode characters. The text is walked through once, however many there are.
fn in_characters(profile: &Profile, findings: &[Finding], text: &str) -> Vec<TrialFinding> {
    let mut bytes: Vec<usize> = findings.iter().flat_map(|finding| [finding.start, finding.end]).collect();
    bytes.sort_unstable();
    bytes.dedup();
    let (mut at, mut passed) = (0, 0);
    let characters: Vec<usize> = bytes
        .iter()
        .map(|byte| {
            passed += text.get(at..*byte).map_or(0, |piece| piece.chars().count());
            at = *byte;
            passed
        })
        .collect();
    let character = |byte| bytes.binary_search(&byte).ok().and_then(|index| characters.get(index)).copied();
    let place = |finding: &Finding| TrialFinding {
        detector: profile.detector_of(finding).to_owned(),
        finding: finding.finding,
        start: character(finding.start).unwrap_or_default(),
        end: character(finding.end).unwrap_or_default(),
        score: finding.score,
        action: finding.would.unwrap_or(finding.action),
        enforced: finding.would.is_none(),
    };
    findings.iter().map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_characters_of_the_text() {
        let text = "ä a@b.example 😀 c@d.example";
        let find = |word: &str| text.find(word).unwrap();
        let finding = |start, end| Finding {
            detector: "test",
            finding: RuleFinding::Email,
            start,
            end,
            score: 1.0,
            rule: None,
            digest: None,
            pseudonym: None,
            action: RuleAction::Flag,
            would: None,
            form: weir_config::RedactForm::Type,
        };
        let profile = Profile::compile(&GuardrailProfile::new("all", weir_guardrails::all_rules())).unwrap();
        // Overlapping, and in no order.
        let findings = [
            finding(find("c@"), text.len()),
            finding(find("a@"), find(" 😀")),
            finding(find("b."), find("c@")),
            finding(0, text.len()),
        ];
        let places: Vec<_> =
            in_characters(&profile, &findings, text).iter().map(|found| (found.start, found.end)).collect();
        assert_eq!(places, [(16, 27), (2, 13), (4, 16), (0, 27)]);
    }
}
