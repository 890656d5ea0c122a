//! One VM's reports.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tonic::transport::{Channel, Endpoint};
use uuid::Uuid;
use weir_proto::dataplane::data_plane_client::DataPlaneClient;
use weir_proto::dataplane::{ReportUsageRequest, UsageRecord};

use super::records::{Caller, record};

/// Reports that are kept, to be sent once more.
const KEPT: usize = 20;

/// A connection with one report under way.
pub(crate) struct Vm {
    client: DataPlaneClient<Channel>,
    token: String,
    callers: Vec<Caller>,
    provider: String,
    batch: usize,
    number: u64,
    kept: VecDeque<Vec<UsageRecord>>,
}

/// What the ledger acknowledged.
#[derive(Default)]
pub(crate) struct Delivered {
    pub(crate) records: u64,
    pub(crate) times: Vec<Duration>,
}

impl Delivered {
    pub(crate) fn add(&mut self, other: Delivered) {
        self.records += other.records;
        self.times.extend(other.times);
    }
}

impl Vm {
    pub(crate) async fn connect(
        address: &str,
        token: &str,
        callers: &[Caller],
        number: usize,
        batch: usize,
    ) -> Result<Self> {
        let endpoint = Endpoint::from_shared(format!("http://{address}"))?.tcp_nodelay(true);
        let client = DataPlaneClient::new(endpoint.connect().await.context("the control plane's gRPC")?);
        let mut callers = callers.to_vec();
        let turn = number % callers.len();
        callers.rotate_left(turn);
        Ok(Self {
            client,
            token: format!("Bearer {token}"),
            callers,
            provider: Uuid::now_v7().to_string(),
            batch,
            number: 0,
            kept: VecDeque::new(),
        })
    }

    /// Reports new records for so long.
    pub(crate) async fn report(&mut self, time: Duration) -> Result<Delivered> {
        let begin = Instant::now();
        let mut delivered = Delivered::default();
        while begin.elapsed() < time {
            let records: Vec<UsageRecord> = (0..self.batch).map(|_| self.next()).collect();
            if self.kept.len() == KEPT {
                self.kept.pop_front();
            }
            self.kept.push_back(records.clone());
            self.deliver(records, &mut delivered).await?;
        }
        Ok(delivered)
    }

    /// Reports the last records once more, in turns, for so long.
    pub(crate) async fn repeat(&mut self, time: Duration) -> Result<Delivered> {
        let begin = Instant::now();
        let mut delivered = Delivered::default();
        let kept: Vec<_> = self.kept.iter().cloned().collect();
        for records in kept.iter().cycle() {
            if begin.elapsed() > time {
                break;
            }
            self.deliver(records.clone(), &mut delivered).await?;
        }
        Ok(delivered)
    }

    async fn deliver(&mut self, records: Vec<UsageRecord>, delivered: &mut Delivered) -> Result<()> {
        let sent = records.len();
        let mut request = tonic::Request::new(ReportUsageRequest { records });
        request.metadata_mut().insert("authorization", self.token.parse()?);
        let begin = Instant::now();
        let answer = self.client.report_usage(request).await?.into_inner();
        ensure!(answer.stored as usize == sent, "{} of {sent} stored, rejected: {:?}", answer.stored, answer.rejected);
        delivered.times.push(begin.elapsed());
        delivered.records += u64::from(answer.stored);
        Ok(())
    }

    fn next(&mut self) -> UsageRecord {
        self.number += 1;
        let caller = &self.callers[(self.number % self.callers.len() as u64) as usize];
        record(caller, &self.provider, self.number)
    }
}
