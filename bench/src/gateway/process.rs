//! What a process has used, as the Linux kernel counts it.

use std::time::Duration;

use anyhow::{Context, Result};

/// Time on a processor of all threads that live, in user and in kernel mode: `/proc/PID/task/*/schedstat`, which counts in
/// nanoseconds where `/proc/PID/stat` counts in hundredths of a second.
pub(crate) fn cpu(pid: u32) -> Result<Duration> {
    let mut nanoseconds = 0_u64;
    for task in std::fs::read_dir(format!("/proc/{pid}/task")).context("the process has ended")? {
        let statistics = std::fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
        let on_processor = statistics.split_ascii_whitespace().next().and_then(|number| number.parse::<u64>().ok());
        nanoseconds += on_processor.unwrap_or(0);
    }
    Ok(Duration::from_nanos(nanoseconds))
}

/// Resident memory in bytes.
pub(crate) fn resident(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).context("the process has ended")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes * 1024)
}
