use weir_host::{Base, HostError, Micros};

use crate::partition::{BEAT, PARTITIONS, PartitionHead, empty, kept_at};

/// How long the owner of a partition is silent before it counts as dead. If it was not, some records go out twice, which does
/// no harm.
const DEAD_AFTER: Micros = 3 * BEAT;

/// Slots that are read in one tick, so that no stream of this worker has to wait long.
const SLOTS_A_TICK: u32 = 512;

/// Finds what VMs that died had kept. Any VM may; the main thread's, which serves no streams, is there in any case.
#[derive(Debug, Default)]
pub(crate) struct Adoption {
    next_search: Micros,
    under_way: Option<UnderWay>,
}

/// A dead VM's partition that is being read.
#[derive(Debug)]
struct UnderWay {
    key: &'static str,
    partition: u16,
    next_slot: u32,
    /// As the dead VM left it: what has a larger sequence number still counts.
    acknowledged: u64,
    /// The largest sequence number seen.
    last: u64,
}

impl Adoption {
    /// Hands to `keep` what dead VMs had kept, some of it at a time. `own`: the owner's number of this VM's partition. `silence`:
    /// the time between two ticks.
    pub(crate) fn tick(
        &mut self,
        host: &mut dyn Base,
        key: &'static str,
        own: u64,
        silence: Micros,
        mut keep: impl FnMut(&mut dyn Base, Vec<u8>),
    ) {
        let now = host.now();
        if self.under_way.is_none() && now >= self.next_search {
            self.next_search = now.saturating_add(BEAT);
            self.under_way = take_over(host, key, own, silence.saturating_mul(4).max(DEAD_AFTER));
        }
        let Some(mut partition) = self.under_way.take() else { return };
        // Not if a third VM took this one for dead in the meantime.
        if !partition.write_head(host, own, own) {
            return;
        }
        match partition.read(host, &mut keep) {
            Read::More => self.under_way = Some(partition),
            Read::All => {
                partition.write_head(host, own, 0);
                // There may be others.
                self.next_search = now;
            }
        }
    }
}

enum Read {
    More,
    All,
}

impl UnderWay {
    fn read(&mut self, host: &mut dyn Base, keep: &mut impl FnMut(&mut dyn Base, Vec<u8>)) -> Read {
        for _ in 0..SLOTS_A_TICK {
            let slot = self.next_slot;
            let Some((sequence, message)) = kept_at(host, self.key, self.partition, slot) else { return Read::All };
            self.next_slot = slot.saturating_add(1);
            if sequence > self.acknowledged {
                self.last = self.last.max(sequence);
                keep(host, message);
                empty(host, self.key, self.partition, slot);
            }
        }
        Read::More
    }

    /// Says that this VM lives and is at it, or that the partition is anybody's (`owner` 0).
    fn write_head(&self, host: &mut dyn Base, own: u64, owner: u64) -> bool {
        let Some((known, cas)) = PartitionHead::read(host, self.key, self.partition) else { return false };
        let acknowledged = if owner == 0 { self.last } else { self.acknowledged };
        known.owner == own
            && PartitionHead { owner, beat: host.now(), acknowledged }
                .write(host, self.key, self.partition, cas)
                .is_ok()
    }
}

/// Takes the partition of a VM that was silent for so long, if there is one.
fn take_over(host: &mut dyn Base, key: &'static str, own: u64, dead_after: Micros) -> Option<UnderWay> {
    let now = host.now();
    for partition in 0..PARTITIONS {
        // Partitions are taken in order: the first that nobody ever had is the last there is.
        let (head, cas) = PartitionHead::read(host, key, partition)?;
        if head.owner == 0 || head.owner == own || now < head.beat.saturating_add(dead_after) {
            continue;
        }
        match (PartitionHead { owner: own, beat: now, ..head }).write(host, key, partition, cas) {
            Ok(()) => {
                let (acknowledged, last) = (head.acknowledged, head.acknowledged);
                return Some(UnderWay { key, partition, next_slot: 0, acknowledged, last });
            }
            // Another VM was faster, or the owner lives.
            Err(HostError::Conflict | HostError::NotNow | HostError::Refused) => {}
        }
    }
    None
}
