//! Time spans of speech.

/// A time span, ms from the start of the audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start_ms: i64,
    pub(crate) end_ms: i64,
}

impl Span {
    pub(crate) fn new(start_ms: i64, end_ms: i64) -> Self {
        Self { start_ms, end_ms }
    }

    pub(crate) fn duration_ms(self) -> i64 {
        self.end_ms - self.start_ms
    }

    /// Duration of the overlap, ms.
    pub(crate) fn overlap_ms(self, other: Self) -> i64 {
        (self.end_ms.min(other.end_ms) - self.start_ms.max(other.start_ms)).max(0)
    }
}

/// Speech detected in an audio file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SpeechAnalysis {
    pub(crate) duration_ms: i64,
    /// Speech of each channel, in order of time.
    pub(crate) speech: Vec<Vec<Span>>,
    /// Derived from the bytes of the file; seed of the filler words.
    pub(crate) fingerprint: u64,
}

impl SpeechAnalysis {
    pub(crate) fn is_silent(&self) -> bool {
        self.speech.iter().all(Vec::is_empty)
    }
}

/// Total duration, ms.
pub(crate) fn total_ms(spans: &[Span]) -> i64 {
    spans.iter().map(|span| span.duration_ms()).sum()
}

/// Joins spans that are less than `pause_ms` apart. Spans are in order of their start.
pub(crate) fn joined(spans: impl IntoIterator<Item = Span>, pause_ms: i64) -> Vec<Span> {
    let mut out: Vec<Span> = Vec::new();
    for span in spans {
        match out.last_mut() {
            Some(last) if span.start_ms - last.end_ms < pause_ms || span.start_ms <= last.end_ms => {
                last.end_ms = last.end_ms.max(span.end_ms);
            }
            _ => out.push(span),
        }
    }
    out
}

/// Cuts spans at these times, which are in order.
pub(crate) fn cut_at(spans: &[Span], moments: &[i64]) -> Vec<Span> {
    let mut out = Vec::with_capacity(spans.len());
    for span in spans {
        let mut rest = *span;
        for moment in moments.iter().filter(|moment| (span.start_ms + 1..span.end_ms).contains(*moment)) {
            out.push(Span::new(rest.start_ms, *moment));
            rest.start_ms = *moment;
        }
        out.push(rest);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_pauses_are_bridged_and_long_ones_kept() {
        let spans = [Span::new(0, 100), Span::new(150, 200), Span::new(400, 500)];
        assert_eq!(joined(spans, 100), [Span::new(0, 200), Span::new(400, 500)]);
        assert_eq!(joined(spans, 0), spans);
    }

    #[test]
    fn a_cut_divides_only_the_span_that_contains_it() {
        let spans = [Span::new(0, 100), Span::new(200, 300)];
        assert_eq!(
            cut_at(&spans, &[50, 150, 200]),
            [Span::new(0, 50), Span::new(50, 100), Span::new(200, 300)]
        );
    }
}
