use std::rc::Rc;
use std::sync::Arc;

use prost::Message;
use weir_config::{
    Action, Check, Cidr, CustomKind, CustomRule, Entries, FindingType, GuardrailProfile, GuardrailRule, Limit,
    LimitAction, LimitedModels, Period, RedactForm, RuleDirection, RuleMode, Threshold, Uninspectable, Unit, Window,
};
use weir_exchange::{Catalog, CatalogModel, DearestPrices, FindingKey, NamedProfile, Principal, WayIn};
use weir_llm::OutputBounds;
use weir_proto::dataplane::{self, ResolveCredentialResponse, resolve_credential_response::Status};

/// What the control plane says about a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The key is good.
    Active {
        /// Who it stands for.
        principal: Rc<Principal>,
        /// The models of the principal's tenant; `None`: as the caller has them.
        catalog: Option<Catalog>,
        /// The committed change that last changed the catalog.
        catalog_revision: u64,
        /// The committed change that the whole answer reflects.
        revision: u64,
    },
    /// The key is not good.
    Denied(Denial),
}

/// Why a key is not good. The text is for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// Nobody made it.
    #[error("The API key is not valid.")]
    Unknown,
    /// Somebody took it back.
    #[error("The API key has been revoked.")]
    Revoked,
    /// Its time is over.
    #[error("The API key has expired.")]
    Expired,
    /// Somebody put it out of use, maybe for a time.
    #[error("The API key is disabled.")]
    Disabled,
    /// It is of a way in that is refused here.
    #[error("This way of showing who you are is refused here.")]
    WayRefused,
    /// It is good, and no rule says whose it is.
    #[error("Who you are is known, but not to whom you belong. Ask an administrator to assign you.")]
    NoRule,
    /// It is good, and names a user who is not there.
    #[error("There is no user of this name. Ask an administrator.")]
    NoUser,
    /// It cannot be read, or says less than it must.
    #[error("The token or certificate does not say who you are in a way that can be read.")]
    Malformed,
}

impl Denial {
    /// Whether what else the client has shown may count in its place: somebody else's key, or a way in that does not count here.
    pub(crate) fn makes_way(self) -> bool {
        match self {
            Self::Unknown | Self::WayRefused | Self::NoRule | Self::NoUser | Self::Malformed => true,
            Self::Revoked | Self::Expired | Self::Disabled => false,
        }
    }
}

/// The control plane answered something that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedAnswer {
    /// It is not the message that was asked for.
    #[error("the answer cannot be decoded: {0}")]
    Undecodable(#[from] prost::DecodeError),
    /// It has a status of a later version, or none.
    #[error("the answer has the unknown status {0}")]
    Status(i32),
    /// An active key came without principal or catalog, or with another tenant's catalog.
    #[error("the answer for an active key lacks its principal or its tenant's catalog")]
    Incomplete,
    /// Where the key may be used from is said in words that this version does not understand.
    #[error("the key may be used from {0:?} only, which is no range of addresses")]
    Source(String),
    /// Its guardrail profile is not the one that it names, or is empty.
    #[error("the guardrail profile {0:?} that the key demands is missing from the answer")]
    ProfileMissing(String),
    /// Its guardrail profile has a rule of a later version, which this one cannot keep.
    #[error("the guardrail profile {profile:?} has a rule that this version does not know: {field} {value:?}")]
    RuleUnknown {
        /// The profile's id.
        profile: String,
        /// The rule's field.
        field: &'static str,
        /// What is in it.
        value: String,
    },
    /// A way in is required that a later version knows.
    #[error("the way in {0:?} is required, which this version does not know")]
    WayUnknown(String),
    /// It has a limit of a later version, which this one cannot keep.
    #[error("the key has a limit in the unit {0:?}, which this version does not know")]
    UnitUnknown(String),
    /// It has a limit in a time that this version does not know, or that cannot be.
    #[error("the key has a limit ({0:?}) in a window that this version does not know")]
    LimitWindowUnknown(String),
    /// What becomes of requests beyond a limit is said in words that this version does not understand.
    #[error("the key has a limit with the action {0:?}, which this version does not know")]
    LimitActionUnknown(String),
}

impl MalformedAnswer {
    /// Whether what was known before may still be used. Not if the answer demands guardrails, limits or restrictions that cannot be kept:
    /// what was known before may lack them.
    pub(crate) fn may_use_stale(&self) -> bool {
        match self {
            Self::Undecodable(_) | Self::Status(_) | Self::Incomplete => true,
            Self::Source(_)
            | Self::ProfileMissing(_)
            | Self::RuleUnknown { .. }
            | Self::UnitUnknown(_)
            | Self::LimitWindowUnknown(_)
            | Self::LimitActionUnknown(_)
            | Self::WayUnknown(_) => false,
        }
    }
}

impl Answer {
    /// Reads a `ResolveCredentialResponse`; lists of entries that are known are left out there.
    pub fn decode(bytes: &[u8], known: &[Entries]) -> Result<Self, MalformedAnswer> {
        let response = ResolveCredentialResponse::decode(bytes)?;
        match response.status() {
            Status::Unspecified => Err(MalformedAnswer::Status(response.status)),
            Status::Unknown => Ok(Self::Denied(Denial::Unknown)),
            Status::Revoked => Ok(Self::Denied(Denial::Revoked)),
            Status::Expired => Ok(Self::Denied(Denial::Expired)),
            Status::Disabled => Ok(Self::Denied(Denial::Disabled)),
            Status::WayRefused => Ok(Self::Denied(Denial::WayRefused)),
            Status::NoRule => Ok(Self::Denied(Denial::NoRule)),
            Status::NoUser => Ok(Self::Denied(Denial::NoUser)),
            Status::Malformed => Ok(Self::Denied(Denial::Malformed)),
            Status::Active => {
                let (Some(principal), Some(catalog)) = (response.principal, response.catalog) else {
                    return Err(MalformedAnswer::Incomplete);
                };
                if principal.tenant_id.is_empty() || principal.tenant_id != catalog.tenant_id {
                    return Err(MalformedAnswer::Incomplete);
                }
                let catalog_revision = catalog.revision;
                Ok(Self::Active {
                    principal: Rc::new(read_principal(principal, response.revision, known)?),
                    catalog: if catalog.unchanged { None } else { Some(read_catalog(catalog)?) },
                    catalog_revision,
                    revision: response.revision,
                })
            }
        }
    }
}

fn read_principal(
    principal: dataplane::Principal,
    revision: u64,
    known: &[Entries],
) -> Result<Principal, MalformedAnswer> {
    let expires_at = u64::try_from(principal.expires_at_unix_ms).ok().filter(|expires_at| *expires_at > 0);
    let guardrail_profile = read_profile(principal.guardrail_profile_id, principal.guardrail_profile, known)?;
    Ok(Principal {
        tenant_id: principal.tenant_id,
        key_id: principal.key_id,
        allowed_models: principal.allowed_models.map(|allowed| allowed.names),
        allowed_operations: principal.allowed_operations.map(|allowed| allowed.names),
        source_cidrs: principal
            .source_cidrs
            .into_iter()
            .map(|range| range.parse::<Cidr>().map_err(|_| MalformedAnswer::Source(range)))
            .collect::<Result<_, _>>()?,
        trusted_hops: u8::try_from(principal.trusted_hops).unwrap_or(u8::MAX),
        guardrail_profile: guardrail_profile.map(Rc::new),
        limits: principal
            .rate_limits
            .into_iter()
            .map(|limit| read_limit(limit).map(Rc::new))
            .collect::<Result<_, _>>()?,
        expires_at: expires_at.map(|milliseconds| milliseconds.saturating_mul(1000)),
        revision,
        way_in: match principal.way_in {
            // An older control plane knows of no other.
            way if way.is_empty() => WayIn::Key,
            way => WayIn::of_name(&way).ok_or(MalformedAnswer::WayUnknown(way))?,
        },
        required_ways_in: read_ways(principal.required_ways_in)?,
        finding_keys: principal.finding_keys.into_iter().filter_map(read_finding_key).map(Arc::new).collect(),
    })
}

/// One that cannot be read is none: digests are left out then.
fn read_finding_key(key: dataplane::FindingKey) -> Option<FindingKey> {
    let micros = |seconds: i64| Some(u64::try_from(seconds).ok()?.saturating_mul(1_000_000));
    FindingKey::new(key.id, &key.key, micros(key.start_unix_s)?, micros(key.end_unix_s)?)
}

fn read_limit(limit: dataplane::RateLimit) -> Result<Limit, MalformedAnswer> {
    let unit = match limit.unit.as_str() {
        // An older control plane knows of no other.
        "" => Unit::Requests,
        name => Unit::of_name(name).ok_or_else(|| MalformedAnswer::UnitUnknown(limit.unit.clone()))?,
    };
    let period = |period: dataplane::LimitPeriod| Period { start_s: period.start_unix_s, end_s: period.end_unix_s };
    if limit.periods.iter().any(|period| period.end_unix_s <= period.start_unix_s) {
        return Err(MalformedAnswer::LimitWindowUnknown(limit.counter));
    }
    let window = if limit.is_endless {
        Window::Always
    } else if !limit.periods.is_empty() {
        let periods = limit.periods.into_iter().map(period).collect();
        Window::Calendar { name: limit.period_name.into(), periods }
    } else if limit.part_seconds > 0 {
        Window::Sliding { seconds: limit.window_seconds, part_seconds: limit.part_seconds }
    } else if limit.window_seconds > 0 {
        Window::of_seconds(limit.window_seconds)
    } else {
        return Err(MalformedAnswer::LimitWindowUnknown(limit.counter));
    };
    let action = match limit.action.as_str() {
        "" | "refuse" => LimitAction::Refuse,
        "warn" => LimitAction::Warn,
        "fall_over" => LimitAction::FallOver(limit.fall_over_pool_id),
        _ => return Err(MalformedAnswer::LimitActionUnknown(limit.action)),
    };
    let models = match (limit.each_model, limit.model) {
        (true, _) => LimitedModels::Each,
        (false, model) if model.is_empty() => LimitedModels::All,
        (false, model) => LimitedModels::One(model),
    };
    let (counter, name, subject) = (limit.counter, limit.name, limit.subject);
    let (amount, is_told) = (limit.limit, limit.told_to_callers);
    Ok(Limit { counter, unit, window, amount, action, models, name, subject, is_told })
}

/// Reads the profile that holds for a principal. What cannot be kept whole is refused: a caller whose guardrails are not
/// understood must not pass without them.
fn read_profile(
    id: String,
    profile: Option<dataplane::GuardrailProfile>,
    known: &[Entries],
) -> Result<Option<NamedProfile>, MalformedAnswer> {
    let profile = match profile {
        None if id.is_empty() => return Ok(None),
        Some(profile) if profile.id == id && !id.is_empty() && !profile.rules.is_empty() => profile,
        _ => return Err(MalformedAnswer::ProfileMissing(id)),
    };
    let rules = profile.rules.into_iter().map(|rule| read_rule(&id, rule, known)).collect::<Result<_, _>>()?;
    let uninspectable = match profile.uninspectable {
        // An older control plane knows of no such choice.
        word if word.is_empty() => Uninspectable::default(),
        word => Uninspectable::of_name(&word).ok_or_else(|| MalformedAnswer::RuleUnknown {
            profile: id.clone(),
            field: "uninspectable",
            value: word,
        })?,
    };
    let profile = GuardrailProfile { uninspectable, ..GuardrailProfile::new(profile.name, rules) };
    profile.check_merged().map_err(|error| MalformedAnswer::RuleUnknown {
        profile: id.clone(),
        field: "custom.entries",
        value: error.reason,
    })?;
    Ok(Some(NamedProfile { id, profile }))
}

fn read_rule(
    profile: &str,
    rule: dataplane::GuardrailRule,
    known: &[Entries],
) -> Result<GuardrailRule, MalformedAnswer> {
    let unknown = |field, value| MalformedAnswer::RuleUnknown { profile: profile.into(), field, value };
    let word = |value: String, otherwise: &str| if value.is_empty() { otherwise.into() } else { value };
    let (mode, form) = (word(rule.mode, "enforce"), word(rule.form, "type"));
    let rule = GuardrailRule {
        finding: FindingType::of_name(&rule.r#type).ok_or_else(|| unknown("type", rule.r#type))?,
        action: Action::of_name(&rule.action).ok_or_else(|| unknown("action", rule.action))?,
        direction: RuleDirection::of_name(&rule.direction).ok_or_else(|| unknown("direction", rule.direction))?,
        threshold: Threshold::of_hundredths(rule.threshold_hundredths)
            .ok_or_else(|| unknown("threshold", rule.threshold_hundredths.to_string()))?,
        mode: RuleMode::of_name(&mode).ok_or_else(|| unknown("mode", mode))?,
        form: RedactForm::of_name(&form, rule.keep_last).ok_or_else(|| unknown("form", form))?,
        custom: rule.custom.map(|custom| read_custom(profile, custom, known)).transpose()?,
    };
    // A rule of this type without what it looks for is a later version's.
    rule.check().map_err(|error| unknown("custom", error.to_string()))?;
    Ok(rule)
}

fn read_ways(names: Vec<String>) -> Result<Vec<WayIn>, MalformedAnswer> {
    names.into_iter().map(|way| WayIn::of_name(&way).ok_or(MalformedAnswer::WayUnknown(way))).collect()
}

fn read_custom(profile: &str, custom: dataplane::CustomRule, known: &[Entries]) -> Result<CustomRule, MalformedAnswer> {
    let unknown = |field, value| MalformedAnswer::RuleUnknown { profile: profile.into(), field, value };
    let known = known.iter().find(|entries| entries.digest().as_slice() == custom.entries_sha256).cloned();
    let entries = known.unwrap_or_else(|| Entries::new(custom.entries));
    if entries.digest().as_slice() != custom.entries_sha256 {
        return Err(unknown("custom.entries", custom.name));
    }
    Ok(CustomRule {
        kind: CustomKind::of_name(&custom.kind).ok_or_else(|| unknown("custom.kind", custom.kind))?,
        name: custom.name,
        entries,
        case_sensitive: custom.case_sensitive,
        parts_of_words: custom.parts_of_words,
    })
}

fn read_catalog(catalog: dataplane::Catalog) -> Result<Catalog, MalformedAnswer> {
    catalog.models.into_iter().map(read_model).collect::<Result<_, _>>().map(Catalog::new)
}

fn read_model(model: dataplane::CatalogModel) -> Result<CatalogModel, MalformedAnswer> {
    Ok(CatalogModel {
        name: model.name,
        pool_id: model.pool_id,
        created_at_s: model.created_at_unix_s,
        owner: model.owner,
        dearest: model.dearest_input_picousd.zip(model.dearest_output_picousd).map(|(input, output)| DearestPrices {
            input,
            output,
            request: model.dearest_request_picousd,
        }),
        refused_ways_in: read_ways(model.refused_ways_in)?,
        required_ways_in: read_ways(model.required_ways_in)?,
        output_bounds: OutputBounds { default: model.default_max_tokens, most: model.max_tokens_cap },
    })
}
