//! Principals that sign in: operators to the panel, vendors' users to the portal. Common steps are written once for any
//! [`SignsIn`]; the id's type decides cookie, tables and associated data, so a session of one kind is nothing to the other.

use flysk_crypto::aad;
use flysk_domain::Clock;
use flysk_domain::id::{OperatorId, OperatorSessionId, VendorSessionId, VendorUserId};
use flysk_store::admin::operators::Operator;
use flysk_store::admin::passkeys;
use flysk_store::portal::users::VendorUser;
use flysk_store::sign_in::Principal;
use flysk_store::{Conn, StoreResult};
use url::Url;

use crate::deps::Deps;

/// An id of persons who sign in.
pub(crate) trait SignsIn: Principal {
    /// The person's row.
    type Person: Person<Id = Self>;

    /// Name of the session's cookie.
    const COOKIE: &'static str;
    /// Name of the cookie over TLS. The prefix makes browsers refuse it without TLS or from another host.
    const TLS_COOKIE: &'static str;
    /// Begin of what CSRF tokens are made of.
    const FORM_SUBJECT: &'static str;

    /// URL of the application.
    fn url(deps: &Deps) -> &Url;

    fn new_session_id(clock: &dyn Clock) -> Self::SessionId;

    /// Associated data of the sealed secret of the second factor.
    fn totp_aad(self) -> String;

    /// Removes what stood for the second factor besides codes, because another one was set up.
    fn remove_other_factors(self, conn: &mut Conn) -> impl Future<Output = StoreResult<()>> + Send;
}

/// The row of a person who signs in.
pub(crate) trait Person: Send + Sync {
    type Id: SignsIn<Person = Self>;

    fn id(&self) -> Self::Id;

    /// Whether the person may sign in.
    fn is_enabled(&self) -> bool;

    /// The sealed secret of the second factor, confirmed or not.
    fn totp_sealed(&self) -> Option<&str>;

    /// Whether the second factor is confirmed.
    fn has_second_factor(&self) -> bool;
}

impl SignsIn for OperatorId {
    type Person = Operator;

    const COOKIE: &'static str = "flysk_admin";
    const TLS_COOKIE: &'static str = "__Host-flysk_admin";
    const FORM_SUBJECT: &'static str = "admin_form";

    fn url(deps: &Deps) -> &Url {
        &deps.config.admin.url
    }

    fn new_session_id(clock: &dyn Clock) -> OperatorSessionId {
        OperatorSessionId::generate(clock)
    }

    fn totp_aad(self) -> String {
        aad::operator_totp(self)
    }

    /// Passkeys belong to the second factor that was lost.
    async fn remove_other_factors(self, conn: &mut Conn) -> StoreResult<()> {
        passkeys::remove_all(conn, self).await?;
        Ok(())
    }
}

impl SignsIn for VendorUserId {
    type Person = VendorUser;

    const COOKIE: &'static str = "flysk_portal";
    const TLS_COOKIE: &'static str = "__Host-flysk_portal";
    const FORM_SUBJECT: &'static str = "portal_form";

    fn url(deps: &Deps) -> &Url {
        &deps.config.portal.url
    }

    fn new_session_id(clock: &dyn Clock) -> VendorSessionId {
        VendorSessionId::generate(clock)
    }

    fn totp_aad(self) -> String {
        aad::vendor_user_totp(self)
    }

    /// Vendors' users have no passkeys.
    async fn remove_other_factors(self, _: &mut Conn) -> StoreResult<()> {
        std::future::ready(Ok(())).await
    }
}

impl Person for Operator {
    type Id = OperatorId;

    fn id(&self) -> OperatorId {
        self.id
    }

    fn is_enabled(&self) -> bool {
        self.disabled_at.is_none()
    }

    fn totp_sealed(&self) -> Option<&str> {
        self.totp_sealed.as_deref()
    }

    fn has_second_factor(&self) -> bool {
        self.totp_confirmed_at.is_some()
    }
}

impl Person for VendorUser {
    type Id = VendorUserId;

    fn id(&self) -> VendorUserId {
        self.id
    }

    fn is_enabled(&self) -> bool {
        self.disabled_at.is_none()
    }

    fn totp_sealed(&self) -> Option<&str> {
        self.totp_sealed.as_deref()
    }

    fn has_second_factor(&self) -> bool {
        self.totp_confirmed_at.is_some()
    }
}
