//! Lifecycle of a transcription: states, transitions, failure.
//!
//! ```text
//! waiting_for_link ⇄ queued ◀─── audio deleted ───────┐     no_balance
//!                      │                              │         ⇅
//!                   fetching ─▶ converting ─────────▶ holding ◀─── hold expired ───┐
//!                                   │                   └─▶ uploading ─▶ submitting
//!                               no_speech ◀─ storing ◀─ recognizing ⇄─────┘ operation aborted: ordered again
//!                                              └─▶ settling ─▶ done
//! fetching, converting ─ recording incomplete ─▶ waiting_for_link
//! every state that is not final → failed
//! every state that is not final, except settling → cancelled
//! failed, cancelled, no_speech ─ requested again ─▶ queued
//! ```

use super::failure::FailureCode;
use crate::text_enum::labeled_enum;

labeled_enum!(
    /// State of a transcription.
    TranscriptionState {
        /// Requested, not started yet.
        Queued = "queued", "В очереди";
        /// The recording is not available yet; the note is checked again later.
        WaitingForLink = "waiting_for_link", "Ждём запись разговора";
        /// The recording is being downloaded.
        Fetching = "fetching", "Скачиваем запись";
        /// The recording is being checked, measured and converted for recognition.
        Converting = "converting", "Готовим запись";
        /// Coins for the work are being reserved, before any billable step.
        Holding = "holding", "Резервируем оплату";
        /// The balance is insufficient; the transcription continues after a top-up.
        NoBalance = "no_balance", "Нет баланса";
        /// The audio is being uploaded to the object storage.
        Uploading = "uploading", "Загружаем запись";
        /// The recognition is being ordered. A lost response at this step may cost money.
        Submitting = "submitting", "Отправляем на распознавание";
        /// The recognition is running.
        Recognizing = "recognizing", "Распознаём речь";
        /// The result is being read, assembled and stored.
        Storing = "storing", "Сохраняем текст";
        /// The price is being charged.
        Settling = "settling", "Завершаем";
        /// The transcript is available.
        Done = "done", "Готово";
        /// The recording contains no speech; free of charge.
        NoSpeech = "no_speech", "Речи нет";
        /// Ended with a [`FailureCode`].
        Failed = "failed", "Не удалось расшифровать";
        /// Cancelled by a user.
        Cancelled = "cancelled", "Отменено";
    }
);

/// Event that changes the state of a transcription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateEvent {
    /// The download started.
    FetchStarted,
    /// The note has no recording link yet.
    LinkMissing,
    /// The note has a recording link now.
    LinkFound,
    /// The link leads to no recording yet, or to a part of it.
    RecordingUnfinished,
    /// The recording was downloaded.
    Fetched,
    /// The audio was converted and contains speech.
    Converted,
    /// Coins were reserved, or the work is free.
    Held,
    /// The balance is insufficient.
    BalanceMissing,
    /// The balance suffices again.
    BalanceFilled,
    /// Coins were reserved, but the audio has been deleted from the object storage while the call waited for them.
    AudioGone,
    /// The hold expired before the recognition was ordered.
    HoldLapsed,
    /// No speech was found, by our detection or by SpeechKit's.
    NoSpeechFound,
    /// The audio was uploaded to the object storage.
    Uploaded,
    /// SpeechKit accepted the order.
    Submitted,
    /// SpeechKit aborted the operation for a reason other than the recording: it is ordered again.
    RecognitionBroke,
    /// The recognition finished.
    Recognized,
    /// The transcript was stored.
    Stored,
    /// The price was charged.
    Settled,
    /// The transcription cannot continue.
    Failed(FailureCode),
    /// A user cancelled it.
    Cancelled,
    /// Requested again after a failure, a cancellation or `no_speech`.
    AskedAgain,
}

/// The event is not allowed in this state: it is late or repeated, and the caller ignores it or reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("event {event:?} is not allowed in state `{from}`")]
pub struct InvalidTransition {
    /// State before the event.
    pub from: TranscriptionState,
    /// The refused event.
    pub event: StateEvent,
}

impl TranscriptionState {
    /// Whether the work is over; only a new request leads to another state.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::NoSpeech | Self::Failed | Self::Cancelled)
    }

    /// The state after `event`.
    pub const fn advance(self, event: StateEvent) -> Result<Self, InvalidTransition> {
        use StateEvent as E;
        use TranscriptionState as S;
        Ok(match (self, event) {
            (S::Queued | S::Fetching, E::LinkMissing)
            | (S::Fetching | S::Converting, E::RecordingUnfinished) => S::WaitingForLink,
            (S::WaitingForLink, E::LinkFound)
            | (S::Holding, E::AudioGone)
            | (S::Failed | S::Cancelled | S::NoSpeech, E::AskedAgain) => S::Queued,
            (S::Queued, E::FetchStarted) => S::Fetching,
            (S::Fetching, E::Fetched) => S::Converting,
            (S::Converting, E::Converted)
            | (S::NoBalance, E::BalanceFilled)
            | (S::Submitting, E::HoldLapsed) => S::Holding,
            (S::Holding, E::BalanceMissing) => S::NoBalance,
            (S::Holding, E::Held) => S::Uploading,
            (S::Converting | S::Storing, E::NoSpeechFound) => S::NoSpeech,
            (S::Uploading, E::Uploaded) | (S::Recognizing, E::RecognitionBroke) => S::Submitting,
            (S::Submitting, E::Submitted) => S::Recognizing,
            (S::Recognizing, E::Recognized) => S::Storing,
            (S::Storing, E::Stored) => S::Settling,
            (S::Settling, E::Settled) => S::Done,
            (from, E::Failed(_)) if !from.is_final() => S::Failed,
            // Settling cannot be cancelled: the transcript exists and is being charged.
            (from, E::Cancelled) if !from.is_final() && !matches!(from, S::Settling) => S::Cancelled,
            (from, event) => return Err(InvalidTransition { from, event }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::TranscriptionState as S;
    use super::*;
    use StateEvent as E;

    const EVENTS: [StateEvent; 21] = [
        E::FetchStarted,
        E::LinkMissing,
        E::LinkFound,
        E::RecordingUnfinished,
        E::Fetched,
        E::Converted,
        E::Held,
        E::BalanceMissing,
        E::BalanceFilled,
        E::AudioGone,
        E::HoldLapsed,
        E::NoSpeechFound,
        E::Uploaded,
        E::Submitted,
        E::RecognitionBroke,
        E::Recognized,
        E::Stored,
        E::Settled,
        E::Failed(FailureCode::Internal),
        E::Cancelled,
        E::AskedAgain,
    ];

    /// The complete transition table, written independently: state, event, next state. All other pairs are refused.
    fn allowed() -> Vec<(S, E, S)> {
        let mut table = vec![
            (S::Queued, E::FetchStarted, S::Fetching),
            (S::Queued, E::LinkMissing, S::WaitingForLink),
            (S::WaitingForLink, E::LinkFound, S::Queued),
            (S::Fetching, E::LinkMissing, S::WaitingForLink),
            (S::Fetching, E::RecordingUnfinished, S::WaitingForLink),
            (S::Converting, E::RecordingUnfinished, S::WaitingForLink),
            (S::Fetching, E::Fetched, S::Converting),
            (S::Converting, E::Converted, S::Holding),
            (S::Converting, E::NoSpeechFound, S::NoSpeech),
            (S::Holding, E::Held, S::Uploading),
            (S::Holding, E::BalanceMissing, S::NoBalance),
            (S::Holding, E::AudioGone, S::Queued),
            (S::NoBalance, E::BalanceFilled, S::Holding),
            (S::Submitting, E::HoldLapsed, S::Holding),
            (S::Uploading, E::Uploaded, S::Submitting),
            (S::Submitting, E::Submitted, S::Recognizing),
            (S::Recognizing, E::RecognitionBroke, S::Submitting),
            (S::Recognizing, E::Recognized, S::Storing),
            (S::Storing, E::Stored, S::Settling),
            (S::Storing, E::NoSpeechFound, S::NoSpeech),
            (S::Settling, E::Settled, S::Done),
            (S::NoSpeech, E::AskedAgain, S::Queued),
            (S::Failed, E::AskedAgain, S::Queued),
            (S::Cancelled, E::AskedAgain, S::Queued),
        ];
        for alive in [
            S::Queued,
            S::WaitingForLink,
            S::NoBalance,
            S::Fetching,
            S::Converting,
            S::Holding,
            S::Uploading,
            S::Submitting,
            S::Recognizing,
            S::Storing,
            S::Settling,
        ] {
            table.push((alive, E::Failed(FailureCode::Internal), S::Failed));
            if alive != S::Settling {
                table.push((alive, E::Cancelled, S::Cancelled));
            }
        }
        table
    }

    #[test]
    fn every_pair_of_state_and_event_does_what_the_table_says() {
        let table = allowed();
        for &from in S::ALL {
            for event in EVENTS {
                let expected = table
                    .iter()
                    .find(|(state, on, _)| (*state, *on) == (from, event))
                    .map_or(Err(InvalidTransition { from, event }), |(_, _, next)| Ok(*next));
                assert_eq!(from.advance(event), expected, "{from} on {event:?}");
            }
        }
    }

    #[test]
    fn done_is_forever_and_every_other_state_can_reach_it() {
        assert!(EVENTS.iter().all(|&event| S::Done.advance(event).is_err()));
        for &start in S::ALL {
            let mut reached = vec![start];
            let mut next = 0;
            while let Some(&state) = reached.get(next) {
                next += 1;
                for event in EVENTS {
                    reached.extend(state.advance(event).ok().filter(|state| !reached.contains(state)));
                }
            }
            assert!(reached.contains(&S::Done), "{start} is a trap");
        }
    }

    #[test]
    fn codes_fit_the_column() {
        for state in S::ALL {
            assert!(state.code().len() <= 32 && !state.label().is_empty());
        }
    }
}
