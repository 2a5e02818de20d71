//! Registering a widget.

use flysk_domain::TextEnum as _;
use flysk_domain::platform::crm::Crm;
use flysk_services::widgets::{Issued, Registration, RegistrationError, WidgetRegistry};
use flysk_store::repeat_contended;
use poem::Response;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use crate::http::{Fault, Operator, Pairs, Record, Visit};
use crate::view::{Cell, DetailPage, Field, Form};

/// The rule for redirect URIs, for a refusal.
pub(crate) const REDIRECT_URI_RULE: &str = "Redirect URI: адрес Flysk с путём /oauth/amocrm/callback или \
     /oauth/amocrm/callback/код-виджета, без «?» и «#».";

/// The form.
pub(crate) fn form(action: &'static str) -> Form {
    Form::act(action, "Зарегистрировать виджет", "Зарегистрировать")
        .text("Проектный токен и секрет событий будут показаны один раз.")
        .field(Field::text("code", "Код").required().hint("a–z, 0–9, «-»; потом не меняется"))
        .field(Field::text("name", "Название").required())
        .field(Field::choice(
            "platform",
            "Сервис",
            [Crm::Amocrm, Crm::Kommo].map(|crm| (crm.as_str(), crm.as_str())),
        ))
        .field(Field::text("client_uuid", "Client id интеграции").required())
        .field(Field::password("client_secret", "Секретный ключ интеграции").required())
        .field(
            Field::text("redirect_uri", "Redirect URI").required().hint(
                "https://…/oauth/amocrm/callback/код виджета, буква в букву как в настройках интеграции",
            ),
        )
}

/// `POST /widgets/register`: shows the secrets once.
pub(crate) async fn register(visit: Visit<Operator>) -> Result<Response, Fault> {
    let form = &visit.request.form;
    let reason = visit.reason()?;
    let registration = registration_of(form)?;
    let run = || async {
        let mut act = visit.begin().await?;
        let registry = WidgetRegistry::new(&visit.deps.keyring, visit.deps.clock());
        let issued = registry.register(&mut act, &registration).await.map_err(to_fault)?;
        act.commit(Record {
            action: "widget.register",
            subject: ("widget", issued.id.to_string()),
            reason,
            before: Value::Null,
            after: state_of(&registration),
        })
        .await?;
        Ok::<_, Fault>(issued)
    };
    let issued = repeat_contended(run).await?;
    let mut page = DetailPage::new(visit.layout(format!("Виджет {} зарегистрирован", registration.code)));
    page.links = vec![Cell::link(format!("/widgets/{}", issued.id), "К виджету")];
    page.blocks = blocks(&issued);
    visit.page(&page)
}

/// The widget in a form.
pub(crate) fn registration_of(form: &Pairs) -> Result<Registration, Fault> {
    Ok(Registration {
        code: required(form, "code", "Код")?,
        name: required(form, "name", "Название")?,
        crm: form.parsed("platform", "Сервис")?.unwrap_or(Crm::Amocrm),
        client_uuid: required(form, "client_uuid", "Client id интеграции")?,
        client_secret: SecretString::from(form.raw("client_secret").unwrap_or_default().trim()),
        redirect_uri: required(form, "redirect_uri", "Redirect URI")?,
    })
}

/// The value of a field that must be there.
fn required(form: &Pairs, name: &'static str, label: &str) -> Result<String, Fault> {
    let missing = || Fault::wrong_field(name, format!("Заполните поле «{label}»."));
    form.get(name).map(str::to_owned).ok_or_else(missing)
}

/// The widget for the audit log, without its secret key.
pub(crate) fn state_of(registration: &Registration) -> Value {
    json!({
        "code": registration.code,
        "name": registration.name,
        "client_uuid": registration.client_uuid,
        "redirect_uri": registration.redirect_uri,
    })
}

/// The new secrets, shown only once.
pub(crate) fn blocks(issued: &Issued) -> Vec<(&'static str, Cell)> {
    vec![
        (
            "Проектный токен, больше он не будет показан",
            Cell::Code(issued.project_token.expose_secret().to_owned()),
        ),
        (
            "Секрет событий, больше он не будет показан",
            Cell::Code(issued.event_secret.expose_secret().to_owned()),
        ),
    ]
}

/// Why a widget is not registered, in Russian.
pub(crate) fn to_fault(error: RegistrationError) -> Fault {
    match error {
        RegistrationError::Code => {
            Fault::wrong_field("code", "Код: от 2 до 64 знаков a–z, 0–9, «-», начинается с буквы.")
        }
        RegistrationError::ClientUuid => {
            Fault::wrong_field("client_uuid", "Client id: UUID из настроек интеграции в amoCRM.")
        }
        RegistrationError::ClientSecret => {
            Fault::wrong_field("client_secret", "Введите секретный ключ интеграции.")
        }
        RegistrationError::RedirectUri => Fault::wrong_field("redirect_uri", REDIRECT_URI_RULE),
        // Perhaps the form was sent twice, and the answer to the first one was not seen.
        RegistrationError::CodeTaken => Fault::wrong_field(
            "code",
            "Виджет с таким кодом уже есть. Если его только что зарегистрировали вы и не увидели токен и секрет, выпустите \
             новые на странице виджета.",
        ),
        RegistrationError::ClientTaken => {
            Fault::wrong_field("client_uuid", "Виджет с таким client id уже есть.")
        }
        RegistrationError::Store(error) => error.into(),
        other => Fault::internal(other),
    }
}
