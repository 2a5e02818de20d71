//! Time settings of an account (`with=datetime_settings`).

use serde::Deserialize;
use serde_json::{Value, json};

/// Time settings of an account, as far as we ask: the answer of `api/v4/account?with=datetime_settings`.
#[derive(Debug, Deserialize)]
pub struct DatetimeSettings {
    #[serde(rename = "_embedded", default)]
    embedded: Embedded,
}

#[derive(Debug, Default, Deserialize)]
struct Embedded {
    #[serde(default)]
    datetime_settings: Settings,
}

#[derive(Debug, Default, Deserialize)]
struct Settings {
    #[serde(default)]
    timezone_offset: Option<String>,
}

impl DatetimeSettings {
    /// The offset from UTC in minutes, from the `_embedded` of an account; `None` for any other shape.
    pub(super) fn offset_of_embedded(embedded: &Value) -> Option<i16> {
        serde_json::from_value::<Self>(json!({ "_embedded": embedded })).ok()?.offset_minutes()
    }

    /// The offset from UTC in minutes, from `+03:00`.
    pub fn offset_minutes(&self) -> Option<i16> {
        let text = self.embedded.datetime_settings.timezone_offset.as_deref()?;
        let (sign, rest) = match text.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, text.strip_prefix('+').unwrap_or(text)),
        };
        let (hours, minutes) = rest.split_once(':')?;
        let (hours, minutes): (i16, i16) = (hours.parse().ok()?, minutes.parse().ok()?);
        let fits = (0..=14).contains(&hours) && (0..60).contains(&minutes);
        fits.then_some(sign * (hours * 60 + minutes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_read_with_their_sign_and_nonsense_is_none() {
        let offset = |text: &str| {
            let body = format!(r#"{{"_embedded":{{"datetime_settings":{{"timezone_offset":"{text}"}}}}}}"#);
            serde_json::from_str::<DatetimeSettings>(&body).unwrap().offset_minutes()
        };
        assert_eq!((offset("+03:00"), offset("-05:30"), offset("00:00")), (Some(180), Some(-330), Some(0)));
        assert_eq!(DatetimeSettings::offset_of_embedded(&Value::Null), None);
        assert_eq!((offset("Moscow"), offset("+99:00")), (None, None));
        assert_eq!(serde_json::from_str::<DatetimeSettings>("{}").unwrap().offset_minutes(), None);
    }
}
