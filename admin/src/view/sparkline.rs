//! Sparklines: small charts, drawn on the server as SVG.

use std::fmt::Write as _;

/// Width of the drawing, in units of the SVG.
const WIDTH: f64 = 100.0;
/// Height of the drawing.
const HEIGHT: f64 = 30.0;

/// Paths of a sparkline in a drawing of 100 × 30.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sparkline {
    pub(crate) line: String,
    /// The area below it.
    pub(crate) area: String,
}

impl Sparkline {
    /// A sparkline of these values from the oldest to the newest, with a gap where one is not known; `None` if fewer than two are.
    pub(crate) fn of(values: &[Option<i64>]) -> Option<Self> {
        let known: Vec<i64> = values.iter().flatten().copied().collect();
        if known.len() < 2 {
            return None;
        }
        let (low, high) = (known.iter().min().copied()?.min(0), known.iter().max().copied()?);
        #[expect(clippy::cast_precision_loss, reason = "a drawing needs no more than a double's precision")]
        let scaled = |value: i64| match high - low {
            0 => HEIGHT,
            span => HEIGHT - (value - low) as f64 / span as f64 * HEIGHT,
        };
        #[expect(clippy::cast_precision_loss, reason = "there are some thirty values")]
        let x_of = |at: usize| at as f64 * WIDTH / (values.len() - 1) as f64;
        let samples: Vec<(usize, Option<i64>)> = values.iter().copied().enumerate().collect();
        let mut drawn = Self { line: String::new(), area: String::new() };
        for run in samples.chunk_by(|(_, one), (_, next)| one.is_some() == next.is_some()) {
            let points: Vec<String> = run
                .iter()
                .filter_map(|(at, value)| Some(format!("{:.1} {:.1}", x_of(*at), scaled((*value)?))))
                .collect();
            if let (Some((first, Some(_))), Some((last, _))) = (run.first(), run.last()) {
                let line = format!("M{}", points.join("L"));
                let (left, right) = (x_of(*first), x_of(*last));
                // Writing to a String cannot fail.
                let _ = write!(drawn.area, "{line}L{right:.1} {HEIGHT}L{left:.1} {HEIGHT}Z");
                drawn.line.push_str(&line);
            }
        }
        Some(drawn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_value_is_at_the_top_and_the_newest_at_the_right() {
        let drawn = Sparkline::of(&[Some(0), Some(5), Some(10)]).unwrap();
        assert_eq!(drawn.line, "M0.0 30.0L50.0 15.0L100.0 0.0");
        assert!(drawn.area.ends_with("L100.0 30L0.0 30Z"));
    }

    #[test]
    fn equal_values_and_too_few_values_are_no_trap() {
        assert_eq!(Sparkline::of(&[Some(7)]), None);
        assert_eq!(Sparkline::of(&[Some(0), Some(0)]).unwrap().line, "M0.0 30.0L100.0 30.0");
        assert!(Sparkline::of(&[Some(-5), Some(5)]).is_some());
    }

    #[test]
    fn unknown_values_leave_a_gap() {
        assert_eq!(Sparkline::of(&[None, Some(7), None]), None);
        let drawn = Sparkline::of(&[None, Some(10), Some(0), None, Some(10)]).unwrap();
        assert_eq!(drawn.line, "M25.0 0.0L50.0 30.0M100.0 0.0");
        assert_eq!(drawn.area, "M25.0 0.0L50.0 30.0L50.0 30L25.0 30ZM100.0 0.0L100.0 30L100.0 30Z");
    }
}
