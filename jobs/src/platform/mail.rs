//! Notices by e-mail.

use std::time::Duration;

use flysk_domain::id::MailNoticeId;
use flysk_queue::{Backoff, Job, Policy, Priority};
use serde::{Deserialize, Serialize};

use crate::queues;

/// Sends a notice by e-mail.
///
/// The intent is stored before the letter is handed over. A run that finds an intent does not send it again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SendMailNotice {
    /// The notice.
    pub notice_id: MailNoticeId,
}

impl Job for SendMailNotice {
    const KIND: &'static str = "mail.send_notice";
    // Mail servers ask to come back in minutes or hours (greylisting): these attempts last for two days.
    const POLICY: Policy = Policy::for_queue(queues::MAIL)
        .priority(Priority::Low)
        .attempts(20)
        .timeout_secs(150)
        .backoff(Backoff::Exponential { first: Duration::from_mins(1), max: Duration::from_hours(4) });
    const TRIGGER: &'static str = "a change of a subscription that its payer should know";
    const DESCRIPTION: &'static str = "sends a notice about a subscription to the address of its receipts";

    fn dedup_key(&self) -> Option<String> {
        Some(self.notice_id.to_string())
    }
}
