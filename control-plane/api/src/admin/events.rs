//! What happens, as it happens.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use futures::Stream;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;
use weir_core::actor::{Actor, Sees};
use weir_core::ledger::PICOUSD_PER_MICROUSD;
use weir_core::permission::Permission;
use weir_store::{ChangedObject, Store, TenantUsage};

use crate::admin::nodes::Node;
use crate::caller::Caller;
use crate::extract::Query;
use crate::feed::{Feed, News, by_revision};
use crate::problem::{Code, Problem, Reading};
use crate::turns::Turn;
use crate::{ApiState, OpenEnded};

/// How often it is looked whether the session still holds.
const CHECK: Duration = Duration::from_secs(5);
/// Without an answer to that for so long, the stream ends.
const UNCHECKED: Duration = Duration::from_secs(30);
/// How often something is said at least.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// How long a client should wait before it connects again.
const RECONNECT: Duration = Duration::from_secs(2);
/// Objects of one change that are named.
const MOST_NAMED: usize = 200;
/// Changed objects that a client which comes back is told of.
const MOST_MISSED: u32 = 1_000;

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(stream))
}

/// Which events are wanted.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct EventsQuery {
    /// Only changes and usage of this tenant.
    tenant_id: Option<Uuid>,
}

/// The `data` of an event; its `event` is the same as `type`.
#[derive(Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
enum AdminEvent {
    /// The first: what is read from now on, and what was missed since `Last-Event-ID`, follows.
    Ready {
        /// The current revision.
        revision: u64,
    },
    /// A change was committed. Its `id` is the revision.
    Changed {
        /// The change.
        revision: u64,
        /// When it was made.
        at: DateTime<Utc>,
        /// What was changed, as far as you may read it.
        objects: Vec<EventObject>,
        /// Whether more objects were changed than are named: read the lists anew.
        is_shortened: bool,
    },
    /// An Envoy's state has changed. Only for the platform.
    Node {
        /// Its state.
        node: Node,
    },
    /// An Envoy is no longer known. Only for the platform.
    NodeGone {
        /// Envoy's `node.id`.
        id: String,
        /// Name of its gateway.
        gateway: String,
    },
    /// What was used within some seconds, by the records that came in them. Comes about every five seconds, also with zeros.
    Usage {
        /// The first moment that counts.
        from: DateTime<Utc>,
        /// The first moment after.
        to: DateTime<Utc>,
        /// Requests that ended.
        requests: i64,
        /// Of them those that did not succeed.
        errors: i64,
        /// Tokens of prompts.
        input_tokens: i64,
        /// Tokens of answers.
        output_tokens: i64,
        /// Micro-dollars, rounded up.
        cost_microusd: i64,
    },
    /// Something was missed: read everything anew.
    Reset {
        /// The revision from which on all is told.
        revision: u64,
    },
    /// The last: the stream ends.
    End {
        /// Why.
        reason: EndReason,
    },
}

/// An object that was changed.
#[derive(Serialize, ToSchema)]
struct EventObject {
    /// `create`, `update`, `delete`, or another verb.
    action: String,
    /// For example `api_key`.
    kind: String,
    /// The object.
    id: Uuid,
    /// What it was called then; null: not known.
    name: Option<String>,
    /// Its tenant; null: the platform's.
    tenant_id: Option<Uuid>,
}

/// Why a stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum EndReason {
    /// The session is over: sign in.
    SessionEnded,
    /// The user's rights were changed: connect again.
    RightsChanged,
    /// The control plane ends or cannot read its database: connect again.
    Unavailable,
}

/// What happens, as server-sent events, until the client leaves or its session ends.
///
/// The stream begins with `ready`. Then come `changed` for each committed change, `node` and `node_gone` for Envoys, `usage` every five
/// seconds, and a comment every ten. A client that comes back with `Last-Event-ID` is told what it missed, or `reset` if that is too
/// much. Everything is within the reader's scope. One user may have 8 streams, all together 200 on each control plane.
#[utoipa::path(get, path = "/events", operation_id = "stream_events", tag = "events",
    params(EventsQuery, ("Last-Event-ID" = Option<u64>, Header, description = "`id` of the last event that was read.")),
    responses(
        (status = 200, body = AdminEvent, content_type = "text/event-stream", description = "Each event's `data`."),
        (status = 503, body = Problem, content_type = "application/problem+json", description = "Too many streams are open.",
         headers(("Retry-After" = u64, description = "Seconds."))),
        Reading,
    ))]
async fn stream(
    State(state): State<ApiState>,
    Extension(feed): Extension<Feed>,
    caller: Caller,
    headers: HeaderMap,
    Query(query): Query<EventsQuery>,
) -> Result<Response, Problem> {
    let last_read = match headers.get("last-event-id") {
        None => None,
        Some(id) => Some(id.to_str().ok().and_then(|id| id.parse::<u64>().ok()).ok_or_else(|| {
            Problem::field(Code::InvalidHeader, "Last-Event-ID", "must be the id of an event of this stream")
        })?),
    };
    let turn = feed
        .turns
        .take(Some(caller.actor.user_id))
        .ok_or_else(|| Problem::overloaded("too many event streams are open; close one"))?;
    let reader = Reader { actor: caller.actor, tenant_id: query.tenant_id };
    // In this order: what is committed in between comes twice, and is told once.
    let news = feed.listen().await?;
    let revision = state.store.revision().await?;
    let missed = match last_read {
        Some(last_read) => missed(&state.store, last_read, revision).await?,
        None => Some(Vec::new()),
    };
    let session = Session { store: state.store, sha256: caller.session_sha256, checked: Instant::now() };
    let events = events(reader, session, news, revision, missed, state.stopping, turn);
    let mut response = Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT)).into_response();
    response.extensions_mut().insert(OpenEnded);
    // Some proxies keep what they pass until they have enough of it.
    response.headers_mut().insert("x-accel-buffering", axum::http::HeaderValue::from_static("no"));
    Ok(response)
}

/// The changes after a revision up to the current one; `None`: they are too many, or no longer known.
async fn missed(store: &Store, after: u64, current: u64) -> Result<Option<Vec<News>>, Problem> {
    if after >= current {
        return Ok((after == current).then(Vec::new));
    }
    let mut objects = store.changed_objects(after, MOST_MISSED).await?;
    let reaches = |revision: u64, object: Option<&ChangedObject>| object.is_some_and(|one| one.revision == revision);
    let begins = reaches(after + 1, objects.first());
    objects.retain(|object| object.revision <= current);
    Ok((begins && reaches(current, objects.last())).then(|| by_revision(objects)))
}

fn events(
    reader: Reader,
    mut session: Session,
    mut news: broadcast::Receiver<Arc<News>>,
    revision: u64,
    missed: Option<Vec<News>>,
    mut stopping: watch::Receiver<bool>,
    turn: Turn,
) -> impl Stream<Item = Result<Event, Infallible>> {
    async_stream::stream! {
        let _turn = turn;
        yield Ok(write(&AdminEvent::Ready { revision }, Some(revision)).retry(RECONNECT));
        match missed {
            Some(missed) => {
                for event in missed.iter().filter_map(|news| reader.event(news)) {
                    yield Ok(event);
                }
            }
            None => yield Ok(write(&AdminEvent::Reset { revision }, None)),
        }
        let mut checks = tokio::time::interval_at(Instant::now() + CHECK, CHECK);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut told = revision;
        let reason = loop {
            tokio::select! {
                // What must not be told any more is not told although it waits.
                biased;
                () = stopped(&mut stopping) => break EndReason::Unavailable,
                _ = checks.tick() => match session.check(&reader.actor).await {
                    Ok(()) => {}
                    Err(reason) => break reason,
                },
                received = news.recv() => match received {
                    Ok(news) => {
                        if let News::Changed(objects) = &*news {
                            let Some(next) = objects.first().map(|one| one.revision).filter(|next| *next > told) else {
                                continue;
                            };
                            told = next;
                        }
                        if let Some(event) = reader.event(&news) {
                            yield Ok(event);
                        }
                    }
                    Err(RecvError::Lagged(_)) => yield Ok(write(&AdminEvent::Reset { revision: told }, None)),
                    Err(RecvError::Closed) => break EndReason::Unavailable,
                },
            }
        };
        yield Ok(write(&AdminEvent::End { reason }, None));
    }
}

async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // Without a sender nobody ends it by signal any more.
    if stopping.wait_for(|stopping| *stopping).await.is_err() {
        std::future::pending().await
    }
}

/// An event is small and always JSON; should it not be, the client reads everything anew.
fn write(event: &AdminEvent, id: Option<u64>) -> Event {
    let name = match event {
        AdminEvent::Ready { .. } => "ready",
        AdminEvent::Changed { .. } => "changed",
        AdminEvent::Node { .. } => "node",
        AdminEvent::NodeGone { .. } => "node_gone",
        AdminEvent::Usage { .. } => "usage",
        AdminEvent::Reset { .. } => "reset",
        AdminEvent::End { .. } => "end",
    };
    let written = Event::default().event(name).json_data(event).unwrap_or_else(|_| Event::default().event("reset"));
    match id {
        Some(id) => written.id(id.to_string()),
        None => written,
    }
}

/// For whom a stream is.
struct Reader {
    actor: Actor,
    /// Only this tenant's is wanted.
    tenant_id: Option<Uuid>,
}

impl Reader {
    /// What is told of it; `None`: nothing of it is for this reader.
    fn event(&self, news: &News) -> Option<Event> {
        match news {
            News::Changed(objects) => self.changed(objects),
            News::Node(node) => self.is_platforms().then(|| write(&AdminEvent::Node { node: node.clone() }, None)),
            News::NodeGone { id, gateway } => self
                .is_platforms()
                .then(|| write(&AdminEvent::NodeGone { id: id.clone(), gateway: gateway.clone() }, None)),
            // What is used of a part only, nobody has summed up.
            News::Usage { from, to, tenants } => {
                self.sees_usage().then(|| write(&self.usage(*from, *to, tenants), None))
            }
        }
    }

    fn sees_usage(&self) -> bool {
        matches!(self.actor.sees(Permission::UsageRead), Sees::Everything | Sees::Tenant(_))
    }

    fn is_platforms(&self) -> bool {
        self.actor.sees(Permission::NodesRead) == Sees::Everything
    }

    fn changed(&self, objects: &[ChangedObject]) -> Option<Event> {
        let shown: Vec<&ChangedObject> = objects
            .iter()
            .filter(|object| object.is_shown_to(&self.actor))
            .filter(|object| self.tenant_id.is_none_or(|wanted| object.tenant_id.is_none_or(|own| own == wanted)))
            .collect();
        let first = shown.first()?;
        let event = AdminEvent::Changed {
            revision: first.revision,
            at: first.at,
            objects: shown.iter().take(MOST_NAMED).map(|object| EventObject::of(object)).collect(),
            is_shortened: shown.len() > MOST_NAMED,
        };
        Some(write(&event, Some(first.revision)))
    }

    fn usage(&self, from: DateTime<Utc>, to: DateTime<Utc>, tenants: &[TenantUsage]) -> AdminEvent {
        let own = tenants.iter().filter(|usage| {
            [self.actor.scope().tenant(), self.tenant_id].iter().flatten().all(|wanted| *wanted == usage.tenant_id)
        });
        let sum = own.fold(TenantUsage::default(), |sum, usage| TenantUsage {
            requests: sum.requests.saturating_add(usage.requests),
            errors: sum.errors.saturating_add(usage.errors),
            input_tokens: sum.input_tokens.saturating_add(usage.input_tokens),
            output_tokens: sum.output_tokens.saturating_add(usage.output_tokens),
            cost_microusd: sum.cost_microusd.saturating_add(usage.cost_microusd),
            cost_rest_picousd: sum.cost_rest_picousd.saturating_add(usage.cost_rest_picousd),
            ..sum
        });
        AdminEvent::Usage {
            from,
            to,
            requests: sum.requests,
            errors: sum.errors,
            input_tokens: sum.input_tokens,
            output_tokens: sum.output_tokens,
            cost_microusd: sum.cost_microusd.saturating_add(in_microusd(sum.cost_rest_picousd)),
        }
    }
}

/// Pico-dollars as micro-dollars, rounded up.
fn in_microusd(picousd: i64) -> i64 {
    i64::try_from(picousd.unsigned_abs().div_ceil(PICOUSD_PER_MICROUSD)).unwrap_or(i64::MAX)
}

impl EventObject {
    fn of(object: &ChangedObject) -> Self {
        let verb = object.action.rsplit_once('.').map_or(object.action.as_str(), |(_, verb)| verb);
        Self {
            action: verb.to_owned(),
            kind: object.kind.clone(),
            id: object.id,
            name: object.name.clone(),
            tenant_id: object.tenant_id,
        }
    }
}

/// By what right a stream is open.
struct Session {
    store: Store,
    sha256: [u8; 32],
    checked: Instant,
}

impl Session {
    /// Whether it still holds for the same rights.
    async fn check(&mut self, actor: &Actor) -> Result<(), EndReason> {
        match self.store.peek_session(&self.sha256).await {
            Ok(Some(now)) if now.is_same(actor) => {
                self.checked = Instant::now();
                Ok(())
            }
            Ok(Some(_)) => Err(EndReason::RightsChanged),
            Ok(None) => Err(EndReason::SessionEnded),
            Err(_) if self.checked.elapsed() < UNCHECKED => Ok(()),
            Err(_) => Err(EndReason::Unavailable),
        }
    }
}
