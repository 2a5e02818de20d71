//! Delivers webhooks, with retries, and disables hooks whose receivers keep failing.
//!
//! Rules: amoCRM docs, crm_platform/webhooks-format.

use chrono::{DateTime, Duration, Utc};
use flysk_domain::Clock;
use serde::{Deserialize, Serialize};

use super::Amocrm;
use super::hook_form::note_form;
use super::model::{Hook, Note};
use crate::clock::DueWork;
use crate::lock::locked;

/// Window in which invalid responses are counted.
const INVALID_WINDOW: Duration = Duration::hours(2);

/// Number of invalid responses in the window above which a hook is disabled.
const MAX_INVALID_ANSWERS: usize = 100;

/// An attempt to deliver a webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Completion time, by the simulator's clock.
    pub at: DateTime<Utc>,
    /// Account whose event it was.
    pub account_id: u64,
    /// Subscription that the event matched.
    pub hook_id: u64,
    /// Destination URL.
    pub destination: String,
    /// `note_lead`, …
    pub event: String,
    /// From 1 to 5.
    pub attempt: u32,
    /// Status of the response; 0 or 499 if there was none within 2 s.
    pub status: u16,
    /// Whether it was lost on purpose: nothing was sent, and nothing will be.
    pub lost: bool,
}

/// Delay before the next attempt; `None` if there is none.
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
    /// Counts a response; an invalid one may disable the hook.
    fn count(&mut self, status: u16, now: DateTime<Utc>) {
        if (100..300).contains(&status) {
            return;
        }
        while self.invalid.front().is_some_and(|at| now - *at > INVALID_WINDOW) {
            self.invalid.pop_front();
        }
        self.invalid.push_back(now);
        if self.invalid.len() > MAX_INVALID_ANSWERS {
            self.disabled = true;
        }
    }
}

impl Amocrm {
    /// All attempts so far, in order of completion.
    pub fn deliveries(&self) -> Vec<Delivery> {
        locked(&self.inner.deliveries).clone()
    }

    /// Sends these notes to all hooks for their entity type, all notes in one request.
    pub(crate) fn fire_notes(&self, account_id: u64, notes: &[Note]) {
        let Some(entity_type) = notes.first().map(|note| note.entity_type) else { return };
        let event = format!("note_{}", entity_type.singular());
        let under_contacts = self.behaviour().company_notes_under_contacts;
        let Some(account) = self.account(account_id) else { return };
        self.send_to_hooks(account_id, &event, &note_form(&account, notes, under_contacts));
    }

    /// Sends a body to all enabled hooks of an account that are subscribed to an event.
    pub(crate) fn send_to_hooks(&self, account_id: u64, event: &str, body: &str) {
        let mut state = locked(&self.inner.state);
        for hook in &state.content(account_id).hooks {
            if hook.disabled || !hook.settings.iter().any(|name| name == event) {
                continue;
            }
            if self.loses_webhook() {
                self.note_lost(account_id, hook, event);
                continue;
            }
            let amo = self.clone();
            let (id, event, body) = (hook.id, event.to_owned(), body.to_owned());
            let work = self.control().clock().begin_work();
            self.spawn(async move { amo.deliver(account_id, id, event, body, work).await });
        }
    }

    /// Loses the next webhooks that would be sent, with all their attempts; 0 ends it.
    pub fn lose_webhooks(&self, webhooks: u32) {
        *locked(&self.inner.webhook_losses) = webhooks;
    }

    /// Number of webhooks that are still to be lost.
    pub fn webhook_losses(&self) -> u32 {
        *locked(&self.inner.webhook_losses)
    }

    /// Whether the next webhook is lost; counts it. Redirects and disconnect hooks are lost by whoever lets them happen.
    pub fn loses_webhook(&self) -> bool {
        let mut left = locked(&self.inner.webhook_losses);
        let less = left.checked_sub(1);
        *left = less.unwrap_or_default();
        less.is_some()
    }

    fn note_lost(&self, account_id: u64, hook: &Hook, event: &str) {
        locked(&self.inner.deliveries).push(Delivery {
            at: self.control().clock().now(),
            account_id,
            hook_id: hook.id,
            destination: hook.destination.clone(),
            event: event.to_owned(),
            attempt: 1,
            status: 0,
            lost: true,
        });
    }

    /// `work` is the clock's for the first attempt.
    async fn deliver(&self, account_id: u64, hook_id: u64, event: String, body: String, mut work: DueWork) {
        let mut request_id = uuid::Uuid::new_v4().to_string();
        for attempt in 1.. {
            let Some(destination) = self.live_destination(account_id, hook_id) else { return };
            let answer = self.inner.outbound.post_hook(&destination, body.clone(), &request_id).await;
            let behaviour = self.behaviour();
            let status = answer.unwrap_or(behaviour.hook_timeout_status);
            let now = self.control().clock().now();
            self.count_answer(account_id, hook_id, status, now);
            let event = event.clone();
            locked(&self.inner.deliveries).push(Delivery {
                at: now,
                account_id,
                hook_id,
                destination,
                event,
                attempt,
                status,
                lost: false,
            });
            let Some(pause) = pause_after(attempt, status) else { return };
            if !behaviour.hook_request_id_stable {
                request_id = uuid::Uuid::new_v4().to_string();
            }
            let retry = self.control().clock().sleep_until(now + scaled(pause, behaviour.retry_time_factor));
            drop(work);
            work = retry.await;
        }
    }

    fn live_destination(&self, account_id: u64, hook_id: u64) -> Option<String> {
        let mut state = locked(&self.inner.state);
        let hooks = &state.content(account_id).hooks;
        hooks.iter().find(|hook| hook.id == hook_id && !hook.disabled).map(|hook| hook.destination.clone())
    }

    fn count_answer(&self, account_id: u64, hook_id: u64, status: u16, now: DateTime<Utc>) {
        let mut state = locked(&self.inner.state);
        if let Some(hook) = state.content(account_id).hooks.iter_mut().find(|hook| hook.id == hook_id) {
            hook.count(status, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Minutes between attempts that all get this status.
    fn pauses(status: u16) -> Vec<i64> {
        (1..).map_while(|attempt| pause_after(attempt, status)).map(|pause| pause.num_minutes()).collect()
    }

    #[test]
    fn retry_delays_follow_amocrms_table() {
        assert_eq!(pauses(500), [5, 15, 15, 60]);
        assert_eq!(pauses(499), [5, 15, 15, 60]);
        assert_eq!(pauses(404), [5, 15]);
        assert_eq!(pauses(302), [5, 15]);
        assert_eq!(pauses(0), [5, 15]);
        assert!(pauses(204).is_empty());
    }
}
