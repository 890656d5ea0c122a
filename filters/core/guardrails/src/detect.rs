//! The detectors: what each looks for, and how it decides.
//!
//! All enabled detectors share one automaton, whose patterns are cheap triggers: a run of digits, an `@`. At each trigger every
//! detector that goes by it looks at the bytes around it and says what is there, so that none hides what another looks for.
//! Between a word and a number many scripts put no space: what is not ASCII is a boundary, unless it is a digit or separator in
//! another form.
//!
//! What a detector finds depends on nothing but the bytes of the match, [`CONTEXT`] bytes before it and what follows up to
//! the first byte that ends it, so that a stream can be decided piece by piece and gives what the whole text gives.

mod aadhaar;
mod bank_account;
mod bank_routing;
mod birth;
mod context;
mod credit_card;
mod crypto_wallet;
mod email;
mod glyph;
mod gps;
mod gstin;
mod iban;
mod ifsc;
mod ip_address;
mod itin;
mod keccak;
mod mac_address;
mod named;
mod nhs;
mod nino;
mod number;
mod pan;
mod passport_lines;
mod phone;
mod secret;
mod ssn;
mod token;
mod upi;
mod vin;
mod voter_id;

use std::borrow::Cow;
use std::fmt::Debug;
use std::ops::Range;

pub(crate) use glyph::digit_of_code;
pub(crate) use secret::runs::Runs;
use weir_config::FindingType;

/// Bytes before a match that may decide about it.
pub(crate) const CONTEXT: usize = 64;

/// The most bytes from where a match begins to the trigger that leads to it.
pub(crate) const FARTHEST_TRIGGER: usize = 128;

/// Every detector. Each has a file beside this one, and a line here.
static DETECTORS: [&dyn Detector; 31] = [
    &credit_card::CreditCard,
    &email::Email,
    &phone::Phone,
    &iban::Iban,
    &bank_account::BankAccount,
    &ssn::Ssn,
    &aadhaar::Aadhaar,
    &pan::Pan,
    &voter_id::VoterId,
    &ip_address::IpAddress,
    &secret::key::Key,
    &secret::private_key::PrivateKey,
    &secret::url_password::UrlPassword,
    &secret::assignment::Assignment,
    &itin::Itin,
    &bank_routing::BankRouting,
    &gstin::Gstin,
    &ifsc::Ifsc,
    &upi::Upi,
    &nino::Nino,
    &nhs::Nhs,
    &named::PASSPORT,
    &named::DRIVER_LICENSE,
    &named::MEDICAL_RECORD,
    &named::INSURANCE_NUMBER,
    &birth::Birth,
    &vin::Vin,
    &passport_lines::PassportLines,
    &mac_address::MacAddress,
    &crypto_wallet::CryptoWallet,
    &gps::Gps,
];

/// The longest match of any detector in bytes. No detector looks further than this for the end of a match.
pub(crate) const LONGEST_MATCH: usize = secret::LONGEST;

const _: () = assert!(LONGEST_MATCH >= number::LONGEST && LONGEST_MATCH >= iban::LONGEST);
const _: () = assert!(LONGEST_MATCH >= email::LONGEST && LONGEST_MATCH >= credit_card::LONGEST);

/// What finds things of one type.
pub(crate) trait Detector: Debug + Sync {
    /// Its name.
    fn name(&self) -> &'static str;

    /// What it finds.
    fn finding(&self) -> FindingType;

    /// By what it is called.
    fn triggers(&self) -> &'static [Trigger];

    /// Calls `each` with every match at a trigger that was found at `place`, at most [`FARTHEST_TRIGGER`] bytes behind its start. `runs`:
    /// what is known of the same text.
    fn matches(&self, text: &[u8], place: Range<usize>, runs: &mut Runs, each: &mut dyn FnMut(Match));

    /// The first byte, at or after `from`, of what could still become a match or a longer one when text is added; the text's
    /// length if there is none. Everything that begins before it is decided.
    fn undecided(&self, text: &[u8], from: usize) -> usize;

    /// What it has in common with others that say the same of what is undecided: one of them is asked. Otherwise its name.
    fn waits_like(&self) -> &'static str {
        self.name()
    }

    /// A match of this detector. `score`: how sure it is, in hundredths.
    fn found(&self, start: usize, end: usize, score: u8) -> Match {
        Match { start, end, finding: self.finding(), detector: self.name(), score, rule: None }
    }
}

/// The detectors of a type.
pub(crate) fn of_type(finding: FindingType) -> impl Iterator<Item = &'static dyn Detector> {
    DETECTORS.into_iter().filter(move |detector| detector.finding() == finding)
}

/// What looking at one place of a text gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// Nothing begins here, whatever follows.
    Nothing,
    /// A match that ends here, whatever follows.
    Match(usize),
    /// What follows decides.
    Undecided,
}

/// One place where a detector found something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Match {
    /// First byte.
    pub(crate) start: usize,
    /// Behind the last byte.
    pub(crate) end: usize,
    /// What it is.
    pub(crate) finding: FindingType,
    /// Who found it.
    pub(crate) detector: &'static str,
    /// How sure it is, in hundredths.
    pub(crate) score: u8,
    /// The place of an administrator's rule among those of the profile.
    pub(crate) rule: Option<u16>,
}

impl Match {
    /// The same with every character whole that it has a part of.
    pub(crate) fn on_characters(self, text: &[u8]) -> Self {
        let mut end = self.end;
        while byte(text, end).is_some_and(continues_character) {
            end = end.saturating_add(1);
        }
        Self { start: character_start(text, self.start), end, ..self }
    }
}

/// Where the character begins that `at` is in.
pub(crate) fn character_start(text: &[u8], at: usize) -> usize {
    let mut at = at;
    while byte(text, at).is_some_and(continues_character) {
        at = at.saturating_sub(1);
    }
    at
}

/// Whether a byte is not the first of its character (RFC 3629 section 3).
fn continues_character(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}

/// By what detectors are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trigger {
    /// At least three digits in a row, of any form.
    Digits,
    /// The sign of an address, of any form.
    At,
    /// What parts the numbers of an Internet address of version 4.
    Dot,
    /// What parts those of version 6.
    Colon,
    /// How a secret begins, or what it is called.
    Secret,
    /// Two letters and two digits, with a space between them and another behind.
    Pairs,
    /// A digit with which the address of a wallet may begin, or its part that is one: of fewer than three in a row.
    Wallet,
    /// What parts the pairs of an interface's address.
    Dash,
}

impl Trigger {
    /// All of them.
    pub(crate) const ALL: [Self; 8] =
        [Self::Digits, Self::At, Self::Dot, Self::Colon, Self::Secret, Self::Pairs, Self::Wallet, Self::Dash];

    /// Its pattern in the shared automaton, which reads bytes. Of two triggers that begin in one place the first of these counts, and none
    /// begins within another's: the search goes on behind each.
    pub(crate) fn pattern(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Digits => concat!(
                r"(?:[0-9]|\xEF\xBC[\x90-\x99]|\xD9[\xA0-\xA9]|\xDB[\xB0-\xB9]",
                r"|\xE0[\xA5\xA7\xA9\xAB\xAD\xAF\xB1\xB3\xB5][\xA6-\xAF]|\xE0[\xB9\xBB][\x90-\x99]|\xF0\x9D\x9F[\x8E-\xBF]",
                r"|\\{1,8}u(?:003|[Ff][Ff]1|066|06[Ff])[0-9]){3,}",
            ),
            Self::At => r"@|\xEF\xBC\xA0|\xEF\xB9\xAB|\\{1,8}u0040|%40|&#64;",
            Self::Dot => r"\.",
            Self::Colon => r":",
            Self::Wallet => "[013]",
            Self::Dash => "-",
            Self::Pairs => "[A-Z]{2} [0-9]{2} ",
            Self::Secret => return Cow::Owned(secret::trigger_pattern()),
        })
    }
}

/// How many digits of any form there are in a text.
pub(crate) fn digits(text: &[u8]) -> usize {
    let (mut at, mut count) = (0_usize, 0_usize);
    while at < text.len() {
        let length = glyph::digit(text, at).map(|(_, length)| length);
        count = count.saturating_add(usize::from(length.is_some()));
        at = at.saturating_add(length.unwrap_or(1));
    }
    count
}

fn byte(text: &[u8], at: usize) -> Option<u8> {
    text.get(at).copied()
}

/// The byte before `at`.
fn before(text: &[u8], at: usize) -> Option<u8> {
    at.checked_sub(1).and_then(|index| byte(text, index))
}

/// Whether an escape such as `\n` or `\u003c` ends before `at`: text inside text, for example the arguments of a tool call,
/// has its line breaks and brackets written so, and what follows them begins a new word.
fn ends_escape(text: &[u8], at: usize) -> bool {
    [2, 6]
        .into_iter()
        .any(|length| at.checked_sub(length).is_some_and(|start| escape_length(text, start) == Some(length)))
}

/// How long the escape that begins at `start` is (RFC 8259 section 7); `None` if none does, or one for a single character of
/// punctuation.
fn escape_length(text: &[u8], start: usize) -> Option<usize> {
    match text.get(start..)? {
        [b'\\', b'n' | b'r' | b't' | b'b' | b'f', ..] => Some(2),
        [b'\\', b'u', a, b, c, d, ..] if [a, b, c, d].into_iter().all(u8::is_ascii_hexdigit) => Some(6),
        _ => None,
    }
}
