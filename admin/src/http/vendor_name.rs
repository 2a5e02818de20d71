//! Name of a vendor as its users read it.

use flysk_store::portal::users::VendorUser;

/// The legal name of a user's vendor, or its code.
pub(super) fn vendor_name(user: &VendorUser) -> &str {
    if user.vendor_name.is_empty() { &user.vendor_code } else { &user.vendor_name }
}
