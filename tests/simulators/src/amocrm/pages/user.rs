//! The user of a page: named by `?user=…` when a page is opened, then by a cookie.

use poem::Request;
use poem::http::{StatusCode, header};

use super::super::Amocrm;
use super::super::model::{Account, User};
use super::super::problem::Problem;
use super::super::site::AtAccount;
use crate::lock::locked;

/// Name of the cookie.
const COOKIE: &str = "session_user";

/// The account of the page and its user; by default the account's first administrator.
pub(super) fn visitor(amo: &Amocrm, request: &Request) -> Result<(Account, User), Problem> {
    let absent = |what| Problem::api(StatusCode::NOT_FOUND, what);
    let at = request.data::<AtAccount>().ok_or_else(|| absent("Account not found"))?;
    let state = locked(&amo.inner.state);
    let account = state.account(at.account_id).ok_or_else(|| absent("Account not found"))?;
    let named = named_in_query(request).or_else(|| named_in_cookie(request));
    let user = match named {
        Some(id) => account.user(id),
        None => account.users.iter().find(|user| user.is_admin && user.is_active),
    };
    let user = user.filter(|user| user.is_active).ok_or_else(Problem::login_page)?;
    Ok((account.clone(), user.clone()))
}

/// The cookie that keeps the user for the following requests of the page.
pub(super) fn cookie(user: &User) -> String {
    format!("{COOKIE}={}; Path=/; HttpOnly; SameSite=Lax", user.id)
}

fn named_in_query(request: &Request) -> Option<u64> {
    let query = request.uri().query()?;
    let pair = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "user")?;
    pair.1.parse().ok()
}

fn named_in_cookie(request: &Request) -> Option<u64> {
    let cookies = request.header(header::COOKIE)?;
    cookies.split(';').find_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('=')?.parse().ok())
}
