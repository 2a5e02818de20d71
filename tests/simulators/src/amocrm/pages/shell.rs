//! HTML of a page. The page's script draws the card, list or window that the address names.

use poem::http::header;
use poem::web::{Data, Html};
use poem::{IntoResponse as _, Request, Response, Result, handler};
use serde_json::{Value, json};

use super::super::Amocrm;
use super::super::model::{Account, EntityType, User};
use super::user::{cookie, visitor};
use super::widget_list::widgets_of;
use crate::lock::locked;

/// Any page of the account.
#[handler]
pub(super) fn page(request: &Request, Data(amo): Data<&Amocrm>) -> Result<Response> {
    let (account, user) = visitor(amo, request)?;
    let options = locked(&amo.inner.pages).options(account.id);
    let data = json!({
        "account": {
            "id": account.id,
            "name": account.name,
            "host": account.host(),
            "subdomain": account.subdomain,
            "domain": account.platform.domain(),
        },
        "user": { "id": user.id, "name": user.name, "email": user.email, "is_admin": user.is_admin },
        "managers": managers(&account),
        "widgets": widgets_of(amo, account.id),
        "options": options,
    });
    Ok(Html(html(amo, &account, &user, &data)).with_header(header::SET_COOKIE, cookie(&user)).into_response())
}

fn managers(account: &Account) -> Value {
    let manager = |user: &User| (user.id.to_string(), json!({ "id": user.id, "title": user.name }));
    Value::Object(account.users.iter().map(manager).collect())
}

fn html(amo: &Amocrm, account: &Account, user: &User, data: &Value) -> String {
    // `</script>` in a text must not end the element.
    let data = data.to_string().replace('<', "\\u003c");
    include_str!("assets/page.html")
        .replace("{account}", &escape(&account.name))
        .replace("{user}", &escape(&user.name))
        .replace("{links}", &links(amo, account.id))
        .replace("{page}", &data)
}

/// Links to the account's cards and settings.
fn links(amo: &Amocrm, account_id: u64) -> String {
    let mut state = locked(&amo.inner.state);
    let mut cards: Vec<(EntityType, u64)> = state.content(account_id).entities.keys().copied().collect();
    cards.retain(|(entity_type, _)| *entity_type != EntityType::Customers);
    cards.sort_by_key(|(entity_type, id)| (entity_type.number(), *id));
    cards.truncate(8);
    let card = |(entity_type, id): &(EntityType, u64)| {
        let name = match entity_type {
            EntityType::Contacts => "Контакт",
            EntityType::Companies => "Компания",
            EntityType::Leads | EntityType::Customers => "Сделка",
        };
        format!("<a class=\"js-navigate\" href=\"/{}/detail/{id}\">{name} {id}</a>\n", entity_type.plural())
    };
    let cards: String = cards.iter().map(card).collect();
    format!("{cards}<a class=\"js-navigate\" href=\"/settings/widgets\">Интеграции</a>")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
