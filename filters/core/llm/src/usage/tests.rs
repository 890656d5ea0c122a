use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::Operation;

fn schema(name: &str) -> Schema {
    Schema::named(name).unwrap()
}

/// Figures by the names of a usage record, which of them are doubtful, and the total where it stands alone.
fn shown(usage: Option<Usage>) -> Value {
    let Some(usage) = usage else { return Value::Null };
    let counted = usage.counted();
    let mut shown = serde_json::Map::new();
    for (name, figure) in [
        (class::INPUT, counted.input),
        (class::CACHED_INPUT, counted.cached_input),
        (class::CACHE_WRITE, counted.cache_write),
        (class::CACHE_WRITE_1H, counted.cache_write_1h),
        (class::OUTPUT, counted.output),
        (class::REASONING, counted.reasoning),
        ("total_tokens", counted.total),
    ] {
        if let Some(figure) = figure {
            shown.insert(name.into(), figure.into());
        }
    }
    if !counted.doubtful.is_empty() {
        shown.insert("doubtful".into(), counted.doubtful.into());
    }
    shown.into()
}

/// What the usages that a provider sends one after the other come to.
fn check(name: &str, usages: &[Value], expect: Value) {
    let read = usages.iter().filter_map(|usage| usage_of_value(schema(name), &usage.to_string()));
    let usage = read.reduce(|known, later| known.followed_by(&later));
    assert_eq!(shown(usage), expect, "{name} {usages:?}");
}

fn openai(usage: Value, expect: Value) {
    check("openai", &[usage], expect);
}

fn anthropic(usage: Value, expect: Value) {
    check("anthropic", &[usage], expect);
}

#[test]
fn input_always_includes_what_was_cached() {
    openai(
        json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15,
            "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0}}),
        json!({"input_tokens": 10, "cached_input_tokens": 4, "output_tokens": 5}),
    );
    anthropic(
        json!({"input_tokens": 3, "cache_creation_input_tokens": 20, "cache_read_input_tokens": 100, "output_tokens": 9}),
        json!({"input_tokens": 123, "cached_input_tokens": 100, "cache_write_tokens": 20, "output_tokens": 9}),
    );
    anthropic(
        json!({"input_tokens": 3, "cache_read_input_tokens": null, "output_tokens": 9}),
        json!({"input_tokens": 3, "output_tokens": 9}),
    );
}

#[test]
fn an_answer_that_says_nothing_has_no_usage() {
    for body in ["", "{}", "{\"usage\":null}", "{\"usage\":{}}", "{\"usage\":{\"new\":9}}", "{\"usage\":", "[]"] {
        for schema in Schema::all() {
            assert_eq!(usage_of_response(schema, body.as_bytes()), None, "{body}");
        }
    }
}

#[test]
fn every_vendors_spelling_is_read() {
    let base = || json!({"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120});
    let with = |path: &[&str], tokens: u64| {
        let value = path.iter().rev().fold(Value::from(tokens), |inner, name| json!({*name: inner}));
        let mut usage = base();
        usage.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
        usage
    };
    for path in [
        &["prompt_cache_hit_tokens"][..],
        &["prompt_tokens_details", "cached_tokens"],
        &["input_tokens_details", "cached_tokens"],
        &["cached_tokens"],
        &["num_cached_tokens"],
        &["cache_read_input_tokens"],
    ] {
        openai(with(path, 80), json!({"input_tokens": 100, "cached_input_tokens": 80, "output_tokens": 20}));
    }
    for path in [
        &["cache_write_tokens"][..],
        &["prompt_tokens_details", "cache_write_tokens"],
        &["cache_creation_input_tokens"],
    ] {
        openai(with(path, 30), json!({"input_tokens": 100, "cache_write_tokens": 30, "output_tokens": 20}));
    }
    for path in [
        &["completion_tokens_details", "reasoning_tokens"][..],
        &["output_tokens_details", "reasoning_tokens"],
        &["output_tokens_details", "thinking_tokens"],
        &["reasoning_tokens"],
    ] {
        openai(with(path, 15), json!({"input_tokens": 100, "output_tokens": 20, "reasoning_tokens": 15}));
    }
    // A server fills what it does not mean with zero, and its own spelling counts.
    let mut both = with(&["prompt_cache_hit_tokens"], 80);
    both["prompt_tokens_details"] = json!({"cached_tokens": 0});
    openai(both, json!({"input_tokens": 100, "cached_input_tokens": 80, "output_tokens": 20}));
    openai(
        json!({"prompt_cache_hit_tokens": 80, "prompt_cache_miss_tokens": 20, "completion_tokens": 5}),
        json!({"input_tokens": 100, "cached_input_tokens": 80, "output_tokens": 5}),
    );
    openai(json!({"input_tokens": 7, "output_tokens": 3}), json!({"input_tokens": 7, "output_tokens": 3}));
    anthropic(
        json!({"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}),
        json!({"input_tokens": 7, "output_tokens": 3}),
    );
    anthropic(
        json!({"input_tokens": 7, "output_tokens": 30, "output_tokens_details": {"thinking_tokens": 12}}),
        json!({"input_tokens": 7, "output_tokens": 30, "reasoning_tokens": 12}),
    );
}

#[test]
fn reasoning_that_is_counted_apart_is_output() {
    let usage = |reasoning: u64, total: Option<u64>| {
        json!({"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": total,
            "completion_tokens_details": {"reasoning_tokens": reasoning}})
    };
    let expect = |output: u64, reasoning: u64| json!({"input_tokens": 100, "output_tokens": output, "reasoning_tokens": reasoning});
    openai(usage(300, Some(420)), expect(320, 300));
    openai(usage(300, None), expect(320, 300));
    openai(usage(15, Some(135)), expect(35, 15));
    openai(usage(15, Some(120)), expect(20, 15));
    openai(usage(15, None), expect(20, 15));
    // The total alone tells of it.
    openai(
        json!({"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 420}),
        json!({"input_tokens": 100, "output_tokens": 320}),
    );
    // A total that is less than its parts tells nothing.
    openai(
        json!({"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 100}),
        json!({"input_tokens": 100, "output_tokens": 20}),
    );
}

#[test]
fn what_was_cached_beside_the_prompt_is_input() {
    let usage = |total: Option<u64>| {
        json!({"prompt_tokens": 20, "completion_tokens": 20, "total_tokens": total,
            "prompt_tokens_details": {"cached_tokens": 100}})
    };
    let beside = json!({"input_tokens": 120, "cached_input_tokens": 100, "output_tokens": 20});
    openai(usage(Some(140)), beside.clone());
    openai(usage(None), beside);
    // The total says that there were no 100.
    openai(usage(Some(40)), json!({"input_tokens": 20, "output_tokens": 20, "doubtful": ["cached_input_tokens"]}));
    // And one that Anthropic's clients get from a server that includes it.
    anthropic(
        json!({"input_tokens": 120, "cache_read_input_tokens": 100, "output_tokens": 20, "total_tokens": 140}),
        json!({"input_tokens": 120, "cached_input_tokens": 100, "output_tokens": 20}),
    );
}

#[test]
fn an_odd_figure_is_doubted_alone() {
    let prompt = json!({"input_tokens": 100, "output_tokens": 20, "doubtful": ["cached_input_tokens"]});
    for odd in [
        json!(-1),
        json!(1.5),
        json!("many"),
        json!(true),
        json!([1]),
        json!({}),
        json!(1e300),
        json!(500_000_000_000_u64),
    ] {
        let details = json!({"cached_tokens": odd});
        openai(
            json!({"prompt_tokens": 100, "completion_tokens": 20, "prompt_tokens_details": details}),
            prompt.clone(),
        );
    }
    openai(
        json!({"prompt_tokens": 100, "completion_tokens": 1_000_000_000_000_u64,
            "completion_tokens_details": {"reasoning_tokens": 5}}),
        json!({"input_tokens": 100, "reasoning_tokens": 5, "doubtful": ["output_tokens"]}),
    );
    // The total says what it must have been.
    openai(
        json!({"prompt_tokens": -100, "completion_tokens": 20, "total_tokens": 120}),
        json!({"input_tokens": 100, "output_tokens": 20, "doubtful": ["input_tokens"]}),
    );
    anthropic(
        json!({"input_tokens": 3, "cache_read_input_tokens": -1, "cache_creation_input_tokens": 20, "output_tokens": 9}),
        json!({"input_tokens": 23, "cache_write_tokens": 20, "output_tokens": 9, "doubtful": ["cached_input_tokens"]}),
    );
    openai(json!({"total_tokens": -7}), json!({"doubtful": ["input_tokens"]}));
    openai(
        json!({"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": "?"}),
        json!({"input_tokens": 7, "output_tokens": 3}),
    );
    // Two that are possible make one that is not.
    anthropic(
        json!({"input_tokens": MOST_TOKENS, "cache_read_input_tokens": 9, "output_tokens": 9}),
        json!({"input_tokens": MOST_TOKENS, "cached_input_tokens": 9, "output_tokens": 9, "doubtful": ["input_tokens"]}),
    );
}

#[test]
fn what_cannot_be_held_takes_nothing_with_it() {
    for (odd, doubtful) in [
        (r#""prompt_tokens_details":{"cached_tokens":1e999}"#, json!(["cached_input_tokens"])),
        (r#""prompt_tokens_details":{"cached_tokens":-1e999,"x":"\ud800"}"#, json!(["cached_input_tokens"])),
        (r#""note":"\ud800""#, Value::Null),
        (r#""note":{"a":{"b":{"c":{"d":{"e":"\ud800"}}}}}"#, Value::Null),
    ] {
        let body = format!(r#"{{"usage":{{"prompt_tokens":100,{odd},"completion_tokens":20}}}}"#);
        let mut shown = shown(usage_of_response(schema("openai"), body.as_bytes()));
        assert_eq!(shown["doubtful"].take(), doubtful, "{body}");
        assert_eq!((&shown["input_tokens"], &shown["output_tokens"]), (&json!(100), &json!(20)), "{body}");
    }
}

#[test]
fn a_whole_number_is_read_however_it_is_written() {
    openai(
        json!({"prompt_tokens": 100.0, "completion_tokens": "20"}),
        json!({"input_tokens": 100, "output_tokens": 20}),
    );
}

#[test]
fn a_total_alone_is_kept() {
    openai(json!({"total_tokens": 7}), json!({"total_tokens": 7}));
    openai(json!({"prompt_tokens": 7, "total_tokens": 7}), json!({"input_tokens": 7, "output_tokens": 0}));
    openai(json!({"completion_tokens": 2, "total_tokens": 7}), json!({"input_tokens": 5, "output_tokens": 2}));
}

#[test]
fn zeros_are_no_figures_of_an_input() {
    openai(json!({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}), json!({"output_tokens": 0}));
    let start = json!({"input_tokens": 500, "cache_read_input_tokens": 100, "output_tokens": 1});
    let filled_in = json!({"input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 90});
    check(
        "anthropic",
        &[start, filled_in],
        json!({"input_tokens": 600, "cached_input_tokens": 100, "output_tokens": 90}),
    );
}

#[test]
fn the_last_word_of_each_figure_holds() {
    check(
        "anthropic",
        &[json!({"input_tokens": 500, "output_tokens": 1}), json!({"input_tokens": 90, "output_tokens": 7})],
        json!({"input_tokens": 90, "output_tokens": 7}),
    );
    check(
        "anthropic",
        &[json!({"input_tokens": 500, "output_tokens": 1}), json!({"output_tokens": 7})],
        json!({"input_tokens": 500, "output_tokens": 7}),
    );
    check(
        "openai",
        &[
            json!({"prompt_tokens": 100, "completion_tokens": 1, "total_tokens": 101}),
            json!({"prompt_tokens": 90, "completion_tokens": 2}),
        ],
        json!({"input_tokens": 90, "output_tokens": 2}),
    );
    // One that cannot be true takes nothing back, but is marked.
    check(
        "anthropic",
        &[json!({"input_tokens": 500, "output_tokens": 1}), json!({"input_tokens": -1, "output_tokens": 7})],
        json!({"input_tokens": 500, "output_tokens": 7, "doubtful": ["input_tokens"]}),
    );
    check(
        "anthropic",
        &[json!({"input_tokens": -1, "output_tokens": 1}), json!({"input_tokens": 500, "output_tokens": 7})],
        json!({"input_tokens": 500, "output_tokens": 7}),
    );
}

#[test]
fn what_was_written_to_a_cache_is_told_apart_by_its_time() {
    let start = json!({"input_tokens": 10, "cache_creation_input_tokens": 1000, "output_tokens": 1,
        "cache_creation": {"ephemeral_5m_input_tokens": 400, "ephemeral_1h_input_tokens": 600}});
    let expect = |input: u64, minutes: u64, hour: u64, output: u64| {
        json!({"input_tokens": input, "cache_write_tokens": minutes, "cache_write_1h_tokens": hour,
            "output_tokens": output})
    };
    anthropic(start.clone(), expect(1010, 400, 600, 1));
    // The last event has the sum alone.
    let end = json!({"input_tokens": 10, "cache_creation_input_tokens": 1000, "output_tokens": 7});
    check("anthropic", &[start.clone(), end], expect(1010, 400, 600, 7));
    check("anthropic", &[start.clone(), json!({"output_tokens": 7})], expect(1010, 400, 600, 7));
    let less = json!({"input_tokens": 10, "cache_creation_input_tokens": 900, "output_tokens": 7});
    check("anthropic", &[start, less], expect(910, 300, 600, 7));
    let split = json!({"ephemeral_5m_input_tokens": 400, "ephemeral_1h_input_tokens": 600});
    anthropic(json!({"input_tokens": 10, "cache_creation": split, "output_tokens": 1}), expect(1010, 400, 600, 1));
    openai(json!({"prompt_tokens": 1010, "completion_tokens": 1, "cache_creation": split}), expect(1010, 400, 600, 1));
}

#[test]
fn every_class_reaches_a_client_of_another_schema() {
    let usage = Usage::default()
        .with(Figure::Input, 1110)
        .with(Figure::CachedInput, 100)
        .with(Figure::CacheWrite5m, 400)
        .with(Figure::CacheWrite1h, 600)
        .with(Figure::Output, 30)
        .with(Figure::Reasoning, 12);
    let response = |schema: Schema| {
        let response = crate::chat::Response {
            echo: crate::chat::Echo::default(),
            id: "x".into(),
            model: "m".into(),
            created_unix_s: 0,
            parts: Vec::new(),
            finish: crate::chat::Finish::Stop,
            stop_sequence: None,
            usage: Some(usage),
            others: Vec::new(),
        };
        serde_json::from_slice::<Value>(&crate::chat::write_response(schema, &response)).unwrap()["usage"].take()
    };
    assert_eq!(
        response(schema("openai")),
        json!({"prompt_tokens": 1110, "completion_tokens": 30, "total_tokens": 1140,
            "prompt_tokens_details": {"cached_tokens": 100, "cache_write_tokens": 1000},
            "completion_tokens_details": {"reasoning_tokens": 12}})
    );
    assert_eq!(
        response(schema("anthropic")),
        json!({"input_tokens": 10, "cache_creation_input_tokens": 1000, "cache_read_input_tokens": 100,
            "cache_creation": {"ephemeral_5m_input_tokens": 400, "ephemeral_1h_input_tokens": 600},
            "output_tokens": 30, "output_tokens_details": {"thinking_tokens": 12}})
    );
}

#[test]
fn ids_of_tokens_are_counted_as_tokens() {
    let check = |path: &str, body: &str, expect: u64| {
        let operation = Operation::of("POST", path, &|_| false).unwrap();
        assert_eq!(request_tokens(operation, body.as_bytes()).ok(), Some(expect), "{body}");
    };
    let embeddings =
        |input: &str, expect| check("/v1/embeddings", &format!(r#"{{"model":"m","input":{input}}}"#), expect);
    embeddings("[1,2,3]", 3);
    embeddings("[[1,2,3],[4]]", 4);
    embeddings(r#""hello you""#, 3);
    embeddings(r#"["hello you",[7,8],true,null,{"a":1}]"#, 5);
    embeddings(&json!((0..100).collect::<Vec<_>>()).to_string(), 100);
    check("/v1/chat/completions", r#"{"seed":[1,2],"messages":[{"role":"user","content":"hello you"}]}"#, 3);
    assert!(request_tokens(Operation::of("POST", "/v1/embeddings", &|_| false).unwrap(), b"{").is_err());
}

/// Anything that a server may put in a figure's place.
fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        6 => (0..500_u64).prop_map(Value::from),
        1 => any::<u64>().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        1 => (MOST_TOKENS - 2..MOST_TOKENS + 2).prop_map(Value::from),
        1 => "[0-9.-]{0,12}".prop_map(Value::from),
        1 => prop_oneof![Just(Value::Null), Just(json!(true)), Just(json!([])), Just(json!({}))],
    ]
}

const TOP: [&str; 12] = [
    "prompt_tokens",
    "input_tokens",
    "completion_tokens",
    "output_tokens",
    "total_tokens",
    "cached_tokens",
    "prompt_cache_miss_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "new",
];
const DEEP: [(&str, &str); 6] = [
    ("prompt_tokens_details", "cached_tokens"),
    ("cache_creation", "ephemeral_5m_input_tokens"),
    ("cache_creation", "ephemeral_1h_input_tokens"),
    ("completion_tokens_details", "reasoning_tokens"),
    ("output_tokens_details", "thinking_tokens"),
    ("input_tokens_details", "cached_tokens"),
];

fn any_usage() -> impl Strategy<Value = Value> {
    let top = prop::collection::vec((prop::sample::select(&TOP[..]), any_value()), 0..6);
    let deep = prop::collection::vec((prop::sample::select(&DEEP[..]), any_value()), 0..4);
    (top, deep, any_value()).prop_map(|(top, deep, alone)| {
        if top.is_empty() && deep.is_empty() {
            return alone;
        }
        let mut usage = json!({});
        for ((outer, inner), value) in deep {
            usage[outer][inner] = value;
        }
        for (name, value) in top {
            usage[name] = value;
        }
        usage
    })
}

proptest! {
    #[test]
    fn figures_agree_whatever_a_provider_says(usages in prop::collection::vec(any_usage(), 1..5)) {
        for schema in Schema::all() {
            let read = usages.iter().filter_map(|usage| usage_of_value(schema, &usage.to_string()));
            let Some(usage) = read.reduce(|known, later| known.followed_by(&later)) else { continue };
            let counted = usage.counted();
            let figures = [
                counted.input, counted.cached_input, counted.cache_write, counted.cache_write_1h,
                counted.output, counted.reasoning, counted.total,
            ];
            prop_assert!(figures.into_iter().flatten().all(|figure| figure <= MOST_TOKENS), "{:?}", counted);
            let parts = counted.cached_input.unwrap_or(0) + counted.written_to_cache().unwrap_or(0);
            prop_assert!(parts <= counted.input.unwrap_or(MOST_TOKENS), "{:?}", counted);
            prop_assert!(counted.reasoning.unwrap_or(0) <= counted.output.unwrap_or(MOST_TOKENS), "{:?}", counted);
        }
    }

    #[test]
    fn events_come_to_the_same_however_they_are_grouped(
        usages in prop::collection::vec(any_usage(), 2..6),
        split in any::<prop::sample::Index>(),
    ) {
        for schema in Schema::all() {
            let read: Vec<_> = usages
                .iter()
                .map(|usage| usage_of_value(schema, &usage.to_string()).unwrap_or_default())
                .collect();
            let merged = |usages: &[Usage]| usages.iter().fold(Usage::default(), |known, later| known.followed_by(later));
            let (first, second) = read.split_at(split.index(read.len()));
            prop_assert_eq!(merged(first).followed_by(&merged(second)), merged(&read));
        }
    }

    #[test]
    fn the_last_event_that_has_a_figure_decides_it(figures in prop::collection::vec(prop::option::of(1..500_u64), 1..6)) {
        let usages = figures.iter().map(|figure| {
            let usage = json!({"input_tokens": figure, "output_tokens": 3});
            usage_of_value(schema("anthropic"), &usage.to_string()).unwrap()
        });
        let usage = usages.reduce(|known, later| known.followed_by(&later)).unwrap();
        prop_assert_eq!(usage.counted().input, figures.into_iter().flatten().last());
    }

    #[test]
    fn any_json_is_read_without_harm(text in r#"(\{"(prompt|output)_tokens":|1e999|"\\ud800"|[\[\]{}:,"]|.){0,30}"#) {
        for schema in Schema::all() {
            let _ = usage_of_value(schema, &text);
            let _ = usage_of_response(schema, text.as_bytes());
        }
    }
}
