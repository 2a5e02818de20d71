//! The life of a transcription: its states, what moves it, and why it may fail.
//!
//! ```text
//! waiting_for_link ⇄ queued ◀─── the audio is gone ───┐     no_balance
//!                      │                              │         ⇅
//!                   fetching ─▶ converting ─────────▶ holding ◀─ the hold ran out ─┐
//!                                   │                   └─▶ uploading ─▶ submitting
//!                               no_speech ◀─ storing ◀─ recognizing ⇄─────┘ it broke off there: ordered again
//!                                              └─▶ settling ─▶ done
//! fetching, converting ─ the recording is not finished ─▶ waiting_for_link
//! any of them that is not final → failed, and but for settling → cancelled ── asked again → queued
//! ```

use super::coded::coded_enum;
use super::failure::FailureCode;

coded_enum!(
    /// Where a call is on its way from recording to transcript.
    TranscriptionState {
        /// Asked for, nothing done yet.
        Queued = "queued", "В очереди";
        /// The call has no recording yet; the note is looked at again later.
        WaitingForLink = "waiting_for_link", "Ждём запись разговора";
        /// The recording is being downloaded.
        Fetching = "fetching", "Скачиваем запись";
        /// The recording is being checked, measured and made fit for recognition.
        Converting = "converting", "Готовим запись";
        /// Coins are being set aside for the work, before anything of it costs.
        Holding = "holding", "Резервируем оплату";
        /// There is nothing to pay with; goes on when there is.
        NoBalance = "no_balance", "Нет баланса";
        /// The audio is on its way to the object storage.
        Uploading = "uploading", "Загружаем запись";
        /// The recognition is being ordered: the step whose lost answer may cost money.
        Submitting = "submitting", "Отправляем на распознавание";
        /// The recognition runs.
        Recognizing = "recognizing", "Распознаём речь";
        /// The result is being read, folded and stored.
        Storing = "storing", "Сохраняем текст";
        /// The price is being settled.
        Settling = "settling", "Завершаем";
        /// The transcript is there.
        Done = "done", "Готово";
        /// Nobody spoke; costs nothing.
        NoSpeech = "no_speech", "Речи нет";
        /// It ended with a [`FailureCode`].
        Failed = "failed", "Не удалось расшифровать";
        /// Somebody stopped it.
        Cancelled = "cancelled", "Отменено";
    }
);

/// What can happen to a transcription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateEvent {
    /// Its turn came.
    FetchStarted,
    /// The note has no recording link yet.
    LinkMissing,
    /// The link appeared.
    LinkFound,
    /// The link leads to nothing yet, or to a part of the recording.
    RecordingUnfinished,
    /// The recording is here.
    Fetched,
    /// The audio is ready, with speech in it.
    Converted,
    /// Coins are set aside, or it costs nothing.
    Held,
    /// The balance does not cover the price.
    BalanceMissing,
    /// The wallet was filled.
    BalanceFilled,
    /// Coins are set aside, but the recording waited for them too long and was deleted.
    AudioGone,
    /// The hold ran out before the recognition was ordered.
    HoldLapsed,
    /// No speech, by our ear or by the recogniser's.
    NoSpeechFound,
    /// The audio is in the object storage.
    Uploaded,
    /// The recogniser took the order.
    Submitted,
    /// It broke off at the recogniser through no fault of the recording: it is ordered again.
    RecognitionBroke,
    /// The recogniser is done.
    Recognized,
    /// The transcript is stored.
    Stored,
    /// The price is settled.
    Settled,
    /// It cannot go on.
    Failed(FailureCode),
    /// Somebody stopped it.
    Cancelled,
    /// Somebody asks for it again after it failed, was cancelled, or had no speech.
    AskedAgain,
}

/// The event does not belong to the state: a late or doubled one, to be ignored or looked into by the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a transcription that is `{from}` cannot take {event:?}")]
pub struct InvalidTransition {
    /// The state it was in.
    pub from: TranscriptionState,
    /// What came.
    pub event: StateEvent,
}

impl TranscriptionState {
    /// Whether the work is over; only being asked again leads out of it.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::NoSpeech | Self::Failed | Self::Cancelled)
    }

    /// Whether it waits for something from outside and holds no job's slot. One without balance keeps its
    /// recording for a while ([`AUDIO_KEPT`](super::payment::AUDIO_KEPT)).
    pub const fn is_parked(self) -> bool {
        matches!(self, Self::WaitingForLink | Self::NoBalance)
    }

    /// The state that follows.
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
            // Once the transcript is there and being paid for, there is nothing left to stop.
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

    /// The whole table, written out a second time: state, event, next state. All other pairs are refused.
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
    fn codes_fit_the_column_and_no_final_state_is_parked() {
        for state in S::ALL {
            assert!(state.code().len() <= 32 && !state.label().is_empty());
            assert!(!(state.is_final() && state.is_parked()));
        }
    }
}
