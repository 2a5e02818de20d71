//! Arguments of a page: dependencies, request, and the signed-in operator.

use std::ops::{Deref, DerefMut};

use flysk_domain::TextEnum as _;
use flysk_domain::id::AuditId;
use flysk_queue::UnitOfWork;
use flysk_store::admin::audit::{self, NewAuditRow};
use flysk_store::admin::operators;
use flysk_store::admin::sessions::Session;
use poem::Response;
use serde_json::Value;

use super::{Acting, Fault, Incoming, Rank, notice, respond};
use crate::area::Area;
use crate::deps::Deps;
use crate::navigation;
use crate::sign_in::session::form_token;
use crate::view::Layout;

/// Maximum length of a reason, in characters.
const MAX_REASON_LEN: usize = 500;

/// A request of a signed-in operator with at least the role `R`.
#[derive(Debug)]
pub(crate) struct Visit<R> {
    /// Stores and keys.
    pub(crate) deps: Deps,
    /// The operator.
    pub(crate) who: Acting<R>,
    pub(crate) request: Incoming,
}

/// A request of somebody who has not signed in.
#[derive(Debug)]
pub(crate) struct Guest {
    /// Stores and keys.
    pub(crate) deps: Deps,
    pub(crate) request: Incoming,
}

/// A request of an operator whose second factor is still missing.
#[derive(Debug)]
pub(crate) struct Newcomer {
    /// Stores and keys.
    pub(crate) deps: Deps,
    pub(crate) request: Incoming,
    pub(crate) operator: operators::Operator,
    pub(crate) session: Session,
}

/// A transaction of an act. It can only be committed with a record for the audit log.
#[derive(Debug)]
pub(crate) struct Act<'a, R> {
    unit: UnitOfWork,
    visit: &'a Visit<R>,
}

/// Record of an act for the audit log, besides operator, time and address.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    /// The act: `wallet.credit`.
    pub(crate) action: &'a str,
    /// Kind and id of the changed object.
    pub(crate) subject: (&'a str, String),
    /// Reason given by the operator.
    pub(crate) reason: &'a str,
    /// Changed fields before; null if there was nothing.
    pub(crate) before: Value,
    /// Changed fields after; null if nothing is left.
    pub(crate) after: Value,
}

impl<R: Rank> Visit<R> {
    /// Begins the transaction of an act. Callers repeat it with [`flysk_store::repeat_contended`].
    pub(crate) async fn begin(&self) -> Result<Act<'_, R>, Fault> {
        let unit = self.deps.outbox.begin(self.request.trace.clone()).await?;
        Ok(Act { unit, visit: self })
    }

    /// The reason in the form.
    ///
    /// # Errors
    ///
    /// A refusal if it is missing or too long.
    pub(crate) fn reason(&self) -> Result<&str, Fault> {
        let reason = self.request.form.required("reason", "Причина")?;
        if reason.chars().count() > MAX_REASON_LEN {
            return Err(Fault::refused(format!("Причина длиннее {MAX_REASON_LEN} символов.")));
        }
        Ok(reason)
    }

    /// CSRF token for forms of this session.
    pub(crate) fn csrf(&self) -> String {
        form_token(&self.deps.keyring, &self.who.session)
    }

    /// Layout of a page with this title.
    pub(crate) fn layout(&self, title: impl Into<String>) -> Layout {
        Layout {
            title: title.into(),
            area: Area::Panel,
            nav: navigation::groups(&self.request.path, self.who.role, &self.who.rights),
            name: self.who.name.clone(),
            role: self.who.role.label().to_owned(),
            csrf: self.csrf(),
            row_density: self.who.row_density,
            notice: notice::find(&self.deps, &self.request),
            search: self.request.query.get("q").unwrap_or_default().to_owned(),
            read_only: self.deps.config.admin.read_only,
            request_id: self.request.trace.correlation_id.clone(),
            p95_ms: self.deps.page_times.p95().map(|time| time.as_millis()),
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

impl<R: Rank> Act<'_, R> {
    /// Inserts the record and commits.
    pub(crate) async fn commit(mut self, record: Record<'_>) -> Result<(), Fault> {
        let text = |value: &Value| (!value.is_null()).then(|| value.to_string());
        let who = &self.visit.who;
        let row = NewAuditRow {
            id: AuditId::generate(self.visit.deps.clock()),
            operator_id: Some(who.id),
            operator_login: &who.login,
            action: record.action,
            subject: (record.subject.0, &record.subject.1),
            reason: record.reason,
            states: (text(&record.before), text(&record.after)),
            address: &self.visit.request.address,
            correlation_id: &self.visit.request.trace.correlation_id,
        };
        let now = self.unit.now();
        audit::insert(&mut self.unit, &row, now).await?;
        self.unit.commit().await?;
        tracing::info!(action = record.action, operator = %who.login, role = who.role.as_str(), subject = %record.subject.1, "operator acted");
        Ok(())
    }

    /// The unit of work, for use cases that enqueue jobs.
    pub(crate) fn unit(&mut self) -> &mut UnitOfWork {
        &mut self.unit
    }
}

impl<R> Deref for Act<'_, R> {
    type Target = UnitOfWork;

    fn deref(&self) -> &UnitOfWork {
        &self.unit
    }
}

impl<R> DerefMut for Act<'_, R> {
    fn deref_mut(&mut self) -> &mut UnitOfWork {
        &mut self.unit
    }
}
