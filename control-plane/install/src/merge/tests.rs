use clap::Parser;

use super::*;

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    settings: EnvoySettings,
}

fn settings(more: &[&str]) -> EnvoySettings {
    Arguments::parse_from(["x", "--bootstrap", "f"].iter().chain(more)).settings
}

const OWN: &str = r#"# Ours.
node: { id: a, cluster: b }
static_resources:
    # Two of them.
    clusters:
    - name: shop   # The shop.
      type: STATIC
    listeners:
      - name: public
        address: { socket_address: { address: 127.0.0.1, port_value: 1 } }
admin: {}
"#;

/// Lines are added, none is changed, and everything is there.
#[test]
fn weir_is_added_to_a_bootstrap_and_nothing_else_changes() {
    let merged = merge(OWN, &settings(&["--control-plane", "weir.internal:18082"])).unwrap();
    let mut rest = merged.text.lines();
    assert!(OWN.lines().all(|line| rest.any(|other| other == line)), "{}", merged.text);
    let value = parsed(&merged.text).unwrap();
    let names = |list: &str| -> Vec<String> {
        let items = value[STATIC][list].as_array().unwrap();
        items.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("listeners"), ["weir", "public"]);
    assert_eq!(names("clusters"), ["weir_control_plane", "weir_gateway", "shop"]);
    assert_eq!(value[STATIC]["listeners"][0]["internal_listener"], serde_json::json!({}));
    assert_eq!(value[DYNAMIC]["ads_config"]["api_type"], "DELTA_GRPC");
    assert_eq!(value["node"]["id"], "a");
    assert!(merged.text.contains("weir.internal") && !merged.text.contains("${"), "{}", merged.text);
}

#[test]
fn on_a_port_of_its_own_it_has_an_address_and_no_internal_listener() {
    let merged = merge(OWN, &settings(&["--form", "own-port", "--listen", "10.0.0.7:8080"])).unwrap();
    let listener = &parsed(&merged.text).unwrap()[STATIC]["listeners"][0];
    assert_eq!(listener["address"]["socket_address"]["port_value"], 8080);
    assert!(listener["internal_listener"].is_null() && !merged.text.contains("weir_gateway\n"));
}

#[test]
fn the_smallest_bootstrap_gets_all_that_it_lacks() {
    let value = parsed(&merge("static_resources:\n", &settings(&[])).unwrap().text).unwrap();
    for key in ["node", DYNAMIC, EXTENSIONS] {
        assert!(!value[key].is_null(), "{key}");
    }
}

/// The operator's own listener says who the client is, and one that believes what clients say of it is named.
#[test]
fn listeners_that_believe_clients_are_named() {
    let check = |manager: &str, named: bool| {
        let own = format!(
            "static_resources:\n  listeners:\n  - name: edge\n    filter_chains:\n    - filters:\n      - typed_config: {{ \"@type\": \
             type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager, {manager} }}\n"
        );
        for own in [own.replace("    filter_chains:\n    -", "    default_filter_chain:\n     "), own] {
            let notes = |form: &str| merge(&own, &settings(&["--form", form])).unwrap().notes.join("\n");
            assert_eq!(notes("internal-listener").contains("LISTENER `edge` BELIEVES CLIENTS"), named, "{own}");
            assert!(notes("internal-listener").contains("`trusted_hops` of the gateway is 1"));
            // There Weir's own listener adds the address.
            assert!(!notes("own-port").contains("trusted_hops") && !notes("own-port").contains("BELIEVES"));
        }
    };
    check("stat_prefix: a", true);
    check("use_remote_address: false", true);
    check("use_remote_address: true", false);
    check("use_remote_address: true, skip_xff_append: true", true);
}

/// What stands at the right is not the client's word, whatever it sends.
#[test]
fn the_operators_listener_is_a_hop_of_forwarded_addresses() {
    let mutations = |form: &str| {
        let merged = merge(OWN, &settings(&["--form", form])).unwrap();
        let listener = &parsed(&merged.text).unwrap()[STATIC]["listeners"][0];
        let manager = &listener["filter_chains"][0]["filters"][0]["typed_config"];
        manager["early_header_mutation_extensions"][0]["typed_config"]["mutations"].to_string()
    };
    assert!(
        mutations("internal-listener").contains("x-forwarded-for") && !mutations("own-port").contains("x-forwarded")
    );
}

#[test]
fn the_way_to_the_control_plane_is_encrypted_or_said_not_to_be() {
    let check = |control_plane: &str, name: Option<(&str, &str)>| {
        let plain = ["--control-plane", control_plane];
        let note = pieces::note_on_encryption(&settings(&plain)).unwrap();
        assert_eq!(note.is_some(), name.is_some(), "{control_plane}");
        let cluster = |settings: &EnvoySettings| {
            let value = parsed(&merge(OWN, settings).unwrap().text).unwrap();
            let alone = parsed(&pieces::whole(settings).unwrap()).unwrap();
            let cluster = value[STATIC]["clusters"][0].clone();
            assert_eq!(cluster, alone[STATIC]["clusters"][0], "{control_plane}");
            cluster
        };
        assert!(cluster(&settings(&plain))["transport_socket"].is_null());
        let encrypted = settings(&["--control-plane", control_plane, "--control-plane-ca", "/etc/weir/a \"ca\".pem"]);
        assert_eq!(pieces::note_on_encryption(&encrypted).unwrap(), None);
        let context = cluster(&encrypted)["transport_socket"]["typed_config"].clone();
        let validation = &context["common_tls_context"]["validation_context"];
        assert_eq!(validation["trusted_ca"]["filename"], "/etc/weir/a \"ca\".pem");
        let subject = &validation["match_typed_subject_alt_names"][0];
        if let Some((kind, host)) = name {
            assert_eq!((&subject["san_type"], &subject["matcher"]["exact"]), (&kind.into(), &host.into()));
            assert_eq!(context["sni"].as_str(), (kind == "DNS").then_some(host));
        }
    };
    for here in ["127.0.0.1:18082", "127.9.9.9:1", "[::1]:18082", "localhost:18082"] {
        check(here, None);
    }
    check("weir.internal:18082", Some(("DNS", "weir.internal")));
    check("10.0.0.7:18082", Some(("IP_ADDRESS", "10.0.0.7")));
    check("[2001:db8::7]:18082", Some(("IP_ADDRESS", "2001:db8::7")));
}

#[test]
fn what_cannot_be_added_to_is_refused_in_words() {
    for (bootstrap, told) in [
        ("a: [", "no YAML"),
        ("- a\n", "no keys"),
        ("{\"static_resources\": {}}", "static_resources"),
        ("static_resources: { clusters: [] }", "static_resources"),
        ("static_resources:\n  listeners: []\n", "static_resources.listeners"),
        ("static_resources:\n  clusters:\n  - name: weir_control_plane\n", "weir_control_plane"),
        ("static_resources:\n  listeners:\n  - name: weir\n", "a listener called `weir`"),
        ("static_resources:\ndynamic_resources:\n  cds_config: { path: x }\n", "clusters from a source of its own"),
        (
            "dynamic_resources:\n  ads_config:\n    grpc_services:\n    - envoy_grpc: { cluster_name: xds-grpc }\n",
            "an ADS of its own (xds-grpc)",
        ),
    ] {
        let refused = merge(bootstrap, &settings(&[])).unwrap_err().to_string();
        assert!(refused.contains(told), "{bootstrap}: {refused}");
    }
    let refused = merge(OWN, &settings(&["--control-plane", "weir\": 1"])).unwrap_err().to_string();
    assert!(refused.contains("--control-plane"), "{refused}");
}

#[test]
fn what_is_lost_is_noticed() {
    let value = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let before = value(r#"{"a": [1, 2], "b": {"c": null}}"#);
    assert_eq!(lost(&before, &value(r#"{"a": [0, 1, 2], "b": {"c": 1}, "d": 1}"#), ""), None);
    assert_eq!(lost(&before, &value(r#"{"a": [1, 2, 3], "b": {"c": 1}}"#), ""), Some("a[0]".to_owned()));
    assert_eq!(lost(&before, &value(r#"{"a": [1, 2], "b": {}}"#), ""), Some("b.c".to_owned()));
}

const BY_NAME: &str = r#"static_resources:
  listeners:
  - name: other
    filter_chains: []
  - name: edge   # Theirs.
    listener_filters:
    - name: envoy.filters.listener.tls_inspector
    filter_chains:
    - filter_chain_match: { server_names: [shop.example] }
      filters: []
"#;

fn by_name(bootstrap: &str, listener: &str, host: &str) -> Result<Merged, InstallError> {
    let file = ["--certificate", "/c.pem", "--private-key", "/k.pem"];
    let more = [&["--form", "sni", "--listener", listener, "--sni", host], &file[..]].concat();
    merge(bootstrap, &settings(&more))
}

#[test]
fn a_host_by_sni_is_a_chain_of_its_own_in_the_operators_listener() {
    let value = parsed(&by_name(BY_NAME, "edge", "llm.example").unwrap().text).unwrap();
    let listeners = value[STATIC]["listeners"].as_array().unwrap();
    let names: Vec<_> = listeners.iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["other", "edge"]);
    let chains = listeners[1]["filter_chains"].as_array().unwrap();
    assert_eq!(chains.len(), 2);
    assert_eq!(chains[0]["filter_chain_match"]["server_names"], serde_json::json!(["llm.example"]));
    let tls = &chains[0]["transport_socket"]["typed_config"]["common_tls_context"]["tls_certificates"][0];
    assert_eq!(tls["certificate_chain"]["filename"], "/c.pem");
    let manager = &chains[0]["filters"][0]["typed_config"];
    assert_eq!((&manager["stat_prefix"], &manager["use_remote_address"]), (&"weir".into(), &true.into()));
}

#[test]
fn a_listener_that_cannot_take_a_chain_by_sni_is_told() {
    let check = |bootstrap: &str, listener: &str, host: &str, told: &str| {
        let refused = by_name(bootstrap, listener, host).map(|merged| merged.text).unwrap_err().to_string();
        assert!(refused.contains(told), "{refused}");
    };
    check(BY_NAME, "nowhere", "llm.example", "no listener called `nowhere`");
    check(BY_NAME, "other", "llm.example", "does not look for SNI");
    check(BY_NAME, "edge", "shop.example", "a filter chain for shop.example already");
    check(BY_NAME, "edge", "a b", "that is no name");
    let inline = BY_NAME.replace(
        "    filter_chains:\n    - filter_chain_match: { server_names: [shop.example] }\n      filters: []",
        "    filter_chains: [{}]",
    );
    check(&inline, "edge", "llm.example", "written in braces");
}

#[test]
fn what_a_listener_holds_of_a_body_is_told() {
    let noted = |bootstrap: &str| by_name(bootstrap, "edge", "llm.example").unwrap().notes.join(" ").contains("413");
    assert!(noted(BY_NAME));
    assert!(!noted(&BY_NAME.replace("  # Theirs.", "\n    per_connection_buffer_limit_bytes: 67108864")));
}
