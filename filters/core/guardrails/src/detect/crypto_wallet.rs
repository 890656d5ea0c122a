//! Addresses of wallets with check digits: of Bitcoin in base 58 (a version, 20 bytes and four of a double SHA-256) and in bech32 (BIP 173,
//! BIP 350), of Ethereum with its check in the case of its letters (EIP-55). One of Ethereum in one case has no check, and is found behind
//! words that say so.

use std::ops::Range;

use sha2::{Digest as _, Sha256};

use super::context::{begins_token, ends_token, nearest};
use super::keccak::keccak_256;
use super::token::undecided_before_tail;
use super::{Detector, Match, Runs, Trigger, before, byte};
use weir_config::FindingType;

const BASE58: &[u8] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const BECH32: &[u8] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
/// Bytes of an address in base 58: its version, the digest of a key, the check.
const DECODED: usize = 25;
/// Of the main network: a key's, a script's.
const VERSIONS: [u8; 2] = [0, 5];
const BASE58_LENGTHS: Range<usize> = 26..36;
const BECH32_LENGTHS: Range<usize> = 42..63;
const ETHEREUM_LENGTH: usize = 42;
/// The longest of them in bytes, with what follows.
const LONGEST: usize = 64;
const WORDS: [&str; 6] = ["address", "addr", "eth", "ethereum", "erc20", "wallet"];
const OTHERS: [&str; 6] = ["block", "commit", "hash", "transaction", "tx", "txid"];

/// Finds addresses of wallets.
#[derive(Debug)]
pub(super) struct CryptoWallet;

impl Detector for CryptoWallet {
    fn name(&self) -> &'static str {
        "crypto_wallet"
    }

    fn finding(&self) -> FindingType {
        FindingType::CryptoWallet
    }

    /// An address in base 58 may begin with three digits.
    fn triggers(&self) -> &'static [Trigger] {
        &[Trigger::Wallet, Trigger::Digits]
    }

    fn matches(&self, text: &[u8], place: Range<usize>, _: &mut Runs, each: &mut dyn FnMut(Match)) {
        // The digit of `bc1` is its third character.
        let is_bech32_digit = |head: &[u8]| head.eq_ignore_ascii_case(b"bc") && byte(text, place.start) == Some(b'1');
        let head = place.start.checked_sub(2);
        let of_bech32 = head.filter(|head| text.get(*head..place.start).is_some_and(is_bech32_digit));
        let start = of_bech32.unwrap_or(place.start);
        if !begins_token(text, start) {
            return;
        }
        let most = text.get(start..).unwrap_or_default();
        let length = most.iter().take(LONGEST).take_while(|byte| byte.is_ascii_alphanumeric()).count();
        let end = start.saturating_add(length);
        let Some(token) = most.get(..length).filter(|_| ends_token(text, end)) else { return };
        let score = match token {
            [b'0', b'x' | b'X', address @ ..] if length == ETHEREUM_LENGTH => score_of_ethereum(text, start, address),
            [b'1' | b'3', ..] if BASE58_LENGTHS.contains(&length) => is_base58(token).then_some(99),
            [b'b' | b'B', ..] if BECH32_LENGTHS.contains(&length) => is_bech32(token).then_some(99),
            _ => None,
        };
        if let Some(score) = score {
            each(self.found(start, end, score));
        }
    }

    fn undecided(&self, text: &[u8], from: usize) -> usize {
        undecided_before_tail(text, |head| {
            let earliest = head.len().saturating_sub(LONGEST).max(from);
            let mut start = head.len();
            while start > earliest && before(head, start).is_some_and(|byte| byte.is_ascii_alphanumeric()) {
                start = start.saturating_sub(1);
            }
            let may_begin = matches!(byte(head, start), Some(b'0' | b'1' | b'3' | b'b' | b'B'));
            if may_begin { start } else { head.len() }
        })
    }
}

/// Of the 40 digits behind `0x`.
fn score_of_ethereum(text: &[u8], start: usize, address: &[u8]) -> Option<u8> {
    if !address.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let has = |is: fn(&u8) -> bool| address.iter().any(is);
    if !has(u8::is_ascii_lowercase) || !has(u8::is_ascii_uppercase) {
        return (nearest(text, start, &WORDS, &OTHERS) == Some(true)).then_some(85);
    }
    let digest = keccak_256(&address.to_ascii_lowercase());
    let digits = digest.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let fits =
        |(letter, digit): (&u8, u8)| !letter.is_ascii_alphabetic() || letter.is_ascii_uppercase() == (digit >= 8);
    address.iter().zip(digits).all(fits).then_some(99)
}

fn is_base58(token: &[u8]) -> bool {
    let mut decoded = [0_u8; DECODED];
    for character in token {
        let Some(digit) = BASE58.iter().position(|known| known == character) else { return false };
        let mut carry = u32::try_from(digit).unwrap_or_default();
        for place in decoded.iter_mut().rev() {
            carry = carry.saturating_add(u32::from(*place).saturating_mul(58));
            *place = (carry & 0xff) as u8;
            carry >>= 8;
        }
        if carry > 0 {
            return false;
        }
    }
    let Some((payload, check)) = decoded.split_last_chunk::<4>() else { return false };
    let digest = Sha256::digest(Sha256::digest(payload));
    decoded.first().is_some_and(|version| VERSIONS.contains(version)) && digest.get(..4) == Some(check.as_slice())
}

/// With the checksum of either version (BIP 350).
fn is_bech32(token: &[u8]) -> bool {
    let is_one_case = !token.iter().any(u8::is_ascii_uppercase) || !token.iter().any(u8::is_ascii_lowercase);
    let small = token.to_ascii_lowercase();
    let Some(data) = small.strip_prefix(b"bc1").filter(|_| is_one_case) else { return false };
    let mut sum = 1_u32;
    let mut add = |value: u32| {
        let top = sum >> 25;
        sum = (sum & 0x01ff_ffff) << 5 ^ value;
        for (bit, generator) in
            [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3].into_iter().enumerate()
        {
            if top >> bit & 1 == 1 {
                sum ^= generator;
            }
        }
    };
    // The name `bc`, taken apart.
    [3, 3, 0, 2, 3].into_iter().for_each(&mut add);
    for character in data {
        let Some(value) = BECH32.iter().position(|known| known == character) else { return false };
        add(u32::try_from(value).unwrap_or_default());
    }
    matches!(sum, 1 | 0x2bc8_30a3)
}
