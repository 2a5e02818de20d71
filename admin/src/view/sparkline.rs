//! Sparklines: small charts, drawn on the server as SVG.

use std::fmt::Write as _;

/// Width of the drawing, in units of the SVG.
const WIDTH: f64 = 100.0;
/// Height of the drawing.
const HEIGHT: f64 = 30.0;

/// Paths of a sparkline in a drawing of 100 × 30.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sparkline {
    /// The line.
    pub(crate) line: String,
    /// The area below it.
    pub(crate) area: String,
}

impl Sparkline {
    /// A sparkline of these values from the oldest to the newest; `None` if there are fewer than two.
    pub(crate) fn of(values: &[i64]) -> Option<Self> {
        if values.len() < 2 {
            return None;
        }
        let (low, high) = (values.iter().min().copied()?.min(0), values.iter().max().copied()?);
        #[expect(clippy::cast_precision_loss, reason = "a drawing needs no more than a double's precision")]
        let scaled = |value: i64| match high - low {
            0 => HEIGHT,
            span => HEIGHT - (value - low) as f64 / span as f64 * HEIGHT,
        };
        #[expect(clippy::cast_precision_loss, reason = "there are some thirty values")]
        let step = WIDTH / (values.len() - 1) as f64;
        let mut line = String::new();
        let mut x = 0.0;
        for (at, value) in values.iter().enumerate() {
            // Writing to a String cannot fail.
            let _ = write!(line, "{}{x:.1} {:.1}", if at == 0 { 'M' } else { 'L' }, scaled(*value));
            x += step;
        }
        let area = format!("{line}L{WIDTH} {HEIGHT}L0 {HEIGHT}Z");
        Some(Self { line, area })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_value_is_at_the_top_and_the_newest_at_the_right() {
        let drawn = Sparkline::of(&[0, 5, 10]).unwrap();
        assert_eq!(drawn.line, "M0.0 30.0L50.0 15.0L100.0 0.0");
        assert!(drawn.area.ends_with("L100 30L0 30Z"));
    }

    #[test]
    fn equal_values_and_too_few_values_are_no_trap() {
        assert_eq!(Sparkline::of(&[7]), None);
        assert_eq!(Sparkline::of(&[0, 0]).unwrap().line, "M0.0 30.0L100.0 30.0");
        assert!(Sparkline::of(&[-5, 5]).is_some());
    }
}
