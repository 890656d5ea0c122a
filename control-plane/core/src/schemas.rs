//! What the OpenAPI document says of types of the filters' configuration, which know nothing of it. They are read as the types that they
//! describe; nothing is ever made of these.
#![allow(dead_code, reason = "documentation only")]

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// One type of finding and its consequence.
#[derive(ToSchema)]
pub struct Rule {
    /// What is looked for.
    #[schema(rename = "type")]
    finding: FindingType,
    /// What happens.
    action: Action,
    /// Where. Default `both`.
    #[schema(required = false)]
    direction: Direction,
    /// From which score on a finding counts, from 0 to 1. Default 0.
    #[schema(required = false, minimum = 0, maximum = 1)]
    threshold: f64,
    /// Whether it acts. Default `enforce`.
    #[schema(required = false)]
    mode: RuleMode,
    /// What stands in the place of a finding that is redacted. Default `{"kind": "type"}`.
    #[schema(required = false)]
    form: RedactForm,
    /// What is looked for by a rule of type `CUSTOM`; others have none.
    #[schema(required = false)]
    custom: CustomRule,
}

/// What an administrator looks for.
#[derive(ToSchema)]
pub struct CustomRule {
    /// For people: 1 to 100 characters.
    name: String,
    /// What the entries are.
    kind: CustomKind,
    /// Words or hosts of at most 100 characters, or patterns of at most 1,000. A profile has at most 50,000 of them, 20 patterns, of 1 MiB.
    entries: Vec<String>,
    /// Whether capital letters and small ones are told apart. Default false.
    case_sensitive: bool,
    /// Of keywords: whether they are found within longer words too. They need three letters then. Default false.
    parts_of_words: bool,
}

/// What the entries of a custom rule are.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum CustomKind {
    /// Words and phrases; a blank stands for up to four, letters of other scripts for the Latin ones that they look like.
    Keywords,
    /// Names of hosts, each with all beneath it.
    Hosts,
    /// Regular expressions that match at most 128 bytes, without `*`, `+`, `{n,}`, `^` and `$`, and with classes of ASCII.
    Patterns,
}

/// Whether a rule acts.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum RuleMode {
    /// It acts.
    Enforce,
    /// It only tells what it would have done: requests and answers pass as if it were not there, and their records say `would_block`.
    Shadow,
}

/// What stands in the place of a finding that is redacted. Where two rules differ, what tells less.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RedactForm {
    /// What it is: `[CREDIT_CARD]`.
    Type,
    /// Its letters and digits become `*`, but for the last ones. What stands between them stays.
    Mask {
        /// How many letters and digits stay at the end: at most 8, and never more than a third of them.
        #[schema(minimum = 0, maximum = 8)]
        keep_last: u8,
    },
    /// Its digits become `0` and its letters `X` or `x`. What stands between them stays, so that whoever reads on finds the same form.
    Format,
    /// Of a request, what it is with letters of its own, `[EMAIL_kfjelbabcdma]`; in the answer stands what it was. Of an answer, what it is.
    Pseudonym,
    /// What it is, with a part of a digest under the tenant's key of the week: `[CREDIT_CARD_85febeb09532]`. The same thing has the same.
    Hash,
}

/// What is looked for, and what happens when it is found.
#[derive(ToSchema)]
pub struct ProfileSettings {
    /// 1 to 100 characters; unique for its owner.
    name: String,
    /// At least one. Checked together; where findings overlap, the strictest action wins.
    rules: Vec<Rule>,
    /// What becomes of a request with something that no guardrail can read. Default `allow`.
    #[schema(required = false)]
    uninspectable: UninspectableAction,
    /// Whether it holds for every key of every tenant, beside what these have; only of the platform's. Default false.
    #[schema(required = false)]
    for_everybody: bool,
}

/// What happens to what a model reads and no guardrail can: pictures, sound, documents that are no text, files that the provider has.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum UninspectableAction {
    /// It passes, and the findings tell of it.
    Allow,
    /// The request is refused.
    Refuse,
}

/// What can be found: the types of the filters' configuration.
pub struct FindingType;

impl ToSchema for FindingType {}

impl PartialSchema for FindingType {
    fn schema() -> RefOr<Schema> {
        let types: Vec<_> =
            weir_config::FindingType::ALL.into_iter().chain([weir_config::FindingType::Custom]).collect();
        let lines: Vec<_> =
            types.iter().map(|finding| format!("- `{}`: {}", finding.name(), finding.description())).collect();
        ObjectBuilder::new()
            .schema_type(Type::String)
            .enum_values(Some(types.into_iter().map(weir_config::FindingType::name).collect::<Vec<_>>()))
            .description(Some(format!("What can be found.\n\n{}", lines.join("\n"))))
            .into()
    }
}

/// What happens to text in which something was found, from mild to strict.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum Action {
    /// Nothing, and it is not reported either.
    Allow,
    /// It passes and is reported.
    Flag,
    /// It is replaced by a placeholder such as `[CREDIT_CARD]`.
    Redact,
    /// The request or the answer is refused.
    Block,
}

/// Where a rule looks.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum Direction {
    /// In what the client sends.
    Input,
    /// In what the model answers.
    Output,
    /// In both.
    Both,
}

/// What a server, or a model at it, takes of what its schema can say. What is absent or null is as it is known of the kind of server
/// and of the model, or else as the vendor's own API has it.
#[derive(ToSchema)]
pub struct Capabilities {
    /// The field that bounds the output, where a schema has two.
    max_tokens_field: Option<MaxTokensField>,
    /// Whether `stream_options` may be sent. Without it a stream may not say what it used, which is then estimated.
    stream_options: Option<bool>,
    /// How the application's instructions are sent.
    system_role: Option<SystemRole>,
    /// Whether a sampling temperature may be set. Where not, it is left out, as `top_p` is.
    temperature: Option<bool>,
    /// Whether `temperature` and `top_p` may be set together. Where not, `top_p` is left out.
    temperature_with_top_p: Option<bool>,
    /// Whether more than four texts may end an answer, which is all that OpenAI's own API takes. Where not, a request with more is refused.
    many_stop_sequences: Option<bool>,
    /// Whether an answer's form can be asked for.
    structured_output: Option<StructuredOutput>,
    /// Whether a tool's arguments can be held to its schema (`strict`). Where not, that word is left out.
    strict_tools: Option<bool>,
    /// Whether it may be said if the model may call several tools at once. Where not, that is left out.
    parallel_tool_calls: Option<bool>,
    /// Whether the model may call tools at all. Where not, a request with tools is refused.
    tools: Option<bool>,
    /// Whether it reads images. Where not, a request with one is refused.
    images: Option<bool>,
    /// Whether it hears audio. Where not, a request with some is refused.
    audio: Option<bool>,
    /// Whether it reads documents other than as text. Where not, a request with one is refused.
    documents: Option<bool>,
    /// Whether how much to reason can be asked for. Where not, that is left out.
    reasoning_effort: Option<bool>,
    /// Whether a conversation may be kept at the server (`store`, `previous_response_id`). Where not, a request that refers to one
    /// is refused.
    state: Option<bool>,
}

/// The field that bounds the output in OpenAI's chat schema.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum MaxTokensField {
    /// OpenAI's own; its reasoning models take no other.
    MaxCompletionTokens,
    /// The older one, which is all that many compatible servers know.
    MaxTokens,
}

/// How the application's instructions are sent in OpenAI's schemas.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum SystemRole {
    /// As `system`.
    System,
    /// As `developer`.
    Developer,
    /// As a message of the user's: for models whose template knows neither.
    User,
}

/// What can be asked of an answer's form.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum StructuredOutput {
    /// JSON of a given schema, or any JSON.
    JsonSchema,
    /// Any JSON.
    JsonObject,
    /// Nothing.
    None,
}
