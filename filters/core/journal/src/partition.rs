use std::cmp::Reverse;
use std::collections::BinaryHeap;

use weir_host::{Base, CAS_ABSENT, HostError, Micros};

/// Partitions there can be: more than the workers of any machine, with room for those of VMs that died.
pub(crate) const PARTITIONS: u16 = 1024;

/// How often the owner of a partition says that it lives.
pub(crate) const BEAT: Micros = 1_000_000;

/// Slots that keep their last value after it was acknowledged. Those above are emptied: an outage may have needed many.
const KEPT_SLOTS: u32 = 1024;

/// Where one VM keeps what the control plane has not acknowledged, so that it outlives the VM: numbered slots in the proxy's shared
/// data, and a [`PartitionHead`] that says whose they are. Shared data can be neither listed nor deleted, hence partitions have fixed
/// names and slots are used again, the lowest first; a value's sequence number tells whether it still counts.
#[derive(Debug)]
pub(crate) struct Partition {
    key: &'static str,
    number: u16,
    head: PartitionHead,
    /// What is acknowledged by now; the head says so from the next beat on.
    acknowledged: u64,
    last: u64,
    slots: u32,
    free: BinaryHeap<Reverse<u32>>,
}

/// What lies in shared data about a partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PartitionHead {
    /// The VM that writes to it, by the number that it drew at birth; 0: nobody.
    pub(crate) owner: u64,
    /// When the owner last said that it lives.
    pub(crate) beat: Micros,
    /// Values up to this sequence number are acknowledged.
    pub(crate) acknowledged: u64,
}

/// A value's slot and number in its partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    slot: u32,
    sequence: u64,
}

impl PartitionHead {
    /// The head of a partition, with its compare-and-swap number. `None`: no VM ever had this partition.
    pub(crate) fn read(host: &dyn Base, key: &str, partition: u16) -> Option<(Self, u32)> {
        let (bytes, cas) = host.shared(&head_key(key, partition))?;
        let mut numbers = bytes.chunks_exact(8).filter_map(|number| number.try_into().ok()).map(u64::from_le_bytes);
        let head = Self {
            owner: numbers.next().unwrap_or_default(),
            beat: numbers.next().unwrap_or_default(),
            acknowledged: numbers.next().unwrap_or_default(),
        };
        Some((head, cas))
    }

    /// Writes it, unless somebody else did since `cas` was read.
    pub(crate) fn write(self, host: &mut dyn Base, key: &str, partition: u16, cas: u32) -> Result<(), HostError> {
        let numbers = [self.owner, self.beat, self.acknowledged].map(u64::to_le_bytes);
        host.set_shared(&head_key(key, partition), numbers.as_flattened(), Some(cas))
    }
}

impl Partition {
    /// Takes a partition that nobody has; `None`: there is none.
    pub(crate) fn claim(host: &mut dyn Base, key: &'static str, owner: u64) -> Option<Self> {
        for number in 0..PARTITIONS {
            let (known, cas) = PartitionHead::read(host, key, number).unwrap_or((PartitionHead::default(), CAS_ABSENT));
            if known.owner != 0 {
                continue;
            }
            let head = PartitionHead { owner, beat: host.now(), acknowledged: known.acknowledged };
            match head.write(host, key, number, cas) {
                Ok(()) => return Some(Self::of(key, number, head)),
                // Another VM was faster.
                Err(HostError::Conflict) => {}
                Err(HostError::NotNow | HostError::Refused) => return None,
            }
        }
        None
    }

    fn of(key: &'static str, number: u16, head: PartitionHead) -> Self {
        let (acknowledged, last) = (head.acknowledged, head.acknowledged);
        Self { key, number, head, acknowledged, last, slots: 0, free: BinaryHeap::new() }
    }

    /// Keeps a value, whose first eight bytes become its sequence number.
    pub(crate) fn keep(&mut self, host: &mut dyn Base, value: &mut [u8]) -> Result<Slot, HostError> {
        let sequence = self.last.saturating_add(1);
        for (byte, of_number) in value.iter_mut().zip(sequence.to_le_bytes()) {
            *byte = of_number;
        }
        let slot = self.free.pop().map_or(self.slots, |Reverse(slot)| slot);
        let kept = host.set_shared(&slot_key(self.key, self.number, slot), value, None);
        match kept {
            Ok(()) if slot == self.slots => self.slots = self.slots.saturating_add(1),
            Err(_) if slot != self.slots => self.free.push(Reverse(slot)),
            _ => {}
        }
        kept?;
        self.last = sequence;
        Ok(Slot { slot, sequence })
    }

    /// The value there is no longer needed, nor is any that was kept before it.
    pub(crate) fn acknowledge(&mut self, host: &mut dyn Base, at: Slot) {
        self.acknowledged = self.acknowledged.max(at.sequence);
        empty(host, self.key, self.number, at.slot);
        self.free.push(Reverse(at.slot));
    }

    /// Says that its owner lives and what is acknowledged, if that is news. `false`: somebody took the partition for a dead VM's.
    pub(crate) fn beat(&mut self, host: &mut dyn Base) -> bool {
        let now = host.now();
        if self.acknowledged == self.head.acknowledged && now < self.head.beat.saturating_add(BEAT) {
            return true;
        }
        let Some((known, cas)) = PartitionHead::read(host, self.key, self.number) else { return false };
        if known.owner != self.head.owner {
            return false;
        }
        self.head = PartitionHead { beat: now, acknowledged: self.acknowledged, ..self.head };
        self.head.write(host, self.key, self.number, cas).is_ok()
    }
}

/// What was kept at a slot and its sequence number; the value is empty where nothing is kept any more. `None`: neither this
/// slot nor any above it was ever used.
pub(crate) fn kept_at(host: &dyn Base, key: &str, partition: u16, slot: u32) -> Option<(u64, Vec<u8>)> {
    let (mut value, _) = host.shared(&slot_key(key, partition, slot))?;
    match value.first_chunk::<8>() {
        Some(sequence) => {
            let sequence = u64::from_le_bytes(*sequence);
            Some((sequence, value.split_off(8)))
        }
        None => Some((0, Vec::new())),
    }
}

/// Frees what a slot far up holds, which may never be used again.
pub(crate) fn empty(host: &mut dyn Base, key: &str, partition: u16, slot: u32) {
    if slot >= KEPT_SLOTS {
        // If it fails, the value lies there, and its number says that it counts no more.
        let _ = host.set_shared(&slot_key(key, partition, slot), &[], None);
    }
}

fn head_key(key: &str, partition: u16) -> String {
    format!("{key}.{partition}")
}

fn slot_key(key: &str, partition: u16, slot: u32) -> String {
    format!("{key}.{partition}.{slot}")
}
