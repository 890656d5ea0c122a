//! Trying a guardrail profile on a text, with the same engine that runs in Envoy.

use std::time::Instant;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;
use weir_config::{Action as RuleAction, FindingType as RuleFinding};
use weir_guardrails::{Direction, Profile};
use weir_store::StoreError;

use crate::ApiState;
use crate::admin::profiles::{Action, FindingType};
use crate::caller::Caller;
use crate::extract::Body;
use crate::problem::{Code, Problem, Writing};

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(test))
}

/// A text to try.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Trial {
    /// Neither stored nor logged.
    text: String,
    /// A profile's id or name. Default `all`.
    profile: Option<String>,
    /// Which way the text goes.
    direction: TrialDirection,
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
    /// How long it took, in microseconds, on this machine and not in Envoy.
    took_us: u64,
}

/// Something that was found.
#[derive(Serialize, ToSchema)]
struct TrialFinding {
    /// Who found it.
    detector: &'static str,
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
}

/// Tries a profile on a text.
#[utoipa::path(post, path = "/guardrails/test", operation_id = "test_guardrails", tag = "guardrails",
    request_body = Trial, responses((status = 200, body = Outcome), Writing))]
async fn test(
    State(state): State<ApiState>,
    caller: Caller,
    Body(trial): Body<Trial>,
) -> Result<Json<Outcome>, Problem> {
    let profile = trial.profile.as_deref().unwrap_or("all");
    let stored = match profile.parse::<Uuid>() {
        Ok(id) => state.store.get_profile(&caller.actor, id).await,
        // No profile is called so, and Postgres knows no text with NUL.
        Err(_) if profile.contains('\0') => Err(StoreError::NotFound),
        Err(_) => state.store.get_profile_by_name(&caller.actor, profile).await,
    };
    let stored = stored.map_err(|error| match error {
        StoreError::NotFound => Problem::field(Code::InvalidFields, "profile", "there is no such profile"),
        error => error.into(),
    })?;
    let profile = Profile::compile(&stored.value)
        .map_err(|error| Problem::field(Code::InvalidFields, "profile", error.to_string()))?;
    let direction = match trial.direction {
        TrialDirection::Input => Direction::Input,
        TrialDirection::Output => Direction::Output,
    };
    let started = Instant::now();
    let verdict = profile.apply(direction, &trial.text);
    let took_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    let findings = verdict.findings.iter().map(|finding| {
        let (start, end) = finding.characters(&trial.text);
        TrialFinding {
            detector: finding.detector,
            finding: finding.finding,
            start,
            end,
            score: finding.score,
            action: finding.action,
        }
    });
    Ok(Json(Outcome { action: verdict.action, findings: findings.collect(), text: verdict.text.into_owned(), took_us }))
}
