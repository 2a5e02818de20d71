//! A vendor's widgets: list, the page of one, registration, parameters, secrets, events. Secrets are shown once, when they are issued.

use flysk_domain::id::{AccountId, EventId};
use flysk_domain::platform::events::{EventKind, Test};
use flysk_services::events::{self, NewEvent};
use flysk_services::widgets::{Issued, WidgetRegistry, check_redirect_uri};
use flysk_store::platform::widgets::{self as all_widgets, Changes, Widget};
use flysk_store::platform::{initial_switch, vendors, widget_schemas};
use flysk_store::portal::{OwnWidget, widgets};
use flysk_store::{Conn, repeat_contended};
use poem::Response;
use poem::http::StatusCode;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::chosen::widget_in_path;
use crate::http::{Demand, Fault, Pairs, Proved, Record, SignedIn, VendorVisit, respond};
use crate::screens::widgets::edit::{MAX_NAME_LEN, check_url};
use crate::screens::widgets::register::{self, REDIRECT_URI_RULE};
use crate::screens::widgets::rotate::{self, Secret};
use crate::screens::widgets::{events as event_settings, list as panel_list, show as panel};
use crate::view::{Cell, DetailPage, Field, Form, Section, Table};

/// Path above the pages of widgets.
const LIST: &str = "/portal/widgets";
/// What a vendor has to do before its widget can charge.
const FLYCOINS_ARE_OFF: &str = "Списания в Flycoins для виджета выключены: API отвечает на них 409 flycoins_not_used. Пакеты и цены можно \
     завести уже сейчас. Включает Flysk: напишите в поддержку и назовите код виджета.";
/// Why the second of two who change a widget at once is refused.
const CHANGED_MEANWHILE: &str = "Виджет изменили, пока форма была открыта. Откройте его страницу заново.";

/// `GET /portal`.
pub(super) async fn list(visit: VendorVisit<SignedIn>) -> Result<Response, Fault> {
    let page = list_page(&visit, register_form()).await?;
    visit.page(&page)
}

fn register_form() -> Form {
    register::form("/portal/widgets/register").without_reason()
}

/// The list of widgets with the form that registers another one.
async fn list_page<D: Demand>(visit: &VendorVisit<D>, form: Form) -> Result<DetailPage, Fault> {
    let all = widgets::list(&mut *visit.deps.read().await?, visit.who.vendor).await?;
    let rows = all.iter().map(|widget| panel_list::row_below(LIST, widget)).collect();
    let mut page = DetailPage::new(visit.layout("Виджеты"));
    page.acts = vec![form];
    page.sections = vec![Section::new(
        "Ваши виджеты",
        Table::new(&panel_list::HEAD, rows),
        "Виджетов ещё нет. Зарегистрируйте первый.",
    )];
    Ok(page)
}

/// `GET /portal/widgets/:id`.
pub(super) async fn show(visit: VendorVisit<SignedIn>) -> Result<Response, Fault> {
    let mut conn = visit.deps.read().await?;
    let widget = widget_in_path(&visit, &mut conn).await?;
    let id = widget.id;
    let versions = widget_schemas::list_versions(&mut conn, id).await?;
    let starts_switched_off = initial_switch::starts_switched_off(&mut conn, id).await?;
    let mut page = DetailPage::new(visit.layout(widget.name.clone()));
    page.links = vec![
        Cell::link(format!("/portal/deliveries?widget={id}"), "Доставки"),
        Cell::link(format!("/portal/api-calls?widget={id}"), "Вызовы API"),
        Cell::link(format!("/portal/usage?widget={id}"), "Показатели"),
    ];
    page.facts = panel::facts(&widget, &versions);
    page.facts.extend([
        ("Новые установки ждут включения", Cell::flag(starts_switched_off)),
        ("Токен впервые использован", Cell::time(widget.project_token_used_at)),
        ("Прежние токены действуют до", Cell::time(widget.former_tokens_until)),
        ("Прежние секреты событий действуют до", Cell::time(widget.former_secrets_until)),
    ]);
    if !widget.uses_flycoins && widget.uses_subscriptions {
        page.facts.push(("Списания", Cell::text(FLYCOINS_ARE_OFF)));
    } else if !widget.uses_flycoins {
        page.banner = Some(FLYCOINS_ARE_OFF.to_owned());
    }
    let forms = [
        update_form(&widget),
        event_settings::form(LIST, &widget, starts_switched_off),
        event_settings::test_form(LIST, id),
        rotate::client_secret_form(LIST, id),
    ];
    page.acts = forms.into_iter().chain(rotate::forms(LIST, id)).map(Form::without_reason).collect();
    let json = |value: &Value| Cell::json(&value.to_string());
    page.blocks.extend(widget.billing.as_ref().map(|billing| ("Биллинг", json(&billing.0))));
    page.blocks.extend(widget.settings_schema.as_ref().map(|schema| ("Схема настроек", json(&schema.0))));
    visit.page(&page)
}

/// The form with what a vendor may change itself.
fn update_form(widget: &Widget) -> Form {
    Form::act(format!("{LIST}/{}/update", widget.id), "Изменить параметры", "Сохранить")
        .field(Field::text("name", "Название").value(&widget.name).required())
        .field(Field::text("redirect_uri", "Redirect URI").value(&widget.redirect_uri).required())
        .field(
            Field::text("event_url", "Адрес событий")
                .value(widget.event_url.as_deref().unwrap_or_default())
                .hint("https://…; пусто: события не отправляются"),
        )
        .field(Field::hidden("seen", widget.updated_at.timestamp_micros()))
}

/// `POST /portal/widgets/register`: shows the secrets once. A refused form is shown again with the error beside its field.
pub(super) async fn register(visit: VendorVisit<Proved>) -> Result<Response, Fault> {
    let (code, issued) = match registered(&visit).await {
        Ok(registered) => registered,
        Err(Fault::WrongField { field, text }) => {
            let form = register_form().refused(&visit.request.form, field, &text);
            return respond::page(StatusCode::UNPROCESSABLE_ENTITY, &list_page(&visit, form).await?);
        }
        Err(fault) => return Err(fault),
    };
    let mut page = DetailPage::new(visit.layout(format!("Виджет {code} зарегистрирован")));
    page.links = vec![Cell::link(format!("{LIST}/{}", issued.id), "К виджету")];
    page.banner = Some(FLYCOINS_ARE_OFF.to_owned());
    page.blocks = register::blocks(&issued);
    visit.page(&page)
}

/// Registers the widget in the form; returns its code and its secrets.
async fn registered(visit: &VendorVisit<Proved>) -> Result<(String, Issued), Fault> {
    let registration = register::registration_of(&visit.request.form)?;
    let run = || async {
        let mut act = visit.begin().await?;
        let registry = WidgetRegistry::new(&visit.deps.keyring, visit.deps.clock());
        let issued = registry.register(&mut act, &registration).await.map_err(register::to_fault)?;
        let now = act.now();
        vendors::set_vendor_of_widget(&mut act, issued.id, visit.who.vendor, now).await?;
        act.commit(Record {
            action: "widget.register",
            subject: ("widget", issued.id.to_string()),
            reason: "",
            before: Value::Null,
            after: register::state_of(&registration),
        })
        .await?;
        Ok::<_, Fault>(issued)
    };
    let issued = repeat_contended(run).await?;
    Ok((registration.code, issued))
}

/// The widget in the path, unless it changed since the form was opened.
async fn unchanged(visit: &VendorVisit<Proved>, conn: &mut Conn) -> Result<OwnWidget, Fault> {
    let seen: Option<i64> = visit.request.form.parsed("seen", "seen")?;
    let widget = widget_in_path(visit, conn).await?;
    if seen != Some(widget.updated_at.timestamp_micros()) {
        return Err(Fault::conflict(CHANGED_MEANWHILE));
    }
    Ok(widget)
}

fn changes_of(visit: &VendorVisit<Proved>, code: &str) -> Result<Changes, Fault> {
    let form: &Pairs = &visit.request.form;
    let name = form.required("name", "Название")?;
    if name.chars().count() > MAX_NAME_LEN {
        return Err(Fault::refused("Название длиннее 200 знаков."));
    }
    let redirect_uri = form.required("redirect_uri", "Redirect URI")?;
    check_redirect_uri(redirect_uri, code).map_err(|_| Fault::refused(REDIRECT_URI_RULE))?;
    let event_url = form.get("event_url");
    if let Some(url) = event_url {
        check_url(&visit.deps, url)?;
    }
    Ok(Changes {
        name: Some(name.to_owned()),
        redirect_uri: Some(redirect_uri.to_owned()),
        event_url: Some(event_url.map(str::to_owned)),
        ..Changes::default()
    })
}

/// The changed parameters for the audit log.
fn state_of(widget: &Widget) -> Value {
    json!({ "name": widget.name, "redirect_uri": widget.redirect_uri, "event_url": widget.event_url })
}

/// `POST /portal/widgets/:id/update`.
pub(super) async fn update(visit: VendorVisit<Proved>) -> Result<Response, Fault> {
    let run = || async {
        let mut act = visit.begin().await?;
        let widget = unchanged(&visit, &mut act).await?;
        let changes = changes_of(&visit, &widget.code)?;
        let now = act.now();
        all_widgets::update_as_read(&mut act, &widget, &changes, now).await?;
        let after = widget_in_path(&visit, &mut act).await?;
        act.commit(Record {
            action: "widget.update",
            subject: ("widget", widget.id.to_string()),
            reason: "",
            before: state_of(&widget),
            after: state_of(&after),
        })
        .await?;
        Ok::<_, Fault>(widget.id)
    };
    let id = repeat_contended(run).await?;
    Ok(visit.done(&format!("{LIST}/{id}"), "Параметры сохранены."))
}

/// `POST /portal/widgets/:id/events`.
pub(super) async fn update_events(visit: VendorVisit<Proved>) -> Result<Response, Fault> {
    let form = &visit.request.form;
    let changes = event_settings::changes_of(&visit.deps, form)?;
    let starts_switched_off = form.is_set("starts_switched_off");
    let run = || async {
        let mut act = visit.begin().await?;
        let widget = unchanged(&visit, &mut act).await?;
        let was_switched_off = initial_switch::starts_switched_off(&mut act, widget.id).await?;
        let now = act.now();
        all_widgets::update_as_read(&mut act, &widget, &changes, now).await?;
        initial_switch::set_starts_switched_off(&mut act, widget.id, starts_switched_off, now).await?;
        let after = widget_in_path(&visit, &mut act).await?;
        act.commit(Record {
            action: "widget.update_events",
            subject: ("widget", widget.id.to_string()),
            reason: "",
            before: event_settings::state_of(&widget, was_switched_off),
            after: event_settings::state_of(&after, starts_switched_off),
        })
        .await?;
        Ok::<_, Fault>(widget.id)
    };
    let id = repeat_contended(run).await?;
    Ok(visit.done(&format!("{LIST}/{id}"), "События настроены."))
}

/// `POST /portal/widgets/:id/test-event`.
pub(super) async fn send_test(visit: VendorVisit<SignedIn>) -> Result<Response, Fault> {
    let account: Option<AccountId> = visit.request.form.parsed("account", "Аккаунт")?;
    let run = || async {
        let mut act = visit.begin().await?;
        let widget = widget_in_path(&visit, &mut act).await?;
        let install = event_settings::install_of(&mut act, widget.id, account).await?;
        let (clock, now) = (visit.deps.clock(), act.now());
        let test = NewEvent::new(EventKind::Test, &Test::default())?;
        let sent: Vec<EventId> = events::emit(act.unit(), clock, install, &[test], now).await?;
        let event = sent.first().copied().ok_or_else(|| Fault::internal("no test event was recorded"))?;
        act.commit(Record {
            action: "widget.test_event",
            subject: ("widget", widget.id.to_string()),
            reason: "",
            before: Value::Null,
            after: json!({ "event": event, "install": install }),
        })
        .await?;
        Ok::<_, Fault>(event)
    };
    let event = repeat_contended(run).await?;
    Ok(visit.done(
        &format!("/portal/events/{event}"),
        "Событие отправляется. Обновите страницу через несколько секунд.",
    ))
}

/// `POST /portal/widgets/:id/client-secret`.
pub(super) async fn change_client_secret(visit: VendorVisit<Proved>) -> Result<Response, Fault> {
    let secret = SecretString::from(visit.request.form.raw("client_secret").unwrap_or_default().trim());
    let run = || async {
        let mut act = visit.begin().await?;
        let widget = widget_in_path(&visit, &mut act).await?;
        let registry = WidgetRegistry::new(&visit.deps.keyring, visit.deps.clock());
        registry.change_client_secret(&mut act, &widget, &secret).await.map_err(rotate::to_fault)?;
        act.commit(Record {
            action: "widget.change_client_secret",
            subject: ("widget", widget.id.to_string()),
            reason: "",
            before: Value::Null,
            after: Value::Null,
        })
        .await?;
        Ok::<_, Fault>(widget.id)
    };
    let id = repeat_contended(run).await?;
    Ok(visit.done(&format!("{LIST}/{id}"), "Секретный ключ интеграции заменён."))
}

/// `POST /portal/widgets/:id/rotate-token`: shows the token once.
pub(super) async fn rotate_token(visit: VendorVisit<Proved>) -> Result<Response, Fault> {
    rotate(&visit, Secret::ProjectToken).await
}

/// `POST /portal/widgets/:id/rotate-event-secret`: shows the secret once.
pub(super) async fn rotate_event_secret(visit: VendorVisit<Proved>) -> Result<Response, Fault> {
    rotate(&visit, Secret::EventSecret).await
}

/// `POST /portal/widgets/:id/revoke-former`: refuses replaced tokens or secrets before their ends.
pub(super) async fn revoke_former(visit: VendorVisit<Proved>) -> Result<Response, Fault> {
    let run = || async {
        let mut act = visit.begin().await?;
        let widget = widget_in_path(&visit, &mut act).await?;
        let secret = rotate::former_of(&visit.request.form)?;
        secret.revoke_former(&mut act, widget.id, visit.deps.clock().now()).await?;
        act.commit(Record {
            action: "widget.revoke_former",
            subject: ("widget", widget.id.to_string()),
            reason: "",
            before: json!({ "former_valid_until": secret.former_until(&widget) }),
            after: json!({ "revoked": secret.code() }),
        })
        .await?;
        Ok::<_, Fault>(widget.id)
    };
    let id = repeat_contended(run).await?;
    Ok(visit.done(&format!("{LIST}/{id}"), rotate::REVOKED))
}

async fn rotate(visit: &VendorVisit<Proved>, secret: Secret) -> Result<Response, Fault> {
    let clock = visit.deps.clock();
    let kept_until = rotate::kept_until(&visit.request.form, clock.now())?;
    let run = || async {
        let mut act = visit.begin().await?;
        let widget = widget_in_path(visit, &mut act).await?;
        let registry = WidgetRegistry::new(&visit.deps.keyring, clock);
        let issued = secret.rotate(&mut act, &registry, &widget, kept_until, clock.now()).await?;
        act.commit(Record {
            action: secret.action(),
            subject: ("widget", widget.id.to_string()),
            reason: "",
            before: Value::Null,
            after: rotate::state_of(kept_until),
        })
        .await?;
        Ok::<_, Fault>((widget, issued))
    };
    let (widget, issued) = repeat_contended(run).await?;
    let mut page = DetailPage::new(visit.layout(format!("Новый секрет виджета {}", widget.code)));
    page.links = vec![Cell::link(format!("{LIST}/{}", widget.id), "К виджету")];
    page.blocks = vec![(secret.block(), Cell::Code(issued.expose_secret().to_owned()))];
    visit.page(&page)
}
