//! Who comes by a token or a certificate, and what is required beside a key.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;
use weir_config::names::HEADER_TOKEN_CLAIMS;

const PEER_URI: &str = "connection.uri_san_peer_certificate";
const CLAIMS: (&str, &str) = (HEADER_TOKEN_CLAIMS, "eyJzdWIiOiJhIn0");
/// By the keys of which issuer they were verified.
const BY_ONE: (&str, &str) = ("x-weir-token-issuer-0198f4a2-0000-7000-8000-000000000001", "https://login.example.com");
const BY_OTHER: (&str, &str) =
    ("x-weir-token-issuer-0198f4a2-0000-7000-8000-000000000002", "https://login.example.com");
const DUMMY: (&str, &str) = ("authorization", "Bearer sk-dummy");

impl Vm {
    fn ask_with(&mut self, shown: &[(&str, &str)]) -> Request {
        let mut headers = vec![(":method", "POST"), (":path", "/v1/chat/completions")];
        headers.extend(shown);
        self.request(&headers)
    }

    /// What the last callout asked.
    fn asked(&self) -> ResolveCredentialRequest {
        let call = self.host.calls.last().expect("a callout");
        ResolveCredentialRequest::decode(call.message.as_slice()).expect("is decodable")
    }

    /// Sends a request and answers its look-ups, as many as there are answers.
    fn resolved(&mut self, shown: &[(&str, &str)], answers: Vec<Result<ResolveCredentialResponse, u32>>) -> String {
        let (before, asked) = (self.host.calls.len(), answers.len());
        let mut request = self.ask_with(shown);
        for answer in answers {
            assert_eq!(request.flow, Flow::Pause, "the control plane is asked");
            request.flow = self.answer(&mut request, answer);
        }
        if self.host.calls.len() == before + asked && request.flow == Flow::Pause && asked > 0 {
            request.flow = request.stream.on_request_body(&mut self.host, 0, true);
        }
        seen_by_client(&request.flow)
    }
}

fn requires(ways: &[&str], tenant: &str) -> Result<ResolveCredentialResponse, u32> {
    let mut response = active(tenant, 5, "gpt").expect("an answer");
    if let Some(principal) = &mut response.principal {
        principal.required_ways_in = ways.iter().map(|way| (*way).to_owned()).collect();
    }
    Ok(response)
}

#[test]
fn a_token_is_asked_for_by_its_claims_and_known_from_then_on() {
    let mut vm = Vm::new(ASKED);
    assert_eq!(vm.resolved(&[CLAIMS], vec![active("acme", 5, "gpt")]), "passes");
    let asked = vm.asked();
    assert_eq!((asked.token_claims.as_str(), asked.key_sha256.len(), asked.peer), (CLAIMS.1, 0, None));
    assert!(asked.keeps_ways_in);
    assert_eq!(vm.resolved(&[CLAIMS], vec![]), "passes");
    assert_eq!(vm.resolved(&[(HEADER_TOKEN_CLAIMS, "eyJzdWIiOiJiIn0")], vec![]), "asks", "another token");
    let (mut other, claims) = (Vm::new(ASKED), format!("{}\0\0", CLAIMS.1));
    assert_eq!(other.resolved(&[CLAIMS], vec![active("acme", 5, "gpt")]), "passes");
    assert_eq!(other.seen_by_client(&claims), "asks", "a key is never taken for a token");
}

#[test]
fn what_nobody_knows_makes_way_for_what_else_was_shown() {
    let mut vm = Vm::new(ASKED);
    vm.host.properties.insert(PEER_URI.into(), b"spiffe://example.org/a".to_vec());
    let answers = vec![denied(Status::NoRule), active("acme", 5, "gpt")];
    assert_eq!(vm.resolved(&[DUMMY, CLAIMS], answers), "passes");
    let peer = vm.asked().peer.expect("a peer");
    assert_eq!((peer.uris, peer.forwarded_uris), (vec!["spiffe://example.org/a".to_owned()], vec![]));
    assert_eq!(vm.resolved(&[DUMMY, CLAIMS], vec![]), "passes", "both are remembered");
}

#[test]
fn a_key_that_anybody_may_make_known_is_tried_last() {
    let mut vm = Vm::new(ASKED);
    vm.host.properties.insert(PEER_URI.into(), b"spiffe://example.org/a".to_vec());
    assert_eq!(vm.resolved(&[DUMMY, CLAIMS], vec![active("acme", 5, "gpt")]), "passes");
    assert_eq!(vm.asked().token_claims, CLAIMS.1, "who made the dummy known does not get the request");
    let mut vm = Vm::new(ASKED);
    let answers = vec![denied(Status::NoRule), active("acme", 5, "gpt")];
    assert_eq!(vm.resolved(&[DUMMY, CLAIMS], answers), "passes");
    assert_eq!(vm.asked().key_sha256.len(), 32, "nobody else knows it");
    let mut vm = Vm::new(ASKED);
    assert_eq!(vm.resolved(&[("x-api-key", "weir_1"), CLAIMS], vec![active("acme", 5, "gpt")]), "passes");
    assert_eq!(vm.asked().key_sha256.len(), 32, "one of Weir's is tried first");
}

#[test]
fn invented_keys_keep_no_token_out() {
    let mut vm = Vm::new(ASKED);
    for number in 0..=500 {
        let text = format!("weir_1_{number:043}");
        let sum = weir_config::api_key::checksum(text.as_bytes());
        let key = format!("Bearer {text}{}", String::from_utf8_lossy(&sum));
        let answers = if number < 500 { vec![denied(Status::Unknown)] } else { vec![] };
        let expect = if number < 500 { "401 invalid_api_key" } else { "503 auth_unavailable" };
        assert_eq!(vm.resolved(&[("authorization", &key)], answers), expect, "{number}");
    }
    assert_eq!(vm.resolved(&[CLAIMS], vec![active("acme", 5, "gpt")]), "passes");
}

#[test]
fn a_key_that_was_taken_back_makes_way_for_nothing() {
    let mut vm = Vm::new(ASKED);
    let key = ("authorization", "Bearer weir_1");
    assert_eq!(vm.resolved(&[key, CLAIMS], vec![denied(Status::Revoked)]), "401 invalid_api_key");
}

#[test]
fn the_same_claims_verified_by_the_keys_of_another_issuer_are_another_token() {
    let mut vm = Vm::new(ASKED);
    assert_eq!(vm.resolved(&[CLAIMS, BY_ONE], vec![active("acme", 5, "gpt")]), "passes");
    assert_eq!(BY_ONE.0.strip_prefix("x-weir-token-issuer-"), Some(vm.asked().token_issuer_id.as_str()));
    assert_eq!(vm.resolved(&[CLAIMS, BY_ONE], vec![]), "passes");
    assert_eq!(vm.resolved(&[CLAIMS, BY_OTHER], vec![]), "asks");
    assert_eq!(vm.resolved(&[CLAIMS], vec![]), "asks");
}

#[test]
fn the_refusal_tells_what_was_wrong_with_what_was_shown() {
    let check = |shown: &[(&str, &str)], answers: Vec<Result<ResolveCredentialResponse, u32>>, expect: &str| {
        assert_eq!(Vm::new(ASKED).resolved(shown, answers), expect, "{shown:?}");
    };
    check(&[CLAIMS], vec![denied(Status::NoRule)], "403 caller_unknown");
    check(&[CLAIMS], vec![denied(Status::NoUser)], "403 caller_unknown");
    check(&[CLAIMS], vec![denied(Status::Malformed)], "401 invalid_token");
    check(&[CLAIMS], vec![denied(Status::Disabled)], "403 caller_disabled");
    check(&[CLAIMS], vec![denied(Status::Revoked)], "403 caller_disabled");
    check(&[CLAIMS], vec![denied(Status::WayRefused)], "403 way_in_refused");
    check(&[DUMMY], vec![denied(Status::WayRefused)], "403 way_in_refused");
    check(&[DUMMY], vec![denied(Status::Unknown)], "401 invalid_api_key");
    check(&[CLAIMS, CLAIMS], vec![], "401 invalid_api_key");
    check(&[CLAIMS, BY_ONE, BY_OTHER], vec![], "401 invalid_api_key");
    check(&[(HEADER_TOKEN_CLAIMS, "a,b")], vec![], "401 invalid_api_key");
    check(&[(HEADER_TOKEN_CLAIMS, &"a".repeat(16 * 1024 + 1))], vec![], "401 invalid_api_key");
    let forwarded = ("x-forwarded-client-cert", "URI=spiffe://example.org/a");
    check(&[forwarded], vec![denied(Status::Unknown)], "401 invalid_api_key");

    let mut vm = Vm::new(ASKED);
    let failure = "metadata.filter_metadata.envoy.filters.http.jwt_authn.weir_failure.message";
    vm.host.properties.insert(failure.into(), b"Jwt is expired".to_vec());
    assert_eq!(vm.resolved(&[("authorization", "Bearer a.b.c")], vec![denied(Status::Unknown)]), "401 invalid_token");
    let no_token = "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections";
    let mut vm = Vm::new(ASKED);
    vm.host.properties.insert(failure.into(), no_token.into());
    assert_eq!(vm.resolved(&[DUMMY], vec![denied(Status::Unknown)]), "401 invalid_api_key");
}

#[test]
fn what_is_required_must_be_shown_by_the_same_tenant() {
    let both = [("authorization", "Bearer weir_1"), CLAIMS];
    let mut vm = Vm::new(ASKED);
    let token = || requires(&["token"], "acme");
    assert_eq!(vm.resolved(&both, vec![token(), token()]), "passes");
    assert_eq!(vm.resolved(&both, vec![]), "passes");
    assert_eq!(vm.resolved(&both[..1], vec![]), "401 credential_required");
    assert_eq!(vm.resolved(&both[1..], vec![]), "passes");
    assert_eq!(Vm::new(ASKED).resolved(&both, vec![token(), denied(Status::NoRule)]), "401 credential_required");
    assert_eq!(Vm::new(ASKED).resolved(&both, vec![token(), requires(&["token"], "other")]), "403 callers_differ");
    assert_eq!(Vm::new(ASKED).resolved(&both, vec![requires(&["key"], "acme")]), "passes");
    assert_eq!(Vm::new(ASKED).resolved(&both, vec![requires(&["workload"], "acme")]), "401 credential_required");
    assert_eq!(Vm::new(ASKED).resolved(&both, vec![requires(&["later"], "acme")]), "503 auth_unavailable");
}

#[test]
fn what_a_model_requires_is_looked_at_beside_what_says_who_it_is() {
    let with_models = || {
        let mut response = active("acme", 5, "gpt").expect("an answer");
        let catalog = response.catalog.as_mut().expect("a catalog");
        catalog.models.first_mut().expect("a model").required_ways_in = vec!["token".into()];
        Ok(response)
    };
    let shown = |shown: &[(&str, &str)], answers: Vec<Result<ResolveCredentialResponse, u32>>| {
        let mut vm = Vm::new(ASKED);
        let mut request = vm.ask_with(shown);
        for answer in answers {
            assert_eq!(request.flow, Flow::Pause, "the control plane is asked");
            request.flow = vm.answer(&mut request, answer);
        }
        assert_eq!(seen_by_client(&request.flow), "passes");
        request.shared.read(|exchange| exchange.request().ways_shown.clone()).expect("a request")
    };
    use weir_exchange::WayIn::{Key, Token};
    let both = [("authorization", "Bearer weir_1"), CLAIMS];
    assert_eq!(shown(&both[..1], vec![with_models()]), [Key]);
    assert_eq!(shown(&both, vec![with_models(), with_models()]), [Key, Token]);
    assert_eq!(shown(&both, vec![with_models(), denied(Status::NoRule)]), [Key], "nobody's token counts for nothing");
    assert_eq!(shown(&both, vec![active("acme", 5, "gpt")]), [Key], "no model asks for it");
}

#[test]
fn a_rule_that_is_new_is_felt_by_those_whom_none_knew() {
    let mut vm = Vm::new(ASKED);
    assert_eq!(vm.resolved(&[CLAIMS], vec![denied(Status::NoRule)]), "403 caller_unknown");
    assert_eq!(vm.resolved(&[CLAIMS], vec![]), "403 caller_unknown");
    vm.cache.forget_tenants(["acme"]);
    assert_eq!(vm.resolved(&[CLAIMS], vec![active("acme", 6, "gpt")]), "passes");
}

#[test]
fn refusals_without_asking_are_counted_and_told() {
    let mut vm = Vm::new(ASKED);
    assert_eq!(vm.resolved(&[CLAIMS], vec![denied(Status::NoRule)]), "403 caller_unknown");
    for _ in 0..3 {
        assert_eq!(vm.resolved(&[CLAIMS], vec![]), "403 caller_unknown");
    }
    vm.host.now += 11 * SECOND;
    assert_eq!(vm.resolved(&[CLAIMS], vec![denied(Status::NoRule)]), "403 caller_unknown");
    assert_eq!(vm.asked().refused_since, 3);
}

#[test]
fn which_models_somebody_asks_for_whom_nobody_knows_is_told_when_they_are_asked_for_again() {
    let mut vm = Vm::new(ASKED);
    let ask_for = |vm: &mut Vm, model: &str, whole_before: bool| {
        let body = format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"hi"}}]}}"#);
        let length = body.len();
        vm.host.bodies = [body.into_bytes(), Vec::new()];
        let mut request = vm.ask_with(&[CLAIMS]);
        if whole_before {
            assert_eq!(request.stream.on_request_body(&mut vm.host, length, true), Flow::Pause);
        }
        let mut flow = vm.answer(&mut request, denied(Status::NoRule));
        if !whole_before {
            assert_eq!(flow, Flow::Pause, "it waits for the request");
            assert_eq!(request.stream.on_request_body(&mut vm.host, 5, false), Flow::Pause);
            flow = request.stream.on_request_body(&mut vm.host, length, true);
        }
        assert_eq!(seen_by_client(&flow), "403 caller_unknown");
        vm.host.now += 11 * SECOND;
        vm.asked().refused_models
    };
    assert_eq!(ask_for(&mut vm, "gpt", false), Vec::<String>::new());
    assert_eq!(ask_for(&mut vm, "claude", true), ["gpt"]);
    assert_eq!(ask_for(&mut vm, &"m".repeat(300), true), ["claude"]);
    assert_eq!(ask_for(&mut vm, "gpt", true), ["m".repeat(256)]);
    let mut request = vm.ask_with(&[CLAIMS]);
    assert_eq!(vm.answer(&mut request, denied(Status::NoRule)), Flow::Pause);
    let flow = request.stream.on_request_body(&mut vm.host, 64 * 1024 + 1, false);
    assert_eq!(seen_by_client(&flow), "403 caller_unknown", "a long request is not waited for");
    let mut known = vm.ask_with(&[CLAIMS]);
    assert_eq!(seen_by_client(&known.flow), "403 caller_unknown", "nor is who was refused a moment ago");
    assert_eq!(known.stream.on_request_body(&mut vm.host, 9, true), Flow::Pause);
}

#[test]
fn one_issuers_wrong_tokens_keep_no_others_out() {
    let mut vm = Vm::new(ASKED);
    let claims = |issuer: &str, subject: usize| {
        URL_SAFE_NO_PAD.encode(format!(r#"{{"iss":"https://{issuer}.example","sub":"{subject}"}}"#))
    };
    for number in 0..500 {
        let claims = claims("one", number);
        assert_eq!(
            vm.resolved(&[(HEADER_TOKEN_CLAIMS, &claims)], vec![denied(Status::NoRule)]),
            "403 caller_unknown",
            "{number}"
        );
    }
    assert_eq!(vm.resolved(&[(HEADER_TOKEN_CLAIMS, &claims("one", 500))], vec![]), "503 auth_unavailable");
    let other = claims("other", 0);
    assert_eq!(vm.resolved(&[(HEADER_TOKEN_CLAIMS, &other)], vec![active("acme", 5, "gpt")]), "passes");
}

#[test]
fn tokens_of_ever_new_issuers_are_bounded_together() {
    let mut vm = Vm::new(ASKED);
    let mut withheld = 0;
    for number in 0..1000 {
        let claims = URL_SAFE_NO_PAD.encode(format!(r#"{{"iss":"{number}"}}"#));
        let mut request = vm.ask_with(&[(HEADER_TOKEN_CLAIMS, &claims)]);
        match request.flow {
            Flow::Pause => _ = vm.answer(&mut request, denied(Status::NoRule)),
            _ => withheld += 1,
        }
    }
    assert_eq!(withheld, 1000 - 500 - 64, "64 have a budget of their own, all others one");
}

#[test]
fn a_known_token_is_served_while_the_control_plane_is_away_and_no_longer_than_that() {
    let mut vm = Vm::new(ASKED);
    assert_eq!(vm.resolved(&[CLAIMS], vec![active("acme", 5, "gpt")]), "passes");
    vm.cache.set_watched(false);
    let config: AuthConfig = parse(ASKED.as_bytes()).expect("a good configuration");
    let bound = config.principal_lifetime_s + config.principal_stale_s;
    vm.host.now += (bound - 1) * SECOND;
    assert_eq!(vm.resolved(&[CLAIMS], vec![Err(14)]), "passes", "stale");
    let other = (HEADER_TOKEN_CLAIMS, "eyJzdWIiOiJiIn0");
    assert_eq!(vm.resolved(&[other], vec![]), "asks");
    vm.host.now += 2 * SECOND;
    assert_eq!(vm.resolved(&[CLAIMS], vec![Err(14)]), "503 auth_unavailable", "too old");
}

#[test]
fn a_token_that_ends_is_refused_also_while_the_control_plane_is_away() {
    let mut vm = Vm::new(ASKED);
    let mut ends = active("acme", 5, "gpt").expect("an answer");
    let at_ms = i64::try_from((vm.host.now + 5 * SECOND) / 1000).expect("a time");
    ends.principal.as_mut().expect("a principal").expires_at_unix_ms = at_ms;
    assert_eq!(vm.resolved(&[CLAIMS], vec![Ok(ends)]), "passes");
    vm.cache.set_watched(false);
    vm.host.now += 6 * SECOND;
    assert_eq!(vm.resolved(&[CLAIMS], vec![Err(14)]), "503 auth_unavailable");
}

#[test]
fn without_a_control_plane_keys_alone_count() {
    let digest = sha2::Sha256::digest(b"weir_1").iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let config = format!(
        r#"{{"source": {{"static": [{{"key_sha256": "{digest}", "tenant_id": "t", "key_id": "k", "models": []}}]}}}}"#
    );
    let mut vm = Vm::new(&config);
    vm.host.properties.insert(PEER_URI.into(), b"spiffe://example.org/a".to_vec());
    assert_eq!(vm.resolved(&[CLAIMS], vec![]), "401 invalid_api_key");
    assert_eq!(vm.resolved(&[("authorization", "Bearer weir_1"), CLAIMS], vec![]), "passes");
}
