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
    /// Whether others held something then that they may give back: 0 or 1.
    pub others_held: u64,
    /// The limit under which the units were granted. They are worth nothing under a lower one: the control plane, which knows
    /// what all Envoys were granted, is asked then.
    pub granted_limit: u64,
    /// All units that were granted in this window.
    pub granted: u64,
    /// Those of them that were given back, or will be by the next settlement.
    pub returned: u64,
    /// Those of them that requests under way have reserved.
    pub in_flight: u64,
    /// What requests took beyond all that is held: paid of what is granted next.
    pub debt: u64,
}

const FIELDS: usize = 11;

impl Lease {
    /// Bytes of one that is encoded.
    pub const LENGTH: usize = FIELDS * 8;

    /// Units that requests which are over took, be it more than was granted.
    pub fn spent(&self) -> u64 {
        self.taken().saturating_add(self.debt).saturating_sub(self.in_flight)
    }

    /// Units that requests took, or have reserved.
    pub fn taken(&self) -> u64 {
        self.granted.saturating_sub(self.returned).saturating_sub(self.units)
    }

    /// Reserves so many more units for a request that is under way, beyond what is held if so much remained for everybody when the control
    /// plane last said so: nobody can ask it in the midst of a request. `false`: there is no room.
    pub(crate) fn reserve_further(&mut self, units: u64) -> bool {
        let beyond = units.saturating_sub(self.units);
        let Some(remaining) = self.remaining.checked_sub(beyond) else { return false };
        self.remaining = remaining;
        self.units = self.units.saturating_sub(units);
        self.debt = self.debt.saturating_add(beyond);
        self.in_flight = self.in_flight.saturating_add(units);
        true
    }

    /// Puts in units, of which what is owed is paid first.
    pub(crate) fn add(&mut self, units: u64) {
        let paid = self.debt.min(units);
        self.debt = self.debt.saturating_sub(paid);
        self.units = self.units.saturating_add(units.saturating_sub(paid));
    }

    /// Requests that had reserved so many units took so many, be it more.
    pub(crate) fn settle(&mut self, reserved: u64, took: u64) {
        self.in_flight = self.in_flight.saturating_sub(reserved);
        match reserved.checked_sub(took) {
            Some(unused) => self.add(unused),
            None => {
                let surplus = took.saturating_sub(reserved);
                let held = self.units.min(surplus);
                self.units = self.units.saturating_sub(held);
                self.debt = self.debt.saturating_add(surplus.saturating_sub(held));
            }
        }
    }

    /// Gives back all units but so many. Answers how many those are.
    pub(crate) fn give_back_all_but(&mut self, kept: u64) -> u64 {
        let surplus = self.units.saturating_sub(kept);
        self.units = self.units.saturating_sub(surplus);
        self.returned = self.returned.saturating_add(surplus);
        surplus
    }

    /// As bytes: its numbers in little-endian order.
    pub fn encode(&self) -> [u8; Self::LENGTH] {
        let numbers: [[u8; 8]; FIELDS] = [
            self.window_start_s.to_le_bytes(),
            self.units.to_le_bytes(),
            self.remaining.to_le_bytes(),
            self.refused_limit.to_le_bytes(),
            self.refused_until.to_le_bytes(),
            self.others_held.to_le_bytes(),
            self.granted_limit.to_le_bytes(),
            self.granted.to_le_bytes(),
            self.returned.to_le_bytes(),
            self.in_flight.to_le_bytes(),
            self.debt.to_le_bytes(),
        ];
        let mut bytes = [0; Self::LENGTH];
        for (byte, field) in bytes.iter_mut().zip(numbers.iter().flatten()) {
            *byte = *field;
        }
        bytes
    }

    /// From bytes; `None` if they are none of [`Lease::encode`].
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != Self::LENGTH {
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
            others_held: u64::from_le_bytes(next()),
            granted_limit: u64::from_le_bytes(next()),
            granted: u64::from_le_bytes(next()),
            returned: u64::from_le_bytes(next()),
            in_flight: u64::from_le_bytes(next()),
            debt: u64::from_le_bytes(next()),
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
            others_held: 1,
            granted_limit: 3,
            granted: 2,
            returned: 1,
            in_flight: 8,
            debt: 9,
        };
        assert_eq!(Lease::decode(&lease.encode()), Some(lease));
        for bytes in [&b""[..], &[0; 87], &[0; 89], &[0; 80]] {
            assert_eq!(Lease::decode(bytes), None);
        }
    }

    /// Whatever requests reserve, take, and are granted: what is spent is what they took, and nothing is made or lost.
    #[test]
    fn nothing_is_made_or_lost() {
        // xorshift, so that every run sees the same.
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut draw = |below: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % below.max(1)
        };
        for _ in 0..2000 {
            let (mut lease, mut took) = (Lease::default(), 0_u64);
            let mut open: Vec<u64> = Vec::new();
            for _ in 0..50 {
                match draw(5) {
                    0 => {
                        let granted = draw(1 << 40);
                        lease.granted += granted;
                        lease.add(granted);
                    }
                    1 => {
                        let wanted = draw(1 << 38);
                        if let Some(left) = lease.units.checked_sub(wanted) {
                            lease.units = left;
                            lease.in_flight += wanted;
                            open.push(wanted);
                        }
                    }
                    2 => {
                        if let Some(reserved) = open.last_mut() {
                            let further = draw(1 << 38);
                            lease.remaining = draw(1 << 39);
                            *reserved += if lease.reserve_further(further) { further } else { 0 };
                        }
                    }
                    3 => {
                        if let Some(reserved) = open.pop() {
                            let used = draw(reserved.saturating_mul(2));
                            took += used;
                            lease.settle(reserved, used);
                        }
                    }
                    _ => {
                        lease.give_back_all_but(draw(1 << 39));
                    }
                }
                assert_eq!(lease.spent(), took);
                assert_eq!(lease.in_flight, open.iter().sum::<u64>());
                assert!(lease.units == 0 || lease.debt == 0, "what is held while something is owed");
                assert_eq!(
                    lease.granted + lease.debt,
                    lease.units + lease.in_flight + lease.returned + took,
                    "every unit is in one place"
                );
            }
        }
    }
}
