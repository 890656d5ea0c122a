use std::io::{BufRead, Write};

use weir_core::gateway::Gateway;
use weir_core::ledger::UsageRecord;
use weir_core::usage_line::read_line;
use weir_core::ways_in::WaysIn;
use weir_store::{Imported, Store};

use crate::commands::gateway_of_name;
use crate::database::connect;
use crate::settings::DatabaseSettings;

/// Records that are stored at a time.
const AT_ONCE: usize = 2_000;
/// Bytes of a line; a longer one is no record of ours.
const LONGEST_LINE: u64 = 1024 * 1024;

/// What became of a log's lines.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ImportSummary {
    /// Records that are in the ledger now and were not before.
    pub stored: u64,
    /// Records that were there, or came twice.
    pub known: u64,
    /// Records that can never be stored.
    pub refused: u64,
    /// Lines without a record.
    pub others: u64,
}

/// Puts the records of an Envoy's log into the ledger. Says of each that was refused or known the number of its line and why.
pub async fn import_usage(
    settings: &DatabaseSettings,
    gateway: &str,
    log: impl BufRead,
    out: &mut impl Write,
) -> anyhow::Result<ImportSummary> {
    let store = connect(settings).await?;
    let imported = import(&store, gateway, log, out).await;
    store.close().await;
    imported
}

async fn import(
    store: &Store,
    gateway: &str,
    mut log: impl BufRead,
    out: &mut impl Write,
) -> anyhow::Result<ImportSummary> {
    let found = gateway_of_name(store, gateway).await?;
    let gateway = Gateway {
        id: found.id,
        name: gateway.to_owned(),
        tenant_id: found.tenant_id,
        trusted_hops: 0,
        trusts_forwarded_certificates: false,
        ways_in: WaysIn::default(),
    };
    let mut summary = ImportSummary::default();
    let mut waiting: Vec<(u64, UsageRecord)> = Vec::new();
    let mut number = 0;
    while let Some(line) = next_line(&mut log)? {
        number += 1;
        match line.as_deref().map(read_line) {
            Some(None) => summary.others += 1,
            Some(Some(Ok(record))) => waiting.push((number, record)),
            Some(Some(Err(reason))) => refuse(&mut summary, out, number, &reason)?,
            None => refuse(&mut summary, out, number, "is longer than a record")?,
        }
        if waiting.len() == AT_ONCE {
            store_all(store, &gateway, std::mem::take(&mut waiting), &mut summary, out).await?;
        }
    }
    store_all(store, &gateway, waiting, &mut summary, out).await?;
    Ok(summary)
}

async fn store_all(
    store: &Store,
    gateway: &Gateway,
    records: Vec<(u64, UsageRecord)>,
    summary: &mut ImportSummary,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let (numbers, records): (Vec<u64>, Vec<UsageRecord>) = records.into_iter().unzip();
    for (number, outcome) in numbers.into_iter().zip(store.import_records(gateway, records).await?) {
        match outcome {
            Imported::Stored => summary.stored += 1,
            Imported::Known => {
                summary.known += 1;
                writeln!(out, "line {number}: is in the ledger already")?;
            }
            Imported::Refused(reason) => refuse(summary, out, number, reason)?,
        }
    }
    Ok(())
}

fn refuse(summary: &mut ImportSummary, out: &mut impl Write, number: u64, reason: &str) -> anyhow::Result<()> {
    summary.refused += 1;
    Ok(writeln!(out, "line {number}: refused: {reason}")?)
}

/// The next line without its end; `None` at the end, `Some(None)` for one that is too long. What is no UTF-8 stays readable.
fn next_line(log: &mut impl BufRead) -> std::io::Result<Option<Option<String>>> {
    let mut bytes = Vec::new();
    let length = std::io::Read::take(&mut *log, LONGEST_LINE).read_until(b'\n', &mut bytes)?;
    if length == 0 {
        return Ok(None);
    }
    if bytes.last() == Some(&b'\n') || (length as u64) < LONGEST_LINE {
        return Ok(Some(Some(String::from_utf8_lossy(&bytes).into_owned())));
    }
    log.skip_until(b'\n')?;
    Ok(Some(None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_too_long_is_passed_over_whole() {
        let long = "x".repeat(3 * LONGEST_LINE as usize);
        let mut log = std::io::Cursor::new(format!("a\n{long}\n\nb"));
        let mut lines = Vec::new();
        while let Some(line) = next_line(&mut log).unwrap() {
            lines.push(line);
        }
        assert_eq!(lines, [Some("a\n".into()), None, Some("\n".into()), Some("b".into())]);
    }
}
