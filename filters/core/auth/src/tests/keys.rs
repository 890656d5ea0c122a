//! Which of what a client shows is a key, and what keys may be used for.

use weir_host::{Host as _, Message};

use super::*;

#[test]
fn a_key_that_nobody_can_have_made_costs_no_call() {
    let mut vm = Vm::new(ASKED);
    let text = format!("weir_1_{}", "A".repeat(43));
    let sum = String::from_utf8(weir_config::api_key::checksum(text.as_bytes()).to_vec()).expect("is ASCII");
    assert_eq!(vm.seen_by_client(&format!("{text}000000")), "401 invalid_api_key");
    assert_eq!(vm.seen_by_client("weir_1_short"), "401 invalid_api_key");
    assert!(vm.host.calls.is_empty());
    assert_eq!(vm.seen_by_client(&format!("{text}{sum}")), "asks");
}

#[test]
fn of_keys_that_weir_did_not_make_the_first_that_is_known_counts() {
    let headers = [
        (":method", "POST"),
        (":path", "/v1/messages"),
        ("authorization", "Bearer sk-dummy"),
        ("x-api-key", "sk-known"),
    ];
    let asked = |vm: &Vm| {
        let call = vm.host.calls.last().expect("a callout");
        ResolveCredentialRequest::decode(call.message.as_slice()).expect("is decodable").key_sha256
    };
    let mut vm = Vm::new(ASKED);
    let mut request = vm.request(&headers);
    assert_eq!(asked(&vm), sha2::Sha256::digest(b"sk-dummy").to_vec());
    assert_eq!(vm.answer(&mut request, denied(Status::Unknown)), Flow::Pause, "the second is tried");
    assert_eq!(request.stream.on_request_body(&mut vm.host, 3, true), Flow::Pause, "and nothing passes meanwhile");
    assert_eq!(asked(&vm), sha2::Sha256::digest(b"sk-known").to_vec());
    assert_eq!(vm.answer(&mut request, active("acme", 5, "gpt")), Flow::Continue);
    assert_eq!(vm.host.calls.len(), 2);
    assert_eq!(seen_by_client(&vm.request(&headers).flow), "passes");
    // One that somebody took back is no dummy.
    let mut vm = Vm::new(ASKED);
    let mut request = vm.request(&headers);
    assert_eq!(seen_by_client(&vm.answer(&mut request, denied(Status::Revoked))), "401 invalid_api_key");
    // One of Weir's comes alone, whatever else is there.
    let mut vm = Vm::new(ASKED);
    vm.request(&[
        (":method", "POST"),
        (":path", "/v1/messages"),
        ("authorization", "Bearer sk-dummy"),
        ("x-api-key", "weir_1"),
    ]);
    assert_eq!(asked(&vm), sha2::Sha256::digest(b"weir_1").to_vec());
}

/// A key of the form that Weir makes.
fn checked(number: u32) -> String {
    let text = format!("weir_1_{number:0>43}");
    let sum = String::from_utf8(weir_config::api_key::checksum(text.as_bytes()).to_vec()).expect("is ASCII");
    format!("{text}{sum}")
}

#[test]
fn guesses_use_up_nothing_that_others_need() {
    for (guess, of_the_other_kind) in
        [((|number| format!("sk-guess-{number}")) as fn(u32) -> String, checked(0)), (checked, "sk-new".to_owned())]
    {
        let mut vm = Vm::new(ASKED);
        let known = [checked(1_000_000), "sk-known".to_owned()];
        for key in &known {
            assert_eq!(vm.resolve(key, active("acme", 5, "gpt")), "passes");
        }
        let mut seen = std::collections::BTreeMap::<String, u32>::new();
        for number in 1..=10_000 {
            vm.host.now += SECOND / 10_000;
            let mut request = vm.chat(&guess(number));
            let flow = match request.flow {
                Flow::Pause => vm.answer(&mut request, denied(Status::Unknown)),
                other => other,
            };
            *seen.entry(seen_by_client(&flow)).or_default() += 1;
        }
        let asked = seen.get("401 invalid_api_key").copied().unwrap_or_default();
        assert!((500..=600).contains(&asked), "{seen:?}");
        assert_eq!(seen.get("503 auth_unavailable"), Some(&(10_000 - asked)));
        assert_eq!(vm.seen_by_client(&of_the_other_kind), "asks");
        // Those that were good are asked for, whatever is forgotten of them.
        let digests = known.clone().map(|key| sha2::Sha256::digest(key).to_vec());
        for forget in [
            &|cache| PrincipalCache::doubt_everything(cache),
            &|cache| PrincipalCache::forget_everything(cache),
            &|cache: &PrincipalCache| cache.forget_tenants(["acme"]),
            &|cache: &PrincipalCache| cache.forget_keys(digests.iter().map(Vec::as_slice)),
        ] as [&dyn Fn(&PrincipalCache); 4]
        {
            forget(&vm.cache);
            for key in &known {
                assert_eq!(vm.resolve(key, active("acme", 5, "gpt")), "passes");
            }
        }
        // One that no longer is counts as a guess from then on.
        vm.cache.forget_everything();
        for key in &known {
            assert_eq!(vm.resolve(key, denied(Status::Unknown)), "401 invalid_api_key");
        }
        vm.cache.forget_everything();
        assert!(known.iter().any(|key| vm.seen_by_client(key) == "503 auth_unavailable"));
    }
}

#[test]
fn good_keys_use_up_no_budget_however_many_there_are() {
    let mut vm = Vm::new(ASKED);
    for number in 0..5_000 {
        assert_eq!(vm.resolve(&checked(number), active("acme", 5, "gpt")), "passes", "key {number}");
    }
    // All that wait for an answer are bounded.
    let waiting = (5_000..6_000).filter(|number| vm.seen_by_client(&checked(*number)) == "asks").count();
    assert_eq!(waiting, 500);
}

#[test]
fn a_key_is_used_only_for_what_and_from_where_it_may_be() {
    let restricted = |operations: &[&str], ranges: &[&str], trusted_hops| {
        let mut answer = active("acme", 5, "gpt")?;
        if let Some(principal) = &mut answer.principal {
            let names: Vec<String> = operations.iter().map(|name| (*name).to_owned()).collect();
            principal.allowed_operations = (!names.is_empty()).then_some(dataplane::AllowedOperations { names });
            principal.source_cidrs = ranges.iter().map(|range| (*range).to_owned()).collect();
            principal.trusted_hops = trusted_hops;
        }
        Ok(answer)
    };
    let check = |answer: Result<ResolveCredentialResponse, u32>, forwarded: &str, expect: &str| {
        let headers = [
            (":method", "POST"),
            (":path", "/v1/chat/completions"),
            ("authorization", "Bearer weir_1"),
            ("x-forwarded-for", forwarded),
        ];
        let mut vm = Vm::new(ASKED);
        let mut request = vm.request(&headers);
        assert_eq!(seen_by_client(&vm.answer(&mut request, answer)), expect, "{forwarded}");
        // Known by now, it is the same.
        let request = vm.request(&headers);
        let again = if expect.starts_with("503") { "asks" } else { expect };
        assert_eq!(seen_by_client(&request.flow), again, "{forwarded}");
        let of = request.shared.read(|exchange| exchange.request().principal.is_some());
        assert_eq!(of, Some(again != "asks"), "the record is the key's");
    };
    check(restricted(&["chat.completions"], &[], 0), "192.0.2.1", "passes");
    check(restricted(&["embeddings"], &[], 0), "192.0.2.1", "403 operation_not_allowed");
    check(restricted(&[], &["10.0.0.0/8"], 0), "10.0.0.9", "passes");
    check(restricted(&[], &["10.0.0.0/8"], 0), "192.0.2.1", "403 source_not_allowed");
    check(restricted(&[], &["10.0.0.0/8"], 0), "10.0.0.9,192.0.2.1", "403 source_not_allowed");
    check(restricted(&[], &["10.0.0.0/8"], 1), "10.0.0.9,192.0.2.1", "passes");
    check(restricted(&[], &["10.0.0.0/8"], 1), "192.0.2.1", "403 source_not_allowed");
    check(restricted(&[], &["somewhere"], 0), "10.0.0.9", "503 auth_unavailable");
}

#[test]
fn a_key_of_weirs_leaves_every_query() {
    let key = checked(1);
    let check = |method: &str, path: &str, shown: Option<&str>, left: &str, expect: &str| {
        let mut vm = Vm::new(ASKED);
        let authorization = shown.map(|key| format!("Bearer {key}"));
        let mut headers = vec![(":method", method), (":path", path)];
        headers.extend(authorization.as_deref().map(|value| ("authorization", value)));
        let request = vm.request(&headers);
        assert_eq!(seen_by_client(&request.flow), expect, "{path}");
        assert_eq!(vm.host.header_text(Message::Request, ":path").as_deref(), Some(left), "{path}");
    };
    let refused = "401 invalid_api_key";
    for (method, path) in
        [("GET", "/v1/models"), ("GET", "/v1/usage"), ("POST", "/v1/chat/completions"), ("POST", "/v1/messages")]
    {
        check(method, &format!("{path}?key={key}"), None, path, refused);
        check(method, &format!("{path}?key={key}"), Some(&key), path, "asks");
        let several = format!("{path}?key=other&from=1&key={key}&to=2");
        check(method, &several, Some(&key), &format!("{path}?key=other&from=1&to=2"), "asks");
        let other = format!("{path}?keys={key}&key=other");
        check(method, &other, Some(&key), &other, "asks");
    }
    check("GET", &format!("/v1/nothing?key={key}"), Some(&key), "/v1/nothing", "404 unknown_url");
    let gemini = "/v1beta/models/m:generateContent";
    check("POST", &format!("{gemini}?alt=sse&key={key}"), None, &format!("{gemini}?alt=sse"), "asks");
    check("POST", &format!("{gemini}?key=AIza-other"), None, gemini, "asks");
}

#[test]
fn two_different_keys_are_refused() {
    let request = Vm::new(ASKED).request(&[
        (":method", "POST"),
        (":path", "/v1/messages"),
        ("x-api-key", "weir_1"),
        ("authorization", "Bearer weir_2"),
    ]);
    assert_eq!(seen_by_client(&request.flow), "401 invalid_api_key");
    assert!(reply(&request.flow).headers.contains(&("www-authenticate".into(), "Bearer".into())));
}

/// A VM that does not hear of revocations asks each time, and uses what it knows only when nobody answers.
#[test]
fn without_a_watch_each_request_asks() {
    let mut vm = Vm::new(ASKED);
    vm.cache.set_watched(false);
    for calls in 1..=2 {
        let mut request = vm.chat("weir_1");
        assert_eq!(vm.host.calls.len(), calls);
        assert_eq!(vm.answer(&mut request, active("t", 1, "gpt")), Flow::Continue);
    }
    let mut request = vm.chat("weir_1");
    assert_eq!(vm.answer(&mut request, Err(14)), Flow::Continue, "the control plane is away");
    assert_eq!(seen_by_client(&vm.chat("weir_1").flow), "passes", "and is not asked again at once");
    vm.host.now += 2 * SECOND;
    vm.cache.set_watched(true);
    assert_eq!(seen_by_client(&vm.chat("weir_1").flow), "passes", "what was answered is known");
}

#[test]
fn principals_may_be_written_in_the_configuration() {
    // SHA-256 of "weir_1".
    let digest: String = sha2::Sha256::digest(b"weir_1").iter().map(|byte| format!("{byte:02X}")).collect();
    let config = format!(
        r#"{{"source": {{"static": [{{"key_sha256": "{digest}", "tenant_id": "t", "key_id": "k",
            "models": [{{"name": "gpt", "pool_id": "p"}}],
            "guardrail_profile": {{"name": "g", "rules": [{{"type": "EMAIL", "action": "flag"}}]}}}}]}}}}"#
    );
    let mut vm = Vm::new(&config);
    assert!(vm.plugin.control_plane().is_none());
    let request = vm.chat("weir_1");
    assert_eq!(seen_by_client(&request.flow), "passes");
    let pool = request
        .shared
        .read(|exchange| Some(exchange.request().catalog.as_ref()?.find("gpt")?.pool_id.clone()))
        .flatten();
    assert_eq!(pool.as_deref(), Some("p"));
    let profile =
        request.shared.read(|exchange| exchange.request().principal.as_ref()?.guardrail_profile.clone()).flatten();
    assert_eq!(profile.map(|profile| profile.profile.rules.len()), Some(1));
    assert_eq!(vm.seen_by_client("weir_2"), "401 invalid_api_key");
    assert!(vm.host.calls.is_empty());
}
