//! Differences of vendors' users in sessions; the rest is that of [`session`](super::session).

use flysk_domain::id::VendorUserId;
use flysk_store::portal::sessions::VendorSession;
use flysk_store::portal::users::VendorUser;

use super::session::find_open;
use crate::area::Area;
use crate::deps::Deps;
use crate::fault::Fault;
use crate::request::Incoming;

/// An open session and its user.
#[derive(Debug, Clone)]
pub(crate) struct FoundUser {
    /// The user, who is not disabled.
    pub(crate) user: VendorUser,
    pub(crate) session: VendorSession,
}

/// The open session of a request and its user.
pub(crate) async fn find(deps: &Deps, request: &Incoming) -> Result<Option<FoundUser>, Fault> {
    let found = find_open::<VendorUserId>(deps, request).await?;
    Ok(found.map(|(user, session)| FoundUser { user, session }))
}

/// The legal name of a user's vendor, or its code.
pub(crate) fn vendor_name(user: &VendorUser) -> &str {
    if user.vendor_name.is_empty() { &user.vendor_code } else { &user.vendor_name }
}

/// A path of the portal to go to after signing in; anything else becomes its start page. The panel's rule is another: its paths have no
/// common beginning.
pub(crate) fn safe_target(target: Option<&str>) -> &str {
    let is_own = |path: &&str| {
        let path_only = path.split('?').next().unwrap_or_default();
        Area::of(path_only) == Area::Portal && !path.contains('\\') && !path.contains(char::is_control)
    };
    target.filter(is_own).unwrap_or(Area::Portal.home())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sign_in::session::sign_in_path;

    #[test]
    fn signing_in_leads_to_pages_of_the_portal_only() {
        for (target, path) in [
            (Some("/portal/deliveries?widget=wgt_1"), "/portal/deliveries?widget=wgt_1"),
            (Some("/portal?x=1"), "/portal?x=1"),
            (Some("/operators"), "/portal"),
            (Some("//elsewhere.example/portal"), "/portal"),
            (Some("/portal/\\elsewhere"), "/portal"),
            (Some("/portal/a\r\nb"), "/portal"),
            (None, "/portal"),
        ] {
            assert_eq!(safe_target(target), path);
        }
        assert_eq!(sign_in_path(Area::Portal, "/portal"), "/portal/sign-in");
        assert_eq!(
            sign_in_path(Area::Portal, "/portal/me?a=b"),
            "/portal/sign-in?next=%2Fportal%2Fme%3Fa%3Db"
        );
    }
}
