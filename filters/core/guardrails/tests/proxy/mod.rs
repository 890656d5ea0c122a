//! One stream that passes the filter, and who is behind it.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use uuid::Uuid;
use weir_config::{Action, FindingType, GuardrailProfile, GuardrailRule, GuardrailsConfig, RuleDirection};
use weir_exchange::{Attempt, Exchange, FindingKey, NamedProfile, Principal, Shared};
use weir_guardrails::{GuardrailsPlugin, ProfileCache};
use weir_host::fake::FakeHost;
use weir_host::{Callouts, Message, Reply, StreamFilter};
use weir_llm::Operation;
use weir_test_proxy::{Hop, Passed};

pub(crate) const OPENAI: &str = "/v1/chat/completions";
pub(crate) const ANTHROPIC: &str = "/v1/messages";

/// What reached the other side.
#[derive(Debug)]
pub(crate) enum Outcome {
    Passed(String),
    Refused(Reply),
}

impl Outcome {
    #[track_caller]
    pub(crate) fn passed(self) -> String {
        match self {
            Self::Passed(body) => body,
            Self::Refused(reply) => panic!("refused: {} {}", reply.code, String::from_utf8_lossy(&reply.body)),
        }
    }

    /// The body of a refusal.
    #[track_caller]
    pub(crate) fn refused(self, status: u16, code: &str) -> String {
        match self {
            Self::Passed(body) => panic!("passed: {body}"),
            Self::Refused(reply) => {
                assert_eq!((reply.status, reply.code), (status, code));
                // What refuses an answer, which is paid for, asks not to be tried again.
                let should_retry = reply.headers.iter().find(|(name, _)| name == "x-should-retry");
                let expect = (code == "response_not_inspectable").then_some("false");
                assert_eq!(should_retry.map(|(_, value)| value.as_str()), expect, "{code}");
                String::from_utf8(reply.body).unwrap()
            }
        }
    }
}

pub(crate) struct Gateway {
    cache: Rc<ProfileCache>,
    plugin: GuardrailsPlugin,
    pub(crate) host: FakeHost,
    shared: Option<Shared>,
    filter: Option<Hop>,
    /// Whether the route plugin read the body before.
    pub(crate) body_known: bool,
    /// Whether the filter held the last message's headers.
    pub(crate) was_held: bool,
}

impl Gateway {
    pub(crate) fn new(path: &str, rules: &[(FindingType, Action)]) -> Self {
        let rules =
            rules.iter().map(|(finding, action)| GuardrailRule::new(*finding, *action, RuleDirection::Both)).collect();
        let mut exchange = Exchange::new(Uuid::nil(), 0);
        let request = exchange.prepare().expect("no attempt was made");
        request.operation = Operation::of("POST", path, &|_| false).ok();
        let mut gateway = Self {
            cache: Rc::default(),
            plugin: GuardrailsPlugin::new(GuardrailsConfig {}),
            host: FakeHost::with_request(&[(":method", "POST"), (":path", path)]),
            shared: Some(Shared::new(exchange)),
            filter: None,
            body_known: true,
            was_held: false,
        };
        gateway.profile_of_principal(Some(rules));
        gateway
    }

    pub(crate) fn profile_of_principal(&mut self, rules: Option<Vec<GuardrailRule>>) {
        let named = |rules| {
            let profile = GuardrailProfile::new("test", rules);
            Rc::new(NamedProfile { id: "p".into(), profile })
        };
        let principal = Principal { guardrail_profile: rules.map(named), ..Principal::default() };
        self.shared.as_ref().unwrap().prepare(|request| request.principal = Some(Rc::new(principal)));
    }

    /// The tenant has this key for what is found, at all times.
    pub(crate) fn finding_key(&mut self, key: FindingKey) {
        self.shared.as_ref().unwrap().prepare(|request| {
            let principal = request.principal.as_deref().cloned().unwrap_or_default();
            request.principal = Some(Rc::new(Principal { finding_keys: vec![Arc::new(key.clone())], ..principal }));
        });
    }

    /// The profile refuses what it cannot read.
    pub(crate) fn refuse_unread(&mut self) {
        let rules = vec![GuardrailRule::new(FindingType::Email, Action::Redact, RuleDirection::Both)];
        let profile = GuardrailProfile {
            name: "test".into(),
            rules,
            uninspectable: weir_config::Uninspectable::Refuse,
            judges: Vec::new(),
        };
        let named = NamedProfile { id: "strict".into(), profile };
        let principal = Principal { guardrail_profile: Some(Rc::new(named)), ..Principal::default() };
        self.shared.as_ref().unwrap().prepare(|request| request.principal = Some(Rc::new(principal)));
    }

    /// An attempt answers, whose filter checks the answer or does not.
    pub(crate) fn attempted(&self, is_checked: bool) {
        let attempt = Attempt { status: 200, is_checked, ..Attempt::default() };
        self.shared.as_ref().unwrap().write(|exchange| exchange.attempts.push(attempt));
    }

    /// When the attempt let its first content go.
    pub(crate) fn first_content(&self, at: Option<u64>) {
        self.shared.as_ref().unwrap().write(|exchange| exchange.attempt_mut().unwrap().first_content = at);
    }

    /// What was found so far.
    pub(crate) fn findings(&self) -> String {
        self.exchange(Exchange::findings_in_words).join(", ")
    }

    /// The profile has this judge, too.
    pub(crate) fn judge(&mut self, rule: weir_config::JudgeRule) {
        self.shared.as_ref().unwrap().prepare(|request| {
            let mut principal = request.principal.as_deref().cloned().unwrap();
            let mut named = principal.guardrail_profile.as_deref().cloned().unwrap();
            named.profile.judges.push(rule);
            principal.guardrail_profile = Some(Rc::new(named));
            request.principal = Some(Rc::new(principal));
        });
    }

    /// A request that is held when it is here whole.
    pub(crate) fn begin(&mut self, body: &str) -> Hop {
        if let (true, Some(shared)) = (self.body_known, &self.shared) {
            shared.prepare(|request| request.body.bytes = Some(Rc::new(body.as_bytes().to_vec())));
        }
        let mut hop = self.hop();
        assert_eq!(hop.headers(&mut self.host, Message::Request, false), Passed::Nothing);
        assert_eq!(hop.piece(&mut self.host, Message::Request, body.as_bytes(), true), Passed::Nothing);
        hop
    }

    pub(crate) fn forget_exchange(&mut self) {
        self.shared = None;
    }

    pub(crate) fn exchange<T>(&self, read: impl FnOnce(&Exchange) -> T) -> T {
        self.shared.as_ref().unwrap().read(read).unwrap()
    }

    pub(crate) fn request_header(&self, name: &str) -> Option<String> {
        weir_host::Host::header_text(&self.host, Message::Request, name)
    }

    pub(crate) fn response_header(&self, name: &str) -> Option<String> {
        weir_host::Host::header_text(&self.host, Message::Response, name)
    }

    pub(crate) fn request(&mut self, body: &str, pieces: usize) -> Outcome {
        if let (true, Some(shared)) = (self.body_known, &self.shared) {
            shared.prepare(|request| request.body.bytes = Some(Rc::new(body.as_bytes().to_vec())));
        }
        self.filter = Some(self.hop());
        let length = body.len().div_ceil(pieces).max(1);
        let pieces: Vec<_> = body.as_bytes().chunks(length).collect();
        self.pass(Message::Request, &pieces)
    }

    pub(crate) fn response(&mut self, status: u16, headers: &[(&str, &str)], pieces: &[&str]) -> Outcome {
        self.host.headers[1] = headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        self.host.headers[1].push((":status".into(), status.to_string().into_bytes()));
        let pieces: Vec<_> = pieces.iter().map(|piece| piece.as_bytes()).collect();
        self.pass(Message::Response, &pieces)
    }

    fn hop(&self) -> Hop {
        let filter = self.plugin.stream(self.shared.clone(), Rc::clone(&self.cache), Callouts::default());
        Hop::new(Box::new(filter) as Box<dyn StreamFilter>)
    }

    fn pass(&mut self, of: Message, pieces: &[&[u8]]) -> Outcome {
        // Without a request before: an answer of a filter in front, which the request never passed.
        let mut hop = self.filter.take().unwrap_or_else(|| self.hop());
        let first = hop.headers(&mut self.host, of, false);
        self.was_held = first == Passed::Nothing;
        let mut all = Vec::new();
        let mut outcome = take(first, &mut all);
        // The last piece is empty, as Envoy often has it.
        for (index, piece) in pieces.iter().chain([&&b""[..]]).enumerate() {
            if outcome.is_none() {
                outcome = take(hop.piece(&mut self.host, of, piece, index == pieces.len()), &mut all);
            }
        }
        self.filter = Some(hop);
        outcome.expect("a message is held after its end")
    }
}

/// Takes in what passed; `Some` at the end.
fn take(passed: Passed, all: &mut Vec<u8>) -> Option<Outcome> {
    match passed {
        Passed::Nothing => None,
        Passed::On { body, end, .. } => {
            all.extend(body);
            end.then(|| Outcome::Passed(String::from_utf8(std::mem::take(all)).unwrap()))
        }
        Passed::Reply(reply, _) => Some(Outcome::Refused(reply)),
        Passed::Reset | Passed::TooLarge => panic!("broken off: {passed:?}"),
    }
}

fn data(events: &str) -> impl Iterator<Item = serde_json::Value> {
    events.lines().filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok())
}

/// The strings at a JSON pointer, event by event.
pub(crate) fn texts(events: &str, pointer: &str) -> Vec<String> {
    data(events).filter_map(|event| Some(event.pointer(pointer)?.as_str()?.to_string())).collect()
}

/// The text that an OpenAI client reads from a stream's first choice.
pub(crate) fn openai_text(events: &str) -> String {
    texts(events, "/choices/0/delta/content").concat()
}

/// The arguments of the first tool call.
pub(crate) fn openai_arguments(events: &str) -> String {
    texts(events, "/choices/0/delta/tool_calls/0/function/arguments").concat()
}

/// The text of each block of an Anthropic stream.
pub(crate) fn anthropic_texts(events: &str) -> Vec<String> {
    let mut blocks: BTreeMap<u64, String> = BTreeMap::new();
    for event in data(events).filter(|event| event["type"] == "content_block_delta") {
        let delta = &event["delta"];
        let text = delta["text"].as_str().or(delta["partial_json"].as_str()).unwrap_or_default();
        *blocks.entry(event["index"].as_u64().unwrap()).or_default() += text;
    }
    blocks.into_values().collect()
}
