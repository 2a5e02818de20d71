//! `calls.poll_recognition`.

use crate::job::Tick;

/// Asks SpeechKit whether a recognition is ready, at a pace that grows with its age.
///
/// A tick of the cheap lane: ten thousand may be in flight, and losing one costs a sweep.
#[derive(Debug)]
pub struct PollRecognition;

impl Tick for PollRecognition {
    const KIND: &'static str = "calls.poll_recognition";
    const TRIGGER: &'static str = "the recognition was submitted";
    const ABOUT: &'static str = "asks whether the recognition is ready, within 5 checks a second";
}
