//! What people who looked into it said of decisions: written to Kafka, read from there by every gateway.
//!
//! Invariants: an answer that was given is in Kafka, acknowledged; the latest word of each person on a decision counts; at
//! most `gateway.board_feedback_max` words are remembered, the oldest give way.

use super::access::{ANYBODY, Caller};
use super::audit::Told;
use super::input::{Body, Path, Untaken};
use super::openapi::{ProblemDetails, Refused};
use super::problem::Problem;
use super::publisher::Publisher;
use super::{Gateway, drawn_id};
use crate::accounts::now_ms;
use crate::config::Config;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use ductus_dynamics::wire::{AuditAction, Feedback, FeedbackVerdict, VERSION};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use utoipa::ToSchema;

/// Longest sentence that is kept, bytes.
const NOTE_BYTES_MAX: usize = 500;

/// What was said of decisions lately, and how to say more.
pub(super) struct Feedbacks {
    publisher: Publisher,
    timeout: Duration,
    words_max: usize,
    words: Mutex<Words>,
}

#[derive(Default)]
struct Words {
    by_decision: HashMap<String, Vec<Feedback>>,
    /// Decision and id of each word, in the order in which they came.
    order: VecDeque<(String, String)>,
}

impl Feedbacks {
    pub(super) fn new(config: &Config, publisher: Publisher) -> Self {
        Self {
            publisher,
            timeout: Duration::from_millis(config.gateway.produce_timeout_ms),
            words_max: config.gateway.board_feedback_max,
            words: Mutex::default(),
        }
    }

    /// Takes a record of the topic; whether it is feedback.
    pub(super) fn take(&self, value: Option<&[u8]>) -> bool {
        let Some(value) = value else {
            // A tombstone: what it ends is forgotten with the next start.
            return true;
        };
        let Ok(feedback) = serde_json::from_slice::<Feedback>(value) else {
            return false;
        };
        self.put(feedback);
        true
    }

    /// What is known to have been said of a decision, oldest first.
    pub(super) fn of(&self, decision: &str) -> Vec<Feedback> {
        let words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        words.by_decision.get(decision).cloned().unwrap_or_default()
    }

    fn put(&self, feedback: Feedback) {
        let mut words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        let Words { by_decision, order } = &mut *words;
        let said = by_decision.entry(feedback.decision.clone()).or_default();
        // Our own words come back from Kafka: an earlier one of somebody who has said something else since is no news.
        let is_past = |word: &Feedback| word.by == feedback.by && word.time_us > feedback.time_us;
        if said.iter().any(|word| word.id == feedback.id || is_past(word)) {
            return;
        }
        said.retain(|word| word.by != feedback.by);
        order.push_back((feedback.decision.clone(), feedback.id.clone()));
        said.push(feedback);
        while order.len() > self.words_max {
            let Some((decision, id)) = order.pop_front() else {
                break;
            };
            if let Some(said) = by_decision.get_mut(&decision) {
                said.retain(|word| word.id != id);
                if said.is_empty() {
                    by_decision.remove(&decision);
                }
            }
        }
    }

    /// Writes it, and waits until Kafka has it.
    async fn say(&self, feedback: Feedback) -> Result<(), Problem> {
        let key = format!("{}/{}", feedback.decision, feedback.by.as_deref().unwrap_or(ANYBODY));
        // A word is texts and numbers.
        let value = serde_json::to_vec(&feedback).unwrap_or_default();
        let sent = self.publisher.send(Some(&key), &value, None).map_err(|_| UNAVAILABLE)?;
        sent.acknowledged_within(self.timeout).await.map_err(|_| UNAVAILABLE)?;
        self.put(feedback);
        Ok(())
    }
}

const UNAVAILABLE: Problem = Problem {
    status: StatusCode::SERVICE_UNAVAILABLE,
    reason: "unavailable",
    title: "the answer could not be stored in time",
    retry_after_s: Some(1),
};

/// What a decision was worth.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FeedbackWish {
    /// `false_alarm`: it was the subject. `confirmed`: it was somebody else.
    #[schema(value_type = String)]
    verdict: FeedbackVerdict,
    /// A sentence, up to 500 bytes. Write nothing about the person that others must not read.
    note: Option<String>,
}

/// What somebody said of a decision.
#[derive(Serialize, ToSchema)]
pub(super) struct FeedbackView {
    /// `false_alarm` or `confirmed`.
    #[schema(value_type = String)]
    verdict: FeedbackVerdict,
    /// Who.
    by: Option<String>,
    /// When, ms since 1970.
    at_ms: i64,
    /// Their sentence.
    note: Option<String>,
}

impl From<Feedback> for FeedbackView {
    fn from(feedback: Feedback) -> Self {
        Self {
            verdict: feedback.verdict,
            by: feedback.by,
            at_ms: feedback.time_us / 1000,
            note: feedback.note,
        }
    }
}

/// Says what a decision was worth. Said again by the same, the latest word counts.
#[utoipa::path(
    post,
    path = "/v1/decisions/{decision}/feedback",
    operation_id = "giveFeedback",
    tag = "decisions",
    params(("decision" = String, Path, description = "id of the decision")),
    request_body = FeedbackWish,
    responses(
        (status = 201, description = "kept", body = FeedbackView),
        (status = 404, description = "no such decision is kept in memory", content_type = "application/problem+json", body = ProblemDetails),
        Untaken,
        Refused,
    )
)]
pub(super) async fn give(
    State(gateway): State<Gateway>,
    caller: Caller,
    Path(decision): Path<String>,
    body: Result<Body<FeedbackWish>, Problem>,
) -> Result<Response, Problem> {
    caller.may_see_all()?;
    let Body(wish) = body?;
    let note = wish.note.as_deref().map(str::trim).filter(|note| !note.is_empty());
    if note.is_some_and(|note| note.len() > NOTE_BYTES_MAX || note.chars().any(char::is_control)) {
        return Err(Problem::bad_value("a note is one line of up to 500 bytes"));
    }
    let placed = gateway.board().decision(caller.tenant(), &decision);
    let placed = placed.ok_or(Problem::NOT_FOUND)?;
    let about = &placed.decision;
    let feedback = Feedback {
        v: VERSION,
        id: drawn_id(),
        tenant: about.tenant.clone(),
        decision,
        session: about.session.clone(),
        subject: about.subject.clone(),
        verdict: wish.verdict,
        by: caller.credential().map(str::to_owned),
        note: note.map(str::to_owned),
        time_us: now_ms() * 1000,
    };
    gateway.inner.feedback.say(feedback.clone()).await?;
    let told = Told {
        subject: about.subject.as_deref(),
        session: Some(&about.session),
        decision: Some(&about.id),
        reason: Some(match wish.verdict {
            FeedbackVerdict::FalseAlarm => "false_alarm",
            FeedbackVerdict::Confirmed => "confirmed",
        }),
        ..Told::default()
    };
    let audit = &gateway.inner.audit;
    audit.done(AuditAction::FeedbackGiven, &caller, &about.tenant, &told);
    Ok((StatusCode::CREATED, Json(FeedbackView::from(feedback))).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_back_from_kafka_takes_no_later_word_away() {
        let config = Config::load_from(None, std::iter::empty(), &[]).expect("no mistakes");
        let publisher = Publisher::open(&config.kafka.settings(), &config.topics.feedback, "t").expect("open");
        let feedbacks = Feedbacks::new(&config, publisher);
        let word = |id: &str, by: &str, time_us: i64| Feedback {
            v: VERSION,
            id: id.to_owned(),
            tenant: "t".to_owned(),
            decision: "d".to_owned(),
            session: "s".to_owned(),
            subject: None,
            verdict: FeedbackVerdict::Confirmed,
            by: Some(by.to_owned()),
            note: None,
            time_us,
        };
        let said = || feedbacks.of("d").into_iter().map(|word| word.id).collect::<Vec<_>>();
        feedbacks.put(word("first", "ann", 1));
        feedbacks.put(word("second", "ann", 2));
        feedbacks.put(word("first", "ann", 1));
        assert_eq!(said(), ["second"]);
        feedbacks.put(word("other", "bea", 1));
        feedbacks.put(word("third", "ann", 3));
        assert_eq!(said(), ["other", "third"]);
    }
}
