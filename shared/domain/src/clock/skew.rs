//! When to report that a machine's wall clock is wrong.

use chrono::TimeDelta;

/// A smaller skew of the wall clock is not reported.
const SKEW_REPORT_THRESHOLD: TimeDelta = TimeDelta::seconds(2);

/// Change to report about the wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkewChange {
    /// The skew of the wall clock; positive if it is ahead.
    Off(TimeDelta),
    /// The wall clock is correct again.
    Right,
}

/// State of the last report, so that each change is reported once.
#[derive(Debug, Clone, Copy, Default)]
pub struct SkewReport {
    told: Option<TimeDelta>,
}

impl SkewReport {
    /// Evaluates the wall clock's time minus the correct time; returns the change to report, if any.
    pub fn observe(&mut self, skew: TimeDelta) -> Option<SkewChange> {
        let is_off = skew.abs() >= SKEW_REPORT_THRESHOLD;
        match self.told {
            None if is_off => {
                self.told = Some(skew);
                Some(SkewChange::Off(skew))
            }
            Some(told) if is_off && (skew - told).abs() >= SKEW_REPORT_THRESHOLD => {
                self.told = Some(skew);
                Some(SkewChange::Off(skew))
            }
            // With hysteresis: a skew near the threshold would otherwise be reported again and again.
            Some(_) if skew.abs() < SKEW_REPORT_THRESHOLD / 2 => {
                self.told = None;
                Some(SkewChange::Right)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observed(report: &mut SkewReport, skew_ms: i64) -> Option<SkewChange> {
        report.observe(TimeDelta::milliseconds(skew_ms))
    }

    #[test]
    fn a_wrong_clock_is_told_once_per_change() {
        let mut report = SkewReport::default();
        let off = |ms| Some(SkewChange::Off(TimeDelta::milliseconds(ms)));
        assert_eq!(observed(&mut report, 1_900), None);
        assert_eq!(observed(&mut report, 600_000), off(600_000));
        assert_eq!(observed(&mut report, 600_400), None);
        assert_eq!(observed(&mut report, 599_000), None);
        assert_eq!(observed(&mut report, -3_000), off(-3_000));
        assert_eq!(observed(&mut report, -1_999), None);
        assert_eq!(observed(&mut report, -2_001), None, "a skew near the threshold is not reported again");
        assert_eq!(observed(&mut report, 10), Some(SkewChange::Right));
        assert_eq!(observed(&mut report, 10), None);
    }
}
