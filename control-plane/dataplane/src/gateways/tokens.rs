use std::collections::HashMap;
use std::time::{Duration, Instant};

use weir_core::gateway::Gateway;

/// How long a token's gateway is known without asking again. A deleted gateway is forgotten earlier
/// ([`super::Gateways::forget`]).
const FRESH: Duration = Duration::from_secs(10);
/// How long a token's gateway is known while the database is away, so that Envoys stay connected.
const STALE: Duration = Duration::from_secs(600);
/// How long a wrong token is known to be wrong.
const WRONG: Duration = Duration::from_secs(1);
/// Tokens of gateways kept at most.
const GATEWAYS: usize = 10_000;
/// Wrong tokens kept at most.
const WRONG_TOKENS: usize = 1_000;

type Digest = [u8; 32];

/// What was found out about tokens, by their digests. Anybody can make up wrong ones, so they have a place of their own and
/// never take that of a gateway.
#[derive(Default)]
pub(super) struct Tokens {
    gateways: HashMap<Digest, (Known, Instant)>,
    wrong: HashMap<Digest, Instant>,
    /// How often all was forgotten.
    generation: u64,
}

/// What a valid token stands for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Known {
    pub(super) gateway: Gateway,
    /// When it ends; `None`: not by itself.
    pub(super) until: Option<Instant>,
}

/// What is known about a token.
#[derive(Debug, PartialEq)]
pub(super) enum Found {
    /// What it stands for, or that it stands for nothing; no need to ask.
    Fresh(Option<Gateway>),
    /// What it stood for lately; to be asked for anew, and to do if that cannot be.
    Stale(Gateway),
    /// Nothing.
    Nothing,
}

impl Tokens {
    pub(super) fn find(&self, digest: &Digest, now: Instant) -> Found {
        if let Some((Known { gateway, until }, at)) = self.gateways.get(digest) {
            return match now.duration_since(*at) {
                _ if until.is_some_and(|until| until <= now) => Found::Nothing,
                age if age < FRESH => Found::Fresh(Some(gateway.clone())),
                age if age < STALE => Found::Stale(gateway.clone()),
                _ => Found::Nothing,
            };
        }
        match self.wrong.get(digest) {
            Some(at) if now.duration_since(*at) < WRONG => Found::Fresh(None),
            _ => Found::Nothing,
        }
    }

    /// Counts how often all was forgotten: what was asked for before that may have changed since.
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) fn forget(&mut self) {
        *self = Self { generation: self.generation.wrapping_add(1), ..Self::default() };
    }

    /// Keeps an answer that was asked for in this generation, if it is still the present one.
    pub(super) fn remember(&mut self, digest: Digest, known: Option<Known>, now: Instant, asked_at: u64) {
        if asked_at != self.generation {
            return;
        }
        let Some(known) = known else {
            self.gateways.remove(&digest);
            if self.wrong.len() >= WRONG_TOKENS {
                self.wrong.retain(|_, at| now.duration_since(*at) < WRONG);
            }
            if self.wrong.len() < WRONG_TOKENS {
                self.wrong.insert(digest, now);
            }
            return;
        };
        self.wrong.remove(&digest);
        if self.gateways.len() >= GATEWAYS && !self.gateways.contains_key(&digest) {
            let oldest = self.gateways.iter().min_by_key(|(_, (_, at))| *at).map(|(digest, _)| *digest);
            oldest.map(|oldest| self.gateways.remove(&oldest));
        }
        self.gateways.insert(digest, (known, now));
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn gateway() -> Gateway {
        Gateway {
            id: Uuid::from_u128(1),
            name: "g".into(),
            tenant_id: None,
            trusted_hops: 0,
            trusts_forwarded_certificates: false,
            ways_in: Default::default(),
        }
    }

    fn known() -> Known {
        Known { gateway: gateway(), until: None }
    }

    fn digest(number: usize) -> Digest {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&number.to_be_bytes());
        digest
    }

    #[test]
    fn what_is_known_ages() {
        let (mut tokens, begin) = (Tokens::default(), Instant::now());
        tokens.remember(digest(1), Some(known()), begin, 0);
        tokens.remember(digest(2), None, begin, 0);
        let check = |token, milliseconds, expect| {
            assert_eq!(tokens.find(&digest(token), begin + Duration::from_millis(milliseconds)), expect, "{token}");
        };
        check(1, 0, Found::Fresh(Some(gateway())));
        check(1, 9_999, Found::Fresh(Some(gateway())));
        check(1, 10_000, Found::Stale(gateway()));
        check(1, 599_999, Found::Stale(gateway()));
        check(1, 600_000, Found::Nothing);
        check(2, 999, Found::Fresh(None));
        check(2, 1_000, Found::Nothing);
        check(3, 0, Found::Nothing);
    }

    #[test]
    fn a_former_token_ends_in_its_time_whatever_is_known() {
        let (mut tokens, begin) = (Tokens::default(), Instant::now());
        let after = |milliseconds| begin + Duration::from_millis(milliseconds);
        tokens.remember(digest(1), Some(Known { until: Some(after(5_000)), ..known() }), begin, 0);
        tokens.remember(digest(2), Some(Known { until: Some(after(20_000)), ..known() }), begin, 0);
        assert_eq!(tokens.find(&digest(1), after(4_999)), Found::Fresh(Some(gateway())));
        assert_eq!(tokens.find(&digest(1), after(5_000)), Found::Nothing);
        assert_eq!(tokens.find(&digest(2), after(19_999)), Found::Stale(gateway()));
        assert_eq!(tokens.find(&digest(2), after(20_000)), Found::Nothing);
    }

    #[test]
    fn wrong_tokens_take_the_place_of_no_gateway_and_are_bounded() {
        let (mut tokens, begin) = (Tokens::default(), Instant::now());
        tokens.remember(digest(1), Some(known()), begin, 0);
        // A flood over 20 s: the gateway is not asked for meanwhile, and is stale in the end.
        let mut now = begin;
        for number in 0..20_000 {
            now = begin + Duration::from_millis(number as u64);
            tokens.remember(digest(100 + number), None, now, 0);
        }
        assert_eq!(tokens.find(&digest(1), now), Found::Stale(gateway()));
        assert!(tokens.wrong.len() <= WRONG_TOKENS);
        // And one that comes in the midst of it is known as well.
        tokens.remember(digest(2), Some(known()), now, 0);
        assert_eq!(tokens.find(&digest(2), now), Found::Fresh(Some(gateway())));
    }

    #[test]
    fn what_was_asked_before_all_was_forgotten_is_not_kept() {
        let (mut tokens, now) = (Tokens::default(), Instant::now());
        tokens.remember(digest(1), Some(known()), now, 0);
        let asked_at = tokens.generation();
        tokens.forget();
        assert_eq!(tokens.find(&digest(1), now), Found::Nothing);
        tokens.remember(digest(1), Some(known()), now, asked_at);
        assert_eq!(tokens.find(&digest(1), now), Found::Nothing);
        tokens.remember(digest(1), Some(known()), now, tokens.generation());
        assert_eq!(tokens.find(&digest(1), now), Found::Fresh(Some(gateway())));
    }

    #[test]
    fn a_token_changes_sides() {
        let (mut tokens, now) = (Tokens::default(), Instant::now());
        tokens.remember(digest(1), None, now, 0);
        tokens.remember(digest(1), Some(known()), now, 0);
        assert_eq!(tokens.find(&digest(1), now), Found::Fresh(Some(gateway())));
        tokens.remember(digest(1), None, now, 0);
        assert_eq!(tokens.find(&digest(1), now), Found::Fresh(None));
    }

    #[test]
    fn of_too_many_gateways_the_oldest_is_forgotten() {
        let (mut tokens, begin) = (Tokens::default(), Instant::now());
        for number in 0..=GATEWAYS {
            tokens.remember(digest(number), Some(known()), begin + Duration::from_micros(number as u64), 0);
        }
        let now = begin + Duration::from_secs(1);
        assert_eq!(tokens.find(&digest(0), now), Found::Nothing);
        assert_eq!(tokens.find(&digest(1), now), Found::Fresh(Some(gateway())));
        assert_eq!(tokens.gateways.len(), GATEWAYS);
    }
}
