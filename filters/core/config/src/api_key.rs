//! The form of the API keys that Weir makes.
//!
//! `weir_1_`, 43 characters of base64url (256 random bits), and six characters that follow from all before them. So whoever sees a key
//! can tell one that nobody made without asking anybody. Keys of before this form are `weir_` and 43 characters, and say nothing.

/// What every key of Weir's begins with, of whatever form.
pub const PREFIX: &str = "weir_";
/// What keys of this form begin with.
pub const CHECKED_PREFIX: &str = "weir_1_";
/// Characters of a key of this form.
pub const CHECKED_LENGTH: usize = CHECKED_PREFIX.len() + 43 + CHECKSUM_LENGTH;
/// Characters of the checksum.
pub const CHECKSUM_LENGTH: usize = 6;

/// Characters of a key of the form before.
const FORMER_LENGTH: usize = PREFIX.len() + 43;
/// Of base 62.
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// What a key looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyForm {
    /// Of Weir's form, with the right checksum.
    Checked,
    /// Of Weir's form, with a wrong checksum or length: nobody made it.
    Invented,
    /// Of Weir's form before keys had checksums.
    Former,
    /// Another one: made by somebody else.
    Foreign,
}

impl KeyForm {
    /// The form of a key as it was sent.
    pub fn of(key: &[u8]) -> Self {
        if !key.starts_with(PREFIX.as_bytes()) {
            return Self::Foreign;
        }
        // One of the form before may begin with any characters, also with these.
        if key.len() == FORMER_LENGTH || !key.starts_with(CHECKED_PREFIX.as_bytes()) {
            return Self::Former;
        }
        match key.split_last_chunk::<CHECKSUM_LENGTH>() {
            Some((text, sum)) if key.len() == CHECKED_LENGTH && checksum(text) == *sum => Self::Checked,
            _ => Self::Invented,
        }
    }
}

/// The six characters that follow a text: its CRC-32 (that of zlib) in base 62, the most significant digit first.
pub fn checksum(text: &[u8]) -> [u8; CHECKSUM_LENGTH] {
    let mut rest = crc32(text);
    let mut out = [b'0'; CHECKSUM_LENGTH];
    for digit in out.iter_mut().rev() {
        if let Some(character) = usize::try_from(rest % 62).ok().and_then(|index| DIGITS.get(index)) {
            *digit = *character;
        }
        rest /= 62;
    }
    out
}

/// What each half of a byte does to a CRC. Every request has a key: bit by bit, its checksum would take 2,000 steps.
const OF_HALF_BYTES: [u32; 16] = [
    0x0000_0000,
    0x1DB7_1064,
    0x3B6E_20C8,
    0x26D9_30AC,
    0x76DC_4190,
    0x6B6B_51F4,
    0x4DB2_6158,
    0x5005_713C,
    0xEDB8_8320,
    0xF00F_9344,
    0xD6D6_A3E8,
    0xCB61_B38C,
    0x9B64_C2B0,
    0x86D3_D2D4,
    0xA00A_E278,
    0xBDBD_F21C,
];

fn crc32(text: &[u8]) -> u32 {
    let step = |crc: u32| {
        let half = usize::try_from(crc & 0xf).ok().and_then(|index| OF_HALF_BYTES.get(index));
        (crc >> 4) ^ half.copied().unwrap_or_default()
    };
    !text.iter().fold(u32::MAX, |crc, byte| step(step(crc ^ u32::from(*byte))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_crc_of_zlib() {
        // The check value of CRC-32/ISO-HDLC.
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(&checksum(b"123456789"), b"3jZRME");
        assert_eq!(&checksum(b""), b"000000");
    }

    #[test]
    fn a_key_tells_whether_anybody_can_have_made_it() {
        let random = "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-_AbCdE";
        let text = format!("{CHECKED_PREFIX}{random}");
        let sum = String::from_utf8(checksum(text.as_bytes()).to_vec()).expect("is ASCII");
        let check = |key: &str, expect| assert_eq!(KeyForm::of(key.as_bytes()), expect, "{key}");
        check(&format!("{text}{sum}"), KeyForm::Checked);
        check(&format!("{text}{sum}0"), KeyForm::Invented);
        check(&text, KeyForm::Invented);
        check(&format!("{}{sum}", text.replace("AbC", "AbD")), KeyForm::Invented);
        check(&format!("{}{sum}", text.to_lowercase()), KeyForm::Invented);
        check(CHECKED_PREFIX, KeyForm::Invented);
        check(&format!("weir_{random}"), KeyForm::Former);
        check(&format!("weir_1_{}", random.get(2..).expect("is longer")), KeyForm::Former);
        check("sk-proj-0123456789", KeyForm::Foreign);
        check("", KeyForm::Foreign);
    }
}
