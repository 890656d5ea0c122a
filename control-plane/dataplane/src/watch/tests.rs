use chrono::DateTime;
use uuid::Uuid;
use weir_core::change::Affected;

use super::*;

const TENANT: Uuid = Uuid::from_u128(1);
const OTHER: Uuid = Uuid::from_u128(2);
const KEY: Uuid = Uuid::from_u128(3);

fn gateway(tenant_id: Option<Uuid>) -> Gateway {
    Gateway {
        id: Uuid::nil(),
        name: "gateway".into(),
        tenant_id,
        trusted_hops: 0,
        trusts_forwarded_certificates: false,
        ways_in: Default::default(),
    }
}

/// Changes from `key1 tenant2 everyone config admin gateway` and the like: the first gets revision 1, and so on.
fn changes(first: u64, words: &str) -> Arc<Vec<Change>> {
    let kind = |word: &str| match word {
        "key1" => ChangeKind::Key { sha256: vec![1], tenant_id: TENANT },
        "key2" => ChangeKind::Key { sha256: vec![2], tenant_id: OTHER },
        "ended" => ChangeKind::Key { sha256: vec![3], tenant_id: TENANT },
        "all-ended" => ChangeKind::Tenant { tenant_id: TENANT },
        "tenant1" => ChangeKind::Tenant { tenant_id: TENANT },
        "tenant2" => ChangeKind::Tenant { tenant_id: OTHER },
        "everyone" => ChangeKind::Everyone,
        "models1" => ChangeKind::Catalog { tenant_id: Some(TENANT) },
        "models2" => ChangeKind::Catalog { tenant_id: Some(OTHER) },
        "models" => ChangeKind::Catalog { tenant_id: None },
        "config" => ChangeKind::Configuration,
        "gateway" => ChangeKind::Gateway { gateway_id: Uuid::nil() },
        "unknown" => ChangeKind::Unknown,
        _ => ChangeKind::Administration,
    };
    let change = |(revision, word)| Change {
        revision,
        at: DateTime::UNIX_EPOCH,
        kind: kind(word),
        ends_streams_of: if word.ends_with("ended") { vec![KEY] } else { vec![] },
        configuration: if word == "config" { Affected::Owner(None) } else { Affected::Nothing },
    };
    Arc::new((first..).zip(words.split(' ')).map(change).collect())
}

/// `@revision` and what is to be forgotten.
fn written(response: Option<WatchResponse>) -> String {
    let Some(response) = response else { return String::new() };
    let mut words = vec![format!("@{}", response.revision)];
    words.extend(response.forget_everything.then(|| "everything".to_owned()));
    words.extend(response.forget_keys_sha256.iter().map(|key| format!("key{}", key[0])));
    words.extend(
        response.end_streams_of_keys.iter().map(|key| if *key == KEY.to_string() { "end" } else { key }.into()),
    );
    words.extend(
        response.forget_tenants.iter().map(|id| if *id == TENANT.to_string() { "tenant1" } else { "tenant2" }.into()),
    );
    words.join(" ")
}

#[test]
fn what_holds_for_callers_never_waits_and_a_catalog_waits_for_its_routes() {
    // What is committed, up to where Envoy is configured, what is told at once, and what once Envoy is configured.
    let check = |scope, words, configured, at_once: &str, later: &str| {
        let mut outbox = Outbox::new(gateway(scope), 0);
        assert_eq!(written(outbox.add(&changes(1, words), configured)), at_once, "{words} at {configured}");
        assert_eq!(outbox.is_waiting(), !later.is_empty(), "{words}");
        assert_eq!(written(outbox.release(u64::MAX)), later, "{words}, released");
    };
    check(None, "key1", 0, "@1 key1", "");
    check(None, "config", 0, "@1", "");
    check(None, "admin gateway", 0, "@2 everything", "");
    check(None, "ended", 0, "@1 key3 end", "");
    check(None, "all-ended", 0, "@1 end tenant1", "");
    // Streams that begin in between go on.
    check(None, "models1 ended", 0, "@0 key3 end", "@2 key3 tenant1");
    check(Some(OTHER), "ended", 0, "@1", "");
    check(None, "tenant1", 0, "@1 tenant1", "");
    check(None, "everyone", 0, "@1 everything", "");
    check(None, "config tenant1", 0, "@2 tenant1", "");
    check(None, "unknown", 0, "@1 everything", "");
    check(None, "models1 unknown", 0, "@0 everything", "@2 everything tenant1");
    check(None, "models1", 0, "", "@1 tenant1");
    check(None, "models1", 1, "@1 tenant1", "");
    check(None, "models", 0, "", "@1 everything");
    check(None, "config models1", 0, "@1", "@2 tenant1");
    check(None, "config models1 key1 key2", 0, "@1 key1 key2", "@4 key1 key2 tenant1");
    check(None, "models1 key1", 0, "@0 key1", "@2 key1 tenant1");
    check(None, "models1 tenant2", 0, "@0 tenant2", "@2 tenant1 tenant2");
    check(None, "models1 everyone", 0, "@0 everything", "@2 everything tenant1");
    check(None, "models1 models1 models2", 2, "@2 tenant1", "@3 tenant2");
    // Another tenant's names are nobody else's business, but its revisions count.
    check(Some(TENANT), "key2 key1", 0, "@2 key1", "");
    check(Some(TENANT), "tenant2 models2", 2, "@2", "");
}

#[test]
fn a_batch_that_comes_twice_is_told_once() {
    let mut outbox = Outbox::new(gateway(None), 0);
    assert_eq!(written(outbox.add(&changes(1, "key1 models1"), 0)), "@1 key1");
    assert_eq!(written(outbox.add(&changes(1, "key1 models1 key2"), 0)), "@1 key2");
    assert_eq!(written(outbox.release(2)), "@3 key2 tenant1");
}

#[test]
fn an_older_database_is_begun_with_anew() {
    // Before what was told, and between that and what waits.
    for told in [9, 5, 4] {
        let mut outbox = Outbox::new(gateway(None), told);
        outbox.add(&changes(told + 1, "models1 models1"), 0);
        assert_eq!(written(outbox.add(&changes(5, "unknown"), 0)), "@5 everything", "{told}");
        assert!(!outbox.is_waiting());
        assert_eq!(written(outbox.add(&changes(6, "key1"), 0)), "@6 key1", "{told}");
    }
}

#[test]
fn whoever_lagged_behind_starts_over() {
    let mut outbox = Outbox::new(gateway(None), 0);
    outbox.add(&changes(1, "models1"), 0);
    assert_eq!(written(Some(outbox.start_over(9))), "@9 everything");
    assert!(!outbox.is_waiting());
    assert_eq!(written(outbox.add(&changes(10, "key1"), 0)), "@10 key1");
}

#[test]
fn what_makes_all_vms_ask_is_told_to_one_after_the_other() {
    assert_eq!(spread(2), Duration::from_millis(2));
    assert_eq!(spread(300), Duration::from_millis(300));
    assert_eq!(spread(1_000_000), LONGEST_SPREAD);
    let turns: Vec<f64> = (0..1000).map(|number| turn_of(&format!("vm-{number}"))).collect();
    let in_tenth = |tenth: usize| turns.iter().filter(|turn| (**turn * 10.0) as usize == tenth).count();
    assert!(
        (0..10).all(|tenth| (50..200).contains(&in_tenth(tenth))),
        "{:?}",
        (0..10).map(in_tenth).collect::<Vec<_>>()
    );

    let now = Instant::now();
    let wait = Duration::from_millis(100);
    let mut outbox = Outbox::new(gateway(None), 0);
    let mut add =
        |held, first, words| Held::add(held, outbox.add(&changes(first, words), u64::MAX).unwrap(), now, wait);
    assert_eq!(add(None, 1, "key1").until, now, "a key does not wait");
    let held = add(None, 2, "everyone");
    assert_eq!(held.until, now + wait);
    let held = add(Some(held), 3, "key2 tenant1");
    assert_eq!((held.until, written(Some(held.response.clone()))), (now + wait, "@4 everything".into()));
    let held = add(Some(held), 5, "ended");
    assert_eq!(
        (held.until, written(Some(held.response))),
        (now, "@5 everything end".into()),
        "streams are ended at once"
    );
}
