//! Who used the processors over a time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::gateway::process;

/// Processor time up to a moment: of some programs, each with its descendants, then of our own, and of the whole machine.
pub(crate) struct Reading {
    at: Instant,
    programs: Vec<Duration>,
    machine: Duration,
}

/// Reads the time of these programs, and of our own without our children.
pub(crate) fn read(programs: &[u32]) -> Result<Reading> {
    let mut times = programs.iter().map(|pid| family_time(*pid)).collect::<Result<Vec<_>>>()?;
    times.push(process::cpu(std::process::id())?);
    Ok(Reading { at: Instant::now(), programs: times, machine: machine_time()? })
}

/// What passed between two readings.
pub(crate) struct Spent {
    pub(crate) wall: Duration,
    /// In the order in which they were given, ours last.
    pub(crate) programs: Vec<Duration>,
    /// Of everything else on the machine.
    pub(crate) others: Duration,
}

impl Reading {
    /// From `self` to `later`.
    pub(crate) fn until(&self, later: &Reading) -> Spent {
        let times = later.programs.iter().zip(&self.programs);
        let programs: Vec<Duration> = times.map(|(after, before)| after.saturating_sub(*before)).collect();
        let ours: Duration = programs.iter().sum();
        let machine = later.machine.saturating_sub(self.machine);
        Spent { wall: later.at - self.at, others: machine.saturating_sub(ours), programs }
    }
}

/// A process and all its descendants that live.
fn family_time(ancestor: u32) -> Result<Duration> {
    let parents = parents()?;
    let is_family = |mut pid: u32| loop {
        if pid == ancestor {
            return true;
        }
        match parents.get(&pid) {
            Some(parent) => pid = *parent,
            None => return false,
        }
    };
    // Whoever ends meanwhile no longer counts.
    Ok(parents.keys().filter(|pid| is_family(**pid)).filter_map(|pid| process::cpu(*pid).ok()).sum())
}

/// The parent of each process.
fn parents() -> Result<BTreeMap<u32, u32>> {
    let mut parents = BTreeMap::new();
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let statistics = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // The name, in parentheses, may contain anything.
        let Some((_, fields)) = statistics.rsplit_once(") ") else { continue };
        if let Some(parent) = fields.split(' ').nth(1).and_then(|parent| parent.parse().ok()) {
            parents.insert(pid, parent);
        }
    }
    Ok(parents)
}

/// Busy time of all processors: the first line of `/proc/stat`, in hundredths of a second.
fn machine_time() -> Result<Duration> {
    let text = std::fs::read_to_string("/proc/stat")?;
    let line = text.lines().next().context("/proc/stat is empty")?;
    let ticks: Vec<u64> = line.split_ascii_whitespace().skip(1).filter_map(|number| number.parse().ok()).collect();
    // user nice system idle iowait irq softirq
    let busy: u64 = ticks.iter().enumerate().filter(|(place, _)| matches!(place, 0..=2 | 5 | 6)).map(|(_, n)| n).sum();
    Ok(Duration::from_millis(busy * 10))
}
