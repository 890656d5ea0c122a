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
    /// The limit under which the units were granted. They are worth nothing under a lower one: the control plane, which knows
    /// what all Envoys were granted, is asked then.
    pub granted_limit: u64,
}

const LENGTH: usize = 40;

impl Lease {
    /// As bytes: its five numbers in little-endian order.
    pub fn encode(&self) -> [u8; LENGTH] {
        let numbers = [
            self.window_start_s.to_le_bytes(),
            self.units.to_le_bytes(),
            self.remaining.to_le_bytes(),
            self.refused_limit.to_le_bytes(),
            self.granted_limit.to_le_bytes(),
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
        let (start, rest) = bytes.split_first_chunk::<8>()?;
        let (units, rest) = rest.split_first_chunk::<8>()?;
        let (remaining, rest) = rest.split_first_chunk::<8>()?;
        let (refused_limit, rest) = rest.split_first_chunk::<8>()?;
        Some(Self {
            window_start_s: i64::from_le_bytes(*start),
            units: u64::from_le_bytes(*units),
            remaining: u64::from_le_bytes(*remaining),
            refused_limit: u64::from_le_bytes(*refused_limit),
            granted_limit: u64::from_le_bytes(rest.try_into().ok()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Lease;

    #[test]
    fn what_is_written_is_read() {
        let lease = Lease { window_start_s: -60, units: u64::MAX, remaining: 7, refused_limit: 5, granted_limit: 3 };
        assert_eq!(Lease::decode(&lease.encode()), Some(lease));
        for bytes in [&b""[..], &[0; 39], &[0; 41]] {
            assert_eq!(Lease::decode(bytes), None);
        }
    }
}
