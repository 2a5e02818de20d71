//! Replacing a widget's secrets.

use chrono::{DateTime, TimeDelta, Utc};
use flysk_domain::id::WidgetId;
use flysk_services::widgets::{RegistrationError, WidgetRegistry};
use flysk_store::platform::widgets::{self, Widget};
use flysk_store::{Conn, repeat_contended};
use poem::Response;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use crate::http::{Fault, Operator, Owner, Pairs, Record, Visit};
use crate::view::{Cell, DetailPage, Field, Form, format};

/// Hours for which a replaced secret stays valid if the form says nothing else.
const KEPT_HOURS: u16 = 24;

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

    /// Issues it anew for a widget; the former one stays valid until `kept_until`.
    pub(crate) async fn rotate(
        self,
        conn: &mut Conn,
        registry: &WidgetRegistry<'_>,
        widget: &Widget,
        kept_until: Option<DateTime<Utc>>,
    ) -> Result<SecretString, Fault> {
        let issued = match self {
            Self::ProjectToken => registry.rotate_project_token(conn, widget, kept_until).await,
            Self::EventSecret => registry.rotate_event_secret(conn, widget, kept_until).await,
        };
        issued.map_err(to_fault)
    }
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
            .hint("0: отозвать сразу")
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
        let issued = secret.rotate(&mut act, &registry, &widget, kept_until).await?;
        act.commit(Record {
            action: secret.action(),
            subject: ("widget", id.to_string()),
            reason,
            before: Value::Null,
            after: json!({ "former_valid_until": kept_until }),
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
