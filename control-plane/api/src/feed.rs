//! What is told to all open event streams of a process: read once for all of them, and only while somebody listens.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use tokio::sync::{Mutex, broadcast};
use weir_core::actor::Actor;
use weir_store::{ChangedObject, Store, StoreError, TenantUsage};

use crate::admin::nodes::Node;
use crate::turns::Turns;

/// How often changes and nodes are looked for.
const EVERY: Duration = Duration::from_millis(500);
/// Of these looks every so many is also for nodes.
const NODES_EVERY: u32 = 4;
/// Over how long usage is summed.
const PULSE: TimeDelta = TimeDelta::seconds(5);
/// Records of one transaction are seen together and later than they say. So long after a pulse's end it is read.
const PULSE_DELAY: TimeDelta = TimeDelta::seconds(2);
/// Objects that are read at a time.
const MOST_OBJECTS: u32 = 1_000;
/// News that wait for a slow reader; what comes then it is told to have missed.
const WAITING: usize = 256;
/// Streams of one user at a time, and of all.
const MOST_OF_ONE: usize = 8;
const MOST_IN_ALL: usize = 200;

/// Something that has happened.
#[derive(Debug)]
pub(crate) enum News {
    /// What one revision has changed; not empty.
    Changed(Vec<ChangedObject>),
    /// An Envoy's state is another one.
    Node(Node),
    /// An Envoy is no longer known.
    NodeGone { id: String, gateway: String },
    /// What was used between two moments.
    Usage { from: DateTime<Utc>, to: DateTime<Utc>, tenants: Vec<TenantUsage> },
}

/// The feed of a process. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Feed {
    store: Store,
    sender: Arc<Mutex<Option<broadcast::Sender<Arc<News>>>>>,
    /// Who may listen.
    pub(crate) turns: Turns,
}

impl Feed {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, sender: Arc::default(), turns: Turns::new(MOST_OF_ONE, MOST_IN_ALL) }
    }

    /// All news from now on: every change after the revision that is current when this returns, and maybe some before it.
    pub(crate) async fn listen(&self) -> Result<broadcast::Receiver<Arc<News>>, StoreError> {
        let mut sender = self.sender.lock().await;
        if let Some(sender) = &*sender {
            return Ok(sender.subscribe());
        }
        let revision = self.store.revision().await?;
        let (new, receiver) = broadcast::channel(WAITING);
        *sender = Some(new.clone());
        tokio::spawn(self.clone().run(new, revision));
        Ok(receiver)
    }

    /// Tells what happens until nobody listens any more.
    async fn run(self, sender: broadcast::Sender<Arc<News>>, revision: u64) {
        let mut reading =
            Reading { store: self.store.clone(), revision, nodes: None, pulsed: Utc::now() - PULSE_DELAY };
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        for look in (0..NODES_EVERY).cycle() {
            ticks.tick().await;
            {
                let mut current = self.sender.lock().await;
                if sender.receiver_count() == 0 {
                    *current = None;
                    return;
                }
            }
            // A database that is away has no news; its return is noticed by the next look.
            match reading.news(look == 0).await {
                Ok(news) => {
                    for one in news {
                        // Whoever left meanwhile misses nothing.
                        let _ = sender.send(Arc::new(one));
                    }
                }
                Err(error) => tracing::debug!(error = &error as &dyn std::error::Error, "no news can be read"),
            }
        }
    }
}

/// How far the news were read.
struct Reading {
    store: Store,
    revision: u64,
    /// By gateway and id, without what changes all the time; `None`: not read yet.
    nodes: Option<BTreeMap<(String, String), Value>>,
    pulsed: DateTime<Utc>,
}

impl Reading {
    async fn news(&mut self, with_nodes: bool) -> Result<Vec<News>, StoreError> {
        let mut news = by_revision(self.store.changed_objects(self.revision, MOST_OBJECTS).await?);
        if let Some(News::Changed(objects)) = news.last() {
            self.revision = objects.last().map_or(self.revision, |object| object.revision);
        }
        if with_nodes {
            self.read_nodes(&mut news).await?;
        }
        let to = self.pulsed + PULSE;
        let now = Utc::now();
        if to + PULSE_DELAY <= now {
            let from = self.pulsed;
            let tenants = self.store.usage_recorded(from, to).await?;
            // After a pause, or a clock that was set, it goes on from now.
            self.pulsed = if to + PULSE_DELAY * 2 < now { now - PULSE_DELAY } else { to };
            news.push(News::Usage { from, to, tenants });
        } else if self.pulsed > now {
            self.pulsed = now - PULSE_DELAY;
        }
        Ok(news)
    }

    async fn read_nodes(&mut self, news: &mut Vec<News>) -> Result<(), StoreError> {
        let nodes: Vec<Node> =
            self.store.list_nodes(&Actor::system()).await?.items.into_iter().map(Node::from).collect();
        let mut states = BTreeMap::new();
        for node in nodes {
            let key = (node.gateway.clone(), node.id.clone());
            let state = node.state();
            if self.nodes.as_ref().is_some_and(|known| known.get(&key) != Some(&state)) {
                news.push(News::Node(node));
            }
            states.insert(key, state);
        }
        for (gateway, id) in self.nodes.iter().flat_map(BTreeMap::keys).filter(|key| !states.contains_key(*key)) {
            news.push(News::NodeGone { id: id.clone(), gateway: gateway.clone() });
        }
        self.nodes = Some(states);
        Ok(())
    }
}

/// One for each revision; the objects are in the order of their revisions.
pub(crate) fn by_revision(objects: Vec<ChangedObject>) -> Vec<News> {
    let mut news: Vec<Vec<ChangedObject>> = Vec::new();
    for object in objects {
        match news.last_mut() {
            Some(group) if group.last().is_some_and(|last| last.revision == object.revision) => group.push(object),
            _ => news.push(vec![object]),
        }
    }
    news.into_iter().map(News::Changed).collect()
}
