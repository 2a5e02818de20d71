//! A widget's settings of events as operators write them: kinds, delays, versions.

use flysk_domain::UnknownText;
use flysk_domain::platform::delivery::{MAX_DELAY_S, MAX_RETRIES};
use flysk_domain::platform::events::EventKind;

/// Word for the default kinds or delays.
pub const DEFAULTS_KEYWORD: &str = "usual";
/// Word for all kinds.
const ALL_KINDS_KEYWORD: &str = "all";
/// Maximum length of a version.
const MAX_VERSION_LEN: usize = 32;

/// Why a setting is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventSettingsError {
    /// There is no such kind of event.
    #[error(transparent)]
    UnknownKind(#[from] UnknownText),
    /// Every widget receives this kind.
    #[error("`{0}` is sent to every widget and need not be chosen")]
    NotOptional(EventKind),
    /// Not a list of whole numbers.
    #[error("delays are whole seconds separated by commas")]
    NotNumbers,
    /// More than `MAX_RETRIES`.
    #[error("at most {MAX_RETRIES} retries")]
    TooManyDelays,
    /// A delay is out of range.
    #[error("delays are 1 s to {MAX_DELAY_S} s")]
    DelayRange,
    /// Not a version of a widget's manifest.
    #[error("`{0}` is not a version like 1.4.0")]
    Version(String),
}

/// Parses kinds of events separated by commas, `all`, or `usual` for the default ones, which is `None`.
///
/// # Errors
///
/// A kind is unknown, or is sent to every widget.
pub fn parse_event_kinds(text: &str) -> Result<Option<Vec<EventKind>>, EventSettingsError> {
    match text {
        DEFAULTS_KEYWORD => return Ok(None),
        ALL_KINDS_KEYWORD => {
            return Ok(Some(EventKind::ALL.iter().copied().filter(|kind| kind.is_optional()).collect()));
        }
        _ => {}
    }
    let chosen = text.split(',').map(|kind| {
        let kind: EventKind = kind.trim().parse()?;
        if kind.is_optional() { Ok(kind) } else { Err(EventSettingsError::NotOptional(kind)) }
    });
    chosen.collect::<Result<Vec<_>, _>>().map(Some)
}

/// Parses delays between attempts to deliver an event, seconds separated by commas; `usual` restores the defaults, which is
/// `None`.
///
/// # Errors
///
/// There are too many delays, or one is out of range.
pub fn parse_delivery_delays(text: &str) -> Result<Option<Vec<u32>>, EventSettingsError> {
    if text == DEFAULTS_KEYWORD {
        return Ok(None);
    }
    let delays: Result<Vec<u32>, _> = text.split(',').map(|item| item.trim().parse()).collect();
    let delays = delays.map_err(|_| EventSettingsError::NotNumbers)?;
    if delays.len() > MAX_RETRIES {
        return Err(EventSettingsError::TooManyDelays);
    }
    if !delays.iter().all(|delay| (1..=MAX_DELAY_S).contains(delay)) {
        return Err(EventSettingsError::DelayRange);
    }
    Ok(Some(delays))
}

/// Checks a version as written in a widget's manifest for amoCRM.
///
/// # Errors
///
/// It is empty, too long, or has other characters.
pub fn check_widget_version(text: &str) -> Result<&str, EventSettingsError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if (1..=MAX_VERSION_LEN).contains(&text.len()) && text.bytes().all(plain) {
        Ok(text)
    } else {
        Err(EventSettingsError::Version(text.chars().take(MAX_VERSION_LEN).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_chosen_by_name_and_those_for_everybody_are_refused() {
        assert_eq!(parse_event_kinds("usual"), Ok(None));
        assert!(parse_event_kinds("all").unwrap().unwrap().contains(&EventKind::Install));
        let chosen = parse_event_kinds("install, flycoins.purchased").unwrap().unwrap();
        assert_eq!(chosen, [EventKind::Install, EventKind::FlycoinsPurchased]);
        assert_eq!(parse_event_kinds("test"), Err(EventSettingsError::NotOptional(EventKind::Test)));
        assert!(matches!(parse_event_kinds("nothing"), Err(EventSettingsError::UnknownKind(_))));
    }

    #[test]
    fn delays_and_versions_have_limits() {
        assert_eq!(parse_delivery_delays("10, 60"), Ok(Some(vec![10, 60])));
        assert_eq!(parse_delivery_delays("usual"), Ok(None));
        let many = vec!["1"; MAX_RETRIES + 1].join(",");
        for (text, error) in [
            ("", EventSettingsError::NotNumbers),
            ("10;60", EventSettingsError::NotNumbers),
            ("0", EventSettingsError::DelayRange),
            (many.as_str(), EventSettingsError::TooManyDelays),
        ] {
            assert_eq!(parse_delivery_delays(text), Err(error), "{text}");
        }
        assert!(check_widget_version("1.4.0").is_ok());
        assert!(check_widget_version("1.4/0").is_err() && check_widget_version("").is_err());
    }
}
