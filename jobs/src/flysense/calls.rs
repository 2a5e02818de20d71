//! Stages of a call, from the note to the transcript. Each stage is a job of its own, so a crash repeats one stage only.

use std::time::Duration;

use chrono::{DateTime, Utc};
use flysk_domain::id::{AccountId, HookId, TranscriptionId};
use flysk_queue::{Backoff, EphemeralJob, Job, Policy, Priority};
use serde::{Deserialize, Serialize};

use crate::declare::{call_job, recurring_job};
use crate::queues;

/// Captures the price of a finished call from its hold. Retried until the outcome is definite; the transcript is shown meanwhile.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CapturePayment {
    /// Row of `transcriptions`.
    pub transcription_id: TranscriptionId,
    /// The account of the call: the tenant, for fair scheduling.
    pub account_id: AccountId,
    /// Run that is paid for; a new request starts another run.
    pub run: u32,
}

impl Job for CapturePayment {
    const KIND: &'static str = "calls.capture_payment";
    const POLICY: Policy = Policy::for_queue(queues::CALLS)
        .attempts(10_000)
        .backoff(Backoff::Exponential { first: Duration::from_secs(2), max: Duration::from_mins(10) });
    const TRIGGER: &'static str = "a finished call, a topped-up wallet";
    const DESCRIPTION: &'static str = "captures the price of the transcript from the hold";

    fn dedup_key(&self) -> Option<String> {
        Some(format!("{}/{}", self.transcription_id, self.run))
    }

    fn tenant(&self) -> Option<String> {
        Some(self.account_id.to_string())
    }
}

call_job! {
    /// Decodes the recording, measures speech and encodes the audio for recognition.
    ConvertAudio, "calls.convert_audio";
    policy: Policy::for_queue(queues::AUDIO).attempts(4).timeout_secs(1200);
    trigger: "a stored recording";
    description: "decodes the recording, measures speech, encodes audio for recognition";
}

call_job! {
    /// Deletes all audio of a call from object storage and from the scratch directory.
    DeleteAudio, "calls.delete_audio";
    policy: Policy::for_queue(queues::CALLS).attempts(20).priority(Priority::Low);
    trigger: "a call in any final state";
    description: "deletes the call's audio from storage and disk";
}

call_job! {
    /// Reads the call note, downloads its recording and stores the original.
    FetchRecording, "calls.fetch_recording";
    policy: Policy::for_queue(queues::CALLS)
        .attempts(12)
        .timeout_secs(1_500)
        .backoff(Backoff::Exponential { first: Duration::from_secs(5), max: Duration::from_mins(15) });
    trigger: "a request, or a note from a hook";
    description: "downloads the recording and stores the original";
}

call_job! {
    /// Places a hold on the wallet before any paid service is used.
    HoldPayment, "calls.hold_payment";
    policy: Policy::for_queue(queues::CALLS)
        .attempts(60)
        .backoff(Backoff::Exponential { first: Duration::from_secs(2), max: Duration::from_mins(10) });
    trigger: "a measured recording, a topped-up wallet";
    description: "places a hold, or parks the call as `no_balance`";
}

/// Reads one stored hook request of amoCRM and requests a transcription of each call in it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct IngestNote {
    /// Row of `flysense_hooks`.
    pub hook_id: HookId,
    /// The account that sent it: the tenant, for fair scheduling.
    pub account_id: AccountId,
}

impl Job for IngestNote {
    const KIND: &'static str = "calls.ingest_note";
    const POLICY: Policy = Policy::for_queue(queues::CALLS).attempts(10);
    const TRIGGER: &'static str = "`POST /hooks/amocrm/…`";
    const DESCRIPTION: &'static str = "filters call notes, drops duplicates, starts transcriptions";

    fn dedup_key(&self) -> Option<String> {
        Some(self.hook_id.to_string())
    }

    fn tenant(&self) -> Option<String> {
        Some(self.account_id.to_string())
    }
}

/// Checks whether SpeechKit has finished a recognition, at intervals that grow with the recognition's age.
///
/// An ephemeral job: 10,000 may be in flight, and `calls.resume_polls` re-creates lost ones.
#[derive(Debug)]
pub struct PollRecognition;

impl EphemeralJob for PollRecognition {
    const KIND: &'static str = "calls.poll_recognition";
    const TRIGGER: &'static str = "a submitted recognition";
    const DESCRIPTION: &'static str = "checks whether the recognition is ready; at most 5 checks/s";
}

call_job! {
    /// Makes a copy of a recording that browsers can play and seek.
    PreparePlayback, "calls.prepare_playback";
    policy: Policy::for_queue(queues::AUDIO)
        .priority(Priority::High)
        .attempts(4)
        .timeout_secs(1_500)
        .backoff(Backoff::Exponential { first: Duration::from_secs(2), max: Duration::from_mins(1) });
    trigger: "a listener of a recording that browsers cannot play or seek";
    description: "downloads and converts the recording, stores a copy for the player";
}

/// Reads one page of an account's calls from amoCRM and requests those whose hook was lost.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReconcileAccount {
    /// amoCRM's number of the account.
    pub account_id: AccountId,
    /// End of the time window; `None`: now. All pages of one window share it, so that their borders do not shift.
    pub until: Option<DateTime<Utc>>,
    /// Number of the page, from 1.
    pub page: u32,
}

impl ReconcileAccount {
    /// A reconciliation of all calls since the previous one.
    pub fn up_to_now(account_id: AccountId) -> Self {
        Self { account_id, until: None, page: 1 }
    }
}

impl Job for ReconcileAccount {
    const KIND: &'static str = "calls.reconcile_account";
    const POLICY: Policy =
        Policy::for_queue(queues::CALLS).priority(Priority::Low).attempts(4).timeout_secs(120);
    const TRIGGER: &'static str = "`calls.reconcile_due`, a repaired hook";
    const DESCRIPTION: &'static str = "finds calls whose hook was lost, and transcribes them";

    /// Page 1 is deduplicated by account. Later pages have keys of their own, or the next tick's job would replace them.
    fn dedup_key(&self) -> Option<String> {
        Some(match self.page {
            0 | 1 => self.account_id.to_string(),
            page => format!("{}/{page}", self.account_id),
        })
    }

    fn tenant(&self) -> Option<String> {
        Some(self.account_id.to_string())
    }
}

recurring_job! {
    /// Enqueues a reconciliation for every active account.
    ReconcileDue, "calls.reconcile_due";
    policy: Policy::for_queue(queues::UPKEEP).attempts(2).timeout_secs(300);
    trigger: "every 10 min";
    description: "enqueues `calls.reconcile_account` for every active account";
}

/// Releases the hold of a call that ended without a transcript.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReleasePayment {
    /// Row of `transcriptions`.
    pub transcription_id: TranscriptionId,
    /// The account of the call: the tenant, for fair scheduling.
    pub account_id: AccountId,
    /// Run that the hold belongs to.
    pub run: u32,
}

impl Job for ReleasePayment {
    const KIND: &'static str = "calls.release_payment";
    const POLICY: Policy = Policy::for_queue(queues::CALLS)
        .attempts(200)
        .backoff(Backoff::Exponential { first: Duration::from_secs(2), max: Duration::from_mins(10) });
    const TRIGGER: &'static str = "a call without a transcript";
    const DESCRIPTION: &'static str = "releases the hold";

    fn dedup_key(&self) -> Option<String> {
        Some(format!("{}/{}", self.transcription_id, self.run))
    }

    fn tenant(&self) -> Option<String> {
        Some(self.account_id.to_string())
    }
}

/// Reads the call notes behind events of amoCRM's feed and starts the transcriptions that users wait for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ResolveEvents {
    /// amoCRM's number of the account.
    pub account_id: AccountId,
}

impl Job for ResolveEvents {
    const KIND: &'static str = "calls.resolve_events";
    const POLICY: Policy = Policy::for_queue(queues::CALLS)
        .priority(Priority::High)
        .attempts(8)
        .timeout_secs(120)
        .backoff(Backoff::Exponential { first: Duration::from_secs(2), max: Duration::from_mins(5) });
    const TRIGGER: &'static str = "a card with records whose notes are unknown";
    const DESCRIPTION: &'static str =
        "reads the notes behind events of the feed, starts requested transcriptions";

    fn dedup_key(&self) -> Option<String> {
        Some(self.account_id.to_string())
    }

    fn tenant(&self) -> Option<String> {
        Some(self.account_id.to_string())
    }
}

recurring_job! {
    /// Re-creates the polls of running recognitions that Redis lost.
    ResumePolls, "calls.resume_polls";
    policy: Policy::for_queue(queues::UPKEEP).attempts(2);
    trigger: "every 30 s";
    description: "re-creates polls that Redis lost";
}

/// Reads an account's balance once and resumes the unpaid calls that it covers, oldest first.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ResumeUnpaid {
    /// The account whose calls wait for coins.
    pub account_id: AccountId,
}

impl Job for ResumeUnpaid {
    const KIND: &'static str = "calls.resume_unpaid";
    const POLICY: Policy = Policy::for_queue(queues::CALLS).attempts(4).timeout_secs(120);
    const TRIGGER: &'static str = "`calls.retry_unpaid`";
    const DESCRIPTION: &'static str =
        "reads the balance once, resumes the calls that it covers, oldest first";

    fn dedup_key(&self) -> Option<String> {
        Some(self.account_id.to_string())
    }

    fn tenant(&self) -> Option<String> {
        Some(self.account_id.to_string())
    }
}

recurring_job! {
    /// Finds accounts with calls that wait for coins and enqueues `calls.resume_unpaid` for those whose next check is due.
    RetryUnpaid, "calls.retry_unpaid";
    policy: Policy::for_queue(queues::UPKEEP).attempts(2);
    trigger: "every 10 s";
    description: "enqueues `calls.resume_unpaid` for accounts with calls that wait for coins";
}

call_job! {
    /// Marks a call as done and its price as owed.
    Settle, "calls.settle";
    policy: Policy::for_queue(queues::CALLS).attempts(20);
    trigger: "a summarised call";
    description: "marks the call as done and its price as owed";
}

call_job! {
    /// Submits the audio to SpeechKit.
    ///
    /// SpeechKit has no idempotency keys. The number of submissions is stored before each one, and at most three are made.
    StartRecognition, "calls.start_recognition";
    policy: Policy::for_queue(queues::CALLS).attempts(8).timeout_secs(60);
    trigger: "uploaded audio";
    description: "submits the recognition; at most 500 submissions/h";
}

call_job! {
    /// Fetches the recognition's result, assembles the dialogue with speakers, and stores both.
    StoreTranscript, "calls.store_transcript";
    policy: Policy::for_queue(queues::CALLS).attempts(10).timeout_secs(120);
    trigger: "a finished recognition";
    description: "fetches the result, stores dialogue and analysis";
}

call_job! {
    /// Requests a summary and the sentiment from YandexGPT, unless the recognition included them.
    ///
    /// The transcript is already stored. If no summary can be made, the reason is stored instead. A call of 4 h takes
    /// five requests of up to 90 s each.
    Summarize, "calls.summarize";
    policy: Policy::for_queue(queues::CALLS).attempts(5).timeout_secs(600);
    trigger: "a stored transcript";
    description: "stores summary and sentiment of the call";
}

recurring_job! {
    /// Deletes copies of recordings for the player whose time is over.
    SweepPlayback, "calls.sweep_playback";
    policy: Policy::for_queue(queues::UPKEEP).attempts(2).timeout_secs(600);
    trigger: "every 15 min";
    description: "deletes expired copies of recordings for the player";
}

recurring_job! {
    /// Deletes audio in storage whose call has ended or does not exist, left by crashes.
    SweepStorage, "calls.sweep_storage";
    policy: Policy::for_queue(queues::UPKEEP).attempts(2).timeout_secs(600);
    trigger: "every 15 min";
    description: "deletes audio that crashes left in storage";
}

call_job! {
    /// Uploads the audio for recognition to object storage.
    UploadAudio, "calls.upload_audio";
    policy: Policy::for_queue(queues::CALLS).attempts(8).timeout_secs(1200);
    trigger: "converted audio";
    description: "uploads the audio to object storage";
}
