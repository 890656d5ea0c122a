use std::rc::Rc;

use weir_config::{Action, FailMode, JudgeRule, RuleDirection};
use weir_exchange::NamedProfile;
use weir_host::{CallId, CalloutError, Callouts, Host, HttpAnswer, HttpError, Level, OpenCallout};
use weir_llm::error::ClientError;

use super::known::Known;
use super::refusal;
use crate::judge::{self, Judgement, NoJudgement, Question};
use crate::scan::Direction;

/// Counts what was not judged, by the reason.
const UNJUDGED: &str = "weir_guardrails_unjudged";
/// What is told among the findings where a judge refused.
const JUDGE: &str = "JUDGE";
/// The same where one gave no judgement, and the texts pass all the same.
const NOT_JUDGED: &str = "NOT_JUDGED";

/// What the judges of a profile are asked about the texts of one message, all at once.
#[derive(Debug)]
pub(super) struct Judging {
    known: Known,
    callouts: Callouts,
    profile: Rc<NamedProfile>,
    direction: Direction,
    question: Vec<u8>,
    /// Who has not answered, by its place in the profile.
    open: Vec<(OpenCallout, usize)>,
    /// Who could not be asked where the stream was served, and is when it is woken.
    unasked: Vec<usize>,
}

/// How far the judges are.
#[derive(Debug)]
pub(super) enum Judged {
    /// Some have not answered.
    Waits(Judging),
    /// The texts may pass.
    Passes,
    /// They may not.
    Refused(ClientError),
}

/// Whether a profile has judges for this direction.
pub(super) fn has_judges(profile: &NamedProfile, direction: Direction) -> bool {
    profile.profile.judges.iter().any(|rule| judges(rule, direction))
}

fn judges(rule: &JudgeRule, direction: Direction) -> bool {
    match (rule.direction, direction) {
        (RuleDirection::Both, _)
        | (RuleDirection::Input, Direction::Input)
        | (RuleDirection::Output, Direction::Output) => true,
        (RuleDirection::Input, Direction::Output) | (RuleDirection::Output, Direction::Input) => false,
    }
}

impl Judging {
    /// Asks all judges of this direction about these texts.
    pub(super) fn begin(
        host: &mut dyn Host,
        known: &Known,
        callouts: &Callouts,
        profile: &Rc<NamedProfile>,
        direction: Direction,
        texts: &[String],
    ) -> Judged {
        let of_direction = || profile.profile.judges.iter().filter(|rule| judges(rule, direction));
        let most = of_direction().map(|rule| rule.max_question_bytes).max().unwrap_or_default();
        if texts.iter().map(String::len).fold(0, usize::saturating_add) > most {
            return Self::without_texts(host, known, profile, direction);
        }
        let mut judging = Self {
            known: known.clone(),
            callouts: callouts.clone(),
            profile: Rc::clone(profile),
            direction,
            question: question(known, direction, texts),
            open: Vec::new(),
            unasked: Vec::new(),
        };
        let places = profile.profile.judges.iter().enumerate();
        judging.unasked = places.filter_map(|(place, rule)| judges(rule, direction).then_some(place)).collect();
        judging.ask(host)
    }

    /// Nothing is asked: the texts are more than any judge is asked about.
    pub(super) fn without_texts(
        host: &mut dyn Host,
        known: &Known,
        profile: &NamedProfile,
        direction: Direction,
    ) -> Judged {
        for rule in profile.profile.judges.iter().filter(|rule| judges(rule, direction)) {
            if let Err(error) = unjudged(host, known, rule, direction, NoJudgement::QuestionTooLong) {
                return Judged::Refused(error);
            }
        }
        Judged::Passes
    }

    /// Asks those that were not asked yet.
    pub(super) fn ask(mut self, host: &mut dyn Host) -> Judged {
        for place in std::mem::take(&mut self.unasked) {
            let Some(rule) = self.profile.profile.judges.get(place) else { continue };
            match judge::ask(rule, host, &self.callouts, &self.question) {
                Ok(callout) => {
                    self.known.is_judged();
                    self.open.push((callout, place));
                }
                Err(NoJudgement::NotAsked(CalloutError::NotNow)) => self.unasked.push(place),
                Err(why) => {
                    if let Err(error) = unjudged(host, &self.known, rule, self.direction, why) {
                        return Judged::Refused(error);
                    }
                }
            }
        }
        self.go_on()
    }

    /// One has answered, or will not. What nobody was asked changes nothing.
    pub(super) fn answered(
        mut self,
        host: &mut dyn Host,
        call: CallId,
        answer: Result<&HttpAnswer, HttpError>,
    ) -> Judged {
        let Some(at) = self.open.iter().position(|(open, _)| open.id() == call) else { return Judged::Waits(self) };
        let (callout, place) = self.open.swap_remove(at);
        callout.answered();
        let Some(rule) = self.profile.profile.judges.get(place) else { return self.go_on() };
        match judge::read(answer) {
            Ok(Judgement::Allow) => self.go_on(),
            Ok(Judgement::Refuse { message }) => {
                self.known.record_judge(JUDGE, Action::Block);
                Judged::Refused(refusal::judged(what(self.direction), message))
            }
            Err(why) => match unjudged(host, &self.known, rule, self.direction, why) {
                Ok(()) => self.go_on(),
                Err(error) => Judged::Refused(error),
            },
        }
    }

    fn go_on(mut self) -> Judged {
        if self.unasked.is_empty() {
            // Who was asked may take long, and each stream that waits would hold its texts.
            self.question = Vec::new();
        }
        if self.open.is_empty() && self.unasked.is_empty() { Judged::Passes } else { Judged::Waits(self) }
    }
}

fn question(known: &Known, direction: Direction, texts: &[String]) -> Vec<u8> {
    let known = known.read(|exchange| {
        let model = exchange.body().head.as_ref().map(|head| head.model.clone());
        (model.unwrap_or_default(), exchange.request().id.to_string())
    });
    let (model, request_id) = known.unwrap_or_default();
    let question = Question { direction: direction.name(), texts, model: &model, request_id: &request_id };
    // Texts and names alone are always JSON.
    serde_json::to_vec(&question).unwrap_or_default()
}

/// There is no judgement: the rule says whether the texts pass.
fn unjudged(
    host: &mut dyn Host,
    known: &Known,
    rule: &JudgeRule,
    direction: Direction,
    why: NoJudgement,
) -> Result<(), ClientError> {
    host.count(&format!("{UNJUDGED}.{}", why.name()), 1);
    host.log(Level::Warn, &format!("weir.guardrails: the judge {:?} gave no judgement: {why}", rule.name));
    match rule.fail_mode {
        FailMode::Open => {
            known.record_judge(NOT_JUDGED, Action::Flag);
            Ok(())
        }
        FailMode::Closed => Err(refusal::unjudged(what(direction))),
    }
}

fn what(direction: Direction) -> &'static str {
    match direction {
        Direction::Input => "The request",
        Direction::Output => "The answer",
    }
}
