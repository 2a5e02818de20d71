//! Replacing a widget's secrets.

use chrono::{DateTime, TimeDelta, Utc};
use flysk_domain::id::WidgetId;
use flysk_services::widgets::{RegistrationError, WidgetRegistry};
use flysk_store::platform::former_credentials;
use flysk_store::platform::widgets::{self, Widget};
use flysk_store::{Conn, repeat_contended};
use poem::Response;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use crate::http::{Fault, Operator, Owner, Pairs, Record, Visit};
use crate::view::{Cell, DetailPage, Field, Form, format};

/// Hours for which a replaced secret stays valid if the form says nothing else.
const KEPT_HOURS: u16 = 24;
/// What is said after former ones were revoked.
pub(crate) const REVOKED: &str = "Прежние отозваны.";

/// A secret that Flysk issues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Secret {
    /// Token of the widget's backend.
    ProjectToken,
    /// Secret that signs events.
    EventSecret,
}

impl Secret {
    /// The act in the audit log.
    pub(crate) const fn action(self) -> &'static str {
        match self {
            Self::ProjectToken => "widget.rotate_project_token",
            Self::EventSecret => "widget.rotate_event_secret",
        }
    }

    /// Title of the new secret.
    pub(crate) const fn block(self) -> &'static str {
        match self {
            Self::ProjectToken => "Проектный токен, больше он не будет показан",
            Self::EventSecret => "Секрет событий, больше он не будет показан",
        }
    }

    /// Issues it anew for a widget. The replaced one stays valid until `kept_until`; without that, it is refused from `now` on, and
    /// so are all that were replaced before, because one of them may be the one that leaked.
    pub(crate) async fn rotate(
        self,
        conn: &mut Conn,
        registry: &WidgetRegistry<'_>,
        widget: &Widget,
        kept_until: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Result<SecretString, Fault> {
        let issued = match self {
            Self::ProjectToken => registry.rotate_project_token(conn, widget, kept_until).await,
            Self::EventSecret => registry.rotate_event_secret(conn, widget, kept_until).await,
        };
        let issued = issued.map_err(to_fault)?;
        if kept_until.is_none() {
            self.revoke_former(conn, widget.id, now).await?;
        }
        Ok(issued)
    }

    /// Ends the validity of all that were replaced before.
    pub(crate) async fn revoke_former(
        self,
        conn: &mut Conn,
        widget: WidgetId,
        now: DateTime<Utc>,
    ) -> Result<(), Fault> {
        match self {
            Self::ProjectToken => former_credentials::revoke_tokens(conn, widget, now).await?,
            Self::EventSecret => former_credentials::revoke_secrets(conn, widget, now).await?,
        }
        Ok(())
    }

    /// Until when the latest of those that were replaced before is valid.
    pub(crate) fn former_until(self, widget: &Widget) -> Option<DateTime<Utc>> {
        match self {
            Self::ProjectToken => widget.former_tokens_until,
            Self::EventSecret => widget.former_secrets_until,
        }
    }

    /// The kind in a form and in the audit log.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::ProjectToken => "project_token",
            Self::EventSecret => "event_secret",
        }
    }
}

/// What a rotation did to the replaced ones, for the audit log.
pub(crate) fn state_of(kept_until: Option<DateTime<Utc>>) -> Value {
    json!({ "former_valid_until": kept_until, "all_former_revoked": kept_until.is_none() })
}

/// The kind whose former ones a form revokes.
pub(crate) fn former_of(form: &Pairs) -> Result<Secret, Fault> {
    let code = form.required("secret", "Что отозвать")?;
    let known = [Secret::ProjectToken, Secret::EventSecret].into_iter().find(|secret| secret.code() == code);
    known.ok_or_else(|| Fault::refused("Выберите, что отозвать: токены или секреты."))
}

/// Until when the form keeps the former secret; `None` revokes it at once.
pub(crate) fn kept_until(form: &Pairs, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, Fault> {
    let hours: u16 = form.parsed("keep_hours", "Часы")?.unwrap_or(KEPT_HOURS);
    Ok((hours > 0).then(|| now + TimeDelta::hours(hours.into())))
}

/// The form that replaces the integration's secret key.
pub(crate) fn client_secret_form(list: &str, id: WidgetId) -> Form {
    Form::act(format!("{list}/{id}/client-secret"), "Заменить секретный ключ интеграции", "Заменить")
        .text("После того как ключ выпустили заново в amoCRM.")
        .field(Field::password("client_secret", "Секретный ключ интеграции").required())
        .danger()
}

/// The forms that issue secrets anew.
pub(crate) fn forms(list: &str, id: WidgetId) -> Vec<Form> {
    let hours = || {
        Field::number("keep_hours", "Прежний действует ещё, часов")
            .value(KEPT_HOURS)
            .required()
            .hint("0: отозвать сразу, вместе со всеми прежними")
    };
    vec![
        Form::act(format!("{list}/{id}/rotate-token"), "Выпустить новый проектный токен", "Выпустить")
            .text("Токен будет показан один раз. Им входит бэкенд виджета.")
            .field(hours())
            .danger(),
        Form::act(format!("{list}/{id}/rotate-event-secret"), "Выпустить новый секрет событий", "Выпустить")
            .text("Секрет будет показан один раз. Пока действует прежний, события подписаны обоими.")
            .field(hours())
            .danger(),
        Form::act(format!("{list}/{id}/revoke-former"), "Отозвать прежние", "Отозвать")
            .text("Действующий остаётся. Бэкенд, который ещё не перешёл на него, перестанет работать.")
            .field(
                Field::choice(
                    "secret",
                    "Что отозвать",
                    [
                        (Secret::ProjectToken.code(), "Прежние проектные токены"),
                        (Secret::EventSecret.code(), "Прежние секреты событий"),
                    ],
                )
                .required(),
            )
            .danger(),
    ]
}

/// `POST /widgets/:id/rotate-token`: shows the token once.
pub(crate) async fn rotate_token(visit: Visit<Owner>) -> Result<Response, Fault> {
    rotate(&visit, Secret::ProjectToken).await
}

/// `POST /widgets/:id/rotate-event-secret`: shows the secret once.
pub(crate) async fn rotate_event_secret(visit: Visit<Owner>) -> Result<Response, Fault> {
    rotate(&visit, Secret::EventSecret).await
}

async fn rotate(visit: &Visit<Owner>, secret: Secret) -> Result<Response, Fault> {
    let (id, reason): (WidgetId, _) = (visit.request.id()?, visit.reason()?);
    let clock = visit.deps.clock();
    let kept_until = kept_until(&visit.request.form, clock.now())?;
    let run = || async {
        let mut act = visit.begin().await?;
        let widget = widgets::find(&mut act, id).await?.ok_or(Fault::NotFound)?;
        let registry = WidgetRegistry::new(&visit.deps.keyring, clock);
        let issued = secret.rotate(&mut act, &registry, &widget, kept_until, clock.now()).await?;
        act.commit(Record {
            action: secret.action(),
            subject: ("widget", id.to_string()),
            reason,
            before: Value::Null,
            after: state_of(kept_until),
        })
        .await?;
        Ok::<_, Fault>((widget, issued))
    };
    let (widget, issued) = repeat_contended(run).await?;
    shown_once(visit, &widget, secret.block(), &issued)
}

fn shown_once(
    visit: &Visit<Owner>,
    widget: &Widget,
    title: &'static str,
    issued: &SecretString,
) -> Result<Response, Fault> {
    let mut page = DetailPage::new(visit.layout(format!("Новый секрет виджета {}", widget.code)));
    page.links = vec![Cell::link(format!("/widgets/{}", widget.id), "К виджету")];
    page.blocks = vec![(title, Cell::Code(issued.expose_secret().to_owned()))];
    visit.page(&page)
}

/// `POST /widgets/:id/revoke-former`: refuses replaced tokens or secrets before their ends.
pub(crate) async fn revoke_former(visit: Visit<Owner>) -> Result<Response, Fault> {
    let (id, reason): (WidgetId, _) = (visit.request.id()?, visit.reason()?);
    let secret = former_of(&visit.request.form)?;
    let run = || async {
        let mut act = visit.begin().await?;
        let widget = widgets::find(&mut act, id).await?.ok_or(Fault::NotFound)?;
        secret.revoke_former(&mut act, id, visit.deps.clock().now()).await?;
        act.commit(Record {
            action: "widget.revoke_former",
            subject: ("widget", id.to_string()),
            reason,
            before: json!({ "former_valid_until": secret.former_until(&widget) }),
            after: json!({ "revoked": secret.code() }),
        })
        .await
    };
    repeat_contended(run).await?;
    Ok(visit.done(&format!("/widgets/{id}"), REVOKED))
}

/// `POST /widgets/:id/client-secret`.
pub(crate) async fn change_client_secret(visit: Visit<Operator>) -> Result<Response, Fault> {
    let (id, reason): (WidgetId, _) = (visit.request.id()?, visit.reason()?);
    let secret = SecretString::from(visit.request.form.raw("client_secret").unwrap_or_default().trim());
    let run = || async {
        let mut act = visit.begin().await?;
        let widget = widgets::find(&mut act, id).await?.ok_or(Fault::NotFound)?;
        let registry = WidgetRegistry::new(&visit.deps.keyring, visit.deps.clock());
        registry.change_client_secret(&mut act, &widget, &secret).await.map_err(to_fault)?;
        act.commit(Record {
            action: "widget.change_client_secret",
            subject: ("widget", id.to_string()),
            reason,
            before: Value::Null,
            after: Value::Null,
        })
        .await
    };
    repeat_contended(run).await?;
    Ok(visit.done(&format!("/widgets/{id}"), "Секретный ключ интеграции заменён."))
}

/// Why a secret is not replaced, in Russian.
pub(crate) fn to_fault(error: RegistrationError) -> Fault {
    match error {
        RegistrationError::ClientSecret => Fault::refused("Введите секретный ключ интеграции."),
        RegistrationError::TooManySecrets { until } => Fault::conflict(format!(
            "Ещё действуют несколько прежних секретов событий: подождите до {} или выпустите с нулём часов.",
            format::moscow(until)
        )),
        RegistrationError::Store(error) => error.into(),
        other => Fault::internal(other),
    }
}
