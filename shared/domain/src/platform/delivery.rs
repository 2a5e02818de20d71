//! Retry rules of event deliveries.

use std::time::Duration;

/// Default delays before retries, in seconds.
const DEFAULT_DELAYS_S: [u32; 3] = [10, 60, 300];
/// Upper bound of a backend's `Retry-After`.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(1);
/// Maximum number of retries in a widget's own schedule.
pub const MAX_RETRIES: usize = 20;
/// Maximum single delay in a widget's own schedule, in seconds (one day).
pub const MAX_DELAY_S: u32 = 86_400;

/// Response to a delivery attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryResponse {
    /// An HTTP response, with its `Retry-After` if present.
    Status {
        /// The HTTP status.
        status: u16,
        /// Delay requested by the backend.
        retry_after: Option<Duration>,
    },
    /// No response: connection failure or timeout.
    None,
    /// The URL leads to a forbidden address, to which nothing is sent.
    Forbidden,
}

/// Decision after a delivery attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryDecision {
    /// The backend accepted the event (2xx).
    Delivered,
    /// The backend does not want events any more (410).
    Refused,
    /// Retry after this delay.
    Retry(Duration),
    /// No attempts are left, or retrying is pointless.
    Failed,
}

/// Decides after attempt number `attempt` (from 1), using the widget's own `delays` in seconds or the default ones.
///
/// A redirect is a failure: deliveries carry the project token, so they go to the registered URL only.
pub fn decide_retry(answer: DeliveryResponse, attempt: u32, delays: Option<&[u32]>) -> RetryDecision {
    let asked = match answer {
        DeliveryResponse::Status { status: 200..=299, .. } => return RetryDecision::Delivered,
        DeliveryResponse::Status { status: 410, .. } => return RetryDecision::Refused,
        DeliveryResponse::Forbidden => return RetryDecision::Failed,
        DeliveryResponse::Status { retry_after, .. } => retry_after.unwrap_or_default().min(MAX_RETRY_AFTER),
        DeliveryResponse::None => Duration::ZERO,
    };
    let delays = delays.unwrap_or(&DEFAULT_DELAYS_S);
    let index = attempt.saturating_sub(1) as usize;
    delays.get(index).map_or(RetryDecision::Failed, |delay| {
        RetryDecision::Retry(Duration::from_secs((*delay).into()).max(asked))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16) -> DeliveryResponse {
        DeliveryResponse::Status { status, retry_after: None }
    }

    #[test]
    fn the_usual_schedule_is_10_60_300_and_then_it_ends() {
        let told: Vec<RetryDecision> =
            (1..=4).map(|attempt| decide_retry(DeliveryResponse::None, attempt, None)).collect();
        let after = |seconds| RetryDecision::Retry(Duration::from_secs(seconds));
        assert_eq!(told, [after(10), after(60), after(300), RetryDecision::Failed]);
        assert_eq!(decide_retry(answered(500), 5, Some(&[1, 1, 1, 1, 7])), after(7));
    }

    #[test]
    fn success_and_gone_end_it_at_once_and_redirects_are_failures() {
        assert_eq!(decide_retry(answered(204), 1, None), RetryDecision::Delivered);
        assert_eq!(decide_retry(answered(410), 1, None), RetryDecision::Refused);
        assert_eq!(decide_retry(DeliveryResponse::Forbidden, 1, None), RetryDecision::Failed);
        for status in [301, 307, 400, 401, 404, 429, 500, 503] {
            assert_eq!(
                decide_retry(answered(status), 1, None),
                RetryDecision::Retry(Duration::from_secs(10)),
                "{status}"
            );
        }
    }

    #[test]
    fn a_backend_may_ask_for_more_time_within_bounds_and_never_for_less() {
        let asked = |seconds| DeliveryResponse::Status {
            status: 503,
            retry_after: Some(Duration::from_secs(seconds)),
        };
        assert_eq!(decide_retry(asked(120), 1, None), RetryDecision::Retry(Duration::from_mins(2)));
        assert_eq!(decide_retry(asked(1), 1, None), RetryDecision::Retry(Duration::from_secs(10)));
        assert_eq!(decide_retry(asked(86_400), 1, None), RetryDecision::Retry(Duration::from_hours(1)));
    }
}
