//! Arguments of a page of the vendors' portal: dependencies, request, and the vendor's signed-in user.
//!
//! A [`VendorVisit`] is not a [`Visit`](super::Visit) and is made of other tables: no page of the panel can be called with one, and no
//! page of the portal for an operator. The two stand apart although they read alike: a transaction over both kinds of visits would be the
//! one place where a vendor's act could be recorded as an operator's.

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use flysk_domain::admin::RowDensity;
use flysk_domain::id::{AuditId, VendorId, VendorUserId};
use flysk_queue::UnitOfWork;
use flysk_store::admin::audit::{self, NewAuditRow};
use flysk_store::portal::sessions::VendorSession;
use flysk_store::portal::users;
use poem::Response;
use serde_json::Value;

use super::{Fault, Incoming, Record, notice, respond};
use crate::area::Area;
use crate::deps::Deps;
use crate::navigation;
use crate::sign_in::session::form_token;
use crate::sign_in::vendor_session::vendor_name;
use crate::view::Layout;

/// Whether a form needs a second factor that was given a short time ago, as a type.
pub(crate) trait Demand: Send + Sync + 'static {
    /// Whether it does.
    const NEEDS_FRESH_PROOF: bool;
}

/// The session is enough.
#[derive(Debug)]
pub(crate) enum SignedIn {}

/// A fresh second factor besides: for secrets, addresses of events, and what is sold.
#[derive(Debug)]
pub(crate) enum Proved {}

impl Demand for SignedIn {
    const NEEDS_FRESH_PROOF: bool = false;
}

impl Demand for Proved {
    const NEEDS_FRESH_PROOF: bool = true;
}

/// A signed-in user of one vendor. Values are made by the gate alone.
#[derive(Debug)]
pub(crate) struct ActingVendor<D> {
    pub(crate) id: VendorUserId,
    /// The vendor: every statement of the page names it.
    pub(crate) vendor: VendorId,
    /// Address, for the audit log.
    pub(crate) email: String,
    /// Name to show.
    pub(crate) name: String,
    /// Name of the vendor to show.
    pub(crate) vendor_name: String,
    pub(crate) session: VendorSession,
    demand: PhantomData<fn() -> D>,
}

impl<D: Demand> ActingVendor<D> {
    /// A user whose session the gate has checked.
    pub(super) fn new(user: &users::VendorUser, session: VendorSession) -> Self {
        Self {
            id: user.id,
            vendor: user.vendor_id,
            email: user.email.clone(),
            name: user.name.clone(),
            vendor_name: vendor_name(user).to_owned(),
            session,
            demand: PhantomData,
        }
    }
}

/// A request of a signed-in user of a vendor.
#[derive(Debug)]
pub(crate) struct VendorVisit<D> {
    /// Stores and keys.
    pub(crate) deps: Deps,
    /// The user.
    pub(crate) who: ActingVendor<D>,
    pub(crate) request: Incoming,
}

/// A request of a vendor's user whose second factor is still missing.
#[derive(Debug)]
pub(crate) struct VendorNewcomer {
    /// Stores and keys.
    pub(crate) deps: Deps,
    pub(crate) request: Incoming,
    pub(crate) user: users::VendorUser,
    pub(crate) session: VendorSession,
}

/// A transaction of an act. It can only be committed with a record for the audit log.
#[derive(Debug)]
pub(crate) struct VendorAct<'a, D> {
    unit: UnitOfWork,
    visit: &'a VendorVisit<D>,
}

impl<D: Demand> VendorVisit<D> {
    /// Begins the transaction of an act. Callers repeat it with [`flysk_store::repeat_contended`].
    pub(crate) async fn begin(&self) -> Result<VendorAct<'_, D>, Fault> {
        let unit = self.deps.outbox.begin(self.request.trace.clone()).await?;
        Ok(VendorAct { unit, visit: self })
    }

    /// CSRF token for forms of this session.
    pub(crate) fn csrf(&self) -> String {
        form_token(&self.deps.keyring, &self.who.session)
    }

    /// Layout of a page with this title.
    pub(crate) fn layout(&self, title: impl Into<String>) -> Layout {
        Layout {
            title: title.into(),
            area: Area::Portal,
            nav: navigation::portal::groups(&self.request.path),
            name: self.who.name.clone(),
            role: self.who.vendor_name.clone(),
            csrf: self.csrf(),
            row_density: RowDensity::Comfortable,
            notice: notice::find(&self.deps, &self.request),
            search: String::new(),
            read_only: self.deps.config.admin.read_only,
            request_id: self.request.trace.correlation_id.clone(),
            p95_ms: None,
        }
    }

    #[expect(clippy::unused_self, reason = "handlers answer through their visit")]
    pub(crate) fn page(&self, template: &impl askama::Template) -> Result<Response, Fault> {
        respond::page(poem::http::StatusCode::OK, template)
    }

    /// The answer to a form that was accepted: a redirect to `path`, which shows `notice` once.
    pub(crate) fn done(&self, path: &str, notice: &str) -> Response {
        respond::redirect_with_notice(&self.deps, path, notice)
    }
}

impl<D: Demand> VendorAct<'_, D> {
    /// Inserts the record and commits.
    pub(crate) async fn commit(mut self, record: Record<'_>) -> Result<(), Fault> {
        let text = |value: &Value| (!value.is_null()).then(|| value.to_string());
        let who = &self.visit.who;
        let row = NewAuditRow {
            id: AuditId::generate(self.visit.deps.clock()),
            operator_id: None,
            operator_login: &who.email,
            action: record.action,
            subject: (record.subject.0, &record.subject.1),
            reason: record.reason,
            states: (text(&record.before), text(&record.after)),
            address: &self.visit.request.address,
            correlation_id: &self.visit.request.trace.correlation_id,
        };
        let now = self.unit.now();
        audit::insert_by_vendor_user(&mut self.unit, &row, who.id, now).await?;
        self.unit.commit().await?;
        tracing::info!(action = record.action, user = %who.id, vendor = %who.vendor, subject = %record.subject.1, "a vendor's user acted");
        Ok(())
    }

    /// The unit of work, for use cases that enqueue jobs.
    pub(crate) fn unit(&mut self) -> &mut UnitOfWork {
        &mut self.unit
    }
}

impl<D> Deref for VendorAct<'_, D> {
    type Target = UnitOfWork;

    fn deref(&self) -> &UnitOfWork {
        &self.unit
    }
}

impl<D> DerefMut for VendorAct<'_, D> {
    fn deref_mut(&mut self) -> &mut UnitOfWork {
        &mut self.unit
    }
}
