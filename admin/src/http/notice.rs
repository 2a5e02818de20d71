//! Result of the last act, shown once on the next page: a sealed cookie.

use poem::Response;
use secrecy::{ExposeSecret as _, SecretString};

use super::Incoming;
use crate::area::Area;
use crate::deps::Deps;
use crate::sign_in::session::{set_cookie, write_cookie};

/// Name of the cookie.
const COOKIE: &str = "flysk_admin_notice";
/// Associated data of the sealed text.
const AAD: &str = "admin_notice";
/// Lifetime of the cookie, seconds.
const TTL_S: i64 = 60;

/// Whether a request brings a notice.
pub(super) fn is_given(request: &Incoming) -> bool {
    request.cookie(COOKIE).is_some()
}

/// The notice of a request.
pub(super) fn find(deps: &Deps, request: &Incoming) -> Option<String> {
    let opened = deps.keyring.open_token(request.cookie(COOKIE)?, AAD).ok()?;
    Some(opened.expose_secret().to_owned())
}

/// Gives a notice to the next page of an application.
pub(super) fn give(deps: &Deps, response: &mut Response, area: Area, notice: &str) {
    let sealed = deps.keyring.seal_token(&SecretString::from(notice), AAD);
    if let Ok(sealed) = sealed {
        let url = match area {
            Area::Panel => &deps.config.admin.url,
            Area::Portal => &deps.config.portal.url,
        };
        write_cookie(response, url.scheme() == "https", COOKIE, &sealed, TTL_S);
    }
}

/// Removes a notice that was shown.
pub(super) fn remove(deps: &Deps, response: &mut Response) {
    set_cookie(deps, response, COOKIE, "", 0);
}
