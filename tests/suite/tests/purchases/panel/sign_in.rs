//! Signing in: second factor, its codes, recovery codes, lock-out, reset, sessions.

use flysk_domain::admin::{ACCOUNT_ATTEMPTS, ATTEMPT_WINDOW};
use flysk_store::admin::audit::AuditRow;
use reqwest::StatusCode;
use sqlx::MySqlPool;

use super::harness::{Panel, Signed, cookie_of, value_of};

/// Gives a code in a session that waits for it.
async fn give_code(panel: &Panel, cookie: &str, code: &str) -> reqwest::Response {
    let form = panel.get_as(cookie, "/sign-in/code").await.text().await.unwrap();
    let csrf = value_of(&form, "csrf");
    panel.post_as(Some(cookie), "/sign-in/code", &[("csrf", &csrf), ("code", code), ("next", "/jobs")]).await
}

async fn password_given(signed: &Signed<'_>) -> String {
    signed.panel.give_password(&signed.credentials.login, &signed.credentials.password).await
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_code_is_accepted_once_and_the_step_up_replaces_the_cookie(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "support").await;
    let (first, second) = (password_given(&signed).await, password_given(&signed).await);
    let code = panel.code(&signed.credentials.secret);
    let answer = give_code(&panel, &first, &code).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    let full = cookie_of(&answer);
    assert_ne!(full, first);
    assert_eq!(panel.get_as(&full, "/jobs").await.status(), StatusCode::OK);
    assert_eq!(panel.get_as(&first, "/jobs").await.status(), StatusCode::SEE_OTHER, "the former cookie");
    let replayed = give_code(&panel, &second, &code).await;
    assert_eq!(replayed.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(replayed.text().await.unwrap().contains("уже использован"));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_recovery_code_works_once(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "support").await;
    let code = &signed.credentials.recovery_codes[3];
    let cookie = password_given(&signed).await;
    assert_eq!(give_code(&panel, &cookie, &code.to_uppercase()).await.status(), StatusCode::SEE_OTHER);
    let cookie = password_given(&signed).await;
    assert_eq!(give_code(&panel, &cookie, code).await.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(signed.page("/me").await.contains(">9<"), "nine codes are left");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn wrong_passwords_lock_the_account_and_a_right_one_does_not_reset_the_count(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let password = panel.create("anna", "support").await;
    let guess = |password: &str| {
        let fields =
            [("login", "anna"), ("password", password)].map(|(name, value)| (name, value.to_owned()));
        let panel = &panel;
        async move {
            let fields: Vec<(&str, &str)> =
                fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
            panel.post_as(None, "/sign-in", &fields).await.status()
        }
    };
    for attempt in 1..ACCOUNT_ATTEMPTS {
        let status = if attempt == 3 { guess(&password).await } else { guess("wrong").await };
        let wanted = if attempt == 3 { StatusCode::SEE_OTHER } else { StatusCode::UNPROCESSABLE_ENTITY };
        assert_eq!(status, wanted, "attempt {attempt}");
    }
    assert_eq!(guess("wrong").await, StatusCode::UNPROCESSABLE_ENTITY, "the last attempt");
    assert_eq!(guess(&password).await, StatusCode::TOO_MANY_REQUESTS);
    panel.app.clock.advance(ATTEMPT_WINDOW);
    assert_eq!(guess(&password).await, StatusCode::SEE_OTHER);
}

/// Signs in with wrong passwords until the right one is not admitted either.
async fn lock_out(panel: &Panel, login: &str, password: &str) {
    let guess = async |password: &str| {
        panel.post_as(None, "/sign-in", &[("login", login), ("password", password)]).await.status()
    };
    for _ in 0..ACCOUNT_ATTEMPTS {
        assert_eq!(guess("wrong").await, StatusCode::UNPROCESSABLE_ENTITY);
    }
    assert_eq!(guess(password).await, StatusCode::TOO_MANY_REQUESTS);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_owner_lifts_the_lock_out_of_another_operator(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let (owner, other) = (panel.sign_in("anna", "owner").await, panel.sign_in("sonya", "operator").await);
    let password = panel.create("boris", "support").await;
    let page = format!("/operators/{}", id_of(&panel, "boris").await);
    let (unlock, reason) = (format!("{page}/unlock"), [("reason", "Забыл раскладку")]);
    owner.refused(&unlock, &reason, 409).await;
    assert!(!owner.page(&page).await.contains("Снять блокировку входа"));
    lock_out(&panel, "boris", &password).await;
    other.refused(&unlock, &reason, 403).await;
    owner.refused(&unlock, &[], 422).await;
    assert!(owner.page(&page).await.contains("Снять блокировку входа"));
    assert_eq!(owner.act(&unlock, &reason).await, page);
    owner.refused(&unlock, &reason, 409).await;
    let row = panel.record_of("operator.unlock").await;
    assert_eq!((row.operator_login.as_str(), row.reason.as_str()), ("anna", "Забыл раскладку"));
    assert!(row.state_before.unwrap().contains("\"attempts\":10"));
    panel.give_password("boris", &password).await;
    let own = format!("/operators/{}/unlock", id_of(&panel, "anna").await);
    assert!(owner.refused(&own, &reason, 422).await.contains("другого владельца"));
}

/// Codes that are guessed in a session, and the command for when no owner can sign in.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_command_lifts_both_lock_outs_of_an_operator(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "owner").await;
    lock_out(&panel, "anna", &signed.credentials.password).await;
    for _ in 0..ACCOUNT_ATTEMPTS {
        signed.refused("/me/recovery-codes", &[("one_time_code", "000000")], 422).await;
    }
    signed.refused("/me/recovery-codes", &[("one_time_code", "000000")], 429).await;
    assert!(panel.command(&["operator:unlock", "anna"]).await.told().contains("`anna` can sign in"));
    signed.refused("/me/recovery-codes", &[("one_time_code", "000000")], 422).await;
    password_given(&signed).await;
    let row = panel.record_of("operator.unlock").await;
    assert_eq!((row.operator_login.as_str(), row.operator_id), ("flysk-admin", None));
    assert!(row.state_before.unwrap().contains("\"code_attempts\":10"));
    let missing = panel.command(&["operator:unlock", "nobody"]).await.refused(1);
    assert!(missing.contains("no operator `nobody`"), "{missing}");
    panel.create("boris", "support").await;
    let nothing = panel.command(&["operator:unlock", "boris"]).await.refused(1);
    assert!(nothing.contains("`boris` has made no attempts"), "{nothing}");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn nonsense_in_the_forms_is_no_way_in(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let long = "я".repeat(3_000);
    for (login, password) in [("", ""), ("анна", "x"), (long.as_str(), long.as_str()), ("' OR 1=1 --", "x")]
    {
        let answer = panel.post_as(None, "/sign-in", &[("login", login), ("password", password)]).await;
        assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY, "{login}");
    }
    let huge = "x".repeat(600 * 1024);
    let answer = panel.post_as(None, "/sign-in", &[("login", "anna"), ("password", &huge)]).await;
    assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_reset_ends_the_sessions_and_demands_a_new_second_factor(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "owner").await;
    let printed = panel.command(&["operator:reset", "anna"]).await.told();
    let password = printed.lines().last().unwrap().trim();
    assert_eq!(panel.get_as(&signed.cookie, "/").await.status(), StatusCode::SEE_OTHER);
    let cookie = panel.give_password("anna", password).await;
    let form = panel.get_as(&cookie, "/sign-in/code").await.text().await.unwrap();
    assert!(form.contains("id=\"secret\""), "a new secret is shown");
    let code = panel.code(&signed.credentials.secret);
    assert_eq!(give_code(&panel, &cookie, &code).await.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let row = panel.record_of("operator.reset").await;
    assert_eq!((row.operator_login.as_str(), row.operator_id), ("flysk-admin", None));
    let missing = panel.command(&["operator:reset", "nobody"]).await.refused(1);
    assert!(missing.contains("no operator `nobody`"), "{missing}");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_operator_changes_the_password_and_ends_other_sessions(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "support").await;
    let other =
        give_code(&panel, &password_given(&signed).await, &signed.credentials.recovery_codes[0]).await;
    let other = cookie_of(&other);
    assert_eq!(panel.get_as(&other, "/").await.status(), StatusCode::OK);
    let code = panel.code(&signed.credentials.secret);
    let new = "совсем новый пароль";
    let short = [("password", "short"), ("password_again", "short"), ("one_time_code", code.as_str())];
    signed.refused("/me/password", &short, 422).await;
    let fields = [("password", new), ("password_again", new), ("one_time_code", "000000")];
    signed.refused("/me/password", &fields, 422).await;
    signed.act("/me/password", &[("password", new), ("password_again", new), ("one_time_code", &code)]).await;
    assert_eq!(panel.get_as(&other, "/").await.status(), StatusCode::SEE_OTHER, "the other session ended");
    signed.page("/").await;
    panel.give_password("anna", new).await;
    panel.record_of("operator.change_password").await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_operator_renews_the_recovery_codes_and_ends_another_session(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "support").await;
    let former = &signed.credentials.recovery_codes;
    let other = give_code(&panel, &password_given(&signed).await, &former[0]).await;
    let other = cookie_of(&other);
    assert_eq!(panel.get_as(&other, "/").await.status(), StatusCode::OK);
    let page = signed.page("/me").await;
    let end = page.split("action=\"/me/sessions/").nth(1).unwrap().split('"').next().unwrap();
    let end = format!("/me/sessions/{end}");
    panel.sign_in("boris", "owner").await.refused(&end, &[], 409).await;
    assert_eq!(panel.get_as(&other, "/").await.status(), StatusCode::OK, "nobody ends another's session");
    signed.act(&end, &[]).await;
    signed.refused(&end, &[], 409).await;
    assert_eq!(panel.get_as(&other, "/").await.status(), StatusCode::SEE_OTHER, "it has ended");
    let ended = panel.record_of("operator.end_session").await;
    assert!(ended.state_after.is_some_and(|after| end.contains(after.split('"').nth(3).unwrap())));

    panel.next_step();
    let code = panel.code(&signed.credentials.secret);
    let renewed = signed.post("/me/recovery-codes", &[("one_time_code", code.as_str())]).await;
    assert_eq!(renewed.status(), StatusCode::OK);
    let page = renewed.text().await.unwrap();
    let codes = page.split("<pre>").nth(1).unwrap().split('<').next().unwrap();
    let codes: Vec<&str> = codes.lines().collect();
    assert_eq!(codes.len(), former.len());
    let waiting = password_given(&signed).await;
    let refused = give_code(&panel, &waiting, &former[1]).await;
    assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY, "the former ones are over");
    assert_eq!(give_code(&panel, &waiting, codes[0]).await.status(), StatusCode::SEE_OTHER);
    panel.record_of("operator.renew_recovery_codes").await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn guesses_of_a_code_in_a_session_lock_it_out_but_not_signing_in(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "support").await;
    for _ in 0..ACCOUNT_ATTEMPTS {
        signed.refused("/me/recovery-codes", &[("one_time_code", "000000")], 422).await;
    }
    signed.refused("/me/recovery-codes", &[("one_time_code", "000000")], 429).await;
    let code = panel.code(&signed.credentials.secret);
    signed.refused("/me/recovery-codes", &[("one_time_code", code.as_str())], 429).await;
    password_given(&signed).await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_owner_adds_changes_and_resets_operators_but_not_the_own_access(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let owner = panel.sign_in("anna", "owner").await;
    let fields = [
        ("login", "boris"),
        ("name", "Борис"),
        ("role", "support"),
        ("export", "yes"),
        ("reason", "Новый сотрудник"),
    ];
    let page = owner.post("/operators/create", &fields).await.text().await.unwrap();
    let password = page.split("<pre>").nth(1).unwrap().split('<').next().unwrap().to_owned();
    panel.give_password("boris", &password).await;
    let by_owner = |row: &AuditRow| row.action == "operator.create" && row.operator_login == "anna";
    let created = panel.audit().await.into_iter().find(by_owner).unwrap();
    let after = created.state_after.unwrap();
    assert_eq!((created.reason.as_str(), after.contains("boris")), ("Новый сотрудник", true));
    assert!(!after.contains(&password), "{after}");
    assert_eq!(panel.record_of("operator.enrol").await.operator_login, "anna");
    assert!(owner.refused("/operators/create", &fields, 422).await.contains("уже занят"));
    let boris = id_of(&panel, "boris").await;
    let path = format!("/operators/{boris}/access");
    let page = owner.page(&format!("/operators/{boris}")).await;
    assert!(page.contains("Выгрузка списков"));
    let seen = value_of(&page, "seen");
    let change = [
        ("role", "billing"),
        ("bulk", "yes"),
        ("disabled", "yes"),
        ("seen", seen.as_str()),
        ("reason", "Уволен"),
    ];
    panel.app.clock.advance(chrono::Duration::seconds(1));
    owner.act(&path, &change).await;
    let row = panel.record_of("operator.change_access").await;
    assert_eq!(row.state_before.as_deref(), Some(r#"{"disabled":false,"rights":"export","role":"support"}"#));
    assert_eq!(row.state_after.as_deref(), Some(r#"{"disabled":true,"rights":"bulk","role":"billing"}"#));
    let refused = panel.post_as(None, "/sign-in", &[("login", "boris"), ("password", &password)]).await;
    assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY, "a disabled operator");
    let own = id_of(&panel, "anna").await;
    let fields = [("role", "support"), ("reason", "x")];
    owner.refused(&format!("/operators/{own}/access"), &fields, 422).await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn no_stale_form_and_no_reset_enables_a_disabled_operator(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let (anna, vera) = (panel.sign_in("anna", "owner").await, panel.sign_in("vera", "owner").await);
    panel.create("boris", "support").await;
    let boris = id_of(&panel, "boris").await;
    let (page, access) = (format!("/operators/{boris}"), format!("/operators/{boris}/access"));
    // Anna opens the form; Vera disables Boris meanwhile.
    let seen = value_of(&anna.page(&page).await, "seen");
    panel.app.clock.advance(chrono::Duration::seconds(1));
    let disable = [("role", "support"), ("disabled", "yes"), ("seen", seen.as_str()), ("reason", "Уволен")];
    vera.act(&access, &disable).await;
    let save = [("role", "billing"), ("seen", seen.as_str()), ("reason", "Повышение")];
    assert!(anna.refused(&access, &save, 409).await.contains("Оператора изменили"));
    anna.refused(&access, &[("role", "billing"), ("reason", "Без отметки")], 409).await;
    assert!(is_disabled(&panel, "boris").await);

    // A new password does not enable him, in the panel or by the command, and the records say so.
    let reset = anna.post(&format!("{page}/reset"), &[("reason", "Потерял телефон")]).await;
    assert_eq!(reset.status(), StatusCode::OK);
    assert!(is_disabled(&panel, "boris").await);
    let after = panel.record_of("operator.reset").await.state_after.unwrap();
    assert_eq!(after, r#"{"disabled":true,"second_factor":false}"#);
    let told = panel.command(&["operator:reset", "boris"]).await.told();
    assert!(told.contains("is disabled") && is_disabled(&panel, "boris").await, "{told}");
    let told = panel.command(&["operator:reset", "boris", "--enable"]).await.told();
    assert!(!told.contains("is disabled") && !is_disabled(&panel, "boris").await, "{told}");
    let by_command = |row: &AuditRow| row.action == "operator.reset" && row.operator_login == "flysk-admin";
    let newest = panel.audit().await.into_iter().find(by_command).unwrap();
    assert!(newest.state_before.unwrap().contains(r#""disabled":true"#));
    assert!(newest.state_after.unwrap().contains(r#""disabled":false"#));
}

async fn is_disabled(panel: &Panel, login: &str) -> bool {
    let disabled = "SELECT COUNT(*) FROM operators WHERE login = ? AND disabled_at IS NOT NULL";
    let found: i64 = sqlx::query_scalar(disabled).bind(login).fetch_one(&panel.app.pool).await.unwrap();
    found == 1
}

async fn id_of(panel: &Panel, login: &str) -> String {
    let found = sqlx::query_scalar("SELECT id FROM operators WHERE login = ?").bind(login);
    found.fetch_one(&panel.app.pool).await.unwrap()
}
