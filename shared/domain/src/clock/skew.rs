//! When to say that a machine's wall clock is wrong.

use chrono::TimeDelta;

/// A wall clock that is off by less than this is not worth a word.
const SKEW_TOLD_FROM: TimeDelta = TimeDelta::seconds(2);

/// What there is to say of a wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkewNews {
    /// It is off by so much; positive if it is ahead.
    Off(TimeDelta),
    /// It is right again.
    Right,
}

/// Remembers what was said of the wall clock, so that it is said once per change.
#[derive(Debug, Clone, Copy, Default)]
pub struct SkewReport {
    told: Option<TimeDelta>,
}

impl SkewReport {
    /// Takes in the wall clock's time minus the right one; gives what is news.
    pub fn observe(&mut self, skew: TimeDelta) -> Option<SkewNews> {
        let is_off = skew.abs() >= SKEW_TOLD_FROM;
        match self.told {
            None if is_off => {
                self.told = Some(skew);
                Some(SkewNews::Off(skew))
            }
            Some(told) if is_off && (skew - told).abs() >= SKEW_TOLD_FROM => {
                self.told = Some(skew);
                Some(SkewNews::Off(skew))
            }
            // Only well within the bound: one that stays at it would be told again and again.
            Some(_) if skew.abs() < SKEW_TOLD_FROM / 2 => {
                self.told = None;
                Some(SkewNews::Right)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn news(report: &mut SkewReport, skew_ms: i64) -> Option<SkewNews> {
        report.observe(TimeDelta::milliseconds(skew_ms))
    }

    #[test]
    fn a_wrong_clock_is_told_once_per_change() {
        let mut report = SkewReport::default();
        let off = |ms| Some(SkewNews::Off(TimeDelta::milliseconds(ms)));
        assert_eq!(news(&mut report, 1_900), None);
        assert_eq!(news(&mut report, 600_000), off(600_000));
        assert_eq!(news(&mut report, 600_400), None);
        assert_eq!(news(&mut report, 599_000), None);
        assert_eq!(news(&mut report, -3_000), off(-3_000));
        assert_eq!(news(&mut report, -1_999), None);
        assert_eq!(news(&mut report, -2_001), None, "it swings around the bound");
        assert_eq!(news(&mut report, 10), Some(SkewNews::Right));
        assert_eq!(news(&mut report, 10), None);
    }
}
