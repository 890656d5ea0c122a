//! Bank account numbers: 6 to 18 digits right behind words that say that they are one. There is no check digit in most countries, so
//! that only the words tell.

use std::ops::Range;

use super::context::ends_token;
use super::number::{self, MOST_DIGITS, Number, Separator};
use super::{CONTEXT, Detector, Match, Runs, Trigger};
use weir_config::FindingType;

const FEWEST_DIGITS: usize = 6;
/// The most bytes between the word and the number.
const FARTHEST: usize = 28;
/// Words for an account, in small letters.
const ACCOUNTS: [&str; 8] = ["account", "acct", "a/c", "acc", "accountnumber", "accountno", "konto", "compte"];
/// What may stand between such a word and the number.
const FILLERS: [&str; 22] = [
    "a", "bank", "ending", "from", "holder", "id", "into", "is", "my", "nbr", "no", "nos", "nr", "num", "number",
    "numbers", "of", "the", "to", "value", "was", "with",
];

/// Finds bank account numbers.
#[derive(Debug)]
pub(super) struct BankAccount;

impl Detector for BankAccount {
    fn name(&self) -> &'static str {
        "bank_account"
    }

    fn finding(&self) -> FindingType {
        FindingType::BankAccount
    }

    fn triggers(&self) -> &'static [Trigger] {
        &[Trigger::Digits]
    }

    fn matches(&self, text: &[u8], place: Range<usize>, _: &mut Runs, each: &mut dyn FnMut(Match)) {
        for start in number::starts(text, place) {
            if !number::begins(text, start, Separator::Space) || !follows_account(text, start) {
                continue;
            }
            let Some(number) = Number::read(text, start) else { continue };
            // As many groups as one kind of separator holds together.
            let separator = number.groups().first().map_or(Separator::None, |group| group.separator);
            let (mut digits, mut end) = (0_usize, None);
            for group in number.groups() {
                digits = digits.saturating_add(group.digits);
                end = Some(group.end);
                if group.separator != separator {
                    break;
                }
            }
            if let Some(end) =
                end.filter(|end| (FEWEST_DIGITS..=MOST_DIGITS).contains(&digits) && ends_token(text, *end))
            {
                each(self.found(start, end, 85));
            }
        }
    }

    fn waits_like(&self) -> &'static str {
        "number"
    }

    fn undecided(&self, text: &[u8], from: usize) -> usize {
        number::undecided(text, from)
    }
}

/// Whether the words right before `at` say that an account's number follows.
pub(super) fn follows_account(text: &[u8], at: usize) -> bool {
    let window = text.get(at.saturating_sub(FARTHEST.min(CONTEXT))..at).unwrap_or_default();
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'/';
    let mut rest = window;
    loop {
        let end = rest.iter().rposition(|byte| is_word(*byte)).map_or(0, |index| index.saturating_add(1));
        let head = rest.get(..end).unwrap_or_default();
        let start = head.iter().rposition(|byte| !is_word(*byte)).map_or(0, |index| index.saturating_add(1));
        let word = head.get(start..).unwrap_or_default();
        // One that is cut by the bound is none.
        let is_cut = start == 0 && window.len() >= FARTHEST;
        let is = |list: &[&str]| list.iter().any(|one| one.as_bytes().eq_ignore_ascii_case(word));
        if word.is_empty() || is_cut {
            return false;
        }
        if is(&ACCOUNTS) {
            return true;
        }
        if !is(&FILLERS) {
            return false;
        }
        rest = head.get(..start).unwrap_or_default();
    }
}
