//! The `Range` header as file hosts support it: one byte range (RFC 9110, section 14).

/// The requested part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// The whole file: no range, or an ignored one.
    Whole,
    /// From the first byte (inclusive) to the second (exclusive).
    Range(u64, u64),
    /// Beyond the end of the file: 416.
    Unsatisfiable,
}

/// Parses the header for a file of `length` bytes. Malformed and multiple ranges are ignored, as the RFC allows.
pub(crate) fn part(header: Option<&str>, length: u64) -> Part {
    let Some((first, last)) = header
        .and_then(|value| value.strip_prefix("bytes="))
        .filter(|ranges| !ranges.contains(','))
        .and_then(|range| range.trim().split_once('-'))
    else {
        return Part::Whole;
    };
    match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), _) if first >= length => Part::Unsatisfiable,
        (Ok(first), Ok(last)) if last >= first => Part::Range(first, length.min(last + 1)),
        (Ok(first), Err(_)) if last.is_empty() => Part::Range(first, length),
        (Err(_), Ok(0)) if first.is_empty() => Part::Unsatisfiable,
        (Err(_), Ok(suffix)) if first.is_empty() && length > 0 => {
            Part::Range(length.saturating_sub(suffix), length)
        }
        _ => Part::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_a_file_of_100_bytes() {
        let of = |header| part(Some(header), 100);
        assert_eq!(of("bytes=0-9"), Part::Range(0, 10));
        assert_eq!(of("bytes=90-"), Part::Range(90, 100));
        assert_eq!(of("bytes=-10"), Part::Range(90, 100));
        assert_eq!(of("bytes=50-1000"), Part::Range(50, 100));
        assert_eq!(of("bytes=100-"), Part::Unsatisfiable);
        assert_eq!(of("bytes=9-3"), Part::Whole);
        assert_eq!(of("bytes=0-1,5-6"), Part::Whole);
        assert_eq!(part(None, 100), Part::Whole);
    }
}
