//! An operator's own passkeys: registering and removing them, and the challenge of one that renews the second factor.

use flysk_domain::admin::{MAX_PASSKEYS, PasskeyPurpose};
use flysk_domain::id::PasskeyId;
use flysk_store::admin::operators;
use flysk_store::admin::passkeys::{self, NewPasskey, Passkey};
use flysk_store::{StoreError, repeat_contended};
use poem::Response;
use serde_json::{Value, json};

use crate::deps::Deps;
use crate::http::{Fault, Proving, Record, Support, Visit, respond};
use crate::request::form::PASSKEY_FIELD;
use crate::sign_in::passkey::{self, relying_party};
use crate::view::{Cell, Field, Form, Row, Section, Table};
use crate::webauthn::{NewCredential, User};

/// Maximum length of a passkey's name, in characters.
const MAX_NAME_LEN: usize = 60;
/// Path of the challenge for a new passkey.
const CHALLENGE_PATH: &str = "/me/passkeys/challenge";

/// The operator's passkeys.
pub(super) fn section(keys: &[Passkey]) -> Section {
    let row = |key: &Passkey| {
        Row::plain(vec![
            Cell::text(key.name.clone()),
            Cell::time(key.created_at),
            Cell::time(key.last_used_at),
        ])
    };
    let head = ["Название", "Добавлен", "Использован"];
    Section::new(
        "Ключи доступа",
        Table::new(&head, keys.iter().map(row).collect()),
        "Ключей доступа нет: второй фактор подтверждается кодом из приложения.",
    )
}

/// Forms that add a passkey and remove each of them.
pub(super) fn forms(deps: &Deps, keys: &[Passkey]) -> Vec<Form> {
    let can_add = deps.relying_party.is_some() && keys.len() < MAX_PASSKEYS;
    let add = can_add.then(|| {
        Form::act("/me/passkeys", "Добавить ключ доступа", "Добавить")
            .text("Ключ подтверждает вход и действия вместо кода из приложения: отпечатком, лицом или PIN-кодом.")
            .field(Field::text("name", "Название").required().hint("Например, «Рабочий ноутбук»."))
            .without_reason()
            .with_new_passkey(CHALLENGE_PATH)
    });
    let remove = |key: &Passkey| {
        Form::act(format!("/me/passkeys/{}/remove", key.id), "Удалить ключ доступа", "Удалить")
            .text(format!("«{}» больше не подтвердит вход и действия.", key.name))
            .without_reason()
            .danger()
    };
    add.into_iter().chain(keys.iter().map(remove)).collect()
}

/// `POST /me/proof/challenge`: asks the browser for a passkey that renews the second factor.
pub(crate) async fn proof_challenge(visit: Visit<Support>) -> Result<Response, Fault> {
    let who = &visit.who;
    Ok(respond::json(passkey::ask(&visit.deps, who.id, who.session.id, PasskeyPurpose::StepUp).await?))
}

/// `POST /me/passkeys/challenge`: asks the browser for a new passkey.
pub(crate) async fn challenge(visit: Visit<Proving>) -> Result<Response, Fault> {
    let (deps, who) = (&visit.deps, &visit.who);
    let known = passkeys::list(&mut *deps.write().await?, who.id).await?;
    let (party, user) = (relying_party(deps)?, User { id: who.id, login: &who.login, name: &who.name });
    let options = |challenge: &str| party.registration_options(challenge, user, &known);
    Ok(respond::json(passkey::put(deps, who.session.id, PasskeyPurpose::Register, options).await?))
}

/// `POST /me/passkeys`: registers the passkey that the browser has made.
pub(crate) async fn add(visit: Visit<Proving>) -> Result<Response, Fault> {
    let form = &visit.request.form;
    let name = form.required("name", "Название")?;
    if name.chars().count() > MAX_NAME_LEN {
        return Err(Fault::refused(format!("Название длиннее {MAX_NAME_LEN} знаков.")));
    }
    let Some(answer) = form.get(PASSKEY_FIELD) else {
        // Sent without the script, or to renew the second factor before the browser is asked.
        return Ok(
            visit.done("/me", "Нажмите «Добавить ключ доступа» ещё раз: браузер предложит его создать.")
        );
    };
    let party = relying_party(&visit.deps)?;
    let challenge = passkey::take(&visit.deps, visit.who.session.id, PasskeyPurpose::Register).await?;
    let made = challenge
        .and_then(|challenge| party.check_registration(answer, &challenge).map_err(passkey::refusal_of));
    match made {
        Ok(made) => insert(&visit, name, &made).await?,
        Err(refusal) => {
            let after = passkey::refused(PasskeyPurpose::Register, refusal);
            let write = || async {
                let act = visit.begin().await?;
                act.commit(own_record(&visit, "operator.refuse_passkey", Value::Null, after.clone())).await
            };
            repeat_contended(write).await?;
            return Err(Fault::refused(refusal.label()));
        }
    }
    Ok(visit.done("/me", "Ключ доступа добавлен."))
}

async fn insert(visit: &Visit<Proving>, name: &str, made: &NewCredential) -> Result<(), Fault> {
    let (id, operator_id) = (PasskeyId::generate(visit.deps.clock()), visit.who.id);
    let add = || async {
        let mut act = visit.begin().await?;
        let now = act.now();
        // The lock makes the number of passkeys stand until the commit.
        operators::lock(&mut act, operator_id).await?.ok_or(Fault::NotFound)?;
        operators::touch(&mut act, operator_id, now).await?;
        if passkeys::list(&mut act, operator_id).await?.len() >= MAX_PASSKEYS {
            return Err(Fault::refused(format!("Ключей доступа может быть не больше {MAX_PASSKEYS}.")));
        }
        let new = NewPasskey {
            id,
            operator_id,
            name,
            credential_id: &made.id,
            credential_hash: &made.hash,
            public_key: &made.public_key,
            sign_count: made.sign_count,
        };
        match passkeys::insert(&mut act, &new, now).await {
            Err(StoreError::Duplicate { .. }) => {
                return Err(Fault::refused("Этот ключ доступа уже добавлен."));
            }
            done => done?,
        }
        let after = json!({ "passkey": id, "name": name });
        act.commit(own_record(visit, "operator.add_passkey", Value::Null, after)).await
    };
    repeat_contended(add).await
}

/// `POST /me/passkeys/:id/remove`.
pub(crate) async fn remove(visit: Visit<Proving>) -> Result<Response, Fault> {
    let id: PasskeyId = visit.request.id()?;
    let remove = || async {
        let mut act = visit.begin().await?;
        let known = passkeys::list(&mut act, visit.who.id).await?;
        let found = known.iter().find(|key| key.id == id).ok_or(Fault::NotFound)?;
        if !passkeys::remove(&mut act, visit.who.id, id).await? {
            return Err(Fault::conflict("Этот ключ доступа уже удалён."));
        }
        let before = json!({ "passkey": id, "name": found.name });
        act.commit(own_record(&visit, "operator.remove_passkey", before, Value::Null)).await
    };
    repeat_contended(remove).await?;
    Ok(visit.done("/me", "Ключ доступа удалён."))
}

fn own_record<'a>(visit: &Visit<Proving>, action: &'a str, before: Value, after: Value) -> Record<'a> {
    Record { action, subject: ("operator", visit.who.id.to_string()), reason: "", before, after }
}
