//! When an event is sent again, and when it is not.

use std::time::Duration;

/// Retries after the first try, unless the widget has a schedule of its own.
const USUAL: [u32; 3] = [10, 60, 300];
/// A backend may ask for patience, but not for ever.
const LONGEST_PATIENCE: Duration = Duration::from_hours(1);
/// A widget's own schedule: at most so many retries, none of them later than a day.
pub const MOST_RETRIES: usize = 20;
/// The longest single delay of a widget's own schedule, in seconds.
pub const LONGEST_DELAY_S: u32 = 86_400;

/// What an attempt came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// An HTTP status, and `Retry-After` if there was one.
    Status {
        /// The status.
        status: u16,
        /// The wait the backend asks for.
        retry_after: Option<Duration>,
    },
    /// No answer.
    None,
    /// The address is one we do not call, whatever happens.
    Forbidden,
}

/// What happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It was taken.
    Delivered,
    /// The backend wants no events any more (410).
    Refused,
    /// Send again after this time.
    Retry(Duration),
    /// That was the last attempt.
    Failed,
}

/// What follows attempt number `attempt` (from 1) under the widget's own `delays` in seconds or the usual ones.
///
/// A redirect is a failure: events carry a token, and are sent nowhere but to the registered address.
pub fn next(answer: Answer, attempt: u32, delays: Option<&[u32]>) -> Next {
    let asked = match answer {
        Answer::Status { status: 200..=299, .. } => return Next::Delivered,
        Answer::Status { status: 410, .. } => return Next::Refused,
        Answer::Forbidden => return Next::Failed,
        Answer::Status { retry_after, .. } => retry_after.unwrap_or_default().min(LONGEST_PATIENCE),
        Answer::None => Duration::ZERO,
    };
    let delays = delays.unwrap_or(&USUAL);
    let index = attempt.saturating_sub(1) as usize;
    delays
        .get(index)
        .map_or(Next::Failed, |delay| Next::Retry(Duration::from_secs((*delay).into()).max(asked)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16) -> Answer {
        Answer::Status { status, retry_after: None }
    }

    #[test]
    fn the_usual_schedule_is_10_60_300_and_then_it_ends() {
        let told: Vec<Next> = (1..=4).map(|attempt| next(Answer::None, attempt, None)).collect();
        let after = |seconds| Next::Retry(Duration::from_secs(seconds));
        assert_eq!(told, [after(10), after(60), after(300), Next::Failed]);
        assert_eq!(next(answered(500), 5, Some(&[1, 1, 1, 1, 7])), after(7));
    }

    #[test]
    fn success_and_gone_end_it_at_once_and_redirects_are_failures() {
        assert_eq!(next(answered(204), 1, None), Next::Delivered);
        assert_eq!(next(answered(410), 1, None), Next::Refused);
        assert_eq!(next(Answer::Forbidden, 1, None), Next::Failed);
        for status in [301, 307, 400, 401, 404, 429, 500, 503] {
            assert_eq!(next(answered(status), 1, None), Next::Retry(Duration::from_secs(10)), "{status}");
        }
    }

    #[test]
    fn a_backend_may_ask_for_more_time_within_bounds_and_never_for_less() {
        let asked = |seconds| Answer::Status { status: 503, retry_after: Some(Duration::from_secs(seconds)) };
        assert_eq!(next(asked(120), 1, None), Next::Retry(Duration::from_mins(2)));
        assert_eq!(next(asked(1), 1, None), Next::Retry(Duration::from_secs(10)));
        assert_eq!(next(asked(86_400), 1, None), Next::Retry(Duration::from_hours(1)));
    }
}
