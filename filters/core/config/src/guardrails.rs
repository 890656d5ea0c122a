use serde::{Deserialize, Serialize};

use crate::custom::check_together;
use crate::{Check, ConfigError, CustomRule, FailMode, RedactForm, RuleMode, Threshold};

/// Configuration of the plugin that reads the text. There is nothing to set: the profile comes with the principal, so that
/// the two cannot disagree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuardrailsConfig {}

/// What is looked for, and what happens when it is found.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuardrailProfile {
    /// For people.
    pub name: String,
    /// Checked together; where findings overlap, the strictest action wins.
    pub rules: Vec<GuardrailRule>,
    /// What becomes of a request with something that no guardrail can read. Default `allow`.
    #[serde(default)]
    pub uninspectable: Uninspectable,
    /// Services that judge whole texts, after the rules; all of them have to agree. Default none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub judges: Vec<JudgeRule>,
}

/// An HTTP service of the operator's that is asked whether all the texts of a request, or of an answer, may pass. A request waits for
/// it, and so does an answer, a stream until its end.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JudgeRule {
    /// For people: the log tells it where the judge gave no judgement.
    pub name: String,
    /// The Envoy cluster that leads there. No filter of Weir's may stand on its way.
    pub cluster: String,
    /// The `host` that it sees. Default: the cluster's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<String>,
    /// Where it is asked. Default `/`.
    #[serde(default = "judge_path")]
    pub path: String,
    /// Which texts it judges. Default `both`.
    #[serde(default)]
    pub direction: RuleDirection,
    /// Until when it has to have judged, in milliseconds, at most 30,000. Default 1000.
    #[serde(default = "judge_timeout_ms")]
    pub timeout_ms: u64,
    /// What becomes of a text without a judgement: the judge is away, late, busy or not understood, or the question is too long. Default
    /// `closed`.
    #[serde(default)]
    pub fail_mode: FailMode,
    /// The longest question that it is asked, in bytes, at most 1,048,576. Default 262,144.
    #[serde(default = "judge_question_bytes")]
    pub max_question_bytes: usize,
}

fn judge_path() -> String {
    "/".into()
}

fn judge_timeout_ms() -> u64 {
    1000
}

fn judge_question_bytes() -> usize {
    256 * 1024
}

/// The most judges of one profile.
const MOST_JUDGES: usize = 4;
const MOST_JUDGE_MS: u64 = 30_000;
const MOST_QUESTION_BYTES: usize = 1024 * 1024;

impl GuardrailProfile {
    /// One with the defaults of all else.
    pub fn new(name: impl Into<String>, rules: Vec<GuardrailRule>) -> Self {
        Self { name: name.into(), rules, uninspectable: Uninspectable::default(), judges: Vec::new() }
    }

    /// Refuses lists and patterns that no callers' profiles may have where several hold together: twice those of one.
    pub fn check_merged(&self) -> Result<(), ConfigError> {
        check_together(self.rules.iter().filter_map(|rule| rule.custom.as_ref()), 2)
    }
}

impl Check for GuardrailProfile {
    fn check(&self) -> Result<(), ConfigError> {
        if self.rules.is_empty() && self.judges.is_empty() {
            return Err(ConfigError::new("rules", "must name at least one rule"));
        }
        if self.judges.len() > MOST_JUDGES {
            return Err(ConfigError::new("judges", format!("must name at most {MOST_JUDGES}")));
        }
        check_together(self.rules.iter().filter_map(|rule| rule.custom.as_ref()), 1)?;
        for (index, rule) in self.rules.iter().enumerate() {
            rule.check().map_err(|error| ConfigError::new(format!("rules[{index}].{}", error.field), error.reason))?;
        }
        for (index, judge) in self.judges.iter().enumerate() {
            judge
                .check()
                .map_err(|error| ConfigError::new(format!("judges[{index}].{}", error.field), error.reason))?;
        }
        Ok(())
    }
}

impl Check for JudgeRule {
    fn check(&self) -> Result<(), ConfigError> {
        // A pool's requests pass `weir.provider`.
        if self.cluster.is_empty() || self.cluster.starts_with("weir.pool.") {
            return Err(ConfigError::new("cluster", "must be a cluster, and none of a pool"));
        }
        if !self.path.starts_with('/') || self.path.bytes().any(|byte| !byte.is_ascii_graphic()) {
            return Err(ConfigError::new("path", "must begin with / and hold visible ASCII only"));
        }
        if self.authority.as_ref().is_some_and(|name| name.is_empty() || !name.bytes().all(|it| it.is_ascii_graphic()))
        {
            return Err(ConfigError::new("authority", "must be a host, with its port if it has one"));
        }
        if !(1..=MOST_JUDGE_MS).contains(&self.timeout_ms) {
            return Err(ConfigError::new("timeout_ms", format!("must be from 1 to {MOST_JUDGE_MS}")));
        }
        if !(1..=MOST_QUESTION_BYTES).contains(&self.max_question_bytes) {
            return Err(ConfigError::new("max_question_bytes", format!("must be from 1 to {MOST_QUESTION_BYTES}")));
        }
        Ok(())
    }
}

/// What happens to what a model reads and no guardrail can: pictures, sound, documents that are no text, tokens, files that the
/// provider has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Uninspectable {
    /// It passes, and the findings tell of it.
    #[default]
    Allow,
    /// The request is refused.
    Refuse,
}

impl Uninspectable {
    /// The fixed name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Refuse => "refuse",
        }
    }

    /// What is called so; `None`: a later version's.
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Allow, Self::Refuse].into_iter().find(|word| word.name() == name)
    }
}

/// One type of finding and its consequence.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuardrailRule {
    /// What is looked for.
    #[serde(rename = "type")]
    pub finding: FindingType,
    /// What happens.
    pub action: Action,
    /// In which direction. Default `both`.
    #[serde(default)]
    pub direction: RuleDirection,
    /// From which score on a finding counts, from 0 to 1. Default 0.
    #[serde(default, skip_serializing_if = "Threshold::is_none")]
    pub threshold: Threshold,
    /// Whether it acts, or tells what it would have done. Default `enforce`.
    #[serde(default, skip_serializing_if = "RuleMode::is_enforce")]
    pub mode: RuleMode,
    /// What stands in the place of a finding that is redacted. Default: what it is.
    #[serde(default, skip_serializing_if = "RedactForm::is_type")]
    pub form: RedactForm,
    /// What is looked for by a rule of type `CUSTOM`; others have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom: Option<CustomRule>,
}

impl GuardrailRule {
    /// One with the defaults of all else.
    pub fn new(finding: FindingType, action: Action, direction: RuleDirection) -> Self {
        let (threshold, mode, form) = (Threshold::NONE, RuleMode::default(), RedactForm::default());
        Self { finding, action, direction, threshold, mode, form, custom: None }
    }

    /// Whether it says no more than type, action and direction.
    pub fn is_plain(&self) -> bool {
        *self == Self::new(self.finding, self.action, self.direction)
    }

    /// Whether it holds in this direction.
    pub fn holds_in(&self, direction: RuleDirection) -> bool {
        self.direction == direction || self.direction == RuleDirection::Both
    }
}

impl Check for GuardrailRule {
    fn check(&self) -> Result<(), ConfigError> {
        if self.form.keep_last() > RedactForm::MOST_KEPT {
            return Err(ConfigError::new("form.keep_last", format!("must be at most {}", RedactForm::MOST_KEPT)));
        }
        match (&self.custom, self.finding == FindingType::Custom) {
            (Some(custom), true) => {
                custom.check().map_err(|error| ConfigError::new(format!("custom.{}", error.field), error.reason))
            }
            (None, false) => Ok(()),
            (None, true) => Err(ConfigError::new("custom", "must say what is looked for")),
            (Some(_), false) => Err(ConfigError::new("custom", "is for rules of type CUSTOM")),
        }
    }
}

/// A type for each name, in the order in which profiles and pages list them.
macro_rules! finding_types {
    ($($(#[doc = $doc:literal])+ $type:ident = $name:literal,)+) => {
        /// What a detector can find. The names are fixed: clients and dashboards rely on them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum FindingType {
            $($(#[doc = $doc])+ #[serde(rename = $name)] $type,)+
            /// What an administrator looks for.
            #[serde(rename = "CUSTOM")]
            Custom,
        }

        impl FindingType {
            /// All types that have a built-in detector.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$type),+];

            /// The fixed name.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$type => $name,)+
                    Self::Custom => "CUSTOM",
                }
            }

            /// What stands in the place of what is redacted.
            pub fn placeholder(self) -> &'static str {
                match self {
                    $(Self::$type => concat!("[", $name, "]"),)+
                    Self::Custom => "[CUSTOM]",
                }
            }

            /// What it is, for people.
            pub fn description(self) -> &'static str {
                match self {
                    $(Self::$type => concat!($($doc),+).trim_ascii(),)+
                    Self::Custom => "What an administrator looks for.",
                }
            }
        }
    };
}

finding_types! {
    /// A payment card number: 12 to 19 digits, a known issuer's prefix and a valid Luhn check digit (ISO/IEC 7812-1).
    CreditCard = "CREDIT_CARD",
    /// An e-mail address (the dot-atom form of RFC 5322 at a domain name).
    Email = "EMAIL",
    /// A telephone number: international, or in a national form that is used for nothing else, or with a word that says so.
    Phone = "PHONE",
    /// An international bank account number with the length of its country and valid check digits (ISO 13616).
    Iban = "IBAN",
    /// A bank account number, where the words before it say so.
    BankAccount = "BANK_ACCOUNT",
    /// A social security number of the United States.
    UsSsn = "US_SSN",
    /// An Aadhaar number of India: 12 digits with a valid Verhoeff check digit.
    InAadhaar = "IN_AADHAAR",
    /// A permanent account number of the Indian tax department.
    InPan = "IN_PAN",
    /// The number of an Indian voter's card (EPIC).
    InVoterId = "IN_VOTER_ID",
    /// An Internet address, version 4 or 6.
    IpAddress = "IP_ADDRESS",
    /// A key, a password, a token: what lets whoever has it in. The detector's name says which.
    Secret = "SECRET",
    /// A taxpayer number of the United States (ITIN).
    UsItin = "US_ITIN",
    /// A routing number of a bank in the United States, with a valid check digit, where the words before it say so.
    UsBankRouting = "US_BANK_ROUTING",
    /// A tax number of an Indian business, with a valid check character.
    InGstin = "IN_GSTIN",
    /// The code of an Indian bank's branch.
    InIfsc = "IN_IFSC",
    /// An address of Indian payments: a name at the handle of a bank or an application.
    InUpi = "IN_UPI",
    /// A national insurance number of the United Kingdom.
    UkNino = "UK_NINO",
    /// A patient's number of the United Kingdom, with a valid check digit, where the words before it say so.
    UkNhs = "UK_NHS",
    /// The number of a passport, where the words before it say so.
    Passport = "PASSPORT",
    /// The number of a driving licence, where the words before it say so.
    DriverLicense = "DRIVER_LICENSE",
    /// The number of a patient's record, where the words before it say so.
    MedicalRecord = "MEDICAL_RECORD",
    /// The number of an insured or of a policy, where the words before it say so.
    InsuranceNumber = "INSURANCE_NUMBER",
    /// A date of birth, where the words before it say so.
    DateOfBirth = "DATE_OF_BIRTH",
    /// The number of a vehicle, with a valid check character (ISO 3779).
    Vin = "VIN",
    /// The address of a network interface (MAC).
    MacAddress = "MAC_ADDRESS",
    /// The address of a wallet of Bitcoin or Ethereum, with a valid check.
    CryptoWallet = "CRYPTO_WALLET",
    /// Latitude or longitude in decimal degrees, where the words before them say so.
    GpsCoordinates = "GPS_COORDINATES",
    /// The name of a person.
    Person = "PERSON",
    /// The address of a place: street and number, a flat, a town with its code.
    Address = "ADDRESS",
}

impl FindingType {
    /// The names of all types.
    pub fn names() -> impl Iterator<Item = &'static str> {
        Self::ALL.into_iter().chain([Self::Custom]).map(Self::name)
    }

    /// The type of this name; `None`: a later version's.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().chain([Self::Custom]).find(|finding| finding.name() == name)
    }
}

/// What happens to text in which something was found, from mild to strict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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

impl Action {
    /// All actions, from mild to strict.
    pub const ALL: [Self; 4] = [Self::Allow, Self::Flag, Self::Redact, Self::Block];

    /// The action of this name; `None`: a later version's.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == name)
    }

    /// The fixed name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Flag => "flag",
            Self::Redact => "redact",
            Self::Block => "block",
        }
    }

    /// What a rule tells that only says what it would have done.
    pub fn name_in_shadow(self) -> &'static str {
        match self {
            Self::Allow => "would_allow",
            Self::Flag => "would_flag",
            Self::Redact => "would_redact",
            Self::Block => "would_block",
        }
    }
}

/// Where a rule looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleDirection {
    /// In what the client sends.
    Input,
    /// In what the model answers.
    Output,
    /// In both.
    #[default]
    Both,
}

impl RuleDirection {
    /// All directions.
    pub const ALL: [Self; 3] = [Self::Input, Self::Output, Self::Both];

    /// The fixed name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Output => "output",
            Self::Both => "both",
        }
    }

    /// The direction of this name; `None`: a later version's.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|direction| direction.name() == name)
    }
}

impl Check for GuardrailsConfig {
    fn check(&self) -> Result<(), ConfigError> {
        Ok(())
    }
}
