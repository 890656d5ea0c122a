//! What a provider's figures come to in the ledger and in what the client is told: through the filters as they are shipped.

use std::rc::Rc;

use serde_json::{Value, json};
use uuid::Uuid;
use weir_config::{ProviderConfig, parse};
use weir_exchange::{Body, Exchange, Principal, Shared};
use weir_host::fake::FakeHost;
use weir_host::{Flow, Host, Message, StreamFilter};
use weir_llm::{Operation, Schema, read_head};
use weir_metering::{MeteringPlugin, Outbox};
use weir_provider::ProviderPlugin;

/// Pico-dollars of a micro-dollar.
const MICRO: u64 = 1_000_000;
const METADATA: &str = "xds.upstream_host_metadata.filter_metadata.weir.deployment";

/// A request, and the provider that answers it.
struct Case {
    path: &'static str,
    body: Value,
    provider: &'static str,
    content_type: &'static str,
    answer: String,
    price: Value,
}

/// A request of 9 characters that is answered whole with `answer`, an object, within one schema.
fn whole(answer: Value) -> Case {
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "hello you"}]});
    let mut choices = json!({"choices": [{"index": 0, "finish_reason": "stop",
        "message": {"role": "assistant", "content": "a".repeat(200)}}]});
    choices.as_object_mut().unwrap().extend(answer.as_object().unwrap().clone());
    Case {
        path: "/v1/chat/completions",
        body,
        provider: "openai",
        content_type: "application/json",
        answer: choices.to_string(),
        price: json!({"version": "v", "input_microusd_per_million": 2_500_000,
            "cached_input_microusd_per_million": 1_250_000, "output_microusd_per_million": 10_000_000}),
    }
}

fn streamed(provider: &'static str, events: &[Value]) -> Case {
    let answer = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    let body = json!({"model": "m", "stream": true, "messages": [{"role": "user", "content": "hello you"}]});
    Case { body, provider, content_type: "text/event-stream", answer, ..whole(json!({})) }
}

fn embeddings(input: Value, answer: Value) -> Case {
    let body = json!({"model": "m", "input": input});
    Case { path: "/v1/embeddings", body, answer: answer.to_string(), ..whole(json!({})) }
}

fn deployment(provider: Schema, price: &Value) -> Value {
    json!({
        "id": "d", "provider_id": "p", "provider_name": "n", "schema": provider.name(), "authority": "provider.example",
        "scheme": "https", "base_path": "/v1", "model": "real",
        "price": price,
    })
}

/// The status, the cost that the client was told, and the record.
fn run(case: &Case) -> (String, Option<String>, Value) {
    let body = case.body.to_string();
    let mut host = FakeHost::with_request(&[
        (":method", "POST"),
        (":path", case.path),
        ("content-type", "application/json"),
        ("x-envoy-attempt-count", "1"),
    ]);
    host.now = 5_000_000;
    let provider = Schema::named(case.provider).expect("a schema");
    host.properties.insert(METADATA.into(), deployment(provider, &case.price).to_string().into_bytes());
    let operation = Operation::of("POST", case.path, &|_| false).expect("an operation");
    let mut exchange = Exchange::new(Uuid::nil(), 0);
    let request = exchange.prepare().expect("no attempt was made");
    request.operation = Some(operation);
    request.body = Body::new(Rc::new(body.clone().into_bytes()), read_head(operation, "", body.as_bytes()).ok());
    request.principal = Some(Rc::new(Principal { tenant_id: "t".into(), ..Principal::default() }));
    let shared = Shared::new(exchange);

    let config = parse(br#"{"sink": "log"}"#).expect("a good configuration");
    let mut metering = MeteringPlugin::new(config).stream(shared.clone(), Rc::new(Outbox::new(1)));
    assert_eq!(metering.on_request_headers(&mut host, false), Flow::Continue);
    let headers = host.headers(Message::Request);
    let mut attempt = Rc::new(ProviderPlugin::new(ProviderConfig {})).attempt(Some(shared), headers);
    assert_eq!(attempt.on_request_headers(&mut host, false), Flow::Pause);
    host.hold(Message::Request, body.as_bytes());
    assert_eq!(attempt.on_request_body(&mut host, body.len(), true), Flow::Continue);

    host.headers[1] = vec![(":status".into(), b"200".to_vec()), ("content-type".into(), case.content_type.into())];
    assert_eq!(attempt.on_response_headers(&mut host, false), Flow::Pause);
    host.hold(Message::Response, case.answer.as_bytes());
    assert_eq!(attempt.on_response_body(&mut host, case.answer.len(), true), Flow::Continue);
    assert_eq!(metering.on_response_headers(&mut host, false), Flow::Continue);
    let held = host.bodies[1].len();
    assert_eq!(metering.on_response_body(&mut host, held, true), Flow::Continue);
    let status = host.header_text(Message::Response, ":status").unwrap_or_default();
    let code: u64 = status.parse().expect("a status");
    host.properties.insert("response.code".into(), code.to_le_bytes().to_vec());
    host.properties.insert("response.code_details".into(), b"via_upstream".to_vec());
    metering.on_log(&mut host);
    let records: Vec<&str> = host.logged.iter().filter_map(|(_, line)| line.strip_prefix("weir.usage ")).collect();
    assert_eq!(records.len(), 1, "one record");
    let record = serde_json::from_str(records[0]).expect("JSON");
    (status, host.header_text(Message::Response, "x-weir-cost"), record)
}

/// Runs a case and compares what `expect` names of the record. What the client was told is the ledger's cost.
#[track_caller]
fn check(case: Case, expect: Value) {
    let (status, told, record) = run(&case);
    for (name, value) in expect.as_object().expect("an object") {
        assert_eq!(&record[name], value, "{name} of {record}");
    }
    let cost = record["cost_picousd"].as_u64().expect("a cost");
    let is_told = status == "200" && case.content_type == "application/json";
    let expect = is_told.then(|| {
        let rest = format!("{:06}", cost % 1_000_000);
        format!("{}.{:06}{}", cost / 1_000_000_000_000, cost / 1_000_000 % 1_000_000, rest.trim_end_matches('0'))
    });
    assert_eq!(told, expect, "{record}");
}

#[test]
fn a_placeholder_is_no_figure() {
    let start = json!({"type": "message_start", "message": {"usage": {"input_tokens": 500, "output_tokens": 1}}});
    let text = json!({"type": "content_block_delta", "index": 0,
        "delta": {"type": "text_delta", "text": "a".repeat(100)}});
    let end = |usage: Value| json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage});
    let stop = json!({"type": "message_stop"});
    let case = |usage: Value| {
        let open = json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}});
        let close = json!({"type": "content_block_stop", "index": 0});
        streamed("anthropic", &[start.clone(), open, text.clone(), text.clone(), close, end(usage), stop.clone()])
    };
    check(
        case(Value::Null),
        json!({"input_tokens": 500, "input_source": "provider", "output_tokens": 50, "output_source": "estimated"}),
    );
    check(
        case(json!({"output_tokens": 30})),
        json!({"input_tokens": 500, "output_tokens": 30, "output_source": "provider"}),
    );
    // The later word holds.
    check(case(json!({"input_tokens": 90, "output_tokens": 30})), json!({"input_tokens": 90, "output_tokens": 30}));
}

#[test]
fn figures_are_checked_against_the_total() {
    check(
        whole(json!({"usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 420,
            "completion_tokens_details": {"reasoning_tokens": 300}}})),
        json!({"input_tokens": 100, "output_tokens": 320, "reasoning_tokens": 300, "cost_picousd": (250 + 3200) * MICRO}),
    );
    check(
        whole(json!({"usage": {"prompt_tokens": 20, "completion_tokens": 20, "total_tokens": 140,
            "prompt_tokens_details": {"cached_tokens": 100}}})),
        json!({"input_tokens": 120, "cached_input_tokens": 100, "output_tokens": 20, "cost_picousd": (50 + 125 + 200) * MICRO}),
    );
    check(
        whole(json!({"usage": {"prompt_tokens": 100, "completion_tokens": 20, "prompt_cache_hit_tokens": 80}})),
        json!({"input_tokens": 100, "cached_input_tokens": 80, "output_tokens": 20}),
    );
}

#[test]
fn one_odd_figure_is_doubted_alone() {
    check(
        whole(json!({"usage": {"prompt_tokens": 100, "completion_tokens": 20,
            "prompt_tokens_details": {"cached_tokens": -1}}})),
        json!({"input_tokens": 100, "input_source": "provider", "cached_input_tokens": 0, "output_tokens": 20,
            "output_source": "provider", "doubtful": ["cached_input_tokens"]}),
    );
}

#[test]
fn a_figure_without_measure_leaves_a_record_and_a_cost_that_can_be_read() {
    for tokens in [500_000_000_000_u64, 1_000_000_000_000, u64::MAX] {
        check(
            whole(json!({"usage": {"prompt_tokens": tokens, "completion_tokens": tokens}})),
            json!({"input_tokens": 3, "output_tokens": 50, "cost_picousd": 7_500_000 + 500 * MICRO, "input_source": "estimated",
                "output_source": "estimated", "doubtful": ["input_tokens", "output_tokens"], "outcome": "complete"}),
        );
    }
}

#[test]
fn a_client_is_told_the_estimate_that_the_ledger_has() {
    check(
        whole(json!({})),
        json!({"input_tokens": 3, "output_tokens": 50, "cost_picousd": 507_500_000, "input_source": "estimated"}),
    );
    check(
        whole(json!({"usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}})),
        json!({"input_tokens": 3, "output_tokens": 50, "cost_picousd": 507_500_000, "doubtful": ["output_tokens"]}),
    );
}

#[test]
fn an_answer_that_cannot_be_translated_is_charged() {
    let answer = json!({"choices": [], "usage": {"prompt_tokens": 100, "completion_tokens": 20}});
    let body = json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hello you"}]});
    let case = Case { path: "/v1/messages", body, answer: answer.to_string(), ..whole(json!({})) };
    check(
        case,
        json!({"outcome": "failed", "status": 502, "input_tokens": 100, "input_source": "provider",
            "output_tokens": 20, "cost_picousd": (250 + 200) * MICRO}),
    );
}

#[test]
fn embeddings_are_counted_by_the_providers_total_or_by_their_input() {
    let ids: Vec<u32> = (0..100).collect();
    check(embeddings(json!(ids), json!({"data": []})), json!({"input_tokens": 100, "input_source": "estimated"}));
    check(
        embeddings(json!([ids, ids]), json!({"data": []})),
        json!({"input_tokens": 200, "cost_picousd": 500 * MICRO}),
    );
    check(
        embeddings(json!(ids), json!({"data": [], "usage": {"total_tokens": 7}})),
        json!({"input_tokens": 7, "input_source": "provider", "output_tokens": 0}),
    );
}

#[test]
fn every_class_is_in_the_record_and_in_the_cost() {
    let usage = json!({"input_tokens": 10, "cache_creation_input_tokens": 1000, "cache_read_input_tokens": 100,
        "cache_creation": {"ephemeral_5m_input_tokens": 400, "ephemeral_1h_input_tokens": 600},
        "output_tokens": 30, "output_tokens_details": {"thinking_tokens": 12}});
    let answer = json!({"id": "x", "type": "message", "role": "assistant", "model": "real", "stop_reason": "end_turn",
        "content": [{"type": "text", "text": "hello"}], "usage": usage});
    check(
        Case { provider: "anthropic", answer: answer.to_string(), ..whole(json!({})) },
        json!({"input_tokens": 1110, "cached_input_tokens": 100, "cache_write_tokens": 400,
            "cache_write_1h_tokens": 600, "output_tokens": 30, "reasoning_tokens": 12,
            "cost_picousd": (25 + 125 + 1250 + 3000 + 300) * MICRO}),
    );
}

/// Prices with tiers, a long context and searches, in which every class of every tier differs.
fn tiered() -> Value {
    let rates = |times: u64| {
        json!({"input_microusd_per_million": 3_000_000 * times, "cached_input_microusd_per_million": 300_000 * times,
            "cache_write_microusd_per_million": 3_750_000 * times, "cache_write_1h_microusd_per_million": 6_000_000 * times,
            "output_microusd_per_million": 15_000_000 * times})
    };
    let mut price = rates(1);
    price["version"] = json!("v");
    price["long_context"] = json!({"above_input_tokens": 200_000, "rates": rates(2)});
    price["tiers"] = json!([{"tier": "priority", "rates": rates(3)}, {"tier": "fast+geo_us", "rates": rates(7)}]);
    price["web_search_microusd"] = json!(10_000);
    price
}

fn claude(usage: Value) -> Case {
    let answer = json!({"id": "msg_01", "type": "message", "role": "assistant", "model": "real", "stop_reason": "end_turn",
        "content": [{"type": "text", "text": "hello"}], "usage": usage});
    Case { provider: "anthropic", answer: answer.to_string(), price: tiered(), ..whole(json!({})) }
}

#[test]
fn the_tier_that_served_prices_every_class() {
    let openai = |tier: &str| {
        let usage = json!({"prompt_tokens": 6100, "completion_tokens": 160, "total_tokens": 6260,
            "prompt_tokens_details": {"cached_tokens": 6034, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 150}});
        Case { price: tiered(), ..whole(json!({"usage": usage, "service_tier": tier})) }
    };
    let standard = 66 * 3_000_000 + 6034 * 300_000 + 160 * 15_000_000_u64;
    check(openai("default"), json!({"cost_picousd": standard, "service_tier": "", "doubtful": []}));
    check(openai("priority"), json!({"cost_picousd": standard * 3, "service_tier": "priority", "doubtful": []}));
    // Nobody knows its price: that is said.
    check(
        openai("ultrafast"),
        json!({"cost_picousd": standard, "service_tier": "ultrafast", "doubtful": ["cost_picousd"]}),
    );
    // What is read from a cache costs more in a quick and regional tier as well.
    let usage = json!({"input_tokens": 12, "cache_read_input_tokens": 6034, "cache_creation_input_tokens": 0, "output_tokens": 40,
        "service_tier": "standard", "speed": "fast", "inference_geo": "us"});
    check(
        claude(usage.clone()),
        json!({"cost_picousd": 7 * (12 * 3_000_000 + 6034 * 300_000 + 40 * 15_000_000_u64), "service_tier": "fast+geo_us",
            "raw_usages": [usage.to_string()]}),
    );
}

#[test]
fn what_is_cached_is_not_counted_again_by_its_modality() {
    // Gemini's endpoint in OpenAI's schema: the modalities count what was cached as well.
    let usage = json!({"prompt_tokens": 262_960, "completion_tokens": 1744, "total_tokens": 264_704,
        "prompt_tokens_details": {"text_tokens": 262_960, "cached_tokens": 257_955, "audio_tokens": 0}});
    check(
        Case { price: tiered(), ..whole(json!({"usage": usage})) },
        json!({"input_tokens": 262_960, "cached_input_tokens": 257_955, "output_tokens": 1744,
            "cost_picousd": 2 * (5005 * 3_000_000 + 257_955 * 300_000 + 1744 * 15_000_000_u64)}),
    );
}

#[test]
fn what_is_cached_for_an_hour_costs_more_also_where_the_last_event_does_not_say_so() {
    let used = json!({"input_tokens": 10, "cache_creation_input_tokens": 1000, "cache_read_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 900}, "output_tokens": 1});
    let events = [
        json!({"type": "message_start", "message": {"id": "msg_01", "type": "message", "role": "assistant", "model": "real",
            "content": [], "usage": used}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hello"}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"},
            "usage": {"input_tokens": 10, "cache_creation_input_tokens": 1000, "cache_read_input_tokens": 0, "output_tokens": 20}}),
        json!({"type": "message_stop"}),
    ];
    let cost = 10 * 3_000_000 + 100 * 3_750_000 + 900 * 6_000_000 + 20 * 15_000_000_u64;
    check(
        Case { price: tiered(), ..streamed("anthropic", &events) },
        json!({"cache_write_tokens": 100, "cache_write_1h_tokens": 900, "output_tokens": 20, "cost_picousd": cost}),
    );
    check(
        claude(json!({"input_tokens": 10, "cache_creation_input_tokens": 1000, "output_tokens": 20,
            "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 900}})),
        json!({"cost_picousd": cost}),
    );
}

#[test]
fn every_round_of_a_servers_own_tools_is_billed() {
    let round = |input: u64, cached: u64, output: u64| {
        json!({"type": "message", "input_tokens": input, "cache_read_input_tokens": cached, "cache_creation_input_tokens": 0,
            "output_tokens": output})
    };
    let usage = json!({"input_tokens": 300, "cache_read_input_tokens": 1000, "cache_creation_input_tokens": 0, "output_tokens": 50,
        "iterations": [round(100, 0, 30), round(200, 500, 20), round(300, 1000, 50)],
        "server_tool_use": {"web_search_requests": 2}});
    let cost = 600 * 3_000_000 + 1500 * 300_000 + 100 * 15_000_000 + 2 * 10_000 * MICRO;
    check(
        claude(usage.clone()),
        json!({"input_tokens": 2100, "cached_input_tokens": 1500, "output_tokens": 100, "web_searches": 2, "cost_picousd": cost}),
    );
    let events = [
        json!({"type": "message_start", "message": {"id": "msg_01", "type": "message", "role": "assistant", "model": "real",
            "content": [], "usage": {"input_tokens": 100, "output_tokens": 1}}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hello"}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage}),
        json!({"type": "message_stop"}),
    ];
    check(
        Case { price: tiered(), ..streamed("anthropic", &events) },
        json!({"input_tokens": 2100, "output_tokens": 100, "web_searches": 2, "cost_picousd": cost}),
    );
    // A whole that has all of its rounds holds.
    let usage = json!({"input_tokens": 600, "cache_read_input_tokens": 1500, "output_tokens": 100,
        "iterations": [round(100, 0, 30), round(200, 500, 20), round(300, 1000, 50)]});
    check(claude(usage), json!({"input_tokens": 2100, "output_tokens": 100}));
}
