//! What was learnt: which words are names, and how much each of a word's features tells.
//!
//! Both files are made by `examples/train_words.rs`; where from is in `training/README.md`.

use weir_config::FindingType;

use super::features::{BITS, Features};

/// What a word may be part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The name of a person.
    Person,
    /// The address of a place.
    Address,
}

impl Kind {
    pub(super) fn finding(self) -> FindingType {
        match self {
            Self::Person => FindingType::Person,
            Self::Address => FindingType::Address,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Address => "address",
        }
    }
}

/// Bytes of each list, powers of two: given names, family names, words of addresses. Each is a filter after Bloom.
pub const LISTS: [usize; 3] = [1 << 15, 1 << 15, 1 << 10];
/// Bits that stand for each word in its list.
const PROBES: u32 = 5;
/// Bytes of the weights: two for each place, that of persons and that of addresses.
pub const WEIGHT_BYTES: usize = 2 << BITS;
/// What a weight of 1 stands for.
pub const UNIT: f32 = 0.05;

static NAMES: [u8; LISTS[0] + LISTS[1] + LISTS[2]] = *include_bytes!("names.bin");
static WEIGHTS: [u8; WEIGHT_BYTES] = *include_bytes!("weights.bin");

/// How much has to speak for a kind, in units: what a wrong find costs more than a missed one.
const DECIDED: i32 = 0;
/// And for the word behind one of that kind.
const GOES_ON: i32 = -30;

/// How much speaks for a word's being part of a name, and of an address.
#[derive(Clone, Copy, Debug)]
pub(super) struct Margins {
    person: i32,
    address: i32,
}

impl Margins {
    /// What the word is part of, and how sure that is, in hundredths.
    pub(super) fn decided(self) -> Option<(Kind, u8)> {
        let (kind, margin) =
            if self.person >= self.address { (Kind::Person, self.person) } else { (Kind::Address, self.address) };
        (margin > DECIDED).then(|| (kind, score(margin)))
    }

    /// How likely it is part of a name, and of an address, from 0 to 1.
    pub(super) fn likelihoods(self) -> (f32, f32) {
        (likelihood(self.person), likelihood(self.address))
    }

    /// Whether it goes on with what the word before it is part of.
    pub(super) fn goes_on(self, kind: Kind) -> bool {
        match kind {
            Kind::Person => self.person > GOES_ON && self.person >= self.address,
            Kind::Address => self.address > GOES_ON && self.address >= self.person,
        }
    }
}

/// For a word with these features.
pub(super) fn margins(features: &Features) -> Margins {
    let (mut person, mut address) = (0_i32, 0_i32);
    for place in features {
        let at = usize::from(*place).saturating_mul(2);
        if let Some([for_person, for_address]) = WEIGHTS.get(at..at.saturating_add(2)) {
            person = person.saturating_add(i32::from(for_person.cast_signed()));
            address = address.saturating_add(i32::from(for_address.cast_signed()));
        }
    }
    Margins { person, address }
}

/// A margin as a likelihood in hundredths.
fn score(margin: i32) -> u8 {
    // From 50 to 99.
    (likelihood(margin) * 100.0).clamp(50.0, 99.0) as u8
}

fn likelihood(margin: i32) -> f32 {
    let most = if margin < 0 { i16::MIN } else { i16::MAX };
    let margin = f32::from(i16::try_from(margin).unwrap_or(most)) * UNIT;
    1.0 / (1.0 + (-margin).exp())
}

/// Which lists a word stands in, by its hash: a bit for each.
pub(super) fn lists(hash: u32) -> u8 {
    let (mut first, mut lists) = (0_usize, 0_u8);
    for (list, bytes) in LISTS.into_iter().enumerate() {
        let holds =
            |place: usize| NAMES.get(first.saturating_add(place / 8)).is_some_and(|bits| bits >> (place % 8) & 1 == 1);
        lists |= u8::from(places(hash, bytes).all(holds)) << list;
        first = first.saturating_add(bytes);
    }
    lists
}

/// The bits that stand for a word in a list of so many bytes.
pub fn places(hash: u32, bytes: usize) -> impl Iterator<Item = usize> {
    let step = (hash.rotate_left(16) ^ 0x5bd1_e995) | 1;
    let most = bytes.wrapping_mul(8).wrapping_sub(1);
    (0..PROBES).map(move |probe| hash.wrapping_add(step.wrapping_mul(probe)).wrapping_mul(0x9e37_79b1) as usize & most)
}
