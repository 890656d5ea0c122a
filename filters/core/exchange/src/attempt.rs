use std::rc::Rc;

use weir_host::Micros;

use crate::{Body, Usage};

/// One try at one provider, and all that is known of its answer. The next try has one of its own.
#[derive(Clone, Debug, Default)]
pub struct Attempt {
    /// Deployment as the endpoint's metadata names it.
    pub deployment_id: String,
    /// The deployment's provider.
    pub provider_id: String,
    /// The provider's name.
    pub provider_name: String,
    /// The model's name there.
    pub upstream_model: String,
    /// The price that holds for it, kept here so that a change of policy during the stream changes nothing.
    pub price: Option<Rc<weir_config::Price>>,
    /// The body as it came here, where it was another than the request's, or was counted.
    pub body: Option<Body>,
    /// The provider's status; 0 until it answered.
    pub status: u16,
    /// When it began.
    pub started: Micros,
    /// The request went on towards the provider.
    pub is_sent: bool,
    /// When the head of the provider's answer came.
    pub answered: Option<Micros>,
    /// When the first content went towards the client.
    pub first_content: Option<Micros>,
    /// What was used, as known so far.
    pub usage: Usage,
    /// The provider's answer ended as its protocol says an answer ends.
    pub is_complete: bool,
    /// Its answer passes the request's `answer_filters` on its way: the listener's own filter need not look at it.
    pub is_checked: bool,
    /// It has passed a good answer on, with status 200 and all of [`AnswerHeaders`](crate::AnswerHeaders). The router takes such an
    /// answer for the request's.
    pub is_passed_on: bool,
}

impl Attempt {
    /// Whether its provider may bill it: it began to answer, or said what it used. Of one that was given up before, nobody knows.
    pub fn may_be_billed(&self) -> bool {
        matches!(self.status, 200..300) || self.usage.reported.is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use uuid::Uuid;

    use super::Attempt;
    use crate::{Body, Exchange, Party};

    #[test]
    fn an_attempt_freezes_the_request_and_the_next_one_takes_its_whole_place() {
        let mut exchange = Exchange::new(Uuid::nil(), 0);
        exchange.prepare().expect("no attempt was made").body = Body::new(Rc::new(b"{}".to_vec()), None);
        let mut first = Attempt { status: 503, is_complete: true, is_passed_on: true, ..Attempt::default() };
        first.usage.output_characters = 9;
        first.body = Some(Body::new(Rc::new(b"[1]".to_vec()), None));
        exchange.begin_attempt(first);
        assert!(exchange.prepare().is_none());
        assert!(exchange.has_passed_on() && exchange.is_complete());
        exchange.decide(Party::Provider, "upstream_unavailable");
        assert!(!exchange.has_passed_on(), "it was decided otherwise");
        exchange.begin_attempt(Attempt::default());
        assert_eq!(exchange.verdict, None);
        assert!(!exchange.has_passed_on() && !exchange.is_complete());
        let characters = exchange.attempt().map(|attempt| attempt.usage.output_characters);
        assert_eq!((characters, exchange.attempts.len()), (Some(0), 2));
        assert_eq!(
            (exchange.request().body.length, exchange.body().length),
            (2, 3),
            "what was sent is not what was asked"
        );
    }
}
