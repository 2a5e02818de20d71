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

use super::own_access::{record, record_of_vendor_user};
use crate::deps::Deps;
use crate::fault::Fault;
use crate::request::Incoming;

/// Names of the acts of signing in, in the audit log.
#[derive(Debug)]
pub(crate) struct AccessActions {
    /// A complete sign-in.
    pub(crate) sign_in: &'static str,
    /// The same, with the first code of a second factor that was being set up.
    pub(crate) enrol: &'static str,
    /// The second factor once more.
    pub(crate) step_up: &'static str,
}

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
    const ACTIONS: AccessActions;

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

    /// What the person types to sign in: a login, or an address.
    fn login(&self) -> &str;

    /// Whether the person may sign in.
    fn is_enabled(&self) -> bool;

    /// The sealed secret of the second factor, confirmed or not.
    fn totp_sealed(&self) -> Option<&str>;

    /// Whether the second factor is confirmed.
    fn has_second_factor(&self) -> bool;

    /// Inserts a row of the audit log about the person's own access.
    fn record_access(
        &self,
        conn: &mut Conn,
        deps: &Deps,
        request: &Incoming,
        action: &str,
    ) -> impl Future<Output = Result<(), Fault>> + Send;
}

impl SignsIn for OperatorId {
    type Person = Operator;

    const COOKIE: &'static str = "flysk_admin";
    const TLS_COOKIE: &'static str = "__Host-flysk_admin";
    const FORM_SUBJECT: &'static str = "admin_form";
    const ACTIONS: AccessActions =
        AccessActions { sign_in: "operator.sign_in", enrol: "operator.enrol", step_up: "operator.step_up" };

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
    const ACTIONS: AccessActions = AccessActions {
        sign_in: "vendor_user.sign_in",
        enrol: "vendor_user.enrol",
        step_up: "vendor_user.step_up",
    };

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

    fn login(&self) -> &str {
        &self.login
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

    async fn record_access(
        &self,
        conn: &mut Conn,
        deps: &Deps,
        request: &Incoming,
        action: &str,
    ) -> Result<(), Fault> {
        record(conn, deps, request, self, action, None).await
    }
}

impl Person for VendorUser {
    type Id = VendorUserId;

    fn id(&self) -> VendorUserId {
        self.id
    }

    fn login(&self) -> &str {
        &self.email
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

    async fn record_access(
        &self,
        conn: &mut Conn,
        deps: &Deps,
        request: &Incoming,
        action: &str,
    ) -> Result<(), Fault> {
        record_of_vendor_user(conn, deps, request, self, action).await
    }
}
