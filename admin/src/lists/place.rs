//! Parameters of the address that are a place in a list.

use super::count;

/// Parameters of the address that are a place in the list, and how far it is counted there: no part of its filter.
pub(super) const PLACE: [&str; 4] = ["after", "before", "day", count::PARAMETER];
