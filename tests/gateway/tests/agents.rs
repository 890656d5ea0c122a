//! Agents: a conversation that calls tools goes on at whichever provider answers next.

use serde_json::{Value, json};
use weir_gateway_tests::{World, ask, said};

/// All schemas of clients.
const ALL: [&str; 4] = ["openai", "anthropic", "openai_responses", "gemini"];

/// Those of providers.
const PROVIDERS: [&str; 5] = ["openai", "anthropic", "openai_responses", "gemini", "bedrock_converse"];

/// A tool that must be called, in a client's schema.
fn tools(schema: &str) -> Value {
    let parameters = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
    match schema {
        "openai" => json!({
            "tools": [{"type": "function", "function": {"name": "weather", "parameters": parameters}}],
            "tool_choice": "required",
        }),
        "anthropic" => json!({
            "tools": [{"name": "weather", "input_schema": parameters}], "tool_choice": {"type": "any"},
        }),
        "openai_responses" => json!({
            "tools": [{"type": "function", "name": "weather", "parameters": parameters}], "tool_choice": "required",
        }),
        _ => json!({
            "tools": [{"functionDeclarations": [{"name": "weather", "parametersJsonSchema": parameters}]}],
            "toolConfig": {"functionCallingConfig": {"mode": "ANY"}},
        }),
    }
}

/// Where a request has its turns.
fn turns(schema: &str) -> &'static str {
    match schema {
        "openai_responses" => "input",
        "gemini" => "contents",
        _ => "messages",
    }
}

/// The turns that a client adds to its history: what the model said, word for word, and the result of its call.
fn turn(schema: &str, answer: &Value, result: &str) -> Vec<Value> {
    match schema {
        "openai" => {
            let message = answer["choices"][0]["message"].clone();
            let id = message["tool_calls"][0]["id"].clone();
            assert!(id.is_string(), "{answer}");
            vec![message, json!({"role": "tool", "tool_call_id": id, "content": result})]
        }
        "anthropic" => {
            let called = answer["content"].as_array().expect("blocks").iter().find(|block| block["type"] == "tool_use");
            let id = called.unwrap_or_else(|| panic!("{answer}"))["id"].clone();
            let result = json!({"type": "tool_result", "tool_use_id": id, "content": result});
            vec![
                json!({"role": "assistant", "content": answer["content"]}),
                json!({"role": "user", "content": [result]}),
            ]
        }
        "openai_responses" => {
            let mut items = answer["output"].as_array().expect("items").clone();
            let called = items.iter().find(|item| item["type"] == "function_call");
            let id = called.unwrap_or_else(|| panic!("{answer}"))["call_id"].clone();
            items.push(json!({"type": "function_call_output", "call_id": id, "output": result}));
            items
        }
        _ => {
            let content = answer["candidates"][0]["content"].clone();
            let parts = content["parts"].as_array().expect("parts");
            assert!(parts.iter().any(|part| part["functionCall"]["name"] == "weather"), "{answer}");
            let response = json!({"functionResponse": {"name": "weather", "response": {"output": result}}});
            vec![content, json!({"role": "user", "parts": [response]})]
        }
    }
}

/// Six turns, at each of which another provider answers: none refuses what another one wrote.
#[test]
fn a_conversation_with_tools_survives_a_change_of_provider_at_each_turn() {
    for client in ALL {
        let mut world = World::new();
        for provider in PROVIDERS {
            world.model(provider, provider, json!({"type": "ok", "reasoning": "Let me see."}));
        }
        let mut history = ask(client, "m", json!({}))[turns(client)].clone();
        if let Some(text) = history.as_str() {
            history = json!([{"role": "user", "content": text}]);
        }
        for (number, provider) in PROVIDERS.iter().cycle().take(6).enumerate() {
            let mut body = ask(client, provider, tools(client));
            body[turns(client)] = history.clone();
            let received = world.send(client, body.to_string());
            assert_eq!(received.status(), 200, "{client} at {provider}, turn {number}: {}", received.text());
            let added = turn(client, &received.json(), "It rains.");
            history.as_array_mut().expect("a list").extend(added);
        }
        // The last provider reads the last result.
        let mut body = ask(client, "gemini", json!({}));
        body[turns(client)] = history;
        let received = world.send(client, body.to_string());
        assert_eq!(received.status(), 200, "{client}: {}", received.text());
        assert!(said(client, &received.json()).contains("It rains."), "{client}: {}", received.text());
    }
}
