//! Makes the deliveries that are due, of whichever gateway put them in.
//!
//! Invariants: an attempt is claimed in SQL before it is made, so that no other gateway makes it at the same time; at most
//! `webhooks.in_flight_max` are under way, and of one webhook `in_flight_per_webhook_max`, so that one that hangs holds up none
//! but its own; each ends within `webhooks.timeout_ms`; after `webhooks.attempts_max` a delivery is dead, and somebody may ask
//! for another round. At a stop nothing more is claimed; what is cut off is tried again once its claim has lapsed.

use super::Desk;
use super::message::{self, Facts};
use super::reach::Answer;
use crate::accounts::now_ms;
use crate::index::backoff::Backoff;
use crate::shutdown::Shutdown;
use anyhow::Context as _;
use ductus_accounts::{Claimed, Failure, Webhook, WebhookEvent, WebhookFormat};
use ductus_dynamics::wire::AuditAction;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// How much longer a claim holds than its attempt may take: for what comes before and after it.
const CLAIM_SLACK_MS: i64 = 30_000;
/// Between two times that what is over is removed.
const PURGE_EVERY: Duration = Duration::from_secs(600);
/// Between two counts of what waits.
const COUNT_EVERY: Duration = Duration::from_secs(5);

/// Delivers until `shutdown`, and then what is under way.
pub(super) async fn run(desk: Arc<Desk>, shutdown: Shutdown) {
    let mut under_way = UnderWay::default();
    let (mut purged, mut counted) = (None, None);
    while !shutdown.is_requested() {
        if let Err(error) = turn(&desk, &mut under_way).await {
            tracing::error!(%error, "due deliveries cannot be looked up, trying again");
        }
        if is_over(&mut purged, PURGE_EVERY)
            && let Err(error) = purge(&desk).await
        {
            tracing::warn!(%error, "old deliveries cannot be removed for now");
        }
        if is_over(&mut counted, COUNT_EVERY)
            && let Ok(waiting) = desk.deliveries.waiting().await
        {
            desk.metrics.waiting.set(waiting);
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(desk.settings.poll_ms)) => {}
            () = desk.wake.notified() => {}
            Some(webhook) = under_way.next() => under_way.ended(webhook),
            () = shutdown.requested() => {}
        }
    }
    while let Some(webhook) = under_way.next().await {
        under_way.ended(webhook);
    }
}

/// Attempts that are being made.
#[derive(Default)]
struct UnderWay {
    attempts: JoinSet<String>,
    by_webhook: HashMap<String, u32>,
}

impl UnderWay {
    /// The webhook of the next attempt that ends; none where there is none.
    async fn next(&mut self) -> Option<Option<String>> {
        // One that panicked told so itself; its webhook is not known any more.
        self.attempts.join_next().await.map(Result::ok)
    }

    fn ended(&mut self, webhook: Option<String>) {
        if self.attempts.is_empty() {
            self.by_webhook.clear();
            return;
        }
        if let Some(count) = webhook.and_then(|webhook| self.by_webhook.get_mut(&webhook)) {
            *count = count.saturating_sub(1);
        }
    }

    fn begin(&mut self, desk: &Arc<Desk>, webhook: &Arc<Webhook>, claimed: Claimed) {
        *self.by_webhook.entry(webhook.id.clone()).or_default() += 1;
        let (desk, webhook) = (Arc::clone(desk), Arc::clone(webhook));
        self.attempts.spawn(async move {
            desk.attempt(&webhook, &claimed).await;
            webhook.id.clone()
        });
    }
}

/// Claims what is due and there is room for.
async fn turn(desk: &Arc<Desk>, under_way: &mut UnderWay) -> ductus_accounts::Result<()> {
    let settings = &desk.settings;
    // As many as may be full, and as many again, so that those that have room are seen behind them.
    for webhook in desk.webhooks.due(now_ms(), 2 * settings.in_flight_max).await? {
        let room = settings.in_flight_max.saturating_sub(under_way.attempts.len() as u32);
        let busy = under_way.by_webhook.get(&webhook.id).copied().unwrap_or(0);
        let room = room.min(settings.in_flight_per_webhook_max.saturating_sub(busy));
        if room == 0 {
            continue;
        }
        let now_ms = now_ms();
        let until_ms = now_ms + settings.timeout_ms as i64 + CLAIM_SLACK_MS;
        let claimed = desk.deliveries.claim(&webhook.id, now_ms, until_ms, room).await?;
        let webhook = Arc::new(webhook);
        for claimed in claimed {
            under_way.begin(desk, &webhook, claimed);
        }
    }
    Ok(())
}

async fn purge(desk: &Desk) -> ductus_accounts::Result<()> {
    let before = |keep_ms: u64| now_ms() - keep_ms as i64;
    desk.deliveries.purge(before(desk.settings.keep_ms)).await?;
    desk.actions.purge(before(desk.settings.sessions_keep_ms)).await?;
    Ok(())
}

/// What an attempt came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Taken(u16),
    /// The receiver is gone for good.
    Gone(Failure),
    Failed(Failure, Option<Duration>),
}

impl Desk {
    /// One attempt, and what follows from it.
    async fn attempt(&self, webhook: &Webhook, claimed: &Claimed) {
        let outcome = match self.send(webhook, claimed).await {
            Ok(Ok(answer)) => judge(answer),
            Ok(Err(error)) => Outcome::Failed(Failure { status: None, error }, None),
            Err(error) => {
                tracing::error!(
                    error = format!("{error:#}"),
                    "a delivery cannot be written down as a message"
                );
                let error = "unwritable";
                Outcome::Failed(Failure { status: None, error }, None)
            }
        };
        if let Err(error) = self.conclude(webhook, claimed, outcome).await {
            tracing::warn!(%error, "what became of a delivery cannot be noted, it is made again");
        }
    }

    async fn send(&self, webhook: &Webhook, claimed: &Claimed) -> anyhow::Result<Result<Answer, &'static str>> {
        let event = claimed.event()?;
        let facts: Facts = serde_json::from_str(&claimed.body).context("the facts of a delivery cannot be read")?;
        let mut headers = HeaderMap::new();
        let body = match webhook.format {
            WebhookFormat::Standard => {
                let (body, timestamp_s) = (message::body(event, &facts), now_ms().div_euclid(1000));
                let keys = self.secrets.of(&webhook.id);
                let signature = message::signature(&keys, &claimed.id, timestamp_s, &body);
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                headers.insert(HeaderName::from_static("webhook-id"), claimed.id.parse()?);
                headers.insert(HeaderName::from_static("webhook-timestamp"), timestamp_s.into());
                headers.insert(HeaderName::from_static("webhook-signature"), signature.parse()?);
                body
            }
            WebhookFormat::Set => {
                // Push delivery (RFC 8935).
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/secevent+jwt"));
                headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
                self.issuer.token(webhook, claimed, event, &facts)?
            }
        };
        Ok(self.reach.post(&webhook.url, headers, body).await)
    }

    async fn conclude(&self, webhook: &Webhook, claimed: &Claimed, outcome: Outcome) -> ductus_accounts::Result<()> {
        let now_ms = now_ms();
        let count = |what: &str| self.metrics.deliveries.with_label_values(&[what]).inc();
        match outcome {
            Outcome::Taken(status) => {
                self.deliveries.done(claimed, status, now_ms).await?;
                count("done");
                let waited_ms = u32::try_from(now_ms - claimed.created_ms).unwrap_or(0);
                self.metrics.seconds.observe(f64::from(waited_ms) / 1000.0);
            }
            Outcome::Gone(failure) => {
                if self.deliveries.give_up(claimed, failure, now_ms).await? {
                    count("dead");
                    self.gave_up(webhook, failure.error);
                }
                self.webhooks.switch_off(&webhook.id, now_ms).await?;
            }
            Outcome::Failed(failure, again) => {
                // A test is for whoever waits for it: it is tried once.
                let is_test = claimed.event().is_ok_and(|event| event == WebhookEvent::Test);
                if is_test || claimed.attempts >= i64::from(self.settings.attempts_max) {
                    if self.deliveries.give_up(claimed, failure, now_ms).await? {
                        count("dead");
                        self.gave_up(webhook, failure.error);
                    }
                    return Ok(());
                }
                let wait = self.wait(claimed.attempts, again);
                let next_ms = now_ms + wait.as_millis() as i64;
                if self.deliveries.failed(claimed, failure, next_ms, now_ms).await? {
                    count("failed");
                }
            }
        }
        Ok(())
    }

    fn gave_up(&self, webhook: &Webhook, why: &str) {
        self.audit
            .failed(AuditAction::WebhookGaveUp, &webhook.tenant, &webhook.id, why);
    }

    /// How long after attempt `attempts` (from 1) the next one is: longer each time, and not before the receiver wants it.
    fn wait(&self, attempts: i64, again: Option<Duration>) -> Duration {
        let backoff = Backoff {
            min: Duration::from_millis(self.settings.retry_min_ms),
            max: Duration::from_millis(self.settings.retry_max_ms),
        };
        let own = backoff.wait_now(u32::try_from(attempts - 1).unwrap_or(0));
        own.max(again.unwrap_or_default().min(backoff.max))
    }
}

fn judge(answer: Answer) -> Outcome {
    let failure = |error| Failure {
        status: Some(answer.status),
        error,
    };
    match answer.status {
        200..=299 => Outcome::Taken(answer.status),
        410 => Outcome::Gone(failure("gone")),
        300..=399 => Outcome::Failed(failure("redirect"), None),
        _ => Outcome::Failed(failure("status"), answer.retry_after),
    }
}

/// Whether it is time; then it is not for a while.
fn is_over(last: &mut Option<Instant>, every: Duration) -> bool {
    let over = last.is_none_or(|last| last.elapsed() >= every);
    if over {
        *last = Some(Instant::now());
    }
    over
}
