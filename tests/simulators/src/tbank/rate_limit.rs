//! Limit of requests per second, answered with 429.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::TBank;
use crate::lock::locked;

/// Length of the window of the limit.
const RATE_WINDOW: Duration = Duration::from_secs(1);

/// Times of the accepted requests within the last window.
#[derive(Debug, Default)]
pub(super) struct Requests(VecDeque<Instant>);

impl TBank {
    /// Whether one more request fits the limit of requests per second. A refused one is not counted.
    pub(super) fn admits_request(&self) -> bool {
        let Some(limit) = self.behaviour().requests_per_second else { return true };
        let now = Instant::now();
        let mut requests = locked(&self.inner.requests);
        while requests.0.front().is_some_and(|earlier| now.duration_since(*earlier) >= RATE_WINDOW) {
            requests.0.pop_front();
        }
        let admitted = requests.0.len() < limit as usize;
        if admitted {
            requests.0.push_back(now);
        }
        admitted
    }
}
