//! Reads decisions as a consumer group, and puts in a delivery wherever something else is asked of a session than before.
//!
//! Invariants: an offset is committed after the deliveries of its decision are in SQL and after `heed` has heard of it; a
//! decision that is read again, by whomever, changes nothing; where the database is away the group is held and nothing is left
//! out. What was last asked is remembered in memory for `webhooks.sessions_max` sessions and looked up for others.

use super::Desk;
use super::message::Facts;
use crate::accounts::now_ms;
use crate::config::Config;
use crate::gateway::board::Placed;
use crate::gateway::feed::placed;
use crate::gateway::place::Place;
use crate::index::backoff::Backoff;
use crate::index::batch;
use crate::index::consumer::{Change as GroupChange, Commit, Member};
use crate::shutdown::Shutdown;
use ductus_accounts::{AccountsError, Asked, Enqueued, NewDelivery, WebhookEvent, delivery_id};
use ductus_dynamics::wire::{Action, AuditAction, Decision, SessionAsked};
use futures::future::BoxFuture;
use moka::sync::Cache;
use rdkafka::Message as _;
use rdkafka::consumer::CommitMode;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// One wait for a decision: how long the watch takes to see that it should stop.
const POLL: Duration = Duration::from_millis(100);
/// Between two commits: how much is read again after a crash.
const COMMIT_EVERY: Duration = Duration::from_secs(1);
/// Between two tries to reach Kafka.
const AGAIN: Duration = Duration::from_secs(3);
/// While the database is away.
const BACKOFF: Backoff = Backoff {
    min: Duration::from_millis(200),
    max: Duration::from_secs(10),
};
/// The number of the one topic in the consumer's list.
const DECISIONS: usize = 0;
/// A webhook hears of what was decided after it was made. The two moments are of two clocks, which may differ by this, ms.
const CLOCKS_DIFFER_MS: i64 = 60_000;

/// Something else is asked of a session than before.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Change {
    /// The decision that asks.
    pub(crate) decision: Arc<Decision>,
    /// What was asked before it.
    pub(crate) before: Action,
    /// When the decision was made, ms.
    pub(crate) at_ms: i64,
}

/// Hears of every change, so that a user of ours can be asked for a second proof.
pub(crate) trait Heed: Send + Sync {
    /// Comes before the decision counts as read, at least once for each change, and again after an error. Where the group is
    /// new or was away the decision may be long past: see `at_ms`.
    fn heed<'a>(&'a self, change: &'a Change) -> BoxFuture<'a, anyhow::Result<()>>;
}

/// What was last asked, and where that stands in the log; nowhere, where nothing was ever asked.
#[derive(Clone, Copy, Debug)]
struct Last {
    action: Action,
    place: Option<Place>,
}

/// A decision as it was read.
pub(in crate::gateway) struct Read {
    pub(in crate::gateway) placed: Placed,
    pub(in crate::gateway) at_ms: i64,
}

/// The thread that reads.
pub(in crate::gateway) struct Watch {
    desk: Arc<Desk>,
    config: Config,
    heed: Option<Arc<dyn Heed>>,
    runtime: Handle,
    shutdown: Shutdown,
    /// Of the sessions of our partitions, by tenant and session.
    known: Cache<(String, String), Last>,
}

impl Watch {
    pub(in crate::gateway) fn new(
        desk: Arc<Desk>,
        config: &Config,
        heed: Option<Arc<dyn Heed>>,
        runtime: Handle,
        shutdown: Shutdown,
    ) -> Self {
        Self {
            known: Cache::new(desk.settings.sessions_max),
            desk,
            config: config.clone(),
            heed,
            runtime,
            shutdown,
        }
    }

    /// Reads until the shutdown.
    pub(super) fn run(&self) {
        while !self.shutdown.is_requested() {
            if let Err(error) = self.follow() {
                tracing::error!(
                    error = format!("{error:#}"),
                    "decisions cannot be read for webhooks, trying again"
                );
                self.shutdown.wait_timeout(AGAIN);
            }
        }
    }

    fn follow(&self) -> anyhow::Result<()> {
        let mut member = self.join()?;
        let mut read_to = BTreeMap::new();
        let mut committed = Instant::now();
        while !self.shutdown.is_requested() {
            let message = member.poll(POLL)?;
            let message = message.map(|message| (message.partition(), message.offset(), read(&message)));
            self.take_changes(&member, &mut read_to);
            if let Some((partition, offset, read)) = message
                && self.settle(&mut member, &mut read_to, read.as_ref())?
            {
                read_to.insert(partition, offset + 1);
            }
            if committed.elapsed() >= COMMIT_EVERY {
                committed = Instant::now();
                commit(&member, &mut read_to, CommitMode::Async);
            }
        }
        commit(&member, &mut read_to, CommitMode::Sync);
        Ok(())
    }

    pub(in crate::gateway) fn join(&self) -> anyhow::Result<Member> {
        let topics = [self.config.topics.decisions.as_str()];
        let lag = self.desk.metrics.lag.clone();
        Member::join(&self.config, &self.desk.settings.group, &topics, lag)
    }

    /// What the group did: whoever had a partition meanwhile knows better than we what was last asked. Gives those that went.
    fn take_changes(&self, member: &Member, read_to: &mut BTreeMap<i32, i64>) -> Vec<i32> {
        let mut revoked = Vec::new();
        for change in member.take_changes() {
            self.known.invalidate_all();
            if let GroupChange::Revoked(_, partition) = change {
                read_to.remove(&partition);
                revoked.push(partition);
            }
        }
        revoked
    }

    /// Judges a decision until that succeeds. False: the process ends, or the partition is another's now.
    fn settle(
        &self,
        member: &mut Member,
        read_to: &mut BTreeMap<i32, i64>,
        read: Option<&Read>,
    ) -> anyhow::Result<bool> {
        // A record that is no decision is skipped; the feed has said so.
        let Some(read) = read else {
            return Ok(true);
        };
        for attempt in 0.. {
            match self.runtime.block_on(self.judge(read)) {
                Ok(()) => break,
                Err(error) => tracing::error!(
                    error = format!("{error:#}"),
                    "what is asked of a session cannot be noted, trying again"
                ),
            }
            member.hold();
            let since = Instant::now();
            let wait = BACKOFF.wait_now(attempt);
            while since.elapsed() < wait {
                // Held: this only serves the group.
                member.poll(POLL)?;
                let revoked = self.take_changes(member, read_to);
                if revoked.contains(&read.placed.place.partition) || self.shutdown.is_requested() {
                    member.go_on();
                    return Ok(false);
                }
            }
        }
        member.go_on();
        Ok(true)
    }

    /// Puts in what follows from a decision. Doing it again, also after half of it, changes nothing.
    pub(in crate::gateway) async fn judge(&self, read: &Read) -> anyhow::Result<()> {
        let Placed { place, decision } = &read.placed;
        // Nothing is asked by it.
        if decision.action == Action::InsufficientData {
            return Ok(());
        }
        let key = (decision.tenant.clone(), decision.session.clone());
        let last = match self.known.get(&key) {
            Some(last) => last,
            None => self.look_up(&key).await?,
        };
        let is_news = last.place.is_none_or(|seen| place.is_news_after(seen));
        if decision.action == last.action || !is_news {
            self.known.insert(key, last);
            return Ok(());
        }
        let change = Change {
            decision: Arc::new(decision.clone()),
            before: last.action,
            at_ms: read.at_ms,
        };
        self.tell(&change).await?;
        if let Some(heed) = &self.heed {
            heed.heed(&change).await?;
        }
        let asked = Asked {
            action: word(decision.action).to_owned(),
            decision: decision.id.clone(),
            partition: place.partition.into(),
            offset: place.offset,
            at_ms: read.at_ms,
        };
        let noted = self.desk.actions.note(&key.0, &key.1, &asked).await?;
        match noted {
            true => self.known.insert(
                key,
                Last {
                    action: decision.action,
                    place: Some(*place),
                },
            ),
            // Somebody else reads this partition now, and is further.
            false => self.known.invalidate(&key),
        }
        Ok(())
    }

    async fn look_up(&self, key: &(String, String)) -> anyhow::Result<Last> {
        let Some(asked) = self.desk.actions.last(&key.0, &key.1).await? else {
            return Ok(Last {
                action: Action::Allow,
                place: None,
            });
        };
        let actions = [Action::Allow, Action::StepUp, Action::Terminate];
        let action = actions.into_iter().find(|action| word(*action) == asked.action);
        Ok(Last {
            // Of a later program: other than whatever is asked now.
            action: action.unwrap_or(Action::InsufficientData),
            place: Some(Place {
                partition: i32::try_from(asked.partition)?,
                offset: asked.offset,
            }),
        })
    }

    /// A delivery to each of the tenant's webhooks that wants to hear of it.
    async fn tell(&self, change: &Change) -> anyhow::Result<()> {
        let decision = &change.decision;
        let event = match decision.action {
            Action::StepUp => WebhookEvent::StepUp,
            Action::Terminate => WebhookEvent::Terminate,
            Action::Allow | Action::InsufficientData => WebhookEvent::Allow,
        };
        let facts = serde_json::to_string(&facts(change))?;
        for webhook in self.desk.webhooks.list(&decision.tenant).await? {
            let concerned = webhook.events.contains(&event)
                && webhook.off_ms.is_none()
                && webhook.created_ms - CLOCKS_DIFFER_MS <= change.at_ms;
            if !concerned {
                continue;
            }
            let id = delivery_id(&webhook.id, &decision.id);
            let delivery = NewDelivery {
                id: &id,
                webhook: &webhook.id,
                tenant: &decision.tenant,
                subject: decision.subject.as_deref(),
                session: Some(&decision.session),
                decision: Some(&decision.id),
                event,
                body: &facts,
            };
            let put = match self.desk.deliveries.enqueue(&delivery, now_ms()).await {
                // What no row can hold now none will hold later: it must not hold up the others.
                Err(AccountsError::Internal(_)) => Err("unwritable"),
                Err(error) => return Err(error.into()),
                Ok(Enqueued::Full) => Err("too_many_wait"),
                Ok(Enqueued::New | Enqueued::Known | Enqueued::NoWebhook) => Ok(()),
            };
            self.desk.wake.notify_one();
            if let Err(reason) = put {
                self.desk.metrics.deliveries.with_label_values(&["dropped"]).inc();
                let audit = &self.desk.audit;
                audit.failed(AuditAction::WebhookGaveUp, &decision.tenant, &webhook.id, reason);
            }
        }
        Ok(())
    }
}

fn facts(change: &Change) -> Facts {
    let decision = &change.decision;
    Facts {
        at_ms: change.at_ms,
        tenant: decision.tenant.clone(),
        asked: Some(SessionAsked {
            tenant: decision.tenant.clone(),
            subject: decision.subject.clone(),
            session: decision.session.clone(),
            decision: decision.id.clone(),
            risk: decision.risk,
            confidence: decision.confidence,
            action: decision.action,
            reasons: decision.reasons.clone(),
        }),
        before: change.before,
    }
}

/// The decision of a record, if it holds one. Its time is the broker's, as a client's clock may be wrong.
pub(in crate::gateway) fn read(message: &rdkafka::message::BorrowedMessage<'_>) -> Option<Read> {
    let placed = placed(message)?;
    let at_ms = message.timestamp().to_millis();
    Some(Read {
        at_ms: at_ms.unwrap_or(placed.decision.time_us.div_euclid(1000)),
        placed,
    })
}

fn commit(member: &Member, read_to: &mut BTreeMap<i32, i64>, mode: CommitMode) {
    let commits: Vec<Commit> = std::mem::take(read_to)
        .into_iter()
        .map(|(partition, offset)| Commit {
            place: batch::Place {
                topic: DECISIONS,
                partition,
                offset,
            },
            metadata: String::new(),
        })
        .collect();
    member.commit(&commits, mode);
}

/// As it is stored.
fn word(action: Action) -> &'static str {
    match action {
        Action::Allow => "allow",
        Action::StepUp => "step_up",
        Action::Terminate => "terminate",
        Action::InsufficientData => "insufficient_data",
    }
}
