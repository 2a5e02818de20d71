//! Amounts in roubles with kopecks as decimals, converted without floating-point numbers.

use flysk_domain::money::Kopecks;
use serde_json::value::RawValue;

/// The JSON number of an amount, such as `4990.00`.
pub(super) fn write_roubles(kopecks: Kopecks) -> Result<Box<RawValue>, serde_json::Error> {
    RawValue::from_string(kopecks.to_string())
}

/// The amount of a JSON number or of a text with one; `None` if it has parts of a kopeck.
pub(super) fn read_roubles(raw: &RawValue) -> Option<Kopecks> {
    let text = raw.get().trim_matches('"');
    let (units, places) = text.split_once('.').unwrap_or((text, ""));
    let places = places.trim_end_matches('0');
    let exact = if places.is_empty() { units.to_owned() } else { format!("{units}.{places}") };
    exact.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roubles_become_kopecks_exactly() {
        for (text, kopecks) in [
            ("4990", Some(499_000)),
            ("4990.0", Some(499_000)),
            ("4990.5", Some(499_050)),
            ("4990.05", Some(499_005)),
            ("4990.0500", Some(499_005)),
            ("\"0.29\"", Some(29)),
            ("1.15", Some(115)),
            ("70368744177664.07", Some(7_036_874_417_766_407)),
            ("-1.50", Some(-150)),
            ("0.001", None),
            ("1e3", None),
            ("null", None),
            ("\"\"", None),
        ] {
            let raw = RawValue::from_string(text.to_owned()).unwrap();
            assert_eq!(read_roubles(&raw), kopecks.map(Kopecks), "{text}");
        }
    }

    #[test]
    fn kopecks_become_a_number_with_two_decimals() {
        assert_eq!(write_roubles(Kopecks(499_005)).unwrap().get(), "4990.05");
        assert_eq!(write_roubles(Kopecks(7)).unwrap().get(), "0.07");
    }
}
