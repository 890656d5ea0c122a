use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use weir_core::gateway::{Gateway, LeaseTerms, Resolved};
use weir_core::guardrails::found_by;
use weir_proto::dataplane::data_plane_server::DataPlane;
use weir_proto::dataplane::{
    AcquireQuotaRequest, AcquireQuotaResponse, OwnAbout, ReadOwnRequest, ReadOwnResponse, RejectedRecord,
    ReportUsageRequest, ReportUsageResponse, ResolveCredentialRequest, ResolveCredentialResponse, SettleQuotaRequest,
    SettleQuotaResponse, WatchRequest, WatchResponse,
};
use weir_store::{Identified, Refused, Store, StoreError};

use crate::convert::Keeps;
use crate::failure::chain;
use crate::gateways::{Gateways, bearer};
use crate::hub::ChangeHub;
use crate::identity::Shown;
use crate::own::Answered;
use crate::progress::Progress;
use crate::{convert, own, watch};

/// How often the token of a long stream is looked at again, beside whenever a gateway changes.
const RECHECK: Duration = Duration::from_secs(15);
/// Records that one call may deliver.
const MOST_RECORDS: usize = 5000;
/// Demands that one call may make.
const MOST_DEMANDS: usize = 100;
/// Settlements that one call may deliver.
const MOST_SETTLEMENTS: usize = 5000;

/// The service `weir.dataplane.v1.DataPlane`.
#[derive(Clone)]
pub struct Service {
    store: Store,
    gateways: Gateways,
    hub: ChangeHub,
    progress: Progress,
    stopping: tokio::sync::watch::Receiver<bool>,
    /// Turns for looking up keys, which anybody may make up: leases and usage need database connections too.
    lookups: Arc<Semaphore>,
    answered: Answered,
}

/// Look-ups that use the database at a time.
const LOOKUPS: usize = 8;

impl Service {
    /// Answers from the store, and tells watches what `hub` is given, until `stopping` is true.
    pub fn new(
        store: Store,
        gateways: Gateways,
        hub: ChangeHub,
        progress: Progress,
        stopping: tokio::sync::watch::Receiver<bool>,
    ) -> Self {
        Self {
            store,
            gateways,
            hub,
            progress,
            stopping,
            lookups: Arc::new(Semaphore::new(LOOKUPS)),
            answered: Answered::default(),
        }
    }

    async fn gateway<T>(&self, request: &Request<T>) -> Result<Gateway, Status> {
        self.gateway_of(token(request)?).await
    }

    /// Ends when the token's gateway is gone, so that a stream does not outlive the right to it.
    async fn no_longer_valid(&self, token: &str) -> Status {
        let mut changes = self.gateways.changes();
        // One may have come while the stream was opened.
        changes.mark_changed();
        loop {
            // The sender is as old as the service; without it time alone counts.
            let _ = tokio::time::timeout(RECHECK, changes.changed()).await;
            if let Err(refused) = self.gateway_of(token).await
                && refused.code() == tonic::Code::Unauthenticated
            {
                return refused;
            }
        }
    }

    /// Keeps who it was, if no rule knows them. What is not kept is kept when they come again.
    async fn discovered(
        &self,
        gateway: &Gateway,
        identified: Result<Identified, StoreError>,
        refused: &Refused,
    ) -> Result<Resolved, StoreError> {
        let identified = identified?;
        if let Err(error) = self.store.note_discovered(gateway, &identified, refused).await {
            tracing::warn!(error = chain(&error), "a caller whom no rule knows was not kept");
        }
        Ok(identified.resolved)
    }

    async fn gateway_of(&self, token: &str) -> Result<Gateway, Status> {
        let gateway = self.gateways.authenticate(token).await.map_err(|error| failed("authenticate", error))?;
        gateway.ok_or_else(|| Status::unauthenticated("the gateway's token is not valid"))
    }
}

fn token<T>(request: &Request<T>) -> Result<&str, Status> {
    let header = request.metadata().get("authorization").map(|value| value.as_bytes());
    bearer(header).ok_or_else(|| Status::unauthenticated("a gateway's token is required"))
}

/// A database that is away is expected to come back; anything else is a defect.
fn failed(call: &'static str, error: StoreError) -> Status {
    metrics::counter!("weir_dataplane_failures_total", "call" => call).increment(1);
    // That it is away is logged once, by who looks at it all the time.
    if !matches!(error, StoreError::Away) {
        tracing::error!(call, error = chain(&error), "a call of the data plane failed");
    }
    if error.is_away() {
        Status::unavailable("the control plane's database does not answer")
    } else {
        Status::internal("the control plane could not answer")
    }
}

async fn stopped(stopping: &mut tokio::sync::watch::Receiver<bool>) {
    // Without a sender the runtime is gone as well.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

#[tonic::async_trait]
impl DataPlane for Service {
    type WatchStream = ReceiverStream<Result<WatchResponse, Status>>;

    async fn resolve_credential(
        &self,
        request: Request<ResolveCredentialRequest>,
    ) -> Result<Response<ResolveCredentialResponse>, Status> {
        let gateway = self.gateway(&request).await?;
        let request = request.into_inner();
        let known = convert::known_catalog(&request);
        let finds = found_by(&request.finding_types);
        let keeps = Keeps {
            restrictions: request.keeps_restrictions,
            ways_in: request.keeps_ways_in,
            limits: request.keeps_limits,
            ways_in_of_models: request.keeps_ways_in_of_models,
        };
        let refused = Refused { requests: request.refused_since, models: request.refused_models.clone() };
        let known_entries = request.known_entries_sha256.clone();
        let shown = Shown::of(request)?;
        let turn = self.lookups.acquire().await;
        let resolved = match shown {
            Shown::Key(digest) => self.store.resolve_credential(&gateway, &digest, known, &finds).await,
            Shown::Token { claims, issuer_id } => {
                let identified = self.store.resolve_token(&gateway, &claims, issuer_id, known, &finds).await;
                self.discovered(&gateway, identified, &refused).await
            }
            Shown::Peer(peer) => {
                let identified = self.store.resolve_workload(&gateway, &peer, known, &finds).await;
                self.discovered(&gateway, identified, &refused).await
            }
        };
        drop(turn);
        let resolved = resolved.map_err(|error| failed("resolve_credential", error))?;
        let mut response = convert::resolved(resolved, keeps);
        convert::leave_out_known(&mut response, &known_entries);
        Ok(Response::new(response))
    }

    async fn acquire_quota(
        &self,
        request: Request<AcquireQuotaRequest>,
    ) -> Result<Response<AcquireQuotaResponse>, Status> {
        let gateway = self.gateway(&request).await?;
        let request = request.into_inner();
        if request.demands.len() > MOST_DEMANDS {
            return Err(Status::invalid_argument(format!("at most {MOST_DEMANDS} demands a call")));
        }
        let tenant_id = convert::id("tenant_id", &request.tenant_id)?;
        let demands = request.demands.into_iter().map(convert::demand).collect();
        let (terms, now) = (LeaseTerms::default(), Utc::now());
        let grants = self.store.acquire_quota(&gateway, tenant_id, &request.holder, demands, terms, now).await;
        let grants = grants.map_err(|error| failed("acquire_quota", error))?;
        Ok(Response::new(AcquireQuotaResponse { grants: grants.into_iter().map(convert::grant).collect() }))
    }

    async fn settle_quota(
        &self,
        request: Request<SettleQuotaRequest>,
    ) -> Result<Response<SettleQuotaResponse>, Status> {
        let gateway = self.gateway(&request).await?;
        let settlements = request.into_inner().settlements;
        if settlements.len() > MOST_SETTLEMENTS {
            return Err(Status::invalid_argument(format!("at most {MOST_SETTLEMENTS} settlements a call")));
        }
        let settlements = settlements.into_iter().filter_map(convert::settlement).collect();
        let settled = self.store.settle_quota(&gateway, settlements, LeaseTerms::default(), Utc::now()).await;
        let settled = settled.map_err(|error| failed("settle_quota", error))?;
        Ok(Response::new(SettleQuotaResponse { settled }))
    }

    async fn report_usage(
        &self,
        request: Request<ReportUsageRequest>,
    ) -> Result<Response<ReportUsageResponse>, Status> {
        let gateway = self.gateway(&request).await?;
        let records = request.into_inner().records;
        if records.len() > MOST_RECORDS {
            return Err(Status::invalid_argument(format!("at most {MOST_RECORDS} records a call")));
        }
        let mut rejected = Vec::new();
        let mut readable = Vec::with_capacity(records.len());
        for record in records {
            match convert::usage_record(record) {
                Ok(record) => readable.push(record),
                Err(rejection) => rejected.push(rejection),
            }
        }
        let outcome = self.store.record_usage(&gateway, readable).await;
        let outcome = outcome.map_err(|error| failed("report_usage", error))?;
        rejected.extend(
            outcome
                .rejected
                .into_iter()
                .map(|one| RejectedRecord { request_id: one.request_id.to_string(), reason: one.reason }),
        );
        metrics::counter!("weir_usage_records_total", "outcome" => "stored").increment(outcome.stored.into());
        metrics::counter!("weir_usage_records_total", "outcome" => "rejected").increment(rejected.len() as u64);
        Ok(Response::new(ReportUsageResponse { stored: outcome.stored, rejected }))
    }

    async fn read_own(&self, request: Request<ReadOwnRequest>) -> Result<Response<ReadOwnResponse>, Status> {
        let gateway = self.gateway(&request).await?;
        let ReadOwnRequest { tenant_id, key_id, about, query } = request.into_inner();
        let (tenant_id, key_id) = (convert::id("tenant_id", &tenant_id)?, convert::id("key_id", &key_id)?);
        if !gateway.serves(tenant_id) {
            return Err(Status::permission_denied("the tenant is not this gateway's"));
        }
        let now = Utc::now();
        let asked = match OwnAbout::try_from(about) {
            Ok(OwnAbout::Limits) if query.is_empty() => Ok(None),
            Ok(OwnAbout::Limits) => Err("There is nothing to ask for here."),
            Ok(OwnAbout::Usage) => own::days(&query, now.date_naive()).map(Some),
            Ok(OwnAbout::Unspecified) | Err(_) => return Err(Status::invalid_argument("about is not known")),
        };
        let days = match asked {
            Ok(days) => days,
            Err(refusal) => {
                return Ok(Response::new(ReadOwnResponse { refusal: refusal.into(), ..Default::default() }));
            }
        };
        let turn = self.answered.turn(tenant_id, key_id);
        let _turn = turn.ok_or_else(|| Status::resource_exhausted("others are being answered"))?;
        let read = match days {
            None => self.store.own_limits(tenant_id, key_id, now).await.map(|limits| own::limits(&limits)),
            Some(days) => {
                let usage = self.store.own_usage(tenant_id, key_id, days.clone()).await;
                usage.map(|summary| own::usage(&days, &summary))
            }
        };
        let json = read.map_err(|error| match error {
            StoreError::NotFound => Status::not_found("there is no such caller"),
            error => failed("read_own", error),
        })?;
        Ok(Response::new(ReadOwnResponse { json: json.to_string().into_bytes(), ..Default::default() }))
    }

    async fn watch(&self, request: Request<Streaming<WatchRequest>>) -> Result<Response<Self::WatchStream>, Status> {
        let token = token(&request)?.to_owned();
        let gateway = self.gateway_of(&token).await?;
        let service = self.clone();
        let (responses, stream) = mpsc::channel(16);
        let (hub, progress) = (self.hub.clone(), self.progress.clone());
        let mut stopping = self.stopping.clone();
        tokio::spawn(async move {
            metrics::gauge!("weir_dataplane_watches").increment(1);
            let ended = tokio::select! {
                ended = watch::serve(gateway, service.store.clone(), hub, progress, request.into_inner(), &responses) => ended,
                () = stopped(&mut stopping) => {
                    Err(Status::unavailable("the control plane is shutting down"))
                }
                refused = service.no_longer_valid(&token) => Err(refused),
            };
            if let Err(status) = ended {
                // Whoever is gone does not read it.
                let _ = responses.send(Err(status)).await;
            }
            metrics::gauge!("weir_dataplane_watches").decrement(1);
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}
