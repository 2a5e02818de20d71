//! Sends webhooks, again when they fail, and gives up on receivers that keep failing.
//!
//! Rules: amoCRM docs, crm_platform/webhooks-format.

use chrono::{DateTime, Duration, Utc};
use flysk_domain::Clock;
use serde::{Deserialize, Serialize};

use super::Amocrm;
use super::hook_form::note_form;
use super::model::{Hook, Note};
use crate::control::locked;

/// How far back invalid answers count.
const INVALID_WINDOW: Duration = Duration::hours(2);

/// More invalid answers than this within the window switch a hook off.
const INVALID_MAX: usize = 100;

/// One attempt to deliver a webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// When its outcome was known, by the simulator's clock.
    pub at: DateTime<Utc>,
    /// The subscription.
    pub hook_id: u64,
    /// Where it went.
    pub destination: String,
    /// `note_lead`, …
    pub event: String,
    /// 1 to 5.
    pub attempt: u32,
    /// Status of the answer; 0 or 499 if there was none within 2 s.
    pub status: u16,
}

/// The pause before the next attempt, or `None` when there is no next one.
fn pause_after(attempt: u32, status: u16) -> Option<Duration> {
    let failed = !(100..300).contains(&status);
    let their_fault = status == 499 || (500..600).contains(&status);
    match attempt {
        1 if failed => Some(Duration::minutes(5)),
        2 if failed => Some(Duration::minutes(15)),
        3 if their_fault => Some(Duration::minutes(15)),
        4 if their_fault => Some(Duration::hours(1)),
        _ => None,
    }
}

fn scaled(pause: Duration, factor: f64) -> Duration {
    let seconds = pause.as_seconds_f64() * factor;
    std::time::Duration::try_from_secs_f64(seconds)
        .ok()
        .and_then(|d| Duration::from_std(d).ok())
        .unwrap_or(pause)
}

impl Hook {
    /// Counts an answer; an invalid one may switch the hook off.
    fn count(&mut self, status: u16, now: DateTime<Utc>) {
        if (100..300).contains(&status) {
            return;
        }
        while self.invalid.front().is_some_and(|at| now - *at > INVALID_WINDOW) {
            self.invalid.pop_front();
        }
        self.invalid.push_back(now);
        if self.invalid.len() > INVALID_MAX {
            self.disabled = true;
        }
    }
}

impl Amocrm {
    /// Every attempt so far, in the order of outcomes.
    pub fn deliveries(&self) -> Vec<Delivery> {
        locked(&self.inner.deliveries).clone()
    }

    /// Tells all subscribers of notes of these notes' entity type, all notes in one request.
    pub(crate) fn fire_notes(&self, account_id: u64, notes: &[Note]) {
        let Some(entity_type) = notes.first().map(|note| note.entity_type) else { return };
        let event = format!("note_{}", entity_type.singular());
        let under_contacts = self.quirks().company_notes_under_contacts;
        let mut world = locked(&self.inner.world);
        let Some(account) = world.account(account_id).cloned() else { return };
        let body = note_form(&account, notes, under_contacts);
        for hook in &world.content(account_id).hooks {
            if !hook.disabled && hook.settings.contains(&event) {
                let amo = self.clone();
                let (id, event, body) = (hook.id, event.clone(), body.clone());
                self.spawn(async move { amo.deliver(account_id, id, event, body).await });
            }
        }
    }

    async fn deliver(&self, account_id: u64, hook_id: u64, event: String, body: String) {
        let mut request_id = uuid::Uuid::new_v4().to_string();
        for attempt in 1.. {
            let Some(destination) = self.live_destination(account_id, hook_id) else { return };
            let answer = self.inner.outside.post_hook(&destination, body.clone(), &request_id).await;
            let quirks = self.quirks();
            let status = answer.unwrap_or(quirks.hook_timeout_status);
            let now = self.control().clock().now();
            self.count_answer(account_id, hook_id, status, now);
            let event = event.clone();
            locked(&self.inner.deliveries).push(Delivery {
                at: now,
                hook_id,
                destination,
                event,
                attempt,
                status,
            });
            let Some(pause) = pause_after(attempt, status) else { return };
            if !quirks.hook_request_id_stable {
                request_id = uuid::Uuid::new_v4().to_string();
            }
            self.control().clock().sleep_until(now + scaled(pause, quirks.retry_time_factor)).await;
        }
    }

    fn live_destination(&self, account_id: u64, hook_id: u64) -> Option<String> {
        let mut world = locked(&self.inner.world);
        let hooks = &world.content(account_id).hooks;
        hooks.iter().find(|hook| hook.id == hook_id && !hook.disabled).map(|hook| hook.destination.clone())
    }

    fn count_answer(&self, account_id: u64, hook_id: u64, status: u16, now: DateTime<Utc>) {
        let mut world = locked(&self.inner.world);
        if let Some(hook) = world.content(account_id).hooks.iter_mut().find(|hook| hook.id == hook_id) {
            hook.count(status, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Minutes between the attempts when every answer has this status.
    fn pauses(status: u16) -> Vec<i64> {
        (1..).map_while(|attempt| pause_after(attempt, status)).map(|pause| pause.num_minutes()).collect()
    }

    #[test]
    fn the_retry_table_is_amocrms() {
        assert_eq!(pauses(500), [5, 15, 15, 60]);
        assert_eq!(pauses(499), [5, 15, 15, 60]);
        assert_eq!(pauses(404), [5, 15]);
        assert_eq!(pauses(302), [5, 15]);
        assert_eq!(pauses(0), [5, 15]);
        assert!(pauses(204).is_empty());
    }
}
