/// Units of one counter that this Envoy holds for one window, as they lie in shared data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lease {
    /// The window, by its start in Unix seconds. A lease is worth nothing in another.
    pub window_start_s: i64,
    /// Units that no request has taken yet.
    pub units: u64,
    /// What remained for everybody beside this lease, when the control plane last said so.
    pub remaining: u64,
    /// The limit under which the control plane refused more in this window, or 0. Under another limit it is asked again.
    pub refused_limit: u64,
    /// Until when it is not asked again after that, in microseconds since the Unix epoch; `u64::MAX`: not in this window.
    pub refused_until: u64,
    /// The limit under which the units were granted. They are worth nothing under a lower one: the control plane, which knows
    /// what all Envoys were granted, is asked then.
    pub granted_limit: u64,
    /// All units that were granted in this window.
    pub granted: u64,
    /// Those of them that were given back, or will be by the next settlement.
    pub returned: u64,
}

const FIELDS: usize = 8;
const LENGTH: usize = FIELDS * 8;

impl Lease {
    /// Units that requests took.
    pub fn spent(&self) -> u64 {
        self.granted.saturating_sub(self.returned).saturating_sub(self.units)
    }

    /// Gives back all units but so many. Answers how many those are.
    pub(crate) fn give_back_all_but(&mut self, kept: u64) -> u64 {
        let surplus = self.units.saturating_sub(kept);
        self.units = self.units.saturating_sub(surplus);
        self.returned = self.returned.saturating_add(surplus);
        surplus
    }

    /// As bytes: its numbers in little-endian order.
    pub fn encode(&self) -> [u8; LENGTH] {
        let numbers: [[u8; 8]; FIELDS] = [
            self.window_start_s.to_le_bytes(),
            self.units.to_le_bytes(),
            self.remaining.to_le_bytes(),
            self.refused_limit.to_le_bytes(),
            self.refused_until.to_le_bytes(),
            self.granted_limit.to_le_bytes(),
            self.granted.to_le_bytes(),
            self.returned.to_le_bytes(),
        ];
        let mut bytes = [0; LENGTH];
        for (byte, field) in bytes.iter_mut().zip(numbers.iter().flatten()) {
            *byte = *field;
        }
        bytes
    }

    /// From bytes; `None` if they are none of [`Lease::encode`].
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != LENGTH {
            return None;
        }
        let mut fields = bytes.chunks_exact(8).map(|field| field.try_into().unwrap_or_default());
        let mut next = || fields.next().unwrap_or_default();
        Some(Self {
            window_start_s: i64::from_le_bytes(next()),
            units: u64::from_le_bytes(next()),
            remaining: u64::from_le_bytes(next()),
            refused_limit: u64::from_le_bytes(next()),
            refused_until: u64::from_le_bytes(next()),
            granted_limit: u64::from_le_bytes(next()),
            granted: u64::from_le_bytes(next()),
            returned: u64::from_le_bytes(next()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Lease;

    #[test]
    fn what_is_written_is_read() {
        let lease = Lease {
            window_start_s: -60,
            units: u64::MAX,
            remaining: 7,
            refused_limit: 5,
            refused_until: 4,
            granted_limit: 3,
            granted: 2,
            returned: 1,
        };
        assert_eq!(Lease::decode(&lease.encode()), Some(lease));
        for bytes in [&b""[..], &[0; 63], &[0; 65], &[0; 40]] {
            assert_eq!(Lease::decode(bytes), None);
        }
    }
}
