use uuid::Uuid;

use super::*;
use crate::resource::Fragment;
use envoy_types::pb::google::protobuf::Any;
use envoy_types::pb::google::rpc::Status;

use ResourceType::{Cluster, Plugin, Route, Secret};

/// One Envoy, and what it holds: each step gives what was sent, as `type+name` and `type-name`.
#[derive(Default)]
struct Envoy {
    session: Session,
}

impl Envoy {
    fn offer(&mut self, revision: u64, resources: &[Row]) -> String {
        self.offer_set(revision, set(&[(None, resources)]))
    }

    fn offer_set(&mut self, revision: u64, set: ResourceSet) -> String {
        self.session.offer(Arc::new(set), revision);
        self.sent()
    }

    fn subscribe(&mut self, kind: ResourceType, names: &[&str]) -> String {
        self.request(kind, DeltaDiscoveryRequest { resource_names_subscribe: owned(names), ..Default::default() })
    }

    fn request(&mut self, kind: ResourceType, request: DeltaDiscoveryRequest) -> String {
        self.session.receive(kind, &request);
        self.sent()
    }

    fn acknowledge(&mut self, kind: ResourceType) -> String {
        self.request(kind, DeltaDiscoveryRequest { response_nonce: self.nonce(kind), ..Default::default() })
    }

    fn refuse(&mut self, kind: ResourceType) -> Option<Outcome> {
        let error_detail = Some(Status { message: "no".into(), ..Default::default() });
        let response_nonce = self.nonce(kind);
        self.session.receive(kind, &DeltaDiscoveryRequest { response_nonce, error_detail, ..Default::default() })
    }

    fn nonce(&self, kind: ResourceType) -> String {
        self.session.subscriptions[&kind].under_way.as_ref().expect("something is under way").nonce.clone()
    }

    fn sent(&mut self) -> String {
        let mut sent = Vec::new();
        while let Some(push) = self.session.next_push() {
            let kind = format!("{:?}", push.kind);
            if push.resources.is_empty() && push.removed.is_empty() {
                sent.push(format!("{kind} nothing"));
            }
            sent.extend(push.resources.iter().map(|(name, one)| format!("{kind}+{name}@{}", one.version)));
            sent.extend(push.removed.iter().map(|name| format!("{kind}-{name}")));
        }
        sent.join(" ")
    }

    /// Subscribes to everything that a gateway needs, and takes the first configuration.
    fn started(resources: &[Row]) -> Self {
        let mut envoy = Self::default();
        envoy.offer(1, resources);
        envoy.subscribe(Cluster, &[]);
        envoy.acknowledge(Cluster);
        for (kind, name) in [(Secret, "s"), (Plugin, "p"), (Route, "r")] {
            envoy.subscribe(kind, &[name]);
            envoy.acknowledge(kind);
        }
        assert_eq!((envoy.session.newly_sent(), envoy.session.newly_applied()), (Some(1), Some(1)));
        envoy
    }
}

/// Type, name and version.
type Row<'a> = (ResourceType, &'a str, &'a str);

fn set(fragments: &[(Owner, &[Row])]) -> ResourceSet {
    let fragment = |resources: &[Row]| {
        let mut fragment = Fragment::default();
        for (kind, name, version) in resources {
            let resource = Resource { version: (*version).into(), body: Any::default() };
            fragment.insert(*kind, (*name).to_owned(), resource);
        }
        Arc::new(fragment)
    };
    ResourceSet::new(fragments.iter().map(|(owner, resources)| (*owner, fragment(resources))).collect())
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

const FIRST: [Row; 4] = [(Cluster, "a", "1"), (Secret, "s", "1"), (Plugin, "p", "1"), (Route, "r", "1")];

#[test]
fn clusters_come_before_what_refers_to_them_and_leave_after_it() {
    let mut envoy = Envoy::started(&FIRST);
    let next = [(Cluster, "b", "1"), (Secret, "s", "2"), (Plugin, "p", "2"), (Route, "r", "2")];
    // Envoy acknowledges the cluster last, once it is warm with the secret and the plugin.
    assert_eq!(envoy.offer(2, &next), "Cluster+b@1 Secret+s@2 Plugin+p@2");
    assert_eq!(envoy.acknowledge(Secret), "");
    assert_eq!(envoy.subscribe(Secret, &["new"]), "Secret-new");
    assert_eq!(envoy.acknowledge(Secret), "");
    assert_eq!(envoy.acknowledge(Plugin), "");
    assert_eq!(envoy.acknowledge(Cluster), "Route+r@2");
    assert_eq!(envoy.session.newly_applied(), None);
    assert_eq!(envoy.acknowledge(Route), "Cluster-a");
    assert_eq!(envoy.session.newly_sent(), Some(2));
    assert_eq!(envoy.session.newly_applied(), None);
    assert_eq!(envoy.acknowledge(Cluster), "");
    assert_eq!(envoy.session.newly_applied(), Some(2));
    assert_eq!(envoy.session.newly_applied(), None);
}

#[test]
fn a_cluster_leads_to_another_only_once_that_is_warm() {
    let mut envoy = Envoy::started(&[(Cluster, "pool", "1")]);
    let grown = [(Cluster, "member", "1"), (Cluster, "other", "1"), (Cluster, "pool", "2"), (Route, "r", "2")];
    assert_eq!(envoy.offer(2, &grown), "Cluster+member@1 Cluster+other@1");
    assert_eq!(envoy.acknowledge(Cluster), "Cluster+pool@2");
    assert_eq!(envoy.acknowledge(Cluster), "Route+r@2");
    // A member that Envoy refuses does not keep all pools from changing.
    assert_eq!(envoy.acknowledge(Route), "");
    let more = [(Cluster, "bad", "1"), (Cluster, "pool", "3"), (Route, "r", "2")];
    assert_eq!(envoy.offer(3, &more), "Cluster+bad@1");
    envoy.refuse(Cluster);
    assert_eq!(envoy.sent(), "Cluster+pool@3");
    // What it refuses of a cluster leaves it the one before, which leads nowhere new either, and can be taken away.
    envoy.refuse(Cluster);
    let more = [(Cluster, "last", "1"), (Cluster, "pool", "4"), (Route, "r", "2")];
    assert_eq!(envoy.offer(4, &more), "Cluster+last@1");
    assert_eq!(envoy.acknowledge(Cluster), "Cluster+pool@4");
    envoy.refuse(Cluster);
    assert_eq!(
        envoy.offer(5, &[(Cluster, "last", "1"), (Route, "r", "2")]),
        "Cluster-member Cluster-other Cluster-pool"
    );
}

#[test]
fn a_starting_envoy_gets_its_routes_while_plugins_load() {
    let mut envoy = Envoy::default();
    envoy.offer(1, &FIRST);
    assert_eq!(envoy.subscribe(Cluster, &[]), "Cluster+a@1");
    assert_eq!(envoy.subscribe(Plugin, &["p"]), "Plugin+p@1");
    assert_eq!(envoy.subscribe(Route, &["r"]), "");
    assert_eq!(envoy.acknowledge(Cluster), "Route+r@1");
}

#[test]
fn a_revision_that_changes_nothing_is_applied_at_once() {
    let mut envoy = Envoy::started(&FIRST);
    assert_eq!(envoy.offer(9, &FIRST), "");
    assert_eq!((envoy.session.newly_sent(), envoy.session.newly_applied()), (Some(9), Some(9)));
}

#[test]
fn a_refused_resource_waits_for_another_configuration() {
    let mut envoy = Envoy::started(&FIRST);
    let bad = [(Cluster, "a", "bad"), (Secret, "s", "1"), (Plugin, "p", "1"), (Route, "r", "2")];
    assert_eq!(envoy.offer(2, &bad), "Cluster+a@bad");
    let refused = Outcome::Refused { kind: Cluster, names: vec!["a".into()], reason: "no".into(), revision: 2 };
    assert_eq!(envoy.refuse(Cluster), Some(refused));
    // What does not depend on it goes on, but the revision is not applied.
    assert_eq!(envoy.sent(), "Route+r@2");
    assert_eq!(envoy.acknowledge(Route), "");
    assert_eq!((envoy.session.newly_sent(), envoy.session.newly_applied()), (Some(2), None));
    let good = [(Cluster, "a", "3"), (Secret, "s", "1"), (Plugin, "p", "1"), (Route, "r", "2")];
    assert_eq!(envoy.offer(3, &good), "Cluster+a@3");
    envoy.acknowledge(Cluster);
    assert_eq!(envoy.session.newly_applied(), Some(3));
}

#[test]
fn a_refused_plugin_can_be_sent_again_and_does_not_hold_back_others() {
    let mut envoy = Envoy::default();
    envoy.offer(1, &[(Plugin, "p", "1"), (Plugin, "q", "1")]);
    assert_eq!(envoy.subscribe(Plugin, &["p", "q"]), "Plugin+p@1");
    envoy.refuse(Plugin);
    assert_eq!(envoy.sent(), "Plugin+q@1");
    assert_eq!(envoy.acknowledge(Plugin), "");
    assert_eq!(envoy.session.newly_applied(), None);
    envoy.session.try_again(Plugin);
    assert_eq!(envoy.sent(), "Plugin+p@1");
    envoy.acknowledge(Plugin);
    assert_eq!(envoy.session.newly_applied(), Some(1));
}

#[test]
fn the_plugin_of_attempts_goes_before_all_others() {
    let all = |version| [(Plugin, "weir.chain", version), (Plugin, plugin::PROVIDER, version)];
    let mut envoy = Envoy::default();
    envoy.offer(1, &all("1"));
    assert_eq!(envoy.subscribe(Plugin, &["weir.chain", plugin::PROVIDER]), "Plugin+weir.provider@1");
    assert!(envoy.refuse(Plugin).is_some());
    assert_eq!(envoy.sent(), "");
    envoy.session.try_again(Plugin);
    assert_eq!(envoy.sent(), "Plugin+weir.provider@1");
    assert_eq!(envoy.acknowledge(Plugin), "Plugin+weir.chain@1");
    assert_eq!(envoy.acknowledge(Plugin), "");
    assert_eq!(envoy.offer(2, &all("2")), "Plugin+weir.provider@2");
    assert!(envoy.refuse(Plugin).is_some());
    assert_eq!((envoy.sent(), envoy.session.newly_applied()), (String::new(), None));
}

#[test]
fn a_reconnected_envoy_gets_only_what_it_lacks() {
    let mut envoy = Envoy::default();
    envoy.offer(1, &FIRST);
    let holding = |versions: &[(&str, &str)]| DeltaDiscoveryRequest {
        initial_resource_versions: versions.iter().map(|(name, version)| ((*name).into(), (*version).into())).collect(),
        resource_names_subscribe: versions.iter().map(|(name, _)| (*name).to_owned()).collect(),
        ..Default::default()
    };
    let wildcard = DeltaDiscoveryRequest { resource_names_subscribe: vec![], ..holding(&[("a", "1"), ("gone", "1")]) };
    assert_eq!(envoy.request(Cluster, wildcard), "Cluster-gone");
    envoy.acknowledge(Cluster);
    assert_eq!(envoy.request(Route, holding(&[("r", "1")])), "");
    assert_eq!(envoy.request(Plugin, holding(&[("p", "0")])), "Plugin+p@1");
}

#[test]
fn names_that_do_not_exist_are_removed_once() {
    let mut envoy = Envoy::started(&FIRST);
    assert_eq!(envoy.subscribe(Secret, &["nobody"]), "Secret-nobody");
    assert_eq!(envoy.acknowledge(Secret), "");
    assert_eq!(envoy.offer(2, &FIRST), "");
    let with = [&FIRST[..], &[(Secret, "nobody", "1")]].concat();
    assert_eq!(envoy.offer(3, &with), "Secret+nobody@1");
}

#[test]
fn subscriptions_follow_the_protocol() {
    let mut envoy = Envoy::default();
    // Before the first snapshot nothing is known, not even that something does not exist.
    assert_eq!(envoy.subscribe(Cluster, &[]), "");
    // Envoy does not start before it has an answer, be it empty.
    assert_eq!(envoy.offer(1, &[(Route, "r", "1")]), "Cluster nothing");
    assert_eq!(envoy.acknowledge(Cluster), "");
    // An Envoy that has asked for clusters alone is still starting.
    assert_eq!(envoy.session.newly_applied(), None);
    // A stale nonce acknowledges nothing.
    assert_eq!(envoy.subscribe(Route, &["r"]), "Route+r@1");
    let stale = DeltaDiscoveryRequest { response_nonce: "0".into(), ..Default::default() };
    envoy.request(Route, stale);
    assert_eq!(envoy.session.newly_applied(), None);
    envoy.acknowledge(Route);
    assert_eq!(envoy.session.newly_applied(), Some(1));
    // Whoever subscribes again has forgotten; whoever unsubscribes hears no more of it.
    assert_eq!(envoy.subscribe(Route, &["r"]), "Route+r@1");
    envoy.acknowledge(Route);
    let leave = DeltaDiscoveryRequest { resource_names_unsubscribe: owned(&["r"]), ..Default::default() };
    assert_eq!(envoy.request(Route, leave), "");
    assert_eq!(envoy.offer(2, &[(Route, "r", "2")]), "");
    // A later subscription by name does not end the wildcard, and `*` can be left.
    assert_eq!(envoy.offer(3, &[(Cluster, "a", "1")]), "Cluster+a@1");
    envoy.acknowledge(Cluster);
    let leave = DeltaDiscoveryRequest { resource_names_unsubscribe: owned(&["*"]), ..Default::default() };
    envoy.request(Cluster, leave);
    assert_eq!(envoy.offer(4, &[(Cluster, "a", "1"), (Cluster, "b", "1")]), "");
}

/// Of an owner of whom Envoy has all, nothing is kept, and nothing is looked at until its fragment is another object.
#[test]
fn only_owners_that_changed_are_looked_at() {
    let (one, other) = (Some(Uuid::from_u128(1)), Some(Uuid::from_u128(2)));
    let first: [Row; 2] = [(Cluster, "a", "1"), (Secret, "s", "1")];
    let mut envoy = Envoy::default();
    let before = Arc::new(set(&[(one, &first), (other, &[(Cluster, "b", "1"), (Cluster, "c", "1")])]));
    envoy.session.offer(before.clone(), 1);
    assert_eq!(envoy.subscribe(Cluster, &[]), "Cluster+a@1 Cluster+b@1 Cluster+c@1");
    assert_eq!(envoy.subscribe(Secret, &["s"]), "Secret+s@1");
    envoy.acknowledge(Cluster);
    envoy.acknowledge(Secret);
    let kept = |envoy: &Envoy| -> usize {
        let kept = |one: &Subscription| one.open.len() + one.told.len() + one.held.len() + one.unanswered.len();
        envoy.session.subscriptions.values().map(kept).sum()
    };
    assert_eq!(kept(&envoy), 0);
    let mut next: BTreeMap<Owner, Arc<Fragment>> =
        [one, other].into_iter().map(|owner| (owner, before.fragment(owner).unwrap().clone())).collect();
    let changed = set(&[(other, &[(Cluster, "b", "2"), (Cluster, "d", "1")])]);
    next.insert(other, changed.fragment(other).unwrap().clone());
    assert_eq!(envoy.offer_set(2, ResourceSet::new(next.clone())), "Cluster+d@1");
    assert!(!envoy.session.subscriptions[&Cluster].open.contains(&one));
    assert_eq!(envoy.acknowledge(Cluster), "Cluster+b@2");
    assert_eq!(envoy.acknowledge(Cluster), "Cluster-c");
    assert_eq!(envoy.acknowledge(Cluster), "");
    assert_eq!((envoy.sent(), kept(&envoy)), (String::new(), 0));
    // An owner that is gone leaves nothing behind, and another may come.
    next.remove(&one);
    next.insert(None, set(&[(None, &[(Cluster, "e", "1")])]).fragment(None).unwrap().clone());
    assert_eq!(envoy.offer_set(3, ResourceSet::new(next)), "Cluster+e@1 Secret-s");
    envoy.acknowledge(Secret);
    assert_eq!(envoy.acknowledge(Cluster), "Cluster-a");
    assert_eq!(envoy.acknowledge(Cluster), "");
    // Whoever subscribes again has forgotten, also what was settled long ago.
    assert_eq!(envoy.subscribe(Cluster, &["b"]), "Cluster+b@2");
}

/// Pools are as many as tenants make; a virtual host of each comes after its clusters, and leaves before them.
#[test]
fn virtual_hosts_come_after_clusters() {
    use ResourceType::VirtualHost;
    let mut envoy = Envoy::started(&FIRST);
    assert_eq!(envoy.subscribe(VirtualHost, &[]), "VirtualHost nothing");
    envoy.acknowledge(VirtualHost);
    let more = [&FIRST[..], &[(Cluster, "p", "1"), (VirtualHost, "r/p", "1")]].concat();
    assert_eq!(envoy.offer(2, &more), "Cluster+p@1");
    assert_eq!(envoy.acknowledge(Cluster), "VirtualHost+r/p@1");
    envoy.acknowledge(VirtualHost);
    assert_eq!(envoy.offer(3, &FIRST), "VirtualHost-r/p");
    assert_eq!(envoy.acknowledge(VirtualHost), "Cluster-p");
}

#[test]
fn a_large_configuration_goes_in_pieces() {
    let mut fragment = Fragment::default();
    for number in 0..10 {
        let body = Any { value: vec![number; RESPONSE_BYTES / 4], ..Default::default() };
        fragment.insert(Cluster, format!("{number}"), Resource::new(body));
    }
    fragment.insert(Route, "r".into(), Resource::new(Any::default()));
    let mut envoy = Envoy::default();
    envoy.session.offer(Arc::new(ResourceSet::new(BTreeMap::from([(None, Arc::new(fragment))]))), 1);
    let mut counts = vec![envoy.subscribe(Cluster, &[]).matches("Cluster+").count()];
    assert_eq!(envoy.subscribe(Route, &["r"]), "");
    let last = loop {
        let sent = envoy.acknowledge(Cluster);
        match sent.matches("Cluster+").count() {
            0 => break sent,
            count => counts.push(count),
        }
    };
    assert_eq!(counts, [4, 4, 2]);
    assert!(last.starts_with("Route+r@"), "what refers to clusters waits for all of them: {last}");
}
