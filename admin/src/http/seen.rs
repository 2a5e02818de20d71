//! Hidden field `seen` of forms that name their object by a visible field, such as a code: what the page showed of all objects
//! that the form may name. Of two people who change one of them at once the second one is told so.

use std::fmt::Display;

use super::Pairs;

/// Name of the field.
pub(crate) const SEEN_FIELD: &str = "seen";

/// The value of the field: name and version of each object. Names have no white space.
pub(crate) fn seen_versions<N: Display, V: Display>(shown: impl IntoIterator<Item = (N, V)>) -> String {
    let pairs: Vec<String> = shown.into_iter().map(|(name, version)| format!("{name}={version}")).collect();
    pairs.join(" ")
}

/// Whether an object differs from what the form's page showed: it has another version, is new, or is gone (`None`). A form
/// without the field has seen nothing, and is accepted.
pub(crate) fn has_changed(form: &Pairs, name: &str, version: Option<&str>) -> bool {
    let Some(seen) = form.raw(SEEN_FIELD) else { return false };
    let mut pairs = seen.split(' ').filter_map(|pair| pair.rsplit_once('='));
    let shown = pairs.find(|(shown, _)| *shown == name).map(|(_, version)| version);
    shown != version
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_a_new_and_a_removed_object_are_noticed_and_others_do_not_matter() {
        let seen = seen_versions([("flysense/start", 3), ("flysense/big", 1)]);
        let form = Pairs::default().with(SEEN_FIELD, &seen);
        assert!(!has_changed(&form, "flysense/start", Some("3")));
        assert!(!has_changed(&form, "flysense/new", None));
        assert!(has_changed(&form, "flysense/start", Some("4")), "changed");
        assert!(has_changed(&form, "flysense/start", None), "gone");
        assert!(has_changed(&form, "flysense/new", Some("1")), "new");
        // A page without objects has seen that there are none.
        let empty = Pairs::default().with(SEEN_FIELD, &seen_versions::<&str, u32>([]));
        assert!(has_changed(&empty, "flysense/start", Some("1")));
        assert!(!has_changed(&Pairs::default(), "flysense/start", Some("1")), "no field");
    }
}
