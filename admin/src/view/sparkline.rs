//! Sparklines: small charts, drawn on the server as SVG.

use std::fmt::Write as _;

/// Width of the drawing, in units of the SVG.
const WIDTH: f64 = 100.0;
/// Height of the drawing.
const HEIGHT: f64 = 30.0;
/// Fewest values in a row that are joined by a line. A line between two of thirty is a slash that tells nothing.
const LINE_VALUES: usize = 3;

/// Paths of a sparkline in a drawing of 100 × 30.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sparkline {
    /// The zero line, over the whole width.
    pub(crate) axis: String,
    /// The lines through the known values.
    pub(crate) line: String,
    /// The areas between these lines and zero.
    pub(crate) area: String,
    /// Lines without length, which round caps make dots: known values too few for a line.
    pub(crate) dots: String,
}

impl Sparkline {
    /// A sparkline of these values from the oldest to the newest, with a gap where one is not known.
    pub(crate) fn of(values: &[Option<i64>]) -> Self {
        let scale = Scale::of(values);
        let zero = scale.y(0);
        let mut drawn = Self {
            axis: format!("M0 {zero:.1}H{WIDTH}"),
            line: String::new(),
            area: String::new(),
            dots: String::new(),
        };
        let samples: Vec<(usize, Option<i64>)> = values.iter().copied().enumerate().collect();
        for run in samples.chunk_by(|(_, one), (_, next)| one.is_some() == next.is_some()) {
            let point = |(at, value): &(usize, Option<i64>)| Some((scale.x(*at), scale.y((*value)?)));
            let points: Vec<(f64, f64)> = run.iter().filter_map(point).collect();
            drawn.add(&points, zero);
        }
        drawn
    }

    /// Draws values in a row. Writing to a String cannot fail.
    fn add(&mut self, points: &[(f64, f64)], zero: f64) {
        if points.len() < LINE_VALUES {
            for (x, y) in points {
                let _ = write!(self.dots, "M{x:.1} {y:.1}h0");
            }
            return;
        }
        if let ([(left, _), ..], [.., (right, _)]) = (points, points) {
            let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1} {y:.1}")).collect();
            let line = format!("M{}", points.join("L"));
            let _ = write!(self.area, "{line}L{right:.1} {zero:.1}L{left:.1} {zero:.1}Z");
            self.line.push_str(&line);
        }
    }
}

/// Places of values in the drawing, which always has zero in it.
#[derive(Debug, Clone, Copy)]
struct Scale {
    low: i64,
    high: i64,
    values: usize,
}

#[expect(clippy::cast_precision_loss, reason = "a drawing needs no more than a double's precision")]
impl Scale {
    fn of(values: &[Option<i64>]) -> Self {
        let known = || values.iter().flatten().copied().chain([0]);
        Self { low: known().min().unwrap_or(0), high: known().max().unwrap_or(0), values: values.len() }
    }

    fn x(self, at: usize) -> f64 {
        match self.values {
            0 | 1 => WIDTH,
            values => at as f64 * WIDTH / (values - 1) as f64,
        }
    }

    fn y(self, value: i64) -> f64 {
        match self.high.saturating_sub(self.low) {
            0 => HEIGHT,
            span => HEIGHT - value.saturating_sub(self.low) as f64 / span as f64 * HEIGHT,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_value_is_at_the_top_and_the_newest_at_the_right() {
        let drawn = Sparkline::of(&[Some(0), Some(5), Some(10)]);
        assert_eq!(drawn.line, "M0.0 30.0L50.0 15.0L100.0 0.0");
        assert!(drawn.area.ends_with("L100.0 30.0L0.0 30.0Z"));
        assert_eq!((drawn.axis.as_str(), drawn.dots.as_str()), ("M0 30.0H100", ""));
    }

    #[test]
    fn equal_values_are_a_level_line() {
        assert_eq!(Sparkline::of(&[Some(0); 3]).line, "M0.0 30.0L50.0 30.0L100.0 30.0");
        assert_eq!(Sparkline::of(&[Some(7); 3]).line, "M0.0 0.0L50.0 0.0L100.0 0.0");
    }

    #[test]
    fn negative_values_are_below_the_zero_line() {
        let drawn = Sparkline::of(&[Some(-5), Some(0), Some(10)]);
        assert_eq!(
            (drawn.axis.as_str(), drawn.line.as_str()),
            ("M0 20.0H100", "M0.0 30.0L50.0 20.0L100.0 0.0")
        );
        assert!(drawn.area.ends_with("L100.0 20.0L0.0 20.0Z"));
    }

    #[test]
    fn unknown_values_leave_a_gap_and_few_known_ones_are_dots() {
        let drawn = Sparkline::of(&[None, Some(10), Some(0), Some(5), None, Some(10)]);
        assert_eq!(drawn.line, "M20.0 0.0L40.0 30.0L60.0 15.0");
        assert_eq!(drawn.area, "M20.0 0.0L40.0 30.0L60.0 15.0L60.0 30.0L20.0 30.0Z");
        assert_eq!(drawn.dots, "M100.0 0.0h0");
        let two = Sparkline::of(&[None, Some(0), Some(10)]);
        assert_eq!((two.line.as_str(), two.dots.as_str()), ("", "M50.0 30.0h0M100.0 0.0h0"));
    }

    #[test]
    fn nothing_known_leaves_the_zero_line_alone() {
        let axis_alone = Sparkline {
            axis: "M0 30.0H100".to_owned(),
            line: String::new(),
            area: String::new(),
            dots: String::new(),
        };
        let unknown: [&[Option<i64>]; 3] = [&[None, None], &[None], &[]];
        for values in unknown {
            assert_eq!(Sparkline::of(values), axis_alone);
        }
        assert_eq!(Sparkline::of(&[Some(7)]).dots, "M100.0 0.0h0");
    }
}
